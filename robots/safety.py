"""`SafetyFilter`: the last thing a command passes before a motor. On by default, in training too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robots.braking import stoppable
from robots.damping import Damping
from robots.frame import SensorFrame
from robots.hold import Hold
from robots.reason import DISTRUST, SAFE_MODE, Reason, reason_names
from robots.servo import ServoLimit
from robots.spec import RobotSpec
from robots.stance import Stance
from robots.strain import Strain

__all__ = ["DISTRUST", "SAFE_MODE", "Certified", "Reason", "SafetyFilter", "reason_names"]

_SAFE_MODE, _DISTRUST, _STALE = int(SAFE_MODE), int(DISTRUST), int(Reason.SENSOR_STALE)
_BITS = max(Reason).bit_length()
_STATE = ("last", "ramp", "anchor", "safe", "recovers", "moved")
_LATER = {"seen": -np.inf, "places": 0.0, "placed": np.nan}
"""What a state of before has not, and what it is then: jumps are not judged once, and nothing is damped for a step."""


@dataclass(frozen=True)
class Certified:
    """What may be sent, and why it differs from what was asked."""

    command: np.ndarray
    """Finite and within all limits, in [command unit]. Shape (N, J)."""
    reasons: np.ndarray
    """Bit mask of `Reason` per robot. Shape (N,), int."""


class SafetyFilter:
    """Certifies the commands of N robots of one kind; J joints.

    Safe mode: damping torque (effort, `Damping`), the last believable position (position, `Hold`), zero (velocity).
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
        self._hold = Hold(spec, robots)
        self._damping = Damping(spec, robots)
        self._safe = np.zeros(robots, dtype=bool)
        self._recovers = np.zeros(robots, dtype=np.int64)
        """Control steps that are still to be sound before safe mode ends."""
        self._moved = np.zeros((robots, joints))
        """The last step of the command."""
        self._tally = np.zeros(2**_BITS, dtype=np.int64)
        self._strain = Strain.of(spec, robots)
        self._stance = Stance.of(spec)
        self._servo = ServoLimit.of(spec)
        self.reset()

    @property
    def counts(self) -> dict[Reason, int]:
        """How many commands so far were not what was asked for, by reason."""
        masks = np.flatnonzero(self._tally)
        tally = self._tally[masks]
        return {reason: int(tally[(masks & reason) != 0].sum()) for reason in Reason if reason}

    def reset(self, ids: np.ndarray | slice = slice(None), position: np.ndarray | None = None) -> None:
        """Activation: the command starts from rest, or from the measured position, shape (n, J), in [rad]."""
        self._hold.reset(ids, position)
        self._damping.reset(ids)
        self._last[ids] = self._hold.position[ids] if self.spec.interface == "position" else 0.0
        self._ramp[ids] = 0.0
        self._safe[ids] = False
        self._recovers[ids] = 0
        self._moved[ids] = 0.0
        if self._strain is not None:
            self._strain.readings[ids] = 0

    def certify(
        self,
        request: np.ndarray,
        frame: SensorFrame,
        age: np.ndarray | float = 0.0,
        elapsed: float = np.inf,
        finite: np.ndarray | None = None,
    ) -> Certified:
        """Makes a requested command, shape (N, J), safe to send.

        Args:
            request: what the policy asks for, in [command unit]; may be anything, NaN included.
            frame: the newest sensor reading.
            age: how old that reading is, in [s]; shape (N,) or scalar.
            elapsed: time that the command may have moved for, in [s], of which a control period counts at most: one
                that follows another one closely moves by less.
            finite: `frame.finite`, where the caller has it already. Shape (N,), bool.
        """
        finite = self._finite(frame, finite)
        reasons = self._watch(request, frame, finite, age)
        safe = (reasons & _SAFE_MODE) != 0
        self._sense(frame, finite, safe, (reasons & _STALE) != 0)
        if self.spec.interface == "position" and np.count_nonzero(begins := self._ramp == 0.0):
            self._anchor[begins] = self._hold.position[begins]
        self._safe = safe

        self._ramp = np.minimum(self._ramp + self.ramp_step, 1.0)
        self._ramp[safe] = 0.0
        reasons[~safe & (self._ramp < 1.0)] |= int(Reason.SOFT_START)
        wanted = self._blend(request)
        if np.count_nonzero(safe):
            np.copyto(wanted, self._safe_command(), where=safe[:, None])

        limited = wanted.clip(self.low, self.high)
        _mark(reasons, Reason.COMMAND_LIMIT, limited != wanted, ~safe)
        if self._servo is not None:
            within = self._servo(limited, frame).clip(self.low, self.high)
            np.copyto(within, limited, where=safe[:, None])
            _mark(reasons, Reason.SERVO_EFFORT, within != limited)
            limited = within
        command = self._smooth(limited, reasons, self._step(elapsed))
        self._moved[:] = command - self._last
        self._last[:] = command
        self._count(reasons)
        return Certified(command, reasons)

    def stop(self, elapsed: float = np.inf) -> Certified:
        """A command that needs no sensor reading: safe mode without speed information, now.

        Torque is let go of at once. A position or a speed goes towards its safe one as fast as the rate limit allows:
        call it again, a control period later, until it is `settled`. `elapsed`: as for `certify`.
        """
        self._ramp[:] = 0.0
        self._damping.speed[:] = 0.0
        self._safe[:] = True
        self._recovers[:] = self._recovery_steps
        wanted = self._safe_command().clip(self.low, self.high)
        reasons = np.full(self.robots, int(Reason.STOPPED))
        if self.spec.interface != "effort":
            step = self._step(elapsed)
            limited = wanted.clip(self._last - step, self._last + step)
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
        return {name: array.copy() for name, array in self._memory().items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of `state`."""
        for name, array in self._memory().items():
            array[:] = _LATER[name] if name in _LATER and name not in state else state[name]

    def _memory(self) -> dict[str, np.ndarray]:
        memory = {name: getattr(self, f"_{name}") for name in _STATE}
        memory |= {"measured": self._hold.position, "seen": self._hold.seen, "speed": self._damping.speed}
        memory |= {"places": self._damping.position, "placed": self._damping.stamp}
        return memory if self._strain is None else memory | {"strain": self._strain.readings}

    def _finite(self, frame: SensorFrame, known: np.ndarray | None) -> np.ndarray:
        """Whether all of a robot's readings are there and finite; `known`: those of the frame. Shape (N,)."""
        if self._strain is not None and frame.effort is None:
            return np.zeros(self.robots, dtype=bool)
        return frame.finite if known is None else known

    def _step(self, elapsed: float) -> np.ndarray:
        """How far a command may move, in [command unit], at a time [s] after the last one. Shape (J,)."""
        if elapsed >= self.spec.period:
            return self.step_limit
        return self.spec.command_rate * (elapsed if elapsed > 0 else 0.0)  # NaN is no time at all

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
        if self._strain is not None and frame.effort is not None:
            _mark(reasons, Reason.EFFORT_LIMIT, self._strain.hear(frame.effort, finite), finite)
        if self._stance is not None:
            reasons[finite & self._stance.low(frame)] |= int(Reason.BASE_HEIGHT)
        if self._recovery_steps:
            self._await_recovery(reasons)
        return reasons

    def _sense(self, frame: SensorFrame, finite: np.ndarray, safe: np.ndarray, stale: np.ndarray) -> None:
        """What safe mode needs to know of where robots are and how fast; the last three in shape (N,), bool."""
        if self.spec.interface == "position":
            # In safe mode the place to hold stays where it began.
            self._hold.hear(frame.position, frame.stamp, finite & ~(safe & self._safe))
        elif self.spec.interface == "effort":
            brakes = safe & finite & ~stale  # no damping of a speed that is long gone
            self._damping.hear(frame.position, frame.velocity, frame.stamp, finite, brakes)

    def _await_recovery(self, reasons: np.ndarray) -> None:
        doubted = (reasons & _DISTRUST) != 0
        waits = ~doubted & (self._recovers > 0)
        reasons[waits] |= int(Reason.RECOVERING)
        self._recovers[waits] -= 1
        self._recovers[doubted] = self._recovery_steps

    def _smooth(self, limited: np.ndarray, reasons: np.ndarray, step: np.ndarray) -> np.ndarray:
        """The next command, at most a `step` on the way to one within limits, shape (N, J)."""
        last = self._last
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
            return self._damping.torque
        if self.spec.interface == "position":
            return self._hold.position
        return np.zeros_like(self._last)

    def _count(self, reasons: np.ndarray) -> None:
        np.add.at(self._tally, reasons, 1)


def _mark(reasons: np.ndarray, reason: Reason, wrong: np.ndarray, where: np.ndarray | None = None) -> None:
    """Adds a reason for those robots, shape (N,), of whose joints any is wrong, shape (N, J), both bool."""
    if not np.count_nonzero(wrong):  # several times faster than `any` where there are few
        return
    robots = wrong.any(axis=1)
    reasons[robots if where is None else robots & where] |= int(reason)
