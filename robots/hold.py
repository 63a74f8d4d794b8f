"""`Hold`: where each joint was last, as far as that can be believed: what safe mode holds. N robots, J joints."""

from __future__ import annotations

import numpy as np

from robots.spec import RobotSpec


class Hold:
    """Remembers positions that are within a joint's limits and that it can have come to since the last such one.

    One that jumped there faster than the joint may move is no place to hold: an encoder that has lost its count, or
    random bits, half of which read as about 0. As time goes by more places can be reached, so that a joint whose
    encoder stays elsewhere is believed in the end. Where the stamps tell no time, jumps are not judged.

    A joint that was never within its limits, as at activation beyond one, is held at the limit next to it.
    """

    def __init__(self, spec: RobotSpec, robots: int):
        self._low, self._high = spec.position_limits
        self._limit = spec.velocity_limit
        self._default = spec.default_position
        joints = len(spec.joints)
        self.position = np.zeros((robots, joints))
        """In [rad], within the limits. Shape (N, J)."""
        self.seen = np.zeros((robots, joints))
        """Stamp of that position in [s]; -infinite: not known, NaN: the joint was never within its limits.
        Shape (N, J)."""

    def reset(self, ids: np.ndarray | slice, measured: np.ndarray | None) -> None:
        """Robots `ids` are at the measured positions, shape (n, J), in [rad], or at rest; what is not finite is."""
        if measured is None:
            measured = self._default
        measured = np.where(np.isfinite(measured), measured, self._default)
        self.position[ids] = within = measured.clip(self._low, self._high)
        self.seen[ids] = np.where(within == measured, -np.inf, np.nan)

    def hear(self, position: np.ndarray, stamp: np.ndarray, heard: np.ndarray) -> None:
        """Positions in [rad], shape (N, J), at times in [s], shape (N,), of the robots that are `heard`, shape (N,)."""
        stamps = stamp[:, None]
        with np.errstate(invalid="ignore", over="ignore"):
            reach = stamps - self.seen
            if np.count_nonzero(untold := reach <= 0.0):
                reach[untold] = np.inf
            reach *= self._limit
            way = position - self.position
            np.abs(way, out=way)
            believed = ~(way > reach)  # also where it is not known when a joint was where
            believed &= position >= self._low
            believed &= position <= self._high
        believed &= heard[:, None]
        if np.count_nonzero(believed) == believed.size:
            self.position[:] = position
            self.seen[:] = stamps
            return
        np.copyto(self.position, position, where=believed)
        np.copyto(self.seen, stamps, where=believed)
        if np.count_nonzero(never := np.isnan(self.seen)):
            never &= heard[:, None]
            np.copyto(self.position, position.clip(self._low, self._high), where=never)
