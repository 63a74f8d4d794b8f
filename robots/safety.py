"""`SafetyFilter`: the last thing a command passes before a motor. On by default, in training too."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from robots.frame import SensorFrame
from robots.spec import RobotSpec


class Reason(enum.IntFlag):
    """Why a command is not what the policy asked for; those in `SAFE_MODE` put the robot into its safe mode.

    An overrun changes nothing by itself: the step took longer than a control period.
    """

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
    TILT_LIMIT = 512
    RECOVERING = 1024
    ACCELERATION_LIMIT = 2048
    OVERRUN = 4096


DISTRUST = Reason.SENSOR_STALE | Reason.SENSOR_NOT_FINITE | Reason.POLICY_NOT_FINITE
"""Somebody cannot be believed: when they are sound again they have to stay so for a while."""
SAFE_MODE = (
    DISTRUST
    | Reason.VELOCITY_LIMIT
    | Reason.POSITION_LIMIT
    | Reason.STOPPED
    | Reason.TILT_LIMIT
    | Reason.RECOVERING
)


_SAFE_MODE, _DISTRUST, _STALE = int(SAFE_MODE), int(DISTRUST), int(Reason.SENSOR_STALE)
_BITS = max(Reason).bit_length()
_STATE = ("last", "ramp", "anchor", "measured", "speed", "safe", "recovers", "moved")


def reason_names(bits: int) -> list[str]:
    """The reasons in a bit mask, in words."""
    return list(_names(bits))


@lru_cache(maxsize=256)
def _names(bits: int) -> tuple[str, ...]:
    """Asked for after every command: a robot has the same few masks again and again."""
    return tuple(reason.name.lower() for reason in Reason if reason and reason & bits and reason.name)


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
    from where its joints were at that moment, so that one that stands does not sink meanwhile. After readings or
    requests that cannot be believed, safe mode lasts until they have been sound for the settings' `recovery`.

    Where a joint has a limit of acceleration, its command brakes in time to stop where it is to stop. The limits of
    command and rate go before it.
    """

    def __init__(self, spec: RobotSpec, robots: int = 1):
        self.spec = spec
        self.robots = robots
        self.low, self.high = spec.command_limits
        self.step_limit = spec.command_rate * spec.period
        self.damping = np.asarray(spec.safety.damping)
        self.ramp_step = spec.period / spec.safety.soft_start
        self.step_change = spec.command_acceleration * spec.period**2
        """Largest difference between two steps of a command in [command unit]; infinite: none. Shape (J,)."""
        self._accelerates = bool(np.isfinite(self.step_change).any())
        self._least_upright = np.cos(spec.safety.tilt)
        self._recovery_steps = round(spec.safety.recovery / spec.period)
        joints = len(spec.joints)
        self._last = np.zeros((robots, joints))
        self._ramp = np.zeros(robots)
        self._anchor = np.zeros((robots, joints))
        self._measured = np.zeros((robots, joints))
        self._speed = np.zeros((robots, joints))
        self._safe = np.zeros(robots, dtype=bool)
        self._recovers = np.zeros(robots, dtype=np.int64)
        """Control steps that are still to be sound before safe mode ends."""
        self._moved = np.zeros((robots, joints))
        """The last step of the command."""
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
        self._recovers[ids] = 0
        self._moved[ids] = 0.0

    def certify(
        self,
        request: np.ndarray,
        frame: SensorFrame,
        age: np.ndarray | float = 0.0,
        finite: np.ndarray | None = None,
    ) -> Certified:
        """Makes a requested command, shape (N, J), safe to send.

        Args:
            request: what the policy asks for, in [command unit]; may be anything, NaN included.
            frame: the newest sensor reading.
            age: how old that reading is, in [s]; shape (N,) or scalar.
            finite: `frame.finite`, where the caller has it already. Shape (N,), bool.
        """
        finite = frame.finite if finite is None else finite
        reasons = self._watch(request, frame, finite, age)
        safe = (reasons & _SAFE_MODE) != 0
        trusted = finite & ~(safe & self._safe)  # in safe mode the place to hold stays where it began
        np.copyto(self._measured, frame.position, where=trusted[:, None])
        begins = self._ramp == 0.0
        if np.count_nonzero(begins):
            self._anchor[begins] = self._measured[begins]
        known = finite & ((reasons & _STALE) == 0)  # no damping of a speed that is long gone
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
        command = self._smooth(limited, reasons)
        self._moved[:] = command - self._last
        self._last[:] = command
        self._count(reasons)
        return Certified(command, reasons)

    def stop(self) -> Certified:
        """A command that needs no sensor reading: safe mode without speed information, now.

        Torque is let go of at once. A position or a speed goes towards its safe one as fast as the rate limit allows:
        call it again, a control period later, until it is `settled`.
        """
        self._ramp[:] = 0.0
        self._speed[:] = 0.0
        self._safe[:] = True
        self._recovers[:] = self._recovery_steps
        wanted = self._safe_command().clip(self.low, self.high)
        reasons = np.full(self.robots, int(Reason.STOPPED))
        if self.spec.interface != "effort":
            limited = wanted.clip(self._last - self.step_limit, self._last + self.step_limit)
            _mark(reasons, Reason.RATE_LIMIT, limited != wanted)
            wanted = limited
        self._moved[:] = 0.0
        self._last[:] = wanted
        self._count(reasons)
        return Certified(self._last.copy(), reasons)

    @property
    def settled(self) -> bool:
        """Whether the last command was the whole way to the safe one."""
        return bool((self._last == self._safe_command().clip(self.low, self.high)).all())

    @property
    def still(self) -> np.ndarray:
        """What may be sent at any moment without a thought: the last position, or nothing. Shape (N, J)."""
        return self._last.copy() if self.spec.interface == "position" else np.zeros_like(self._last)

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
        reasons |= np.where(age <= self.spec.safety.stale_after, 0, _STALE)
        if frame.gravity is not None:
            _mark(reasons, Reason.TILT_LIMIT, frame.gravity[:, 2:] > -self._least_upright, finite)
        if self._recovery_steps:
            self._await_recovery(reasons)
        return reasons

    def _await_recovery(self, reasons: np.ndarray) -> None:
        doubted = (reasons & _DISTRUST) != 0
        waits = ~doubted & (self._recovers > 0)
        reasons[waits] |= int(Reason.RECOVERING)
        self._recovers[waits] -= 1
        self._recovers[doubted] = self._recovery_steps

    def _smooth(self, limited: np.ndarray, reasons: np.ndarray) -> np.ndarray:
        """The next command on the way to one within limits, shape (N, J)."""
        last, step = self._last, self.step_limit
        command = limited.clip(last - step, last + step)
        _mark(reasons, Reason.RATE_LIMIT, command != limited)
        if not self._accelerates:
            return command
        way = limited - last
        move = np.sign(way) * np.minimum(stoppable(np.abs(way), self.step_change), step)
        move = move.clip(self._moved - self.step_change, self._moved + self.step_change)
        smooth = (last + move).clip(last - step, last + step).clip(self.low, self.high)
        _mark(reasons, Reason.ACCELERATION_LIMIT, smooth != command)
        return smooth

    def _blend(self, request: np.ndarray) -> np.ndarray:
        """The request, blended in from rest (effort, velocity) or from where the joint was when it began (position)."""
        ramp = self._ramp[:, None]
        usable = np.isfinite(request)
        if np.count_nonzero(usable) < usable.size:
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
        np.add.at(self._tally, reasons, 1)


def stoppable(way: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The longest step on a way after which steps that shrink by `change` each end where the way does.

    Both in [command unit], shapes (..., J) and (J,); the whole way where `change` is infinite.
    A step of k change + r, with r < change, and those that follow it add up to k (k + 1) / 2 change + (k + 1) r.
    """
    with np.errstate(invalid="ignore"):
        whole = np.floor((np.sqrt(1 + 8 * way / change) - 1) / 2)
        step = whole * change + (way - whole * (whole + 1) / 2 * change) / (whole + 1)
    return np.where(np.isfinite(change), step, way)


def _mark(reasons: np.ndarray, reason: Reason, wrong: np.ndarray, where: np.ndarray | None = None) -> None:
    """Adds a reason for those robots, shape (N,), of whose joints any is wrong, shape (N, J), both bool."""
    if not np.count_nonzero(wrong):  # several times faster than `any` where there are few
        return
    robots = wrong.any(axis=1)
    reasons[robots if where is None else robots & where] |= int(reason)
