"""`Strain`: for how long joints have measured more torque than they may have. N robots, J joints."""

from __future__ import annotations

import math

import numpy as np

from robots.spec import RobotSpec


class Strain:
    """Counts readings. Torque that a drive measures has spikes, at a step of a gait or where a gear has play: drives
    that watch it want it exceeded for a minimum time (Beckhoff's P-AXIS-00350, `torq_detect_time`), and so does this.
    """

    def __init__(self, limit: np.ndarray, steps: int, robots: int):
        """
        Args:
            limit: torque that is too much, in [N m]. Shape (J,).
            steps: how many control steps in a row it may be exceeded.
            robots: N.
        """
        self.limit = limit
        self.steps = steps
        self.readings = np.zeros((robots, len(limit)), dtype=np.int64)
        """In a row that were beyond the limit, by joint. Shape (N, J)."""

    @classmethod
    def of(cls, spec: RobotSpec, robots: int) -> Strain | None:
        """None for a robot that does not measure torque."""
        sensor = spec.effort_sensor
        if sensor is None:
            return None
        # The first reading beyond the limit is no time yet, the one a control period later is one.
        steps = math.ceil(sensor.sustained / spec.period * (1 - 1e-9))
        return cls(spec.effort_limit * sensor.margin, steps, robots)

    def hear(self, effort: np.ndarray, finite: np.ndarray) -> np.ndarray:
        """Which joints have been beyond their limit for too long, shape (N, J), by torques in [N m], shape (N, J).

        Robots that are not `finite`, shape (N,), said nothing: their counts stay.
        """
        with np.errstate(invalid="ignore"):
            beyond = np.abs(effort) > self.limit
        np.copyto(self.readings, (self.readings + 1) * beyond, where=finite[:, None])
        return self.readings > self.steps
