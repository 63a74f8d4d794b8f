"""`AuditLog`: what became of every proposal to change the policy, line by line, in a file that outlives the node."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class AuditLog:
    """Events as JSON lines, appended. A file that cannot be written never keeps a robot from running: it is said."""

    def __init__(self, file: str, header: dict[str, Any], say: Callable[[str], object]):
        """
        Args:
            file: empty for none.
            header: the first event: what adapts, and how.
            say: told of every event, and of what goes wrong, in words.
        """
        self._path = Path(file) if file else None
        self._say = say
        self.problem: str | None = None
        """Why events are not kept any more."""
        self({"event": "configured"} | header)

    def __call__(self, event: dict[str, Any]) -> None:
        """Keeps an event, with the time at which it came."""
        stamped = {"time": round(time.time(), 3)} | event
        self._say(_in_words(event))
        if self._path is None or self.problem is not None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            line = (json.dumps(stamped) + "\n").encode()
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)
        except OSError as error:
            self.problem = f"{self._path}: {error.strerror}"
            self._say(f"events are not kept any more: {self.problem}")


def _in_words(event: dict[str, Any]) -> str:
    """An event in one line: `rejected: a gate (trust region 0.31, limit 0.25)`."""
    failed = [g for g in event.get("gates", []) if not g["passed"]]
    gates = [f"{g['name']} {g['value']:.3g}, limit {g['limit']:.3g}" for g in failed]
    facts = [f"{name} {value:.4g}" for name in ("before", "after", "reward", "scale")
             if isinstance(value := event.get(name), float)]  # fmt: skip
    why = f": {event['why']}" if event.get("why") else ""
    details = "; ".join([*gates, *facts])
    return f"adaptation: {event['event']}{why}" + (f" ({details})" if details else "")
