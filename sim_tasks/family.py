"""`TaskFamily`: a distribution over tasks on one robot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

from robots import RobotSpec
from robots.observation import ObservationLayout, ObservationTerm
from sim_tasks.errors import TaskError
from sim_tasks.randomisation import Parameter, Readout, beyond, unit_draws

_NORMALISER_DRAWS = 8192
_SPLIT_STREAMS = {"train": 0, "test": 1, "ood": 2}


@dataclass(frozen=True)
class Motion:
    """True state of N robots, for the reward; no learner and no robot sees it."""

    position: np.ndarray
    """[rad]. Shape (N, J)."""
    velocity: np.ndarray
    """[rad/s]. Shape (N, J)."""
    action: np.ndarray
    """The command that was sent, in action units. Shape (N, A)."""


@dataclass(frozen=True)
class Change:
    """The physics change in the middle of a trial, and the robot is knocked."""

    parameter: str
    """The parameter that is drawn anew."""
    probability: float
    """Of such a change in a trial."""
    knock: float
    """Largest change of joint velocity that comes with it, in [rad/s]."""


@dataclass(frozen=True)
class TaskFamily:
    """Robot, randomisation, start, observation, reward factors and length. P parameters, R readouts."""

    name: str
    robot: RobotSpec
    parameters: tuple[Parameter, ...]
    readouts: tuple[Readout, ...]
    observation_terms: tuple[ObservationTerm, ...]
    factors: dict[str, Callable[[Motion], np.ndarray]]
    """Named factors in [0, 1] of one control step; the reward is their product."""
    start: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    """From a generator and n to true start positions [rad] and velocities [rad/s], shape (n, J) each."""
    training_start: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    """The same for training tasks, where wider starts may teach more."""
    success: Callable[[np.ndarray], np.ndarray]
    """From true positions [rad], shape (N, J), to whether a robot is where it should be, shape (N,), bool."""
    episode_seconds: float
    change: Change
    reward_measurable: bool = False
    """Whether the reward can be computed from the robot's sensors; if not, adaptation is reward-free."""

    @cached_property
    def model(self) -> mujoco.MjModel:
        return mujoco.MjModel.from_xml_path(str(self.robot.model))

    @cached_property
    def observation(self) -> ObservationLayout:
        return ObservationLayout(self.observation_terms, self.robot)

    @property
    def episode_steps(self) -> int:
        return round(self.episode_seconds / self.robot.period)

    @cached_property
    def belief_names(self) -> tuple[str, ...]:
        """What a belief speaks of: the parameters, then the readouts. Length P + R."""
        return tuple(item.name for item in (*self.parameters, *self.readouts))

    @cached_property
    def belief_units(self) -> tuple[str, ...]:
        return tuple(item.unit for item in (*self.parameters, *self.readouts))

    @cached_property
    def log_scaled(self) -> np.ndarray:
        """Which of them are positive and spread in ratio. Shape (P + R,), bool."""
        logs = [parameter.distribution == "log_uniform" for parameter in self.parameters]
        return np.array(logs + [True] * len(self.readouts))

    @cached_property
    def bounds(self) -> np.ndarray:
        """Lowest and highest values of the parameters in SI units. Shape (2, P)."""
        return np.array([parameter.bounds(self.model) for parameter in self.parameters]).T

    def draw(self, rng: np.random.Generator, count: int, split: str = "train") -> np.ndarray:
        """Parameters of `count` tasks in SI units, shape (count, P).

        Raises:
            TaskError: the split is not one of train, test, ood.
        """
        draws = unit_draws(rng, count, len(self.parameters), split)
        if split == "ood":
            draws = beyond(rng, draws, np.array([p.ood == "high" for p in self.parameters]))
        values = np.empty_like(draws)
        for column, parameter in enumerate(self.parameters):
            low, high = parameter.to_natural(self.bounds[:, column])
            values[:, column] = parameter.from_natural(low + (high - low) * draws[:, column])
        return values

    def sample(self, split: str, count: int, seed: int) -> np.ndarray:
        """The same `count` tasks at every call with the same seed; see `draw`. Shape (count, P)."""
        stream = _SPLIT_STREAMS.get(split, 0)
        return self.draw(np.random.default_rng([seed, stream]), count, split)

    def named(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters, shape (n, P), with the readouts beside them, by name, each shape (n,)."""
        columns = {p.name: values[:, column] for column, p in enumerate(self.parameters)}
        return columns | {readout.name: readout.function(columns) for readout in self.readouts}

    def parameter_index(self, name: str) -> int:
        names = [parameter.name for parameter in self.parameters]
        if name not in names:
            raise TaskError(f"unknown parameter {name!r}; valid: {', '.join(names)}")
        return names.index(name)

    @cached_property
    def _normaliser(self) -> tuple[np.ndarray, np.ndarray]:
        natural = self._natural(self.sample("train", _NORMALISER_DRAWS, seed=0))
        return natural.mean(axis=0), natural.std(axis=0)

    def _natural(self, values: np.ndarray) -> np.ndarray:
        stacked = np.stack(list(self.named(values).values()), axis=1)
        return np.where(self.log_scaled, np.log(np.where(self.log_scaled, stacked, 1.0)), stacked)

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Parameters, shape (n, P), to the belief's coordinates: zero mean, unit variance, (n, P + R)."""
        mean, std = self._normaliser
        return (self._natural(values) - mean) / std

    @property
    def normaliser(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, in natural coordinates, that `normalise` applies. Shape (P + R,)."""
        return self._normaliser

    def rewards(self, motion: Motion) -> np.ndarray:
        """Reward of one control step, in [0, 1]. Shape (N,)."""
        reward = np.ones(len(motion.position))
        for factor in self.factors.values():
            reward = reward * factor(motion)
        return reward
