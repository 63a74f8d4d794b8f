"""`Slew`: commands no faster than their rate; `way_to_safe`: those that end with the safe one. Pure. J joints."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from robots import RobotSpec
from robots.safety import SafetyFilter


class Slew:
    """Follows commands, shape (J,), in [command unit], by at most one control period's step each."""

    def __init__(self, spec: RobotSpec, last: np.ndarray | None = None):
        """`last`: the command before; None: rest, or of a position-commanded robot the first one that comes."""
        self._step = spec.command_rate * spec.period
        self._lets_go = spec.interface == "effort"
        if last is None and spec.interface != "position":
            last = np.zeros(len(spec.joints))
        self._last = last

    def follow(self, command: np.ndarray) -> np.ndarray:
        """On the way to `command`. Torque is let go of at once; what is not finite is nobody's way, and is returned."""
        if not np.isfinite(command).all():
            return command
        if self._last is None or (self._lets_go and not command.any()):
            self._last = command
        else:
            self._last = command.clip(self._last - self._step, self._last + self._step)
        return self._last


def way_to_safe(spec: RobotSpec, last: np.ndarray, position: np.ndarray | None) -> Iterator[np.ndarray]:
    """Commands for one control period each, as fast as limits allow, up to the safe one, which is the last.

    Args:
        spec: the robot.
        last: the command before, in [command unit]. Shape (J,).
        position: where the joints are, in [rad], shape (J,); None, or NaN: nobody knows, and `last` is held there.
    """
    stop = SafetyFilter(spec)
    state = stop.state()
    state["last"][0] = last
    state["measured"][0] = last if position is None else np.where(np.isfinite(position), position, last)
    stop.restore(state)
    yield stop.stop().command[0]
    while not stop.settled:
        yield stop.stop().command[0]
