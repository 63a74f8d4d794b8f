"""`Trials`: what all doors do alike: seeds, splits, given tasks, checked actions, and what is said about a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim_tasks.doors.task_choice import TaskChoice, fill, per_simulation, read_options
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.randomisation import check_split
from sim_tasks.transition import Transition
from sim_tasks.trial_env import TrialVecEnv


class Trials:
    """N trials that begin when they are told to. What simulation i does depends on its own seed and actions alone.

    Args:
        family: a family, or its name as `load_family` takes it.
        count: how many simulations, N.
        split: train, test or ood.
        task: see `TaskChoice`; for all simulations, or one for each.
        protocol: of the family, such as `roml`.
        episodes: of a trial, K. One episode of the caller's is a whole trial: K episodes on one task.
        changes: whether physics change and robots are pushed in mid-trial, where the family has it so.
        threads: of the simulation; 0: as many as there are cores.
        options: of the family's own function, such as `high` of half_cheetah_vel.

    Raises:
        TaskError: an unknown family, protocol, option, split or parameter, or no simulation at all.
    """

    def __init__(
        self,
        family: TaskFamily | str,
        count: int,
        *,
        split: str = "train",
        task: Any = None,
        protocol: str | None = None,
        episodes: int = 1,
        changes: bool = True,
        threads: int = 0,
        **options: Any,
    ):
        self.family = _family(family, protocol, options)
        self.count = count
        self._arguments = {"episodes": episodes, "changes": changes, "threads": threads}
        self._default_split, self._default_task = split, task
        self._envs: dict[str, TrialVecEnv] = {}
        self._seeds: list[int] | None = None
        self._everyone = np.arange(count)
        self._names = [parameter.name for parameter in self.family.parameters]
        self.units = {parameter.name: parameter.unit for parameter in self.family.parameters}
        self.invalid = np.zeros(count, dtype=bool)
        """Whose last action was not finite. Shape (N,), bool. Not to be written to."""
        self._nobody = self.invalid
        check_split(split)
        self._split, self._tasks = split, per_simulation(task, count)
        self._given = task is not None
        self._env(split)
        self.begun = False
        """Whether there is a trial to step: not before the first, and not after one that could not begin."""

    @property
    def env(self) -> TrialVecEnv:
        """The trials of the present split."""
        return self._envs[self._split]

    def begin(self, seeds: Sequence[int], options: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """All trials begin anew, with seeds of their own or, where `seeds` is empty, going on drawing as before.

        Options hold until the next call, also for trials that are begun again in between.

        Raises:
            TaskError: unknown options, split or parameter, or a task that is not physical.
        """
        self.begun = False
        split, tasks = self._read(options)
        if len(seeds):
            self._seeds = list(seeds)
            for env in self._envs.values():
                env.reseed(self._everyone, self._seeds)
        self._env(split)
        self._split, self._tasks = split, tasks
        self._given = any(task is not None for task in tasks)
        self.invalid = self._nobody
        self.begin_again(self._everyone)
        self.begun = True

    def begin_again(self, ids: np.ndarray) -> None:
        """New trials in simulations `ids`, shape (n,)."""
        env = self.env
        if self.invalid.any():
            self.invalid = self.invalid & ~np.isin(self._everyone, ids)
        if env.port.reasons is not None:
            env.port.reasons[ids] = 0
        if not self._given:
            env.reset(ids)
            return
        values = self.family.draw(env.random.rows(ids), len(ids), self._split)
        for row, simulation in enumerate(ids):
            values[row] = fill(self.family, self._tasks[simulation], self._split, values[row])
        env.reset(ids, values)

    def choose(self, simulation: int, task: TaskChoice) -> None:
        """What one simulation's trials are about, from its next one on."""
        self._tasks[simulation] = task
        self._given = any(task is not None for task in self._tasks)

    def step(self, action: Any) -> Transition:
        """One control step with actions, shape (N, A); those that are not finite are counted and answered safely.

        Raises:
            TaskError: no trial has begun, or the actions are no numbers of that shape.
        """
        if not self.begun:
            raise TaskError("step before reset: call `reset` first")
        action = _numbers(action, (self.count, self.family.action_size))
        self.invalid = self._nobody
        if not np.isfinite(action).all():
            self.invalid = ~np.isfinite(action).all(axis=1)
        return self.env.step(action)

    def step_or_begin(self, action: Any, over: np.ndarray) -> Transition:
        """As `step`; but simulations `over`, shape (N,), bool, begin a new trial instead, whatever their action.

        What they are to draw is drawn as if they had not been stepped with the others.
        """
        ids, random = np.flatnonzero(over), self.env.random
        action = np.where(over[:, None], 0.0, _numbers(action, (self.count, self.family.action_size)))
        counters = random.counters[ids]
        done = self.step(action)
        random.counters[ids] = counters
        self.begin_again(ids)
        truncated, terminated, over_now = (
            flag & ~over for flag in (done.truncated, done.terminated, done.done)
        )
        reward, heard = (
            np.where(over, np.zeros_like(each), each) for each in (done.reward, done.heard_reward)
        )
        return Transition(reward, truncated, terminated, over_now, heard)

    def step_one(self, action: Any) -> Transition:
        """As `step`, of the only simulation, with an action of shape (A,)."""
        return self.step(_numbers(action, (self.family.action_size,))[None])

    def task(self, simulation: int) -> dict[str, float]:
        """A simulation's parameters in SI units, by name."""
        return dict(zip(self._names, self.env.sim.values[simulation].tolist(), strict=True))

    def tasks(self, ids: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters of simulations `ids` in SI units, by name, each shape (n,)."""
        return dict(zip(self._names, self.env.sim.values[ids].T, strict=True))

    @property
    def invalid_actions(self) -> int:
        """How many actions were not finite, so far."""
        return sum(env.port.invalid_actions for env in self._envs.values())

    def success(self) -> np.ndarray | None:
        """Whether the robots are where they should be. Shape (N,), bool; None where the family does not say."""
        return None if self.env.success is None else self.env.success.copy()

    def interventions(self) -> np.ndarray | None:
        """Why the last commands were not what was asked for, as bits of `robots.safety.Reason`.

        Shape (N,), int; None for a benchmark's body.
        """
        return self.env.port.reasons

    def _read(self, options: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> tuple[str, list[TaskChoice]]:
        """Split, and a task choice per simulation."""
        if isinstance(options, Mapping):
            split, task = read_options(options)
            chosen = self._default_task if task is None else task
            return split or self._default_split, per_simulation(chosen, self.count)
        read = [read_options(each) for each in options]
        splits = {split or self._default_split for split, _ in read}
        if len(splits) != 1:
            raise TaskError(
                f"splits {', '.join(sorted(splits))} at once; all simulations have the same split"
            )
        defaults = per_simulation(self._default_task, self.count)
        chosen = [
            default if task is None else task for (_, task), default in zip(read, defaults, strict=True)
        ]
        return splits.pop(), chosen

    def _env(self, split: str) -> None:
        """Makes the trials of a split, once."""
        if split in self._envs:
            return
        env = TrialVecEnv(self.family, self.count, 0, split=split, **self._arguments)
        if self._seeds is not None:
            env.reseed(self._everyone, self._seeds)
        self._envs[split] = env


def _numbers(action: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.asarray(action, dtype=float)
    except (TypeError, ValueError) as error:
        raise TaskError(f"action {action!r}: not numbers of shape {shape}") from error
    if array.shape != shape:
        raise TaskError(f"action of shape {array.shape}; expected {shape}")
    return array


def _family(family: TaskFamily | str, protocol: str | None, options: Mapping[str, Any]) -> TaskFamily:
    if isinstance(family, str):
        return load_family(f"{family}@{protocol}" if protocol else family, **options)
    if protocol or options:
        given = ", ".join([*options, *(["protocol"] if protocol else [])])
        raise TaskError(f"{given}: only for a family that is given by name; {family.name} is already made")
    return family
