"""Recordings of a robot's own sensors, from CSV files. T rows, J joints."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robots import RobotSpec
from ros_bridge.errors import RecordingError

QUANTITIES = ("position", "velocity", "torque")


@dataclass(frozen=True)
class Recording:
    """What a robot measured of itself."""

    name: str
    time: np.ndarray
    """Since the first row, in [s]; rising. Shape (T,)."""
    position: np.ndarray
    """[rad]. Shape (T, J)."""
    velocity: np.ndarray
    """[rad/s]. Shape (T, J)."""
    torque: np.ndarray
    """[N m]. Shape (T, J)."""

    @property
    def seconds(self) -> float:
        return float(self.time[-1])

    @property
    def rate(self) -> float:
        """Median of rows per second, in [Hz]."""
        return float(1 / np.median(np.diff(self.time)))


def columns_of(spec: RobotSpec) -> tuple[str, ...]:
    """The columns that a recording of this robot must have; with several joints, `<joint>_position` and so on."""
    prefixes = [""] if len(spec.joints) == 1 else [f"{name}_" for name in spec.joint_names]
    return ("time", *(prefix + quantity for quantity in QUANTITIES for prefix in prefixes))


def read_recording(path: Path, spec: RobotSpec) -> Recording:
    """Reads a CSV file whose first row names its columns; further columns are ignored.

    Raises:
        RecordingError: the file is missing or no CSV, or a column, a number or the order of time is amiss; names
            the file, the row (the header is row 1) and the column.
    """
    wanted = columns_of(spec)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{path}: cannot be read as CSV: {error}") from error
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in wanted if name not in header]
    if missing:
        found = ", ".join(header)[:200] or "none"
        raise RecordingError(
            f"{path}: no column {', '.join(missing)}; needed: {', '.join(wanted)}; found: {found}"
        )
    places = [header.index(name) for name in wanted]
    body = [(number, row) for number, row in enumerate(rows[1:], start=2) if row]
    data = np.array([[_number(path, number, row, p, header) for p in places] for number, row in body])
    if len(data) < 2:
        raise RecordingError(f"{path}: {len(data)} rows of numbers; expected at least 2")
    rising = np.diff(data[:, 0]) > 0
    if not rising.all():
        number = body[int(np.argmin(rising)) + 1][0]
        raise RecordingError(f"{path}: row {number}: time does not rise")
    joints = len(spec.joints)
    position, velocity, torque = (data[:, 1 + joints * k : 1 + joints * (k + 1)] for k in range(3))
    return Recording(path.stem, data[:, 0] - data[0, 0], position, velocity, torque)


def _number(path: Path, number: int, row: list[str], place: int, header: list[str]) -> float:
    text = row[place] if place < len(row) else ""
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise RecordingError(f"{path}: row {number}: {header[place]} is {text!r}; expected a finite number")
    return value
