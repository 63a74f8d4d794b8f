"""Waiting for what happens in other processes: never for a fixed time, never for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 30.0
"""Longest wait in [s]: tests share a slow machine with others."""


def until(
    condition: Callable[[], object], turn: Callable[[], object] | None = None, timeout: float = PATIENCE
) -> None:
    """Waits until the condition holds, and calls `turn`, which may serve messages, in the meantime."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout} s in vain"
        if turn is None:
            time.sleep(0.02)
        else:
            turn()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not yet buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
