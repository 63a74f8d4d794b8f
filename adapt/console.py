"""Progress bars and messages on the terminal; plain lines where there is none."""

from __future__ import annotations

import sys
import time
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False, soft_wrap=True)
B = TypeVar("B", bound="_Bars")


class _Bars:
    """Progress bars with a label, a count, further text and the time left; nothing where there is no terminal."""

    def __init__(self, text: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description:>7}"),
            BarColumn(bar_width=32),
            TextColumn("{task.completed}/{task.total}  " + text),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self: B) -> B:
        if console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if console.is_terminal:
            self._progress.stop()

    def _show(self, name: str, done: int, total: int, **fields: Any) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, **fields)
        self._progress.update(self._tasks[name], completed=done, total=total, **fields)


class TrainingProgress(_Bars):
    """One bar per learner, with the episodes' return (or the reward per step), speed and time left."""

    def __init__(self) -> None:
        super().__init__("{task.fields[learnt]}  {task.fields[speed]:,.0f} frames/s")
        self._last_line: dict[str, float] = {}

    def __call__(self, learner: str, row: dict[str, Any]) -> None:
        learnt, speed = _learnt(row), row["steps"] / row["seconds"]
        if console.is_terminal:
            self._show(learner, row["iteration"], row["iterations"], learnt=learnt, speed=speed)
        else:
            self._plain(learner, row, learnt, speed)

    def _plain(self, learner: str, row: dict[str, Any], learnt: str, speed: float) -> None:
        """A line at most every 15 s: what a log file can bear."""
        now = time.monotonic()
        if now - self._last_line.get(learner, -1e9) < 15 and row["iteration"] < row["iterations"]:
            return
        self._last_line[learner] = now
        print(
            f"{learner:>7} {row['iteration']}/{row['iterations']}  {learnt}  {speed:,.0f} frames/s",
            file=sys.stderr,
            flush=True,
        )


def _learnt(row: dict[str, Any]) -> str:
    return f"return {row['return']:.1f}" if "return" in row else f"reward {row['reward']:.3f}"


class StepProgress(_Bars):
    """One bar for a number of like things, with the name of the newest that is done."""

    def __init__(self, what: str) -> None:
        super().__init__("{task.fields[newest]}")
        self._what = what

    def __call__(self, newest: str, done: int, total: int) -> None:
        if console.is_terminal:
            self._show(self._what, done, total, newest=newest)
        else:
            say(f"{self._what:>7} {done}/{total}  {newest}")


class SoakProgress(_Bars):
    """One bar for an endurance run, in [s], with its violations and what is going on; a line a minute elsewhere."""

    def __init__(self, seconds: float) -> None:
        super().__init__("s  {task.fields[violations]} violations  {task.fields[active]}")
        self._seconds = round(seconds)
        self._last_line = time.monotonic()

    def __call__(self, lasted: float, violations: int, active: str) -> None:
        if console.is_terminal:
            self._show("soak", round(lasted), self._seconds, violations=violations, active=active)
        elif time.monotonic() - self._last_line > 60.0:
            self._last_line = time.monotonic()
            say(f"soak {lasted:.0f}/{self._seconds} s  {violations} violations")


def say(message: str) -> None:
    """A line for the user, on standard error."""
    console.print(message, markup=False)


def headline(message: str) -> None:
    """A step of something longer."""
    console.rule(message, align="left")
