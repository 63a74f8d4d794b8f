"""`DiscreteEnv`: N environments with discrete actions side by side, in which update rules are meta-trained and judged.

N environments, J joints that each take one of A actions at a step; ordinary environments have one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from sim_tasks.errors import TaskError
from sim_tasks.randomisation import SPLITS, check_split
from sim_tasks.row_random import RowRandom

_NO_IDS, _NO_RETURNS = np.empty(0, np.int64), np.empty(0)


class DiscreteEnv(ABC):
    """N environments as dm_env has them (Muldal et al., 2019): every step gives an observation, a reward and whether
    that observation ended the episode. The step after such an end ignores the action and begins a new episode: reward
    0, `last` False. So no observation is left out, and the action that follows an end is no experience.

    Environments come in blocks of N / `tasks` consecutive ones that share a task: a block is what one learning agent
    lives in. What environment i does depends on the seed, the split, i, its block's number and what is done to it,
    never on N.

    Raises:
        TaskError: fewer than one environment, or as many tasks as N is no multiple of.
    """

    def __init__(
        self,
        name: str,
        envs: int,
        seed: int,
        *,
        actions: int,
        observation_shape: tuple[int, ...],
        split: str = "train",
        tasks: int = 1,
        joints: int = 1,
        dtype: type[np.generic] = np.float32,
        stacked: int = 1,
    ):
        check_split(split)
        if envs < 1:
            raise TaskError(f"envs: {envs}; valid: 1 or more")
        if seed < 0:
            raise TaskError(f"seed: {seed}; valid: 0 or more")
        if tasks < 1 or envs % tasks:
            raise TaskError(f"tasks: {tasks}; valid: a divisor of {envs}, the number of environments")
        self.name, self.envs, self.actions, self.joints = name, envs, actions, joints
        self.observation_shape = observation_shape
        self.stacked = stacked
        """How many frames an observation is: the newest of its episode, oldest first, zeros where there are fewer yet.
        1: it is no stack."""
        self.split, self.tasks = split, tasks
        self.task_of = np.arange(envs) // (envs // tasks)
        """The number of the task that each environment has. Shape (N,)."""
        self.observation: np.ndarray = np.zeros((envs, *observation_shape), dtype)
        """Live. Shape (N, *observation_shape), float32, or uint8 where it is a picture."""
        self.reward = np.zeros(envs, np.float32)
        """Of the last step. Live. Shape (N,)."""
        self.last = np.zeros(envs, dtype=bool)
        """Whether `observation` ended an episode. Live. Shape (N,)."""
        self.success: np.ndarray | None = None
        """Whether robots were where they should be after the last step. Live. Shape (N,), bool; None where nobody says
        where that is."""
        self.random = RowRandom([seed, 11, SPLITS.index(split)], envs)
        """What happens in the environments' episodes."""
        self.task_random = RowRandom([seed, 12, SPLITS.index(split)], tasks)
        """Which tasks are drawn."""
        self.unit = (0.0, 1.0)
        """The task's own reward is the second times `reward`, plus the first."""
        self._score = self.reward
        """What returns are made of. Shape (N,)."""
        self._return = np.zeros(envs)
        self._ended: list[tuple[np.ndarray, np.ndarray]] = []
        self._all = np.arange(envs)

    def reset(self) -> None:
        """Begins new episodes everywhere, on the tasks that there are."""
        self._restart(self._all)

    def renew(self, tasks: np.ndarray) -> None:
        """Draws tasks number `tasks`, shape (n,), anew, and begins new episodes in their environments."""
        tasks = np.asarray(tasks)
        if len(tasks) and not 0 <= tasks.min() <= tasks.max() < self.tasks:
            raise TaskError(f"tasks: {tasks.tolist()}; valid: 0 to {self.tasks - 1}")
        self._draw_tasks(tasks)
        self._restart(np.flatnonzero(np.isin(self.task_of, tasks)))

    def step(self, action: np.ndarray) -> None:
        """Takes actions, shape (N, J), int64, in [0, A).

        Raises:
            TaskError: another shape or type, or an action that there is none of; nothing has moved.
        """
        self._check(action)
        begins = np.flatnonzero(self.last)
        self._advance(action)
        if len(begins):
            self.reward[begins] = self._score[begins] = 0.0
            self.last[begins] = False
            self._begin(begins)
        self._observe()
        self._return += self._score
        if self.last.any():
            ids = np.flatnonzero(self.last)
            self._ended.append((ids, self._return[ids]))
            self._return[ids] = 0.0

    def returns(self) -> np.ndarray:
        """Undiscounted returns of the episodes that ended since it was asked last, in their order. Shape (E,)."""
        return self.ended()[1]

    def ended(self) -> tuple[np.ndarray, np.ndarray]:
        """As `returns`, with the environments before: two arrays, shape (E,)."""
        ids, values = self._pending()
        self._ended = []
        return ids, values

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on exactly from here."""
        ids, values = self._pending()
        return {
            "observation": self.observation.copy(),
            "reward": self.reward.copy(),
            "last": self.last.copy(),
            "return": self._return.copy(),
            "ended_ids": ids,
            "ended_returns": values,
            **{f"random/{key}": value for key, value in self.random.state().items()},
            **{f"task_random/{key}": value for key, value in self.task_random.state().items()},
            **{f"own/{key}": value for key, value in self._own_state().items()},
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of `state`.

        Raises:
            TaskError: it is of another environment, or of another number of them.
        """
        shape = np.shape(state.get("observation", ()))
        if shape != self.observation.shape:
            raise TaskError(
                f"{self.name}: a state with observations {shape}; valid: {self.observation.shape}"
            )
        self.observation[:] = state["observation"]
        self.reward[:] = state["reward"]
        self.last[:] = state["last"]
        self._return[:] = state["return"]
        self._ended = [(np.array(state["ended_ids"]), np.array(state["ended_returns"]))]
        self.random.restore(_part(state, "random"))
        self.task_random.restore(_part(state, "task_random"))
        self._restore_own(_part(state, "own"))

    @abstractmethod
    def _advance(self, action: np.ndarray) -> None:
        """One step of all environments: writes `reward` and `last`. What it does where an episode had ended is undone
        by the `_begin` that follows."""

    @abstractmethod
    def _begin(self, ids: np.ndarray) -> None:
        """Begins new episodes in environments `ids`, shape (n,)."""

    @abstractmethod
    def _observe(self) -> None:
        """Writes `observation`."""

    @abstractmethod
    def _own_state(self) -> dict[str, np.ndarray]:
        """Copies of what the environment itself remembers."""

    @abstractmethod
    def _restore_own(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of `_own_state`."""

    def _draw_tasks(self, tasks: np.ndarray) -> None:  # noqa: B027 - most have one task
        """Draws tasks number `tasks`, shape (n,), from `task_random`."""

    def _restart(self, ids: np.ndarray) -> None:
        self.reward[ids] = self._score[ids] = self._return[ids] = 0.0
        self.last[ids] = False
        self._begin(ids)
        self._observe()

    def _pending(self) -> tuple[np.ndarray, np.ndarray]:
        ids = np.concatenate([_NO_IDS, *(ids for ids, _ in self._ended)])
        return ids, np.concatenate([_NO_RETURNS, *(values for _, values in self._ended)])

    def _check(self, action: np.ndarray) -> None:
        shape = (self.envs, self.joints)
        if not isinstance(action, np.ndarray) or action.shape != shape or action.dtype != np.int64:
            got = f"{np.shape(action)} of {getattr(action, 'dtype', type(action).__name__)}"
            raise TaskError(f"{self.name}: actions {got}; valid: {shape} of int64")
        if action.view(np.uint64).max() >= self.actions:  # negative ones are huge there
            env, joint = np.argwhere((action < 0) | (action >= self.actions))[0]
            raise TaskError(
                f"{self.name}: action {action[env, joint]} of environment {env}, joint {joint}; "
                f"valid: 0 to {self.actions - 1}"
            )


def _part(state: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        key.removeprefix(f"{prefix}/"): value for key, value in state.items() if key.startswith(f"{prefix}/")
    }
