"""From finished training runs to bundles and evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError, RunError
from adapt.evaluate import evaluate
from adapt.export import export_learner
from adapt.files import write_json
from adapt.learners.bounds import BoundLearner
from adapt.train import load_learner, read_run


def export_run(run: Path, out: Path | None = None) -> PolicyBundle:
    """Exports a run's policy; the bundle is checked against the learner.

    Raises:
        RunError: not a run, or its learner cannot be deployed; says why.
        TaskError: its family is about a benchmark's body.
    """
    config, learner = read_run(run), load_learner(run)
    try:
        return export_learner(out or run / "bundle", learner, training_facts(run, config), config["commit"])
    except AdaptError as error:
        raise RunError(f"{run}: {error}") from error


def training_facts(run: Path, config: dict[str, Any]) -> dict[str, Any]:
    """What a bundle's manifest says of the training."""
    result = run / "result.json"
    training = {name: config[name] for name in ("learner", "seed", "iterations")}
    if result.is_file():
        training |= {name: json.loads(result.read_text())[name] for name in ("steps", "seconds")}
    return training


def evaluate_run(
    run: Path,
    dr: Path | None = None,
    oracle: Path | None = None,
    tasks: int = 512,
    seed: int = 0,
    split: str = "test",
    out: Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Evaluates a belief run beside its bounds, which are its siblings `dr` and `oracle` unless given.

    Raises:
        RunError: a run is missing or of another kind.
    """
    from adapt.console import say

    config = read_run(run)
    runs = {"dr": dr or run.parent / "dr", "oracle": oracle or run.parent / "oracle"}
    for name, folder in (("belief", run), *runs.items()):
        found = read_run(folder)
        if (found["learner"], found["family"]) != (name, config["family"]):
            raise RunError(
                f"{folder}: a run of {found['learner']} on {found['family']}; "
                f"expected {name} on {config['family']}"
            )
    bound = load_learner(runs["oracle"])
    assert isinstance(bound, BoundLearner)
    result = evaluate(
        config["family"],
        export_run(run).path,
        export_run(runs["dr"]).path,
        bound,
        tasks=tasks,
        seed=seed,
        split=split,
        progress=None if quiet else lambda name, _, __: say(f"{name}: {tasks} held-out tasks"),
    )
    write_json(out or run / "evaluation.json", result)
    policies, low_high = result["policies"], result["score"]["interval"]
    for name, policy in policies.items() if not quiet else ():
        low, high = policy["interval"]
        say(f"{name:>8}  return {policy['mean']:.1f} [{low:.1f}, {high:.1f}]  CVaR5% {policy['cvar5']:.1f}")
    if not quiet:
        say(f"   score  {result['score']['mean']:.3f} [{low_high[0]:.3f}, {low_high[1]:.3f}]")
    return result
