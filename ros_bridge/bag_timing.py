"""`BagTiming`: when the readings of a recorded run were taken, when they came, and how soon they were answered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ros_bridge.bag_events import Event, Kind
from ros_bridge.bag_reader import Bag
from ros_bridge.conversions import to_seconds
from ros_bridge.errors import RecordingError

_ENDS = (Kind.HALT, Kind.END)


@dataclass(frozen=True)
class Readings:
    """Of one topic, in the order in which they came. R readings."""

    stamp: np.ndarray
    """By the sensor's clock, in [s]. Shape (R,)."""
    now: np.ndarray
    """ROS time as they came, in [s]. Shape (R,)."""
    arrival: np.ndarray
    """Monotonic time as they came, in [s]. Shape (R,)."""

    @property
    def age(self) -> np.ndarray:
        """By their stamps, as they came, in [s]; negative where the clocks disagree. Shape (R,)."""
        return self.now - self.stamp


@dataclass(frozen=True)
class BagTiming:
    """One recording."""

    name: str
    header: dict[str, str]
    joints: Readings
    imu: Readings | None
    """None where no IMU was heard."""
    oldest: np.ndarray
    """Stamp of the older one of joints and IMU as the joints came, in [s]; NaN before the IMU came. Shape (R,)."""
    latency: np.ndarray
    """From arrival to the certified command in [s]; NaN where the policy was not asked. Shape (R,)."""
    run: np.ndarray
    """Number of the activation that a reading of the joints came in, from 0; -1 outside of any. Shape (R,), int."""
    damage: str | None
    """Why it ends before the file does, or where the file itself ends early."""


def read_timing(path: Path) -> BagTiming:
    """Reads a bag's folder or an MCAP file.

    Raises:
        RecordingError: no recording of the node, without readings of joints, without a command of the policy's, or
            with times that no clock has said.
    """
    bag, notes = Bag(path), _Notes()
    for event in bag.events():
        notes.add(event)
    where = f"{bag.path}: {bag.damage}" if bag.damage else str(bag.path)
    if not notes.joints:
        raise RecordingError(f"{where}: no reading of the joints")
    latency = np.array(notes.latency)
    if np.isnan(latency).all():
        raise RecordingError(
            f"{where}: no latency: in {len(latency)} readings of the joints the policy was never asked for a command; "
            "was the node active?"
        )
    imu = _readings(notes.imu) if notes.imu else None
    joints = _readings(notes.joints)
    _check(where, latency, [each for each in (joints, imu) if each is not None])
    oldest = joints.stamp if imu is None else np.minimum(joints.stamp, notes.inertial)
    return BagTiming(bag.path.stem, bag.header, joints, imu, oldest, latency, np.array(notes.run), bag.damage)


class _Notes:
    """What is kept of events."""

    def __init__(self) -> None:
        self.joints: list[tuple[float, float, float]] = []
        self.imu: list[tuple[float, float, float]] = []
        self.inertial: list[float] = []
        """Newest stamp of the IMU at each reading of the joints, NaN where there was none."""
        self.latency: list[float] = []
        self.run: list[int] = []
        self._runs = 0
        self._running = False

    def add(self, event: Event) -> None:
        if event.kind is Kind.START:
            self._running = True
            self._runs += 1
        elif event.kind in _ENDS:
            self._running = False
        elif event.kind is Kind.IMU:
            self.imu.append(_times(event))
        elif event.kind is Kind.JOINTS:
            self.joints.append(_times(event))
            self.inertial.append(self.imu[-1][0] if self.imu else np.nan)
            asked = event.output is not None and np.isfinite(event.output.requested).any()
            self.latency.append(event.latency if asked and event.latency is not None else np.nan)
            self.run.append(self._runs - 1 if self._running else -1)


def _check(where: str, latency: np.ndarray, topics: list[Readings]) -> None:
    """Refuses what no clock has said: of one process, the monotonic one never goes back."""
    if (latency < 0.0).any():
        raise RecordingError(f"{where}: a latency of {np.nanmin(latency):.4g} s; none is below 0")
    for each in topics:
        if not np.isfinite([each.now, each.arrival]).all() or (np.diff(each.arrival) < 0.0).any():
            raise RecordingError(f"{where}: arrivals that are not finite, or go back")


def _times(event: Event) -> tuple[float, float, float]:
    return to_seconds(event.message.header.stamp), event.now, event.arrival


def _readings(rows: list[tuple[float, float, float]]) -> Readings:
    return Readings(*np.array(rows).T)
