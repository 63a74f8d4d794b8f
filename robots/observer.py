"""`Observer`: builds observations step after step, with the history that a layout asks for."""

from __future__ import annotations

import numpy as np

from robots.frame import SensorFrame
from robots.observation import ObservationLayout


class Observer:
    """The observations of N robots. Simulator and robot run this same class."""

    def __init__(self, layout: ObservationLayout, robots: int = 1):
        self.layout = layout
        self.robots = robots
        self._observation = np.zeros((robots, layout.size), np.float32)
        self._step = np.zeros((robots, layout.step_size), np.float32) if layout.stacked else self._observation
        self._begins = np.ones(robots, dtype=bool)

    def observe(
        self, frame: SensorFrame, goal: np.ndarray | None = None, fresh: np.ndarray | None = None
    ) -> np.ndarray:
        """The observation after one more control step.

        Args:
            frame: newest sensor reading.
            goal: shape (N, G), where the layout has one.
            fresh: whose reading is new and usable; the others keep their last observation. All by default.
                Shape (N,), bool.

        Returns:
            Shape (N, O), float32. Live: the next call overwrites it.

        Raises:
            RobotError: the frame or the goal lacks what a term needs.
        """
        whole = fresh is None or bool(fresh.all())
        if whole and not self.layout.stacked:
            return self.layout.build(frame, goal, out=self._observation)
        step = self.layout.build(frame, goal, out=self._step if self.layout.stacked else None)
        if whole:
            self._push(step, slice(None))
        elif fresh is not None and fresh.any():
            rows = np.flatnonzero(fresh)
            self._push(step[rows], rows)
        return self._observation

    def restart(self, ids: np.ndarray, frame: SensorFrame, goal: np.ndarray | None = None) -> np.ndarray:
        """The observations of robots `ids`, shape (n,), begin anew with a reading of those n alone.

        Returns:
            Their observations. Shape (n, O), float32.

        Raises:
            RobotError: the frame or the goal lacks what a term needs.
        """
        step = self.layout.build(frame, goal)
        self.reset(ids)
        self._push(step, ids)
        return self._observation[ids]

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """The next observation of robots `ids` fills their whole history."""
        self._begins[ids] = True

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {"observation": self._observation.copy(), "begins": self._begins.copy()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of `state`."""
        self._observation[:] = state["observation"]
        self._begins[:] = state["begins"]

    def _push(self, step: np.ndarray, rows: np.ndarray | slice) -> None:
        """Moves the history of some robots on by their newest step, shape (n, `step_size`)."""
        if not self.layout.stacked:
            self._observation[rows] = step
            return
        stack = self._observation if isinstance(rows, slice) else self._observation[rows]
        begins = np.flatnonzero(self._begins[rows])
        source, target = 0, 0
        for term, size in zip(self.layout.terms, self.layout.sizes, strict=True):
            newest = step[:, source : source + size]
            block = stack[:, target : target + size * term.history]
            if term.history > 1:
                block[:, size:] = block[:, :-size]  # numpy sees that the two overlap
            block[:, :size] = newest
            if term.history > 1 and len(begins):
                block[begins] = np.tile(newest[begins], term.history)
            source, target = source + size, target + size * term.history
        self._begins[rows] = False
        if not isinstance(rows, slice):
            self._observation[rows] = stack
