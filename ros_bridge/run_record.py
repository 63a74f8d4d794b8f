"""`RunRecord`: what happened in one run of a simulated robot, step by step, and the file that tells of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from robots import RobotSpec
from robots.safety import reason_names
from ros_bridge.conversions import BeliefReading


class RunRecord:
    """Up to T control steps of a robot with J joints, in arrays that exist before the run."""

    def __init__(self, spec: RobotSpec, steps: int):
        joints = len(spec.joints)
        self.spec = spec
        self.steps = 0
        """Steps recorded so far."""
        self.time = np.full(steps, np.nan)
        """Since the first command, in [s]. Shape (T,)."""
        self.columns = {
            name: np.full((steps, joints), np.nan)
            for name in ("angle", "measured", "velocity", "requested", "certified")
        }
        """True angle and encoder angle [rad], true velocity [rad/s], commands [command unit]. Shape (T, J) each."""
        self.latency = np.full(steps, np.nan)
        """From a reading's publication to the arrival of the next command, in [s]. Shape (T,)."""
        self.reasons: Counter[str] = Counter()
        self._names: tuple[str, ...] = ()
        self._units: tuple[str, ...] = ()
        self._belief = np.full((2, steps, 0), np.nan)

    def sensed(self, time: float, angle: np.ndarray, measured: np.ndarray, velocity: np.ndarray) -> None:
        """Begins a step: its time [s] and the robot's state, shape (J,) each."""
        self.time[self.steps] = time
        for name, value in (("angle", angle), ("measured", measured), ("velocity", velocity)):
            self.columns[name][self.steps] = value

    def answered(self, latency: float) -> None:
        """The step's first command came after `latency` [s]."""
        self.latency[self.steps] = latency

    def requested(self, request: np.ndarray, reasons: int) -> None:
        """What the policy asked for in this step, shape (J,), and the bit mask of reasons."""
        self.columns["requested"][self.steps] = request
        self.reasons.update(reason_names(reasons))

    def believed(self, belief: BeliefReading) -> None:
        """What the adapter believed in this step."""
        if not self._names:
            self._names, self._units = belief.names, belief.units
            self._belief = np.full((2, len(self.time), len(belief.names)), np.nan)
        self._belief[:, self.steps] = belief.mean, belief.std

    def applied(self, command: np.ndarray) -> None:
        """Ends a step with the command, shape (J,), that was in force."""
        self.columns["certified"][self.steps] = command
        self.steps += 1

    def to_json(self) -> dict[str, Any]:
        """Lists per step; one number per step for a robot with one joint, else a list of J. NaN becomes null."""
        end = slice(0, self.steps)
        mean, std = self._belief[:, end]
        low, high = self.spec.command_limits
        return {
            "time": _listed(self.time[end]),
            **{name: _listed(_squeezed(values[end])) for name, values in self.columns.items()},
            "effort_limit": _listed(_squeezed(np.maximum(-low, high)[None]))[0],
            "reasons": dict(self.reasons),
            "belief": {
                "names": list(self._names),
                "units": list(self._units),
                "mean": _listed(mean),
                "std": _listed(std),
            },
            "latency_ms": _listed(1e3 * self.latency[end][np.isfinite(self.latency[end])]),
        }


def _squeezed(values: np.ndarray) -> np.ndarray:
    return values[:, 0] if values.shape[1] == 1 else values


def _listed(values: np.ndarray) -> list[Any]:
    rounded = np.round(values, 6)
    return np.where(np.isfinite(rounded), rounded.astype(object), np.array(None)).tolist()
