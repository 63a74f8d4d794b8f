"""`AdaptVecEnv`: a task family as a vectorised environment of stable-baselines3.

This module loads stable-baselines3, and with it torch; the rest of `sim_tasks.doors` does not.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from sim_tasks.doors.pictures import Camera, check_render_mode
from sim_tasks.doors.spaces import action_space, observation_space
from sim_tasks.doors.sub_env import SubEnv
from sim_tasks.doors.trials import Trials
from sim_tasks.errors import TaskError
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv

_LARGEST_SEED = 2**31


class AdaptVecEnv(VecEnv):
    """N simulations stepped together; one that is done begins its next episode in the same step.

    `infos` of an episode that ends: `terminal_observation`, `TimeLimit.truncated`, `episode` (return r, length l,
    seconds t, as of SB3's `Monitor`), `task` and, where the family defines it, `is_success`. An action that was not
    finite is reported as `invalid_action`. The dictionaries of all others are empty, and the same at every step: write
    nothing into them. Seeds and options of `seed` and `set_options` count from the next `reset`.

    Args:
        family: a family, or its name as `load_family` takes it.
        num_envs: how many simulations, N.
        seed: simulation i draws from seed + i; None: from a random seed.
        render_mode: `rgb_array` or none.
        settings: `split`, `task`, `protocol`, `episodes`, `changes`, `threads` and the family's options, see `Trials`.

    Raises:
        TaskError: as `Trials`; or an unknown render mode.
    """

    def __init__(
        self,
        family: TaskFamily | str,
        num_envs: int,
        *,
        seed: int | None = None,
        render_mode: str | None = None,
        **settings: Any,
    ):
        check_render_mode(render_mode, ("rgb_array",))
        self._trials = Trials(family, num_envs, **settings)
        self.family = self._trials.family
        self.simulations = [SubEnv(self._trials, row, render_mode, self._picture) for row in range(num_envs)]
        super().__init__(num_envs, observation_space(self.family), action_space(self.family))
        self._camera: Camera | None = None
        self._action: np.ndarray | None = None
        self._quiet: list[dict[str, Any]] = [{} for _ in range(num_envs)]
        self._returns = np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, dtype=np.int64)
        self.heard_reward = np.zeros(num_envs, np.float32)
        """What a policy hears of the last step's reward, see `Transition`. Shape (N,), float32."""
        self._started = time.time()
        self.seed(seed)

    @property
    def invalid_actions(self) -> int:
        """How many actions were not finite, so far."""
        return self._trials.invalid_actions

    @property
    def trials(self) -> TrialVecEnv:
        """What is played: the trials of the present split."""
        return self._trials.env

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here, in the same split on drawn tasks."""
        episodes = {"returns": self._returns.copy(), "lengths": self._lengths.copy()}
        return {"env": self.trials.state(), "episodes": episodes}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`, after a `reset`; arrays may come as anything that numpy reads."""
        self.trials.restore(state["env"])
        self._returns[:] = np.asarray(state["episodes"]["returns"])
        self._lengths[:] = np.asarray(state["episodes"]["lengths"])

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds of the simulations from the next `reset` on: seed, seed + 1, ...; None: from a random one."""
        if seed is None:
            seed = int(np.random.default_rng().integers(_LARGEST_SEED))
        return super().seed(seed)

    def reset(self) -> np.ndarray:
        """Begins all episodes anew. Observations, shape (N, O), float32.

        Raises:
            TaskError: unknown options, split or parameter, or a task that is not physical.
        """
        self._trials.begin([seed for seed in self._seeds if seed is not None], self._options)
        self._reset_seeds()
        self._reset_options()
        self._returns[:], self._lengths[:] = 0.0, 0
        self.reset_infos = [{"task": self._trials.task(row)} for row in range(self.num_envs)]
        return self._trials.env.observation.copy()

    def step_async(self, actions: np.ndarray) -> None:
        """Takes actions, shape (N, A), for the next `step_wait`."""
        self._action = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Observations (N, O) and rewards (N,), both float32, dones (N,), and an info per simulation.

        Raises:
            TaskError: before the first reset, or the actions have another shape.
        """
        transition = self._trials.step(self._action)
        self.heard_reward = transition.heard_reward
        self._returns += transition.reward
        self._lengths += 1
        infos, done = self._quiet, transition.done
        if self._trials.invalid.any():
            infos = [{"invalid_action": True} if bad else {} for bad in self._trials.invalid]
        if done.any():
            infos = self._end(np.flatnonzero(done), done & ~transition.terminated, list(infos))
        return self._trials.env.observation.copy(), transition.reward.astype(np.float32), done, infos

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """`step_async` and `step_wait` in one."""
        self.step_async(actions)
        return self.step_wait()

    def close(self) -> None:
        """Closes the renderer."""
        if self._camera is not None:
            self._camera.close()
        self._camera = None

    def get_images(self) -> list[np.ndarray | None]:
        """A picture of each simulation, shape (H, W, 3), uint8; None without a render mode.

        Raises:
            TaskError: this machine cannot draw.
        """
        return [simulation.render() for simulation in self.simulations]

    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        """An attribute of `SubEnv`, per simulation."""
        return [getattr(simulation, attr_name) for simulation in self._chosen(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: int | Iterable[int] | None = None) -> None:
        """Sets an attribute of `SubEnv`, such as `task`."""
        for simulation in self._chosen(indices):
            setattr(simulation, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: int | Iterable[int] | None = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Calls a method of `SubEnv`, per simulation."""
        return [
            getattr(simulation, method_name)(*method_args, **method_kwargs)
            for simulation in self._chosen(indices)
        ]

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper], indices: int | Iterable[int] | None = None
    ) -> list[bool]:
        """Simulations of a batch are not wrapped one by one: False for each."""
        return [False for _ in self._chosen(indices)]

    def _chosen(self, indices: int | Iterable[int] | None) -> list[SubEnv]:
        return [self.simulations[row] for row in self._get_indices(indices)]

    def _end(
        self, ids: np.ndarray, truncated: np.ndarray, infos: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Says what the episodes of simulations `ids` came to, and begins their next ones."""
        success, seconds = self._trials.success(), round(time.time() - self._started, 6)
        for row in ids:
            infos[row] = infos[row] | {
                "terminal_observation": self._trials.env.observation[row].copy(),
                "TimeLimit.truncated": bool(truncated[row]),
                "episode": {"r": float(self._returns[row]), "l": int(self._lengths[row]), "t": seconds},
                "task": self._trials.task(row),
            }
            if success is not None:
                infos[row]["is_success"] = bool(success[row])
        self._returns[ids], self._lengths[ids] = 0.0, 0
        self._trials.begin_again(ids)
        return infos

    def _picture(self, row: int) -> np.ndarray:
        if not self._trials.begun:
            raise TaskError("render before reset: call `reset` first")
        self._camera = self._camera or Camera(self._trials.env.sim)
        return self._camera.picture(self._trials.env.sim, row)
