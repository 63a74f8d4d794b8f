"""`TaskFamily`: a distribution over tasks on one plant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

from robots import RobotSpec
from robots.body import Body
from robots.observation import ObservationLayout
from robots.reward import RewardLayout
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.goal import Goal
from sim_tasks.motion import Motion
from sim_tasks.plant import Plant
from sim_tasks.ports import RobotInterface, StateInterface
from sim_tasks.randomisation import SPLITS, Parameter, Readout, check_split, unit_draws
from sim_tasks.randomisation.splits import key_column
from sim_tasks.reward import Reward
from sim_tasks.row_random import RowRandom, Rows

_NORMALISER_DRAWS = 8192

Start = Callable[[Rows, int], tuple[np.ndarray, np.ndarray]]
"""From a generator and n to true `qpos`, shape (n, nq), and `qvel`, shape (n, nv), in SI units."""


@dataclass(frozen=True)
class Change:
    """The physics change in the middle of a trial, and the robot is knocked."""

    parameter: str
    """The parameter that is drawn anew."""
    probability: float
    """Of such a change in a trial."""
    knock: float = 0.0
    """Largest change of joint velocity that comes with it, in [rad/s]."""


@dataclass(frozen=True)
class Pushes:
    """Knocks at random moments."""

    every: tuple[float, float]
    """Seconds between two of them, at least and at most."""
    speed: float
    """Largest change of velocity, in [m/s] or [rad/s]; where a parameter writes `push_speed`, that counts instead."""
    dofs: tuple[int, ...]
    """Which of `qvel` are knocked."""


@dataclass(frozen=True)
class TrainingTasks:
    """Which tasks are trained on; held-out ones stay what they are.

    Raises:
        TaskError: a width outside (0, 1], a task below 0, or both a narrower family and one task.
    """

    width: float = 1.0
    """The middle share of every parameter's distribution that they are drawn from."""
    task: int | None = None
    """One task alone, this one of the split `test` with seed 0: for an expert, or for learning from scratch."""

    def __post_init__(self) -> None:
        if not 0.0 < self.width <= 1.0:
            raise TaskError(f"width: {self.width}; valid: above 0, up to 1")
        if self.task is not None and self.task < 0:
            raise TaskError(f"task: {self.task}; valid: 0 or more")
        if self.task is not None and self.width < 1.0:
            raise TaskError(f"width: {self.width} with task: {self.task}; choose one")


WHOLE_FAMILY = TrainingTasks()


@dataclass(frozen=True)
class TaskFamily:
    """What differs between tasks, what is seen, what is rewarded, where episodes begin and end.

    N simulations, P parameters, R readouts.

    Raises:
        TaskError: two parameters of one name, a range that is not physical, or a measured reward of another robot.
    """

    name: str
    plant: Plant
    interface: RobotInterface | StateInterface
    parameters: tuple[Parameter, ...]
    reward: Reward
    start: Start
    episode_seconds: float
    readouts: tuple[Readout, ...] = ()
    training_start: Start | None = None
    """Starts of training tasks, where wider ones may teach more; None: as `start`."""
    terminal: Callable[[Motion], np.ndarray] | None = None
    """Which episodes end now because of the state they are in. Shape (N,), bool."""
    success: Callable[[Motion], np.ndarray] | None = None
    """Whether a robot is where it should be. Shape (N,), bool."""
    error: Callable[[Motion], np.ndarray] | None = None
    """How far it is from there, in `error_unit`. Shape (N,); None: nobody says."""
    error_unit: str = ""
    goal: Goal | None = None
    change: Change | None = None
    pushes: Pushes | None = None
    privileged: Callable[[Motion], np.ndarray] | None = None
    """What critics are told of the true state besides the task: it never leaves training. Shape (N, S)."""
    measured_reward: RewardLayout | None = None
    """The reward that a robot's own sensors tell, which is what its policy hears; `reward` is what is scored. None: it
    tells none, and adaptation is reward-free. Of a benchmark's body always None: its policy hears `reward`."""
    simulate: Callable[[Plant, Sequence[Parameter], int, int], BatchSim] = BatchSim
    """Makes the simulations: of a plant, with parameters, so many, on so many threads."""
    batched: bool = True
    """Whether simulations are stepped together on all cores; otherwise one after the other."""
    about: str = ""
    """A line on what is to be done, and where the definition is from."""
    training: TrainingTasks = WHOLE_FAMILY

    def __post_init__(self) -> None:
        names = [item.name for item in (*self.parameters, *self.readouts)]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise TaskError(f"{self.name}: two parameters of one name: {', '.join(sorted(twice))}")
        for parameter in self.parameters:
            parameter.check(self.plant.model)
        if self.change is not None:
            self.parameter_index(self.change.parameter)
        if self.measured_reward is not None:
            self._check_measured(self.measured_reward)

    @property
    def robot(self) -> RobotSpec:
        """The robot of ours that this family is about.

        Raises:
            TaskError: it is about a benchmark's body.
        """
        if isinstance(self.interface, StateInterface):
            raise TaskError(
                f"{self.name} is about a benchmark's body, which is no robot that can be deployed"
            )
        return self.interface.robot

    @property
    def on_robot(self) -> bool:
        """Whether the family is about a robot of ours, so that its policies can be deployed."""
        return isinstance(self.interface, RobotInterface)

    @property
    def reward_measurable(self) -> bool:
        """Whether a policy hears a reward: on a robot the measured one, on a benchmark's body the true one."""
        return not self.on_robot or self.measured_reward is not None

    @property
    def model(self) -> mujoco.MjModel:
        return self.plant.model

    @property
    def period(self) -> float:
        """Control period in [s]."""
        return self.plant.period

    @cached_property
    def observation(self) -> ObservationLayout:
        """What a policy sees of the robot, term by term.

        Raises:
            TaskError: the family is about a benchmark's body.
        """
        self.robot  # noqa: B018 - raises
        assert isinstance(self.interface, RobotInterface)
        return self.interface.layout

    @property
    def observation_size(self) -> int:
        return self.interface.observation_size

    @property
    def action_size(self) -> int:
        return self.interface.action_size

    @property
    def episode_steps(self) -> int:
        return round(self.episode_seconds / self.period)

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
        return np.array(logs + [True] * len(self.readouts), dtype=bool)

    @cached_property
    def bounds(self) -> np.ndarray:
        """Lowest and highest values of the parameters in SI units. Shape (2, P)."""
        return np.array([parameter.bounds(self.model) for parameter in self.parameters]).reshape(-1, 2).T

    @property
    def disjoint(self) -> bool:
        """Whether training and held-out tasks differ; not so where all parameters are choices."""
        return key_column(self.parameters) is not None

    def draw(self, rng: Rows, count: int, split: str = "train") -> np.ndarray:
        """Parameters of `count` tasks in SI units, shape (count, P).

        Raises:
            TaskError: the split is not one of train, test, ood, or the family has no tasks of that split.
        """
        if split != "train":
            return self._draw(rng, count, split)
        if self.training.task is not None:
            return np.repeat(self.sample("test", 1, seed=0, first=self.training.task), count, axis=0)
        return self._draw(rng, count, split, self.training.width)

    def _draw(self, rng: Rows, count: int, split: str, width: float = 1.0) -> np.ndarray:
        units = unit_draws(rng, count, self.parameters, split, width)
        values = np.empty_like(units)
        for column, parameter in enumerate(self.parameters):
            values[:, column] = parameter.from_unit(units[:, column], *self.bounds[:, column])
        return values

    def sample(self, split: str, count: int, seed: int, first: int = 0) -> np.ndarray:
        """Tasks `first` and following of a split, the same at every call with the same seed. Shape (count, P)."""
        check_split(split)
        random = RowRandom([seed, SPLITS.index(split)], count, first)
        return self.draw(random.all, count, split)

    def named(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters, shape (n, P), with the readouts beside them, by name, each shape (n,)."""
        columns = {p.name: values[:, column] for column, p in enumerate(self.parameters)}
        return columns | {readout.name: readout.function(columns) for readout in self.readouts}

    def defaults(self) -> np.ndarray:
        """Parameters of the unchanged model, in SI units. Shape (P,)."""
        return np.array([parameter.target.default(self.model) for parameter in self.parameters])

    def parameter_index(self, name: str) -> int:
        """Column of a parameter.

        Raises:
            TaskError: there is none of that name; the message lists the valid ones.
        """
        names = [parameter.name for parameter in self.parameters]
        if name not in names:
            raise TaskError(f"{self.name}: unknown parameter {name!r}; valid: {', '.join(names)}")
        return names.index(name)

    @cached_property
    def normaliser(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, in natural coordinates, that `normalise` applies. Shape (P + R,)."""
        rng = RowRandom([0, SPLITS.index("train")], _NORMALISER_DRAWS)
        natural = self._natural(self._draw(rng.all, _NORMALISER_DRAWS, "train"))
        return natural.mean(axis=0), natural.std(axis=0)

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Parameters, shape (n, P), to the belief's coordinates: zero mean, unit variance, (n, P + R)."""
        mean, std = self.normaliser
        return (self._natural(values) - mean) / std

    def _check_measured(self, layout: RewardLayout) -> None:
        """What is measured is measured on this robot, by its policy's goals."""
        own = (Body.of(self.robot), self.observation.goal)
        if (layout.body, layout.goal) != own:
            raise TaskError(
                f"{self.name}: measured_reward: of robot {layout.body.name!r} with a goal of size {layout.goal}; "
                f"this family's is {self.robot.name!r} with one of {own[1]}, each joint as it is there"
            )

    def _natural(self, values: np.ndarray) -> np.ndarray:
        stacked = np.stack(list(self.named(values).values()), axis=1)
        return np.where(self.log_scaled, np.log(np.where(self.log_scaled, stacked, 1.0)), stacked)
