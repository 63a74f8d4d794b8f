"""Randomised physical parameters: from which distribution each is drawn and where in the simulation it acts.

Vocabulary (mjlab's randomisation documentation): operations `abs`, `scale`, `add`; distributions `uniform`,
`log_uniform`. Draws always start from the model's defaults, so they never accumulate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import mujoco
import numpy as np

from sim_tasks.errors import TaskError

CELLS = 1024
"""The first parameter's range is cut into so many cells; see `unit_draws`."""
TEST_EVERY = 8
"""One cell in so many belongs to the held-out tasks."""
OOD_MARGIN = 0.25
"""Out-of-distribution draws lie beyond a range by up to this fraction of it."""


class Target(Protocol):
    """Where a parameter acts."""

    def default(self, model: mujoco.MjModel) -> float:
        """The parameter's value in the unchanged model, in SI units."""
        ...

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        """Gives simulations `ids`, shape (n,), the values, shape (n,), in SI units."""
        ...


class SimFields(Protocol):
    """What a target may write to."""

    model: mujoco.MjModel

    def field(self, name: str) -> np.ndarray:
        """Live model field of all simulations. Shape (N, ...)."""
        ...

    def sensing(self, name: str) -> np.ndarray:
        """Live sensor property of all simulations. Shape (N, J)."""
        ...


@dataclass(frozen=True)
class Parameter:
    """One randomised physical parameter."""

    name: str
    unit: str
    target: Target
    low: float
    high: float
    operation: Literal["abs", "scale", "add"] = "abs"
    distribution: Literal["uniform", "log_uniform"] = "uniform"
    ood: Literal["both", "high"] = "both"
    """On which sides out-of-distribution draws may lie; `high` where lower values are not physical."""
    source: str = ""
    """Why this range."""

    def __post_init__(self) -> None:
        positive = self.distribution == "uniform" or self.low > 0
        if not (self.low < self.high and positive):
            raise TaskError(f"{self.name}: not a {self.distribution} range: [{self.low}, {self.high}]")

    def bounds(self, model: mujoco.MjModel) -> tuple[float, float]:
        """Lowest and highest value in SI units."""
        default = self.target.default(model)
        if self.operation == "scale":
            return self.low * default, self.high * default
        if self.operation == "add":
            return self.low + default, self.high + default
        return self.low, self.high

    def to_natural(self, value: np.ndarray) -> np.ndarray:
        """SI value to the coordinate in which the distribution is uniform."""
        return np.log(value) if self.distribution == "log_uniform" else np.asarray(value)

    def from_natural(self, coordinate: np.ndarray) -> np.ndarray:
        """Inverse of `to_natural`."""
        return np.exp(coordinate) if self.distribution == "log_uniform" else np.asarray(coordinate)


def unit_draws(rng: np.random.Generator, count: int, parameters: int, split: str) -> np.ndarray:
    """Draws in [0, 1) per parameter, shape (count, parameters); `ood` ones lie outside in one parameter.

    Splits are disjoint by construction: along the first parameter, every eighth cell is held out.

    Raises:
        TaskError: the split is unknown.
    """
    if split not in ("train", "test", "ood"):
        raise TaskError(f"unknown split {split!r}; valid: train, test, ood")
    draws = rng.random((count, parameters))
    blocks = CELLS // TEST_EVERY
    block = rng.integers(0, blocks, count)
    place = rng.integers(0, TEST_EVERY - 1, count) if split == "train" else TEST_EVERY - 1
    draws[:, 0] = (block * TEST_EVERY + place + draws[:, 0]) / CELLS
    return draws


def beyond(rng: np.random.Generator, draws: np.ndarray, high_only: np.ndarray) -> np.ndarray:
    """Moves one random parameter of each draw outside [0, 1), by up to `OOD_MARGIN`. Shape as `draws`."""
    count, parameters = draws.shape
    which = rng.integers(0, parameters, count)
    distance = OOD_MARGIN * (1 - rng.random(count))
    upwards = (rng.random(count) < 0.5) | high_only[which]
    draws[np.arange(count), which] = np.where(upwards, 1 + distance, -distance)
    return draws


@dataclass(frozen=True)
class BodyMass:
    """A body's mass in [kg]; its inertia follows in proportion."""

    body: str

    def default(self, model: mujoco.MjModel) -> float:
        return float(model.body(self.body).mass[0])

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        body = sim.model.body(self.body).id
        ratio = values / self.default(sim.model)
        sim.field("body_mass")[ids, body] = values
        sim.field("body_inertia")[ids, body] = ratio[:, None] * sim.model.body_inertia[body]


@dataclass(frozen=True)
class BodyDistance:
    """A body's distance from its parent's origin in [m], along the direction that the model gives."""

    body: str

    def default(self, model: mujoco.MjModel) -> float:
        return float(np.linalg.norm(model.body(self.body).pos))

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        body = sim.model.body(self.body)
        direction = body.pos / np.linalg.norm(body.pos)
        sim.field("body_pos")[ids, body.id] = values[:, None] * direction


@dataclass(frozen=True)
class JointField:
    """A per-joint model field, such as `dof_damping` in [N m s/rad] or `dof_frictionloss` in [N m]."""

    joint: str
    field: str

    def default(self, model: mujoco.MjModel) -> float:
        return float(getattr(model, self.field)[model.joint(self.joint).dofadr[0]])

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.field(self.field)[ids, sim.model.joint(self.joint).dofadr[0]] = values


@dataclass(frozen=True)
class MotorGain:
    """Torque at the joint per commanded torque, dimensionless."""

    actuator: str

    def default(self, model: mujoco.MjModel) -> float:
        return float(model.actuator(self.actuator).gainprm[0])

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.field("actuator_gainprm")[ids, sim.model.actuator(self.actuator).id, 0] = values


@dataclass(frozen=True)
class ActionDelay:
    """Time from command to torque in [s]; MuJoCo's own actuator delay, resolved to the time step."""

    actuator: str

    def default(self, model: mujoco.MjModel) -> float:
        return float(model.actuator_delay[model.actuator(self.actuator).id])

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.field("actuator_delay")[ids, sim.model.actuator(self.actuator).id] = values


@dataclass(frozen=True)
class Sensing:
    """A property of a joint's sensor: `position_offset`, `position_noise` or `velocity_noise`."""

    joint: int
    name: str

    def default(self, model: mujoco.MjModel) -> float:
        return 0.0

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        sim.sensing(self.name)[ids, self.joint] = values


@dataclass(frozen=True)
class Readout:
    """A quantity that follows from the parameters and says what the robot can feel of them."""

    name: str
    unit: str
    function: Callable[[dict[str, np.ndarray]], np.ndarray]
    """From parameter values by name, each shape (n,), to the positive quantity, shape (n,)."""
