"""`AuditLog`: what became of every proposal to change the policy, line by line, in a file that outlives the node."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

LAST_WORDS = 5.0
"""How long the end of the log may take, in [s]."""


class AuditLog:
    """Events as JSON lines, appended. A file that cannot be written never keeps a robot from running: it is said.

    Nor does one that is slow: a thread of its own writes.
    """

    def __init__(self, file: str, header: dict[str, Any], say: Callable[[str], object]):
        """
        Args:
            file: empty for none.
            header: the first event: what adapts, and how.
            say: told of every event in words, by whoever brings it.
        """
        self._path = Path(file) if file else None
        self._say = say
        self.problem: str | None = None
        """Why events are not kept any more."""
        self._complained = False
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        if file:
            self._thread = threading.Thread(target=self._run, name="audit log", daemon=True)
            self._thread.start()
        self({"event": "configured"} | header)

    def __call__(self, event: dict[str, Any]) -> None:
        """Keeps an event, with the time at which it came. Never waits."""
        self._say(_in_words(event))
        self._complain()
        if self._thread is not None and self.problem is None:
            stamped = _finite({"time": round(time.time(), 3)} | event)
            self._lines.put((json.dumps(stamped, allow_nan=False) + "\n").encode())

    def status(self) -> str:
        """Where events are kept, or why not."""
        if self.problem is not None:
            return f"not kept any more: {self.problem}"
        return "none" if self._path is None else str(self._path)

    def close(self) -> None:
        """Waits until all is written, but not for a disk that hangs."""
        self._lines.put(None)
        if self._thread is not None:
            self._thread.join(LAST_WORDS)
        self._complain()

    def _complain(self) -> None:
        """Once."""
        if self.problem is not None and not self._complained:
            self._complained = True
            self._say(f"adaptation: events are not kept any more: {self.problem}")

    def _run(self) -> None:
        assert self._path is not None
        try:
            while (line := self._lines.get()) is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("ab") as file:
                    file.write(line)
        except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
            self.problem = f"{self._path}: {getattr(error, 'strerror', None) or error}"


def _finite(value: Any) -> Any:
    """The same where a number that is not finite is None: JSON has none."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _in_words(event: dict[str, Any]) -> str:
    """An event in one line: `rejected: a gate (trust region 0.31, limit 0.25)`."""
    failed = [gate for gate in event.get("gates", []) if not gate["passed"]]
    gates = [f"{gate['name']} {_figure(gate['value'])}, limit {_figure(gate['limit'])}" for gate in failed]
    facts = [f"{name} {value:.4g}" for name in ("before", "after", "reward", "scale")
             if isinstance(value := event.get(name), float)]  # fmt: skip
    why = f": {event['why']}" if event.get("why") else ""
    details = "; ".join([*gates, *facts])
    return f"adaptation: {event['event']}{why}" + (f" ({details})" if details else "")


def _figure(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"
