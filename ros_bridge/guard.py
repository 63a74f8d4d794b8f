"""`Guard`: a thread that sends the safe command while a control step does not come to its end.

A control loop cannot watch itself: a graph that does not return, or a page that is swapped in, holds up its thread, and
a controller without a timeout goes on with the last command. J joints.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np


class Guard:
    """Watches one control loop. `watching` is entered around each of its steps."""

    def __init__(self, period: float, patience: float, send: Callable[[np.ndarray], None]):
        """
        Args:
            period: between safe commands while a step hangs, in [s].
            patience: how long a step may take, in [s].
            send: publishes a command, shape (J,); called from the guard's thread.
        """
        self.period = period
        self.patience = patience
        self.interventions = 0
        """Safe commands sent."""
        self.failures = 0
        """Safe commands that could not be sent: the guard goes on trying."""
        self._send = send
        self._safe: np.ndarray | None = None
        self._began: float | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self._thread.start()

    @contextmanager
    def watching(self, safe: np.ndarray) -> Iterator[None]:
        """During this, a step that takes too long is answered with the command `safe`, shape (J,)."""
        self._safe, self._began = safe, time.monotonic()
        try:
            yield
        finally:
            with self._lock:  # the guard's last word is out before the step's own command
                self._began = None

    def close(self) -> None:
        """Ends the thread."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self.period):
            with self._lock:
                if self._began is None or time.monotonic() - self._began <= self.patience:
                    continue
                assert self._safe is not None
                try:
                    self._send(self._safe)
                    self.interventions += 1
                except Exception:
                    self.failures += 1
