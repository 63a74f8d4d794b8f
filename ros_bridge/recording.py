"""Recordings of a robot's own sensors, from CSV files. T rows, J joints, G numbers of a goal."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robots import RobotSpec, SensorFrame
from robots.goal import GoalLayout
from ros_bridge.columns import Column, command_quantity, quantities_of
from ros_bridge.errors import RecordingError


@dataclass(frozen=True)
class Recording:
    """What a robot measured of itself, and what was sent to it."""

    name: str
    time: np.ndarray
    """Since the first row, in [s]; rising. Shape (T,)."""
    position: np.ndarray
    """[rad]. Shape (T, J)."""
    velocity: np.ndarray
    """[rad/s]. Shape (T, J)."""
    command: np.ndarray
    """[command unit]. Shape (T, J)."""
    gyro: np.ndarray | None = None
    """As in `SensorFrame`; None without an IMU. Shape (T, 3)."""
    gravity: np.ndarray | None = None
    """As in `SensorFrame`; None without an IMU. Shape (T, 3)."""
    goal: np.ndarray | None = None
    """What the robot was told to do; None where the policy is told nothing. Shape (T, G)."""
    effort: np.ndarray | None = None
    """[N m]; None where the robot does not measure it. Shape (T, J)."""

    @property
    def seconds(self) -> float:
        return float(self.time[-1])

    @property
    def rate(self) -> float:
        """Median of rows per second, in [Hz]."""
        return float(1 / np.median(np.diff(self.time)))

    def frame(self, row: int) -> SensorFrame:
        """One row as a reading of one robot."""
        at = slice(row, row + 1)
        options = (None if each is None else each[at] for each in (self.gyro, self.gravity, self.effort))
        return SensorFrame(self.time[at], self.position[at], self.velocity[at], *options)


def read_recording(
    path: Path,
    spec: RobotSpec,
    columns: Mapping[str, Column] | None = None,
    goal: GoalLayout | None = None,
) -> Recording:
    """Reads a CSV file whose first row names its columns; further columns are ignored.

    Args:
        path: the file.
        spec: the robot.
        columns: where quantities stand that have another name or unit than ours, see `columns.read_columns`.
        goal: of the policy that is to be told it; None where it is told nothing.

    Raises:
        RecordingError: the file is missing or no CSV, or a column, a number or the order of time is amiss; names
            the file, the row (the header is row 1) and the column.
    """
    wanted = [(columns or {}).get(name, Column(name)) for name in quantities_of(spec, goal)]
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{path}: cannot be read as CSV: {error}") from error
    header = [name.strip() for name in rows[0]] if rows else []
    _check_columns(path, spec, [column.name for column in wanted], header)
    places = [header.index(column.name) for column in wanted]
    body = [(number, row) for number, row in enumerate(rows[1:], start=2) if row]
    data = np.array([[_number(path, number, row, p, header) for p in places] for number, row in body])
    if len(data) < 2:
        raise RecordingError(f"{path}: {len(data)} rows of numbers; expected at least 2")
    data = data * [column.factor for column in wanted] + [column.offset for column in wanted]
    rising = np.diff(data[:, 0]) > 0
    if not rising.all():
        number = body[int(np.argmin(rising)) + 1][0]
        raise RecordingError(f"{path}: row {number}: time does not rise")
    return _recording(path.stem, data, spec, goal)


def _recording(name: str, data: np.ndarray, spec: RobotSpec, goal: GoalLayout | None) -> Recording:
    """From columns in the order of `quantities_of`."""
    joints = len(spec.joints)
    sizes = [1, joints, joints, joints]
    sizes += [joints if spec.effort_sensor is not None else 0, *([3, 3] if spec.imu is not None else [0, 0])]
    time, position, velocity, command, *rest = np.split(data, np.cumsum(sizes), axis=1)
    effort, gyro, gravity = (part if part.shape[1] else None for part in rest[:3])
    told = None if goal is None else rest[-1]
    return Recording(name, time[:, 0] - time[0, 0], position, velocity, command, gyro, gravity, told, effort)


def _check_columns(path: Path, spec: RobotSpec, wanted: list[str], header: list[str]) -> None:
    missing = [name for name in wanted if name not in header]
    if not missing:
        return
    found = ", ".join(header)[:200] or "none"
    hint = ""
    if command_quantity(spec) == "command" and any(name.endswith("command") for name in missing):
        hint = f"; robot {spec.name!r} takes {spec.interface} commands: a torque that was measured is not what was sent"
    raise RecordingError(
        f"{path}: no column {', '.join(missing)}; needed: {', '.join(wanted)}; found: {found}{hint}"
    )


def _number(path: Path, number: int, row: list[str], place: int, header: list[str]) -> float:
    text = row[place] if place < len(row) else ""
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise RecordingError(f"{path}: row {number}: {header[place]} is {text!r}; expected a finite number")
    return value
