"""`play`: trials of several episodes under the very adapters that a robot's node runs.

N robots, n tasks, K episodes of H control steps, T = K H, Q physical quantities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from adapt.networks.policy import GaussianPolicy
from adapt.online.controller import AdaptiveController
from adapt.types import Belief, OnlineAdapter
from sim_tasks.family import TaskFamily
from sim_tasks.row_random import RowRandom
from sim_tasks.transition import Transition
from sim_tasks.trial_env import TrialVecEnv

MakeAdapter = Callable[[TrialVecEnv], OnlineAdapter]
"""Makes the adapter for all robots of an environment."""


@dataclass(frozen=True)
class Trials:
    """What one policy did on n tasks. Each episode has its H places in T, also where it ended early."""

    rewards: np.ndarray
    """Zero after the end of an episode. Shape (T, n)."""
    belief_error: np.ndarray | None
    """Root mean square error of the belief in prior standard deviations; NaN where nobody plays. Shape (T, Q)."""
    success: np.ndarray | None
    """Share of the last second of the last episode in which the robot was where it should be; 0 if that ended early.
    Shape (n,); None where the family does not say where that is."""
    interventions: dict[str, int]
    """How often the safety filter stepped in, by reason."""
    episodes: int = 1
    """K."""

    @property
    def returns(self) -> np.ndarray:
        """Of whole trials. Shape (n,)."""
        return self.rewards.sum(axis=0)

    @property
    def episode_returns(self) -> np.ndarray:
        """Shape (K, n)."""
        return self.rewards.reshape(self.episodes, -1, self.rewards.shape[1]).sum(axis=1)


def play(env: TrialVecEnv, make: MakeAdapter, tasks: np.ndarray, seed: int) -> Trials:
    """One trial of all K episodes on each task, shape (n, P).

    On robots the adapter acts through controller and safety filter, on benchmarks' bodies directly. It hears what the
    environment says of the reward of the step before, see `Transition.heard_reward`; the true one is scored. What it
    remembers it keeps from episode to episode, and it begins without any.
    """
    env.random = RowRandom([seed, 11], env.robots)
    env.reset(np.arange(env.robots), tasks)
    driver: _Driver = (_OnRobot if env.family.on_robot else _OnBody)(env, make(env))
    record = _Record(env)
    for _ in range(env.trial_steps):
        command = driver.command(env.previous_reward[:, None])
        record.before(driver.belief())
        transition = env.apply(command)
        record.after(transition)
        driver.begin_episode(np.flatnonzero((env.episode_step == 0) & ~transition.done))
    return record.trials(driver.interventions())


class OracleAdapter:
    """An oracle behind the interface of every adapter: it reads the task off the simulation."""

    def __init__(self, policy: GaussianPolicy, env: TrialVecEnv):
        self._policy = policy
        self._env = env

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Nothing to forget."""

    @torch.no_grad()
    def act(
        self,
        observation: np.ndarray,
        previous_action: np.ndarray,
        previous_reward: np.ndarray,
        new_episode: np.ndarray,
        listen: np.ndarray,
    ) -> np.ndarray:
        inputs = np.concatenate([observation, previous_action, self._env.context], axis=1)
        return self._policy(torch.from_numpy(inputs)).clamp(-1.0, 1.0).numpy()

    def belief(self) -> None:
        return None


class _Driver(Protocol):
    """What stands between an adapter and the simulations."""

    def __init__(self, env: TrialVecEnv, adapter: OnlineAdapter): ...

    def command(self, reward: np.ndarray) -> np.ndarray:
        """What is sent now, shape (N, U); the reward of the step before has the shape (N, 1)."""
        ...

    def belief(self) -> Belief | None: ...

    def begin_episode(self, ids: np.ndarray) -> None:
        """Robots `ids`, shape (n,), stand at a new start, on the same task."""
        ...

    def interventions(self) -> dict[str, int]: ...


class _OnRobot:
    """Observation, safety and action as the node has them."""

    def __init__(self, env: TrialVecEnv, adapter: OnlineAdapter):
        family = env.family
        self._env, self._belief = env, None
        self._controller = AdaptiveController(family.robot, family.observation, adapter, env.robots)
        self._controller.reset(position=env.frame.position)

    def command(self, reward: np.ndarray) -> np.ndarray:
        step = self._controller.step(self._env.frame, goal=self._env.goal, reward=reward)
        self._belief = step.belief
        return step.command

    def belief(self) -> Belief | None:
        return self._belief

    def begin_episode(self, ids: np.ndarray) -> None:
        if len(ids):
            self._controller.begin_episode(ids, self._env.frame.position[ids])

    def interventions(self) -> dict[str, int]:
        counts = self._controller.safety.counts.items()
        return {reason.name.lower(): n for reason, n in counts if n and reason.name}


class _OnBody:
    """A benchmark's body: ideal observations, no safety filter."""

    def __init__(self, env: TrialVecEnv, adapter: OnlineAdapter):
        self._env, self._adapter = env, adapter
        adapter.reset()

    def command(self, reward: np.ndarray) -> np.ndarray:
        env = self._env
        fresh, listen = env.new_episode[:, None], np.ones(env.robots, dtype=bool)
        action = self._adapter.act(env.observation, env.previous_action, reward, fresh, listen)
        return env.port.command(action)

    def belief(self) -> Belief | None:
        return self._adapter.belief()

    def begin_episode(self, ids: np.ndarray) -> None:
        """The environment says so itself."""

    def interventions(self) -> dict[str, int]:
        return {}


class _Record:
    """Rewards, belief errors and success, each in its episode's place in time."""

    def __init__(self, env: TrialVecEnv):
        self._env, steps = env, env.trial_steps
        quantities = len(env.family.belief_names)
        self._rewards = np.zeros((steps, env.robots))
        self._squares, self._counts = np.zeros((steps, quantities)), np.zeros((steps, quantities))
        self._success = np.zeros(env.robots)
        self._going = np.ones(env.robots, dtype=bool)
        self._last_second = max(0, steps - round(1.0 / env.family.period))
        self._places = np.zeros(env.robots, dtype=int)

    def before(self, belief: Belief | None) -> None:
        """What is believed in the state that is acted on now."""
        env = self._env
        self._places = env.episode * env.episode_steps + env.episode_step
        if belief is None:
            return
        error = physical_to_normal(env.family, belief) - env.context
        known = np.isfinite(error) & self._going[:, None]
        where = np.minimum(self._places, env.trial_steps - 1)
        np.add.at(self._squares, where, np.where(known, error, 0.0) ** 2)
        np.add.at(self._counts, where, known)

    def after(self, transition: Transition) -> None:
        """What the control step gave."""
        going, success = np.flatnonzero(self._going), self._env.success
        self._rewards[self._places[going], going] = transition.reward[going]
        late = self._going & (self._places >= self._last_second)
        if success is not None:
            self._success += success & late
        self._success[self._going & transition.done & transition.terminated] = 0.0
        self._going &= ~transition.done

    def trials(self, interventions: dict[str, int]) -> Trials:
        with np.errstate(invalid="ignore"):  # nobody may be left at the end of an episode
            error = np.sqrt(self._squares / self._counts)
        seconds = self._env.trial_steps - self._last_second
        success = None if self._env.success is None else self._success / seconds
        believed = error if self._counts.any() else None
        return Trials(self._rewards, believed, success, interventions, self._env.episodes)


def physical_to_normal(family: TaskFamily, belief: Belief) -> np.ndarray:
    """Mean of a belief's physical quantities in the family's normalised coordinates. Shape (N, Q).

    The inverse of `adapt.networks.steps.PhysicalUnits`: of log-normal mean m and standard deviation s, the mean of the
    logarithm is log m - log(1 + s^2 / m^2) / 2.
    """
    mean, std = belief.parameters.astype(float), belief.parameter_std.astype(float)
    with np.errstate(all="ignore"):  # NaN where nothing was heard; logarithms only of what is log-scaled
        logarithm = np.log(mean) - np.log1p(np.square(std / mean)) / 2
        centre, scale = family.normaliser
        return (np.where(family.log_scaled, logarithm, mean) - centre) / scale
