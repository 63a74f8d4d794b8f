"""Plays environments and writes down everything that a learner sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv

LIVE = ("observation", "previous_action", "context", "new_episode", "elapsed", "episode", "episode_step")


def random_actions(family: TaskFamily, steps: int, robots: int, seed: int = 0) -> np.ndarray:
    """A little beyond what actions may be. Shape (T, N, A)."""
    return np.random.default_rng(seed).uniform(-1.2, 1.2, (steps, robots, family.action_size))


def play(env: TrialVecEnv, actions: np.ndarray) -> dict[str, np.ndarray]:
    """Everything that a learner sees, and the true state, after each step; trials that are done begin anew.

    Args:
        actions: shape (T, N, A).

    Returns:
        By name, shape (T, N, ...).
    """
    seen: dict[str, list[np.ndarray]] = {}
    for action in actions:
        transition = env.step(action)
        row = {name: value.copy() for name, value in vars(transition).items()}
        env.reset(np.flatnonzero(transition.done))
        row |= {name: getattr(env, name).copy() for name in LIVE}
        row |= {"qpos": env.sim.qpos.copy(), "qvel": env.sim.qvel.copy(), "values": env.sim.values.copy()}
        if env.goal is not None:
            row["goal"] = env.goal.copy()
        for name, value in row.items():
            seen.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in seen.items()}


def same(one: dict[str, np.ndarray], two: dict[str, np.ndarray], rows: Sequence[int] | None = None) -> None:
    """Two plays are the same to the last bit; with `rows`, all of `one` and those simulations of `two`."""
    assert one.keys() == two.keys()
    for name in one:
        expected = two[name] if rows is None else two[name][:, list(rows)]
        np.testing.assert_array_equal(one[name], expected, err_msg=name)


def eventful(family: TaskFamily, steps: int = 20) -> TaskFamily:
    """The family in episodes of so many control steps, in each trial of which something of everything happens."""
    period = family.period
    changes: dict[str, object] = {"episode_seconds": steps * period}
    if family.change is not None:
        changes["change"] = replace(family.change, probability=1.0)
    if family.pushes is not None:
        changes["pushes"] = replace(family.pushes, every=(3 * period, 9 * period))
    if family.goal is not None and family.goal.every is not None:
        changes["goal"] = replace(family.goal, every=(4 * period, 11 * period))
    return replace(family, **changes)  # type: ignore[arg-type]
