"""Plays several tasks of a family and records how the robots move."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from adapt.errors import AdaptError
from adapt.view.drivers import Driver, make_driver
from adapt.view.recording import Quantity, Recording, Wish
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv

MAX_TASKS = 24
"""More pictures than that nobody can look at, and few browsers draw at once."""
_LONGEST = 10.0
"""Where no length is asked for, one episode is shown, of this at most, in [s]."""
_MAX_SECONDS = 120.0
_FINEST = 0.02
"""Shortest time between recorded frames in [s]; the page interpolates."""

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it and how much there is."""


def play(
    family: TaskFamily,
    *,
    tasks: int = 6,
    seconds: float | None = None,
    seed: int = 0,
    split: str = "test",
    policy: Path | None = None,
    progress: Progress | None = None,
) -> Recording:
    """Plays `tasks` tasks of a split side by side.

    A robot whose episode ends begins another on the same task. Arguments as of `adapt.view.view.view`.

    Raises:
        AdaptError: too few or too many tasks or seconds, or a policy that cannot drive this family.
        TaskError: unknown split.
    """
    steps = _steps(family, tasks, seconds)
    env = TrialVecEnv(family, tasks, seed, split=split, episodes=-(-steps // family.episode_steps))
    env.reset(np.arange(tasks), family.sample(split, tasks, seed))
    driver, log = make_driver(policy, env, seed), _Log(env)
    models = tuple(env.sim.get_model(robot) for robot in range(tasks))
    _drive(env, driver, steps, log, progress)
    stride = max(1, round(_FINEST / family.period))
    return Recording(
        family.name,
        family.plant.name,
        split,
        seed,
        driver.about,
        family.about,
        stride * family.period,
        family.model,
        models,
        quantities=_quantities(family),
        wishes=_wishes(family),
        **log.arrays(stride),
    )


def _steps(family: TaskFamily, tasks: int, seconds: float | None) -> int:
    """Control steps to play; refuses what nobody can look at."""
    if not 1 <= tasks <= MAX_TASKS:
        raise AdaptError(f"tasks: {tasks}; valid: 1 to {MAX_TASKS}")
    seconds = min(family.episode_seconds, _LONGEST) if seconds is None else seconds
    if not family.period <= seconds <= _MAX_SECONDS:
        raise AdaptError(f"seconds: {seconds:g}; valid: {family.period:g} to {_MAX_SECONDS:g}")
    return round(seconds / family.period)


def _drive(env: TrialVecEnv, driver: Driver, steps: int, log: _Log, progress: Progress | None) -> None:
    shown = time.monotonic()
    for step in range(1, steps + 1):
        transition = env.apply(driver.command())
        over = np.flatnonzero(transition.done)
        env.reset(over, env.sim.values[over])
        begun = np.flatnonzero(env.new_episode)
        if len(begun):
            driver.restart(begun)
        log.add(transition.reward, begun)
        if progress is not None and time.monotonic() - shown > 1.0:
            progress("control steps", step, steps)
            shown = time.monotonic()


class _Log:
    """What is kept of every step, from the start on."""

    def __init__(self, env: TrialVecEnv):
        self._env = env
        self._reward = np.zeros(env.robots)
        self._episode = np.zeros(env.robots, dtype=np.int64)
        self._rows: list[dict[str, np.ndarray]] = []
        self._keep()

    def add(self, reward: np.ndarray, begun: np.ndarray) -> None:
        """After a step; robots `begun`, shape (n,), stand at the start of another episode."""
        self._reward += reward
        self._reward[begun] = 0.0
        self._episode[begun] += 1
        self._keep()

    def arrays(self, stride: int) -> dict[str, np.ndarray]:
        """Every `stride`-th step, as `Recording` has it."""
        kept = self._rows[::stride]
        return {name: np.stack([row[name] for row in kept]) for name in kept[0]}

    def _keep(self) -> None:
        env = self._env
        row = {
            "qpos": env.sim.qpos,
            "reward": self._reward,
            "episode": self._episode,
            "values": env.sim.values,
        }
        if env.goal is not None:
            row["goals"] = env.goal
        self._rows.append({name: array.copy() for name, array in row.items()})


def _quantities(family: TaskFamily) -> tuple[Quantity, ...]:
    return tuple(
        Quantity(item.name, item.unit, float(low), float(high), partial(item.to_unit, low=low, high=high))
        for item, low, high in zip(family.parameters, *family.bounds, strict=True)
    )


def _wishes(family: TaskFamily) -> tuple[Wish, ...]:
    if family.goal is None:
        return ()
    return tuple(Wish(*pair) for pair in zip(family.goal.names, family.goal.units, strict=True))
