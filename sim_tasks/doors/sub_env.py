"""`SubEnv`: what can be asked of one simulation of a batch as if it were an environment of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim_tasks.doors.task_choice import TaskChoice
from sim_tasks.doors.trials import Trials
from sim_tasks.errors import TaskError


class SubEnv:
    """One of N simulations."""

    spec = None
    """Gymnasium's; there is none."""

    def __init__(
        self, trials: Trials, row: int, render_mode: str | None, picture: Callable[[int], np.ndarray]
    ):
        self._trials, self._row, self._picture = trials, row, picture
        self.render_mode = render_mode

    @property
    def unwrapped(self) -> SubEnv:
        return self

    @property
    def task(self) -> dict[str, float]:
        """The present task's parameters in SI units by name. What is set counts from the next episode on."""
        return self._trials.task(self._row)

    @task.setter
    def task(self, choice: TaskChoice) -> None:
        self.set_task(choice)

    @property
    def units(self) -> dict[str, str]:
        """Units of the task's parameters, by name."""
        return dict(self._trials.units)

    @property
    def split(self) -> str:
        return self._trials.env.split

    @property
    def success(self) -> bool:
        """Whether the robot is where it should be.

        Raises:
            TaskError: the family does not say what success is.
        """
        success = self._trials.success()
        if success is None:
            raise TaskError(f"{self._trials.family.name} does not say what success is")
        return bool(success[self._row])

    def set_task(self, choice: TaskChoice) -> None:
        """Chooses the task, see `TaskChoice`, of the episodes from the next one to the next `reset` of all.

        Raises:
            TaskError: an unknown parameter, or a wrong number of values.
        """
        self._trials.choose(self._row, choice)

    def render(self) -> Any:
        """A picture, shape (H, W, 3), uint8; None without a render mode."""
        return self._picture(self._row) if self.render_mode else None
