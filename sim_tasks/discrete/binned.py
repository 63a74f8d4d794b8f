"""Robot families with discrete actions: every joint's action is one of a few, equally spaced."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from sim_tasks.discrete.protocol import DiscreteEnv
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv

_MOST = 1024
"""Actions that a policy over all joints may have."""
_SEGMENT = np.uint64(2**32)
"""Numbers of a block's stream that a task may be drawn from."""
_DISCOUNT, _ROBOTS = 0.99, 64
"""Of what rewards are measured against, and on how many training tasks."""


class Binned(DiscreteEnv):
    """N simulations of a family. Joint j's action b is -1 + 2 b / (A - 1) of its range, both ends among them and, where
    A is odd, 0 too.

    Observation: the policy's, then the remaining time in [0, 1], since the time limit ends an episode here (Pardo et
    al. 2018, arXiv:1712.00378). Shape (O + 1,). Reward: the family's own, as it is or `standard`; 0 where a simulation
    diverges, which ends the episode. Returns are of the family's own.

    Raises:
        TaskError: the family or split is not known, fewer than 2 bins, or `change` is neither never nor episode.
    """

    def __init__(
        self,
        envs: int,
        seed: int,
        *,
        family: str,
        split: str = "train",
        tasks: int = 1,
        bins: int = 5,
        change: str = "never",
        repeat: int = 1,
        joint: bool = False,
        threads: int = 0,
        disturbances: bool = True,
        standard: bool = False,
    ):
        """
        Args:
            envs: how many simulations, N.
            seed: fixes everything that is drawn.
            family: as for `load_family`.
            split: which tasks: train, test or ood.
            tasks: how many robots there are among N simulations.
            bins: actions of a joint, A.
            change: `never`: a simulation keeps its task until `renew`; `episode`: its k-th episode is on the k-th
                task that its block draws.
            repeat: control steps that an action is held for; the reward is their sum.
            joint: whether one action stands for the bins of all joints, the last joint's changing fastest: one joint
                then, with bins^J actions. Otherwise every joint has its own.
            threads: that step simulations; 0: one per core.
            disturbances: whether physics change and robots are pushed in mid-episode, where the family has that.
            standard: whether `random_rewards`' mean is taken from the reward, and it is divided by their spread: values
                of all families then have about the same size. It changes what is best where episodes end early.
        """
        if bins < 2:
            raise TaskError(f"bins: {bins}; valid: 2 or more")
        if change not in ("never", "episode"):
            raise TaskError(f"change: {change!r}; valid: never, episode")
        self.family = load_family(family)
        if repeat < 1 or self.family.episode_steps % repeat:
            raise TaskError(
                f"repeat: {repeat}; valid: a divisor of {self.family.episode_steps}, the control steps of an episode"
            )
        joints = self.family.action_size
        if joint and bins**joints > _MOST:
            raise TaskError(
                f"joint: {bins} bins of {joints} joints are {bins**joints} actions; valid: up to {_MOST}"
            )
        super().__init__(
            family,
            envs,
            seed,
            actions=bins**joints if joint else bins,
            observation_shape=(self.family.observation_size + 1,),
            split=split,
            tasks=tasks,
            joints=1 if joint else joints,
        )
        self.change, self.repeat = change, repeat
        self.episode_steps = self.family.episode_steps // repeat
        """Actions of an episode that does not end early."""
        self.period = repeat * self.family.period
        """For which an action is held, in [s]."""
        self.unit = random_rewards(family, bins, repeat) if standard else (0.0, 1.0)
        self._score = np.zeros(envs, np.float32)
        self.centres = np.linspace(-1.0, 1.0, bins)
        """Of the bins. Shape (bins,)."""
        self._bins = (bins,) * joints if joint else None
        self._drawn = np.full(envs, -1)
        """Which of the tasks that its block draws each simulation has. Shape (N,)."""
        self.sim = TrialVecEnv(
            self.family, envs, seed, stream=11, split=split, threads=threads, changes=disturbances
        )
        self.success = self.sim.success
        self.values = self.sim.sim.values.copy()
        """The simulations' tasks in SI units, as they were drawn. Shape (N, P)."""
        self._draw_tasks(np.arange(tasks))
        self.reset()

    def _advance(self, action: np.ndarray) -> None:
        if self._bins:
            action = np.column_stack(np.unravel_index(action[:, 0], self._bins))
        command = self.centres[action]
        step = self.sim.step(command)
        self._score[:] = step.reward
        self.last[:] = step.done
        for _ in range(1, self.repeat):
            step = self.sim.step(command)
            self._score += np.where(self.last, 0.0, step.reward)  # an episode may have ended before its time
            self.last |= step.done
        zero, one = self.unit
        self.reward[:] = (self._score - zero) / one

    def _begin(self, ids: np.ndarray) -> None:
        if self.change == "episode":
            self._drawn[ids] += 1
            self._draw(ids)
        self.sim.reset(ids, self.values[ids])

    def _observe(self) -> None:
        self.observation[:, :-1] = self.sim.observation
        self.observation[:, -1] = 1.0 - self.sim.episode_step / self.family.episode_steps

    def _draw_tasks(self, tasks: np.ndarray) -> None:
        drawn = self._drawn.reshape(self.tasks, -1)
        drawn[tasks] = drawn[tasks].max(axis=1, keepdims=True)  # the episode that begins will draw
        if self.change == "never":
            drawn[tasks] += 1
            self._draw(np.flatnonzero(np.isin(self.task_of, tasks)))

    def _draw(self, ids: np.ndarray) -> None:
        """Looks up the tasks of simulations `ids`, shape (n,): a block's k-th has a place of its own in its stream."""
        places = self._drawn[ids].astype(np.uint64) * _SEGMENT
        stream = self.task_random.ahead(self.task_of[ids], places)
        self.values[ids] = self.family.draw(stream.all, len(ids), self.split)

    def _own_state(self) -> dict[str, np.ndarray]:
        return _flat(self.sim.state(), "sim/") | {"drawn": self._drawn.copy(), "values": self.values.copy()}

    def _restore_own(self, state: dict[str, np.ndarray]) -> None:
        self._drawn[:], self.values[:] = state["drawn"], state["values"]
        self.sim.restore(
            _nested({key: value for key, value in state.items() if key.startswith("sim/")})["sim"]
        )


@lru_cache(maxsize=64)
def random_rewards(family: str, bins: int, repeat: int) -> tuple[float, float]:
    """Of random actions, each held for `repeat` control steps, over an episode on each of 64 training tasks: mean
    reward of an action, and the standard deviation of the discounted sum of the differences from it; 1 where they are
    all alike."""
    env = Binned(_ROBOTS, 0, family=family, tasks=_ROBOTS, bins=bins, repeat=repeat, threads=1)
    rng = np.random.default_rng([0, 15])
    rewards = np.empty((env.episode_steps, _ROBOTS))
    for step in range(len(rewards)):
        env.step(rng.integers(0, bins, (_ROBOTS, env.joints)))
        rewards[step] = env.reward
    mean, total = float(rewards.mean()), np.zeros(_ROBOTS)
    for reward in rewards[::-1]:
        total = reward - mean + _DISCOUNT * total
    return mean, float(total.std()) or 1.0


def _flat(state: dict[str, Any], prefix: str) -> dict[str, np.ndarray]:
    """A state of states as one of arrays, their names joined by slashes."""
    flat: dict[str, np.ndarray] = {}
    for key, value in state.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}/")
        else:
            flat[prefix + key] = np.array(value)
    return flat


def _nested(flat: dict[str, np.ndarray]) -> dict[str, Any]:
    """Inverse of `_flat`; single numbers are numbers again."""
    state: dict[str, Any] = {}
    for key, value in flat.items():
        *above, name = key.split("/")
        inner = state
        for part in above:
            inner = inner.setdefault(part, {})
        inner[name] = value.item() if value.ndim == 0 else value
    return state
