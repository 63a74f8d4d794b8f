"""A family as SB3's algorithms learn on it: the project's door, what it is heard and seen to do, and `VecNormalize`.

N simulations, O observation, A action. Loads stable-baselines3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnvWrapper, VecNormalize
from torch import nn

from adapt.learners.returns import ReturnMeter
from adapt.networks.normaliser import CLIP, RunningNorm
from sim_tasks.doors.sb3_env import AdaptVecEnv
from sim_tasks.transition import Transition


class Watched(VecEnvWrapper):
    """Counts rewards and returns. With `hears_past` each observation is followed by the previous action, and by the
    previous reward where a policy hears one, see `Transition.heard_reward`; both are 0 as an episode begins.

    Of an episode's last observation, which only bootstrapping sees, the action is the one that was asked for, also on
    robots whose safety filter sent another.
    """

    def __init__(self, door: AdaptVecEnv, hears_past: bool):
        family, space = door.family, door.observation_space
        assert isinstance(space, Box)
        self.door = door
        self.hears_past = hears_past
        self.hears_reward = hears_past and family.reward_measurable
        actions = np.ones(family.action_size if hears_past else 0, np.float32)
        rewards = np.full(int(self.hears_reward), np.inf, np.float32)
        low = np.concatenate([space.low, -actions, -rewards])
        super().__init__(door, Box(low, np.concatenate([space.high, actions, rewards]), dtype=np.float32))
        self._returns = ReturnMeter(door.num_envs)
        self._reward, self._steps = 0.0, 0
        self._asked = np.zeros((door.num_envs, family.action_size), np.float32)

    def reset(self) -> np.ndarray:
        """Begins all episodes anew. Shape (N, O + what is heard)."""
        observation = self.door.reset()
        self._returns.forget(np.arange(self.num_envs))
        return self._heard(observation, self.door.trials.previous_action, self.door.trials.previous_reward)

    def step_async(self, actions: np.ndarray) -> None:
        self._asked = actions
        self.door.step_async(actions)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """As the door's."""
        observation, reward, done, infos = self.door.step_wait()
        self._returns.add(Transition(reward, done, done, done, self.door.heard_reward))
        self._reward += float(reward.sum(dtype=float))
        self._steps += len(reward)
        if done.any() and self.hears_past:
            self._hear_ends(np.flatnonzero(done), infos)
        sent, told = self.door.trials.previous_action, self.door.trials.previous_reward
        return self._heard(observation, sent, told), reward, done, infos

    def report(self) -> dict[str, float]:
        """Mean reward per control step since the last report, and the mean return of ended episodes."""
        mean = self._reward / max(1, self._steps)
        self._reward, self._steps = 0.0, 0
        return {"reward": mean} | self._returns.mean()

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from a report on."""
        return self.door.state() | {"returns": self._returns.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.door.restore(state)
        self._returns.restore(state["returns"])

    def _heard(self, observation: np.ndarray, action: np.ndarray, reward: np.ndarray) -> np.ndarray:
        if not self.hears_past:
            return observation
        parts = (observation, action, *((reward[:, None],) if self.hears_reward else ()))
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")

    def _hear_ends(self, ids: np.ndarray, infos: list[dict[str, Any]]) -> None:
        last = np.stack([infos[row]["terminal_observation"] for row in ids])
        asked = np.clip(np.nan_to_num(self._asked[ids]), -1.0, 1.0)
        for row, heard in zip(ids, self._heard(last, asked, self.door.heard_reward[ids]), strict=True):
            infos[row]["terminal_observation"] = heard


def normaliser_state(env: VecNormalize) -> dict[str, Any]:
    """Statistics of observations and returns, and the returns that are being played."""
    return {
        name: {"mean": np.array(rms.mean), "variance": np.array(rms.var), "count": float(rms.count)}
        for name, rms in _moments(env).items()
    } | {"running": env.returns.copy()}


def restore_normaliser(env: VecNormalize, state: dict[str, Any]) -> None:
    """Inverse of `normaliser_state`."""
    for name, rms in _moments(env).items():
        rms.mean, rms.var = (np.asarray(state[name][key]).copy() for key in ("mean", "variance"))
        rms.count = state[name]["count"]
    env.returns = np.asarray(state["running"]).copy()


def normaliser_module(env: VecNormalize) -> nn.Module:
    """`VecNormalize` of observations as a torch module, with its present statistics."""
    if not env.norm_obs:
        return nn.Identity()
    assert env.clip_obs == CLIP
    assert isinstance(env.obs_rms, RunningMeanStd)
    norm = RunningNorm(len(env.obs_rms.mean))
    norm.mean.copy_(norm.mean.new_tensor(env.obs_rms.mean))
    norm.variance.copy_(norm.variance.new_tensor(env.obs_rms.var))
    return norm


def _moments(env: VecNormalize) -> dict[str, RunningMeanStd]:
    found: dict[str, Any] = {"observation": env.obs_rms} if env.norm_obs else {}
    return found | {"return": env.ret_rms}
