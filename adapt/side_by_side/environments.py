"""Environments of several names as one, so that agents of all of them are one population.

N environments in all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapt.checkpoint import flat
from adapt.errors import AdaptError
from sim_tasks.discrete import DiscreteEnv, make


class SideBySide:
    """As `DiscreteEnv`, of environments with observations and actions alike.

    Raises:
        AdaptError: they are not alike; names them.
    """

    def __init__(self, environments: Sequence[DiscreteEnv]):
        first, *others = environments
        for env in others:
            if (one := _spaces(env)) != (other := _spaces(first)):
                raise AdaptError(
                    f"{env.name}: {one}, {first.name}: {other}; agents of one group need the same: make them two"
                )
        self._each = environments
        self.envs = sum(env.envs for env in environments)
        self.actions, self.joints = first.actions, first.joints
        self.observation_shape = first.observation_shape
        self._first = np.cumsum([0, *(env.envs for env in environments)])
        self._first_task = np.cumsum([0, *(env.tasks for env in environments)])
        self.task_of = np.concatenate(
            [env.task_of + begin for env, begin in zip(environments, self._first_task[:-1], strict=True)]
        )
        self.unit = np.repeat(
            [env.unit for env in environments], [env.envs for env in environments], axis=0
        ).T
        """Of rewards, as `DiscreteEnv.unit`. Shape (2, N)."""
        self._look()

    def step(self, action: np.ndarray) -> None:
        """As `DiscreteEnv.step`."""
        for env, part in zip(self._each, np.split(action, self._first[1:-1]), strict=True):
            env.step(part)
        self._look()

    def renew(self, tasks: np.ndarray) -> None:
        """As `DiscreteEnv.renew`."""
        for env, begin in zip(self._each, self._first_task[:-1], strict=True):
            inside = (tasks >= begin) & (tasks < begin + env.tasks)
            if inside.any():
                env.renew(tasks[inside] - begin)
        self._look()

    def ended(self) -> tuple[np.ndarray, np.ndarray]:
        """As `DiscreteEnv.ended`."""
        found = [env.ended() for env in self._each]
        ids = [ids + begin for (ids, _), begin in zip(found, self._first[:-1], strict=True)]
        return np.concatenate(ids), np.concatenate([values for _, values in found])

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {str(index): env.state() for index, env in enumerate(self._each)}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        for index, env in enumerate(self._each):
            env.restore({name: np.asarray(value) for name, value in flat(state[str(index)]).items()})
        self._look()

    def _look(self) -> None:
        self.observation = np.concatenate([env.observation for env in self._each])
        self.reward = np.concatenate([env.reward for env in self._each])
        self.last = np.concatenate([env.last for env in self._each])


def blocks(
    names: Sequence[str],
    agents: int,
    trajectories: int,
    seed: int,
    split: str,
    options: Mapping[str, Any],
    copies: int = 1,
) -> SideBySide:
    """A block of environments, with a task of its own, for each agent.

    Args:
        names: of the environments, among which agents are shared out.
        agents: how many, a multiple of the number of names.
        trajectories: environments of an agent.
        seed: fixes tasks and what happens in them.
        split: of the tasks.
        options: of all environments.
        copies: how many times there are the same tasks with the same luck.
    """
    each = agents // len(names)
    return SideBySide(
        [
            make(name, each * trajectories, seed, split=split, tasks=each, **options)
            for _ in range(copies)
            for name in names
        ]
    )


def _spaces(env: DiscreteEnv) -> str:
    return f"observations {env.observation_shape}, {env.joints} x {env.actions} actions"
