"""`TruthRecord`: what really happened to a simulated robot, step by step. Nobody but a judge sees it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np


class TruthRecord:
    """Up to T control steps, in arrays that exist before the run. G numbers per goal; `nq` of a configuration."""

    def __init__(self, steps: int, nq: int, goal: int):
        self.steps = 0
        """Steps recorded so far."""
        self.columns = {
            "truth_time": np.full(steps, np.nan),
            "qpos": np.full((steps, nq), np.nan),
            "goal": np.full((steps, goal), np.nan),
            "on_target": np.zeros(steps, dtype=bool),
            "error": np.full(steps, np.nan),
            "lateness": np.full(steps, np.nan),
        }
        """As in `ros_bridge.hil.judging.trace.Trace`."""

    def add(
        self, time: float, qpos: np.ndarray, goal: np.ndarray | None, on_target: bool, error: float
    ) -> None:
        """A control step begins at `time` [s] since the first command."""
        row = {"truth_time": time, "qpos": qpos, "on_target": on_target, "error": error, "lateness": 0.0}
        for name, value in row.items():
            self.columns[name][self.steps] = value
        if goal is not None:
            self.columns["goal"][self.steps] = goal
        self.steps += 1

    def late(self, lateness: float) -> None:
        """In the present step a deadline was missed by so much, in [s]; the worst of a step is kept."""
        at = self.steps - 1
        self.columns["lateness"][at] = max(self.columns["lateness"][at], lateness)

    @property
    def lateness(self) -> np.ndarray:
        """Of the steps so far, in [s]."""
        return self.columns["lateness"][: self.steps]

    def save(self, path: Path) -> None:
        """As a compressed .npz, whole or not at all."""
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp.npz")
        np.savez_compressed(
            temporary, **{name: values[: self.steps] for name, values in self.columns.items()}
        )
        os.replace(temporary, path)
