"""`Damping`: torque against the speed of joints, as far as their positions bear it out. N robots, J joints."""

from __future__ import annotations

import numpy as np

from robots.spec import RobotSpec


class Damping:
    """What brakes in safe mode must not drive, also where the speed that it brakes is a lie.

    The speed that counts is the smaller one of what is reported and what the last two positions tell, their difference
    over that of their stamps. There is none where those have other signs, or the two positions before, or where no
    three positions tell: a torque that is not known to take energy from a joint is none. Of three in a row, a position
    that jumps once tells nothing, and noise little.

    Of an encoder with a resolution of r [rad], speeds below r / period may not be told, and are not damped.
    """

    def __init__(self, spec: RobotSpec, robots: int):
        self._damping = np.asarray(spec.safety.damping)
        self._longest = spec.safety.stale_after
        joints = len(spec.joints)
        self.speed = np.zeros((robots, joints))
        """What is damped, in [rad/s]. Shape (N, J)."""
        self.position = np.zeros((2, robots, joints))
        """The last one that was heard and the one before, in [rad]. Shape (2, N, J)."""
        self.stamp = np.full((2, robots), np.nan)
        """Of those positions, in [s]; NaN: there is none. Shape (2, N)."""

    def reset(self, ids: np.ndarray | slice) -> None:
        """Robots `ids` were put elsewhere, or not heard for long."""
        self.speed[ids] = 0.0
        self.stamp[:, ids] = np.nan

    def hear(
        self,
        position: np.ndarray,
        velocity: np.ndarray,
        stamp: np.ndarray,
        finite: np.ndarray,
        brakes: np.ndarray,
    ) -> None:
        """A reading.

        Args:
            position: in [rad]. Shape (N, J).
            velocity: in [rad/s]. Shape (N, J).
            stamp: in [s]. Shape (N,).
            finite: which robots' readings are finite; the others said nothing. Shape (N,), bool.
            brakes: which robots have something to damp, all of them finite. Shape (N,), bool.
        """
        self.speed[:] = 0.0
        if np.count_nonzero(brakes):
            ids = np.flatnonzero(brakes)
            self.speed[ids] = self._borne_out(position[ids], velocity[ids], stamp[ids], ids)
        (last, before), (then, earlier) = self.position, self.stamp
        if np.count_nonzero(finite) == finite.size:
            before[:], earlier[:] = last, then
            last[:], then[:] = position, stamp
            return
        heard = finite[:, None]
        np.copyto(before, last, where=heard)
        np.copyto(earlier, then, where=finite)
        np.copyto(last, position, where=heard)
        np.copyto(then, stamp, where=finite)

    @property
    def torque(self) -> np.ndarray:
        """In [N m]. Shape (N, J)."""
        return -self._damping * self.speed

    def _borne_out(
        self, position: np.ndarray, velocity: np.ndarray, stamp: np.ndarray, ids: np.ndarray
    ) -> np.ndarray:
        """What counts of the speeds that robots `ids` report, in [rad/s]. Shape (n, J)."""
        (last, before), (then, earlier) = self.position[:, ids], self.stamp[:, ids]
        with np.errstate(over="ignore"):
            told = self._told(position - last, stamp - then)
            told_before = self._told(last - before, then - earlier)
        agree = (np.sign(told) == np.sign(velocity)) & (np.sign(told_before) == np.sign(velocity))
        return np.where(agree, np.copysign(np.minimum(np.abs(velocity), np.abs(told)), velocity), 0.0)

    def _told(self, way: np.ndarray, elapsed: np.ndarray) -> np.ndarray:
        """Speeds in [rad/s], shape (n, J), of ways in [rad] in times in [s], shape (n,); 0 where those tell none."""
        known = (elapsed > 0.0) & (elapsed <= self._longest)
        return np.where(known[:, None], way / np.where(known, elapsed, 1.0)[:, None], 0.0)
