"""Progress bars and messages on the terminal; plain lines where there is none."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False, soft_wrap=True)


class TrainingProgress:
    """One bar per learner, with reward per step, speed and time left."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:>7}"),
            BarColumn(bar_width=32),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("reward {task.fields[reward]:.3f}  {task.fields[speed]:,.0f} steps/s"),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last_line: dict[str, float] = {}

    def __enter__(self) -> TrainingProgress:
        if console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if console.is_terminal:
            self._progress.stop()

    def __call__(self, learner: str, row: dict[str, Any]) -> None:
        reward, speed = row["reward"], row["steps"] / row["seconds"]
        if not console.is_terminal:
            self._plain(learner, row, reward, speed)
            return
        if learner not in self._tasks:
            self._tasks[learner] = self._progress.add_task(
                learner, total=row["iterations"], reward=reward, speed=speed
            )
        self._progress.update(self._tasks[learner], completed=row["iteration"], reward=reward, speed=speed)

    def _plain(self, learner: str, row: dict[str, Any], reward: float, speed: float) -> None:
        """A line at most every 15 s: what a log file can bear."""
        now = time.monotonic()
        if now - self._last_line.get(learner, -1e9) < 15 and row["iteration"] < row["iterations"]:
            return
        self._last_line[learner] = now
        print(
            f"{learner:>7} {row['iteration']}/{row['iterations']}  reward {reward:.3f}  {speed:,.0f} steps/s",
            file=sys.stderr,
            flush=True,
        )


class StepProgress:
    """One bar for a number of like things, with the name of the newest that is done."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._progress = Progress(
            TextColumn("{task.description:>7}"),
            BarColumn(bar_width=32),
            TextColumn("{task.completed}/{task.total}  {task.fields[newest]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> StepProgress:
        if console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if console.is_terminal:
            self._progress.stop()

    def __call__(self, newest: str, done: int, total: int) -> None:
        if not console.is_terminal:
            say(f"{self._what:>7} {done}/{total}  {newest}")
            return
        if self._task is None:
            self._task = self._progress.add_task(self._what, total=total, newest=newest)
        self._progress.update(self._task, completed=done, total=total, newest=newest)


def say(message: str) -> None:
    """A line for the user, on standard error."""
    console.print(message, markup=False)


def headline(message: str) -> None:
    """A step of something longer."""
    console.rule(message, align="left")
