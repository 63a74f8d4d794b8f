"""The arm's limits, and storms of requests and readings for its safety filter."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from robots import SensorFrame
from robots.safety import Reason, SafetyFilter

INTERFACES = ("effort", "velocity", "position")
POSITION_LOW, POSITION_HIGH = np.array([-2.0, -1.0]), np.array([1.5, 2.5])
SPEED = np.array([4.0, 6.0])
LOW = {"effort": np.array([-3.0, -1.5]), "velocity": -SPEED, "position": POSITION_LOW}
HIGH = {"effort": np.array([3.0, 1.5]), "velocity": SPEED, "position": POSITION_HIGH}
STEP = np.array([0.4, 0.6])
REST = {"effort": np.zeros(2), "velocity": np.zeros(2), "position": np.array([0.25, 0.5])}
DAMPING = np.array([0.4, 0.2])
AT_REST = np.array([0.25, 0.5])
RAMP = np.array([0.25, 0.5, 0.75, 1.0])


def frame(
    position: ArrayLike = AT_REST, velocity: ArrayLike = (0.0, 0.0), robots: int = 1, stamp: float = 0.0
) -> SensorFrame:
    shape = (robots, 2)
    return SensorFrame(
        np.full(robots, stamp),
        np.broadcast_to(position, shape).copy(),
        np.broadcast_to(velocity, shape).copy(),
    )


def moving(step: int, velocity: ArrayLike, period: float = 0.02) -> SensorFrame:
    """A step of a course at one speed, in [rad/s], from rest's place on; stamps a period [s] apart."""
    stamp = (step + 1) * period
    return frame(AT_REST + np.asarray(velocity) * stamp, velocity, stamp=stamp)


def awake(filter_: SafetyFilter, interface: str) -> SafetyFilter:
    """After the soft start, the rest command sent last."""
    rest = np.tile(REST[interface], (filter_.robots, 1))
    sent = [filter_.certify(rest, frame(robots=filter_.robots)) for _ in range(len(RAMP) + 1)]
    assert not sent[-1].reasons.any()
    return filter_


class Storm:
    """Requests, readings and ages of N robots: mostly sound, sometimes anything."""

    def __init__(self, seed: int, interface: str, robots: int):
        self.rng = np.random.default_rng(seed)
        self.interface, self.robots = interface, robots
        self.time = 1.0
        """Of the last gust, in [s]."""

    def spoil(self, values: np.ndarray, share: float, bad: tuple[float, ...]) -> np.ndarray:
        mask = self.rng.random(values.shape) < share
        return np.where(mask, self.rng.choice(bad, values.shape), values)

    def gust(self) -> tuple[np.ndarray, SensorFrame, np.ndarray]:
        rng, shape = self.rng, (self.robots, 2)
        low, high = LOW[self.interface], HIGH[self.interface]
        request = low + (high - low) * rng.uniform(-0.3, 1.3, shape)
        request = self.spoil(request, 0.02, (np.nan, np.inf, -np.inf, 1e9, -1e9, 1e300, -1e300))
        position = POSITION_LOW + (POSITION_HIGH - POSITION_LOW) * rng.uniform(-0.01, 1.01, shape)
        position = self.spoil(position, 0.01, (np.nan, np.inf, -np.inf, 1e12, -9.0))
        velocity = self.spoil(SPEED * rng.uniform(-1.01, 1.01, shape), 0.01, (np.nan, -np.inf, 1e12, -50.0))
        self.time += 0.02
        stamp = np.full(self.robots, self.time)  # also of the reading before, and of long ago
        stamp = self.spoil(stamp, 0.05, (np.nan, np.inf, self.time - 0.02, self.time - 1.0))
        age = self.spoil(rng.uniform(0.0, 0.0602, self.robots), 0.02, (np.nan, np.inf, 0.0601, 3.0))
        return request, SensorFrame(stamp, position, velocity), age


def readings(reading: SensorFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return reading.position, reading.velocity, reading.stamp


def causes(request: np.ndarray, reading: SensorFrame, age: np.ndarray) -> np.ndarray:
    """The safe-mode reasons, robot by robot, said the slow way."""
    out = []
    for ask, p, v, t, old in zip(*(x.tolist() for x in (request, *readings(reading), age)), strict=True):
        sane = all(map(math.isfinite, (*p, *v, t)))
        slow = abs(v[0]) <= 4.0 and abs(v[1]) <= 6.0
        inside = -2.0 <= p[0] <= 1.5 and -1.0 <= p[1] <= 2.5
        bits = 0 if old <= 0.06 else int(Reason.SENSOR_STALE)
        bits += 0 if sane else int(Reason.SENSOR_NOT_FINITE)
        bits += 0 if all(map(math.isfinite, ask)) else int(Reason.POLICY_NOT_FINITE)
        bits += 0 if slow or not sane else int(Reason.VELOCITY_LIMIT)
        bits += 0 if inside or not sane else int(Reason.POSITION_LIMIT)
        out.append(bits)
    return np.array(out)
