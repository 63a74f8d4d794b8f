"""Which column of a CSV log holds which of a robot's quantities: by default of the same name, else as a YAML file says.

time: {column: t_ms, factor: 0.001}                    # ours = factor x theirs + offset
position: angle
torque: {column: current, factor: 0.0525, offset: 0.01}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from robots import RobotSpec
from robots.goal import GoalLayout
from ros_bridge.errors import RecordingError

_FIELDS = ("column", "factor", "offset")


@dataclass(frozen=True)
class Column:
    """Where a quantity stands, and how it is brought to our unit: factor x number + offset."""

    name: str
    factor: float = 1.0
    offset: float = 0.0


def command_quantity(spec: RobotSpec) -> str:
    """What the log of a robot calls the command that was sent to it: of those that take torque, the torque."""
    return "torque" if spec.interface == "effort" else "command"


def quantities_of(spec: RobotSpec, goal: GoalLayout | None = None) -> tuple[str, ...]:
    """What a log of this robot must hold; with several joints, `<joint>_position` and so on.

    `time` [s], then of each joint `position` [rad], `velocity` [rad/s] and the command, `torque` [N m] or `command`
    [command unit], and where the robot measures it `effort` [N m]; with an IMU `gyro_x` [rad/s] and `gravity_x` (a unit
    vector in its frame) to `z`; of a policy that is told goals `goal_<name>`.
    """
    prefixes = [""] if len(spec.joints) == 1 else [f"{name}_" for name in spec.joint_names]
    measured = ("effort",) if spec.effort_sensor is not None else ()
    per_joint = ("position", "velocity", command_quantity(spec), *measured)
    inertial = ("gyro", "gravity") if spec.imu is not None else ()
    return (
        "time",
        *(prefix + quantity for quantity in per_joint for prefix in prefixes),
        *(f"{quantity}_{axis}" for quantity in inertial for axis in "xyz"),
        *(f"goal_{name}" for name in (() if goal is None else goal.names)),
    )


def read_columns(path: Path, valid: tuple[str, ...]) -> dict[str, Column]:
    """Reads a mapping from quantities, of the `valid` ones, to columns; those that it does not name keep theirs.

    Raises:
        RecordingError: the file cannot be read or says something else; names the field, its value and what is valid.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecordingError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RecordingError(f"{path}: expected quantities, each with its column; valid: {', '.join(valid)}")
    for name in content:
        if name not in valid:
            raise RecordingError(f"{path}: {name!r:.80}: unknown quantity; valid: {', '.join(valid)}")
    return {name: _column(f"{path}: {name}", value) for name, value in content.items()}


def _column(where: str, value: Any) -> Column:
    if isinstance(value, str):
        value = {"column": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("column"), str):
        raise RecordingError(
            f"{where}: {value!r:.80}; expected a column's name, or {{column: name, factor: 1.0, offset: 0.0}}"
        )
    for field in value:
        if field not in _FIELDS:
            raise RecordingError(f"{where}.{field}: unknown; valid: {', '.join(_FIELDS)}")
    factor, offset = (_number(where, field, value.get(field, default)) for field, default in _NUMBERS)
    if factor == 0:
        raise RecordingError(f"{where}.factor: 0; expected any other number")
    return Column(value["column"].strip(), factor, offset)


_NUMBERS = (("factor", 1.0), ("offset", 0.0))


def _number(where: str, field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RecordingError(f"{where}.{field}: {value!r:.80}; expected a finite number")
    return float(value)
