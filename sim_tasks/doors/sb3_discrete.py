"""`DiscreteVecEnv`: environments with discrete actions as one of stable-baselines3's, which it loads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from stable_baselines3.common.vec_env import VecEnv

from sim_tasks.discrete import DiscreteEnv


class DiscreteVecEnv(VecEnv):
    """N environments stepped together, as many steps as they take.

    The step after the end of an episode, whose action is ignored, is a step here too: from the last picture of one
    episode to the first of the next, with reward 0. So what is counted in steps is the same for all learners, and what
    is learnt of that one step is harmless: SB3 takes `done` for the end before it, and the action changes nothing.
    """

    def __init__(self, env: DiscreteEnv):
        self.discrete = env
        shape = env.observation_shape
        if env.observation.dtype == np.uint8:
            space = Box(0, 255, shape, np.uint8)
        else:
            space = Box(-np.inf, np.inf, shape, np.float32)
        actions = Discrete(env.actions) if env.joints == 1 else MultiDiscrete([env.actions] * env.joints)
        super().__init__(env.envs, space, actions)
        self._action = np.zeros((env.envs, env.joints), np.int64)
        self._quiet: list[dict[str, Any]] = [{} for _ in range(env.envs)]

    def reset(self) -> np.ndarray:
        """Begins new episodes everywhere. Shape (N, ...)."""
        self.discrete.reset()
        return self.discrete.observation.copy()

    def step_async(self, actions: np.ndarray) -> None:
        """Takes actions, shape (N,), or of J joints (N, J)."""
        self._action = actions.reshape(self._action.shape).astype(np.int64)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Observations (N, ...), rewards and dones (N,); infos hold an ended episode's last observation."""
        env = self.discrete
        env.step(self._action)
        observation, infos = env.observation.copy(), self._quiet
        if env.last.any():
            infos = [
                {"terminal_observation": observation[row]} if ended else {}
                for row, ended in enumerate(env.last)
            ]
        return observation, env.reward.copy(), env.last.copy(), infos

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """`step_async` and `step_wait` in one."""
        self.step_async(actions)
        return self.step_wait()

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        """`render_mode` is None: nothing is drawn."""
        if attr_name != "render_mode":
            raise AttributeError(f"{attr_name}: not an attribute of single environments here")
        return [None] * len(self._get_indices_list(indices))

    def set_attr(self, attr_name: str, value: Any, indices: int | Iterable[int] | None = None) -> None:
        raise AttributeError(f"{attr_name}: cannot be set")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise AttributeError(f"{method_name}: not a method of single environments here")

    def env_is_wrapped(self, wrapper_class: type, indices: int | Iterable[int] | None = None) -> list[bool]:
        return [False] * len(self._get_indices_list(indices))

    def _get_indices_list(self, indices: int | Iterable[int] | None) -> list[int]:
        return [*self._get_indices(indices)]
