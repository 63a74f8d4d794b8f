"""`UpdateWorker`: the process that computes gradients, from the side of whoever must never wait for it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.online.gates import GateSettings
from adapt.online.pipes import read_arrays, write_arrays

PATIENCE = 120.0
"""Longest time for one proposal in [s]; after it the process is ended."""


@dataclass(frozen=True)
class Proposal:
    """What came of a window of experience."""

    parameters: np.ndarray | None
    """Shape (P,), float32; None where no step passed the gates, or none was computed."""
    report: dict[str, Any] = field(default_factory=dict)
    """`gates`, `scale` of the step, `seconds`; `error` where none was computed."""


class Updates(Protocol):
    """Computes proposals beside the control loop."""

    def submit(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Begins to compute one; returns at once."""
        ...

    def poll(self) -> Proposal | None:
        """What was computed, once; None while nothing was."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


class UpdateWorker:
    """A process of its own, at a low priority; it ends with this one, however this one ends.

    A process that dies, hangs or answers nonsense is a proposal with an `error`; the next one has a new process.
    """

    def __init__(self, bundle: PolicyBundle, settings: GateSettings, patience: float = PATIENCE):
        self._patience = patience
        self._command = [
            sys.executable, "-m", "adapt.gradient_worker", str(bundle.path), bundle.manifest["manifest_digest"],
            json.dumps(vars(settings)),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: SimpleQueue[Mapping[str, np.ndarray] | None] = SimpleQueue()
        self._answers: SimpleQueue[Proposal] = SimpleQueue()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._serve, name="update worker", daemon=True)
        self._thread.start()

    def submit(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._deadline = time.monotonic() + self._patience
        self._asked.put(arrays)

    def poll(self) -> Proposal | None:
        if time.monotonic() > self._deadline:
            self._deadline = float("inf")
            self._kill()  # whoever waits for its answer hears that it is gone
        try:
            answer = self._answers.get_nowait()
        except Empty:
            return None
        self._deadline = float("inf")
        return answer

    def close(self) -> None:
        self._asked.put(None)
        self._kill()
        self._thread.join(timeout=5.0)

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    def _serve(self) -> None:
        self._start()  # it takes seconds until torch is there
        while (arrays := self._asked.get()) is not None:
            self._answers.put(self._answer(arrays))
        self._kill()

    def _answer(self, arrays: Mapping[str, np.ndarray]) -> Proposal:
        if self._process is None or self._process.poll() is not None:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            write_arrays(process.stdin, arrays)
            reply = read_arrays(process.stdout)
            report = json.loads(reply["report"].tobytes())
            return Proposal(reply.get("parameters"), report)
        except (EOFError, OSError, KeyError, ValueError) as error:
            self._kill()
            return Proposal(None, {"error": f"the process that computes gradients failed: {error}"})

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()
            process.wait()
