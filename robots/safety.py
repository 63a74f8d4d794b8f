"""`SafetyFilter`: the last thing a command passes before a motor. On by default, in training too."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from robots.frame import SensorFrame
from robots.spec import RobotSpec


class Reason(enum.IntFlag):
    """Why a command is not what the policy asked for. The upper six put the robot into its safe mode."""

    OK = 0
    SOFT_START = 1
    COMMAND_LIMIT = 2
    RATE_LIMIT = 4
    SENSOR_STALE = 8
    SENSOR_NOT_FINITE = 16
    POLICY_NOT_FINITE = 32
    VELOCITY_LIMIT = 64
    POSITION_LIMIT = 128
    STOPPED = 256


SAFE_MODE = (
    Reason.SENSOR_STALE
    | Reason.SENSOR_NOT_FINITE
    | Reason.POLICY_NOT_FINITE
    | Reason.VELOCITY_LIMIT
    | Reason.POSITION_LIMIT
    | Reason.STOPPED
)


_SAFE_MODE = int(SAFE_MODE)
_BITS = max(Reason).bit_length()
_STATE = ("last", "ramp", "anchor", "measured", "speed", "safe")


def reason_names(bits: int) -> list[str]:
    """The reasons in a bit mask, in words."""
    return [reason.name.lower() for reason in Reason if reason and reason & bits and reason.name]


@dataclass(frozen=True)
class Certified:
    """What may be sent, and why it differs from what was asked."""

    command: np.ndarray
    """Finite and within all limits, in [command unit]. Shape (N, J)."""
    reasons: np.ndarray
    """Bit mask of `Reason` per robot. Shape (N,), int."""


class SafetyFilter:
    """Certifies the commands of N robots of one kind; J joints.

    Safe mode: damping torque (effort), hold the last good measured position (position), zero (velocity).
    Commands blend in over the soft start after `reset` and after every time in safe mode; of a position-commanded robot
    from where its joints were at that moment, so that one that stands does not sink meanwhile.
    """

    def __init__(self, spec: RobotSpec, robots: int = 1):
        self.spec = spec
        self.robots = robots
        self.low, self.high = spec.command_limits
        self.step_limit = spec.command_rate * spec.period
        self.damping = np.asarray(spec.safety.damping)
        self.ramp_step = spec.period / spec.safety.soft_start
        joints = len(spec.joints)
        self._last = np.zeros((robots, joints))
        self._ramp = np.zeros(robots)
        self._anchor = np.zeros((robots, joints))
        self._measured = np.zeros((robots, joints))
        self._speed = np.zeros((robots, joints))
        self._safe = np.zeros(robots, dtype=bool)
        self._tally = np.zeros(2**_BITS, dtype=np.int64)
        self.reset()

    @property
    def counts(self) -> dict[Reason, int]:
        """How many commands so far were not what was asked for, by reason."""
        masks = np.arange(len(self._tally))
        return {reason: int(self._tally[(masks & reason) != 0].sum()) for reason in Reason if reason}

    def reset(self, ids: np.ndarray | slice = slice(None), position: np.ndarray | None = None) -> None:
        """Activation: the command starts from rest, or from the measured position, shape (n, J), in [rad]."""
        start = 0.0
        if self.spec.interface == "position":
            defaults = np.array([joint.default_position for joint in self.spec.joints])
            measured = defaults if position is None else np.where(np.isfinite(position), position, defaults)
            start = np.clip(measured, self.low, self.high)
        self._last[ids] = start
        self._measured[ids] = start
        self._speed[ids] = 0.0
        self._ramp[ids] = 0.0
        self._safe[ids] = False

    def certify(self, request: np.ndarray, frame: SensorFrame, age: np.ndarray | float = 0.0) -> Certified:
        """Makes a requested command, shape (N, J), safe to send.

        Args:
            request: what the policy asks for, in [command unit]; may be anything, NaN included.
            frame: the newest sensor reading.
            age: how old that reading is, in [s]; shape (N,) or scalar.
        """
        finite = frame.finite
        reasons = self._watch(request, frame, finite, age)
        safe = (reasons & _SAFE_MODE) != 0
        trusted = finite & ~(safe & self._safe)  # in safe mode the place to hold stays where it began
        np.copyto(self._measured, frame.position, where=trusted[:, None])
        begins = self._ramp == 0.0
        if begins.any():
            self._anchor[begins] = self._measured[begins]
        known = finite & (
            (reasons & int(Reason.SENSOR_STALE)) == 0
        )  # no damping of a speed that is long gone
        self._speed[:] = 0.0
        np.copyto(self._speed, frame.velocity, where=known[:, None])
        self._safe = safe

        self._ramp = np.minimum(self._ramp + self.ramp_step, 1.0)
        self._ramp[safe] = 0.0
        reasons[~safe & (self._ramp < 1.0)] |= int(Reason.SOFT_START)
        wanted = self._blend(request)
        np.copyto(wanted, self._safe_command(), where=safe[:, None])

        limited = wanted.clip(self.low, self.high)
        _mark(reasons, Reason.COMMAND_LIMIT, limited != wanted, ~safe)
        command = limited.clip(self._last - self.step_limit, self._last + self.step_limit)
        _mark(reasons, Reason.RATE_LIMIT, command != limited)
        self._last[:] = command
        self._count(reasons)
        return Certified(command, reasons)

    def stop(self) -> Certified:
        """A command that needs no sensor reading: safe mode without speed information, now."""
        self._ramp[:] = 0.0
        self._speed[:] = 0.0
        self._last[:] = np.clip(self._safe_command(), self.low, self.high)
        reasons = np.full(self.robots, int(Reason.STOPPED))
        self._count(reasons)
        return Certified(self._last.copy(), reasons)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {name: getattr(self, f"_{name}").copy() for name in _STATE}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of `state`."""
        for name in _STATE:
            getattr(self, f"_{name}")[:] = state[name]

    def _watch(
        self, request: np.ndarray, frame: SensorFrame, finite: np.ndarray, age: np.ndarray | float
    ) -> np.ndarray:
        low, high = self.spec.position_limits
        reasons = np.zeros(self.robots, dtype=np.int64)
        reasons[~finite] = Reason.SENSOR_NOT_FINITE
        with np.errstate(invalid="ignore"):
            _mark(reasons, Reason.VELOCITY_LIMIT, np.abs(frame.velocity) > self.spec.velocity_limit, finite)
            _mark(reasons, Reason.POSITION_LIMIT, (frame.position < low) | (frame.position > high), finite)
        _mark(reasons, Reason.POLICY_NOT_FINITE, ~np.isfinite(request))
        reasons |= np.where(age <= self.spec.safety.stale_after, 0, Reason.SENSOR_STALE)
        return reasons

    def _blend(self, request: np.ndarray) -> np.ndarray:
        """The request, blended in from rest (effort, velocity) or from where the joint was when it began (position)."""
        ramp = self._ramp[:, None]
        usable = np.isfinite(request)
        if not usable.all():
            request = np.where(usable, request, 0.0)
        start = self._anchor if self.spec.interface == "position" else 0.0
        return start + ramp * (request - start)

    def _safe_command(self) -> np.ndarray:
        if self.spec.interface == "effort":
            return -self.damping * self._speed
        if self.spec.interface == "position":
            return self._measured
        return np.zeros_like(self._last)

    def _count(self, reasons: np.ndarray) -> None:
        self._tally += np.bincount(reasons, minlength=len(self._tally))


def _mark(reasons: np.ndarray, reason: Reason, wrong: np.ndarray, where: np.ndarray | None = None) -> None:
    """Adds a reason for those robots, shape (N,), of whose joints any is wrong, shape (N, J), both bool."""
    if not wrong.any():
        return
    robots = wrong.any(axis=1)
    reasons[robots if where is None else robots & where] |= int(reason)
