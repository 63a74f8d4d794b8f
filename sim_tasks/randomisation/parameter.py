"""`Parameter`: one randomised quantity, from which distribution it is drawn and where in the simulation it acts.

Vocabulary (mjlab's randomisation documentation): operations `abs`, `scale`, `add`; distributions `uniform`,
`log_uniform`, `gaussian`, and here `disk` and `choice`. Draws always start from the model's defaults, so they never
accumulate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import mujoco
import numpy as np
from scipy.special import ndtr, ndtri

from sim_tasks.errors import TaskError

OOD_MARGIN = 0.25
"""Out-of-distribution draws lie beyond a range by up to this fraction of it."""
GAUSSIAN_BOUNDS = 2.0
"""A gaussian's `low` and `high` are so many standard deviations from its mean; draws beyond are cut off."""

OPERATIONS = ("abs", "scale", "add")
DISTRIBUTIONS = ("uniform", "log_uniform", "gaussian", "disk", "choice")


class SimFields(Protocol):
    """What a target may write to."""

    model: mujoco.MjModel

    def field(self, name: str) -> np.ndarray:
        """Live model field of all simulations. Shape (N, ...)."""
        ...

    def property(self, name: str) -> np.ndarray:
        """Live property of all simulations that the engine does not have, such as sensor noise. Shape (N, k)."""
        ...


class Target(Protocol):
    """Where a parameter acts.

    Targets are written in the family's order onto the model's defaults, so that a later one adds to what an earlier
    one has changed (a payload onto a body of other mass).
    """

    @property
    def valid(self) -> tuple[float, float]:
        """Lowest and highest values that are physical, in SI units."""
        ...

    def default(self, model: mujoco.MjModel) -> float:
        """The parameter's value in the unchanged model, in SI units."""
        ...

    def write(self, sim: SimFields, ids: np.ndarray, values: np.ndarray) -> None:
        """Gives simulations `ids`, shape (n,), the values, shape (n,), in SI units."""
        ...


@runtime_checkable
class LimitedByModel(Protocol):
    """A target whose range depends on the model as well, such as a delay on the length of a buffer."""

    remedy: str
    """How to get a wider range."""

    def valid_for(self, model: mujoco.MjModel) -> tuple[float, float]:
        """Lowest and highest values that this model can have, in SI units."""
        ...


@dataclass(frozen=True)
class Parameter:
    """One randomised quantity.

    Raises:
        TaskError: unknown operation or distribution, an empty range, or one that the distribution cannot have.
    """

    name: str
    unit: str
    target: Target
    low: float
    high: float
    operation: Literal["abs", "scale", "add"] = "abs"
    distribution: Literal["uniform", "log_uniform", "gaussian", "disk", "choice"] = "uniform"
    """`disk`: a radius, uniform over the disk's area. `choice`: one of `choices`."""
    ood: Literal["both", "high", "low", "none"] = "both"
    """On which sides out-of-distribution draws may lie: where the other is not physical, or wraps around."""
    source: str = ""
    """Why this range."""
    choices: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for value, valid in ((self.operation, OPERATIONS), (self.distribution, DISTRIBUTIONS)):
            if value not in valid:
                raise TaskError(f"{self.name}: {value!r}; valid: {', '.join(valid)}")
        positive = self.low > 0 or (self.distribution == "disk" and self.low >= 0)
        positive |= self.distribution not in ("log_uniform", "disk")
        finite = np.isfinite([self.low, self.high]).all()
        if not (finite and self.low < self.high and positive):
            raise TaskError(f"{self.name}: not a {self.distribution} range: [{self.low}, {self.high}]")
        if (self.distribution == "choice") != bool(self.choices):
            raise TaskError(f"{self.name}: `choices` belong to the distribution `choice`, got {self.choices}")

    @classmethod
    def choice(
        cls, name: str, unit: str, target: Target, choices: tuple[float, ...], source: str = ""
    ) -> Parameter:
        """A parameter with a few values, each as likely as it is named often; it has none out of distribution."""
        return cls(name, unit, target, min(choices), max(choices), "abs", "choice", "none", source, choices)

    def bounds(self, model: mujoco.MjModel) -> tuple[float, float]:
        """Lowest and highest value in SI units."""
        low, high = self._absolute(model, self.low), self._absolute(model, self.high)
        return min(low, high), max(low, high)

    def extremes(self, model: mujoco.MjModel) -> tuple[float, float]:
        """Lowest and highest value in SI units, those out of distribution included."""
        unit = np.array([-OOD_MARGIN if self.ood in ("both", "low") else 0.0, 0.0, 1.0, 1.0])
        unit[3] += OOD_MARGIN if self.ood in ("both", "high") else 0.0
        values = self.from_unit(unit, *self.bounds(model)) if self.distribution != "choice" else self.choices
        return float(np.min(values)), float(np.max(values))

    def valid(self, model: mujoco.MjModel) -> tuple[float, float]:
        """Lowest and highest values that are physical, and possible with this model, in SI units."""
        target = self.target
        return target.valid_for(model) if isinstance(target, LimitedByModel) else target.valid

    def check(self, model: mujoco.MjModel) -> None:
        """Refuses a target that the model does not have, and a range that is not physical.

        Raises:
            TaskError: some value that may be drawn lies outside what the target can be.
        """
        try:
            self.target.default(model)
        except TaskError as error:
            raise TaskError(f"{self.name}: {error}") from error
        low, high = self.valid(model)
        lowest, highest = self.extremes(model)
        if low <= lowest and highest <= high and np.isfinite([lowest, highest]).all():
            return
        remedy = f"; {self.target.remedy}" if isinstance(self.target, LimitedByModel) else ""
        raise TaskError(
            f"{self.name}: draws from {lowest:g} to {highest:g} {self.unit} "
            f"(out-of-distribution ones included); valid: {low:g} to {high:g}{remedy}"
        )

    def from_unit(self, unit: np.ndarray, low: float, high: float) -> np.ndarray:
        """Places in the distribution, [0, 1) inside it, to SI values; `low` and `high` as `bounds` gives them."""
        if self.distribution == "log_uniform":
            return low * (high / low) ** unit
        if self.distribution == "disk":
            return np.sqrt(low**2 + (high**2 - low**2) * unit)
        if self.distribution == "choice":
            index = np.clip(np.floor(unit * len(self.choices)), 0, len(self.choices) - 1)
            return np.asarray(self.choices)[index.astype(int)]
        if self.distribution == "gaussian":
            tail = ndtr(-GAUSSIAN_BOUNDS)
            inside = ndtri(tail + (1 - 2 * tail) * np.clip(unit, 0, 1)) / (2 * GAUSSIAN_BOUNDS) + 0.5
            unit = np.where((unit < 0) | (unit > 1), unit, inside)
        return low + (high - low) * unit

    def to_unit(self, value: np.ndarray, low: float, high: float) -> np.ndarray:
        """Inverse of `from_unit`; for `choice`, the middle of the value's share."""
        if self.distribution == "log_uniform":
            return np.log(value / low) / np.log(high / low)
        if self.distribution == "disk":
            return (np.square(value) - low**2) / (high**2 - low**2)
        if self.distribution == "choice":
            index = np.abs(np.asarray(self.choices) - np.asarray(value)[..., None]).argmin(axis=-1)
            return (index + 0.5) / len(self.choices)
        unit = (np.asarray(value) - low) / (high - low)
        if self.distribution == "gaussian":
            tail = ndtr(-GAUSSIAN_BOUNDS)
            inside = (ndtr((np.clip(unit, 0, 1) - 0.5) * 2 * GAUSSIAN_BOUNDS) - tail) / (1 - 2 * tail)
            unit = np.where((unit < 0) | (unit > 1), unit, inside)
        return unit

    def _absolute(self, model: mujoco.MjModel, value: float) -> float:
        if self.operation == "scale":
            return value * self.target.default(model)
        return value + self.target.default(model) if self.operation == "add" else value


@dataclass(frozen=True)
class Readout:
    """A quantity that follows from the parameters and says what the robot can feel of them."""

    name: str
    unit: str
    function: Callable[[dict[str, np.ndarray]], np.ndarray]
    """From parameter values by name, each shape (n,), to the positive quantity, shape (n,)."""
