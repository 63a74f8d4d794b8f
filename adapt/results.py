"""Results in words: what `adapt evaluate` says on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def evaluation_lines(result: dict[str, Any]) -> Iterator[str]:
    """An evaluation, a line for each policy's stage and one for each thing that a reader should know besides."""
    seeds = len(result["runs"]["learner"])
    tasks = f"{result['n_tasks']} held-out tasks ({result['split']})"
    if result["task"] is not None:
        tasks = f"{result['n_tasks']} trials on held-out task {result['task']}"
    yield (
        f"{result['learner']} on {result['family']}: {tasks}, "
        f"{result['episodes']} episode{'s' * (result['episodes'] > 1)} of {result['episode_steps']} steps"
        f"{f', {seeds} runs' if seeds > 1 else ''}"
    )
    for name, policy in result["policies"].items():
        for stage in policy["stages"]:
            yield (
                f"{name:>8}  {stage['name']:<16}  return {spread(stage)}  CVaR5% {brief(stage['cvar5'])} "
                f"{interval(stage['cvar5_interval'])}"
            )
        if policy.get("success") is not None:
            yield f"{name:>8}  {'the last second':<16}  on target for {percent(policy['success'])} of it"
    yield from _score_lines(result)
    if not result["held_out"]:
        yield "    note  the family has so few tasks that training and held-out ones are the same"
    if result["diverged"]:
        yield f"    note  {result['diverged']} simulations diverged; their trials ended there"


def _score_lines(result: dict[str, Any]) -> Iterator[str]:
    for missing in result["missing"]:
        yield f"   score  left out: no run of {missing['bound']}; train it with: {missing['command']}"
    if result["missing"]:
        return
    if result["score"] is None:
        yield "   score  left out: DR and oracle have the same return"
        return
    if len(result["stage_scores"]) > 1:
        for stage, score in zip(result["policies"]["learner"]["stages"], result["stage_scores"], strict=True):
            yield f"   score  {stage['name']:<16}  {spread(score, 3) if score else 'bounds are the same'}"
    yield f"   score  {spread(result['score'], 3)}"
    if not result["bounds_apart"]:
        yield "    note  the oracle's return is not above DR's for certain: the score says little"


def spread(estimate: dict[str, Any], decimals: int | None = None) -> str:
    """A mean with its interval."""
    return f"{brief(estimate['mean'], decimals)} {interval(estimate['interval'], decimals)}"


def interval(ends: list[float], decimals: int | None = None) -> str:
    return f"[{brief(ends[0], decimals)}, {brief(ends[1], decimals)}]"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def brief(value: float, decimals: int | None = None) -> str:
    """A number: to a tenth, and those below 10 to three decimals, unless told otherwise."""
    return f"{value:.{(1 if abs(value) >= 10 else 3) if decimals is None else decimals}f}"
