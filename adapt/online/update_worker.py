"""`UpdateWorker`: the process that computes gradients, from the side of whoever must never wait for it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Protocol

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.online.gates import GateSettings
from adapt.online.pipes import read_arrays, write_arrays
from adapt.online.proposal import Proposal

PATIENCE = 120.0
"""Longest time for one proposal in [s]; after it the process is ended."""
LAST_WORDS = 5.0
"""How long the end of the process may take, in [s]."""


class Updates(Protocol):
    """Computes proposals beside the control loop."""

    def submit(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Begins to compute one; returns at once. What was asked before is answered no more.

        The arrays must stay as they are until the answer.
        """
        ...

    def poll(self) -> Proposal | None:
        """What was computed, once; None while nothing was. Returns at once."""
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
            sys.executable, "-P", "-m", "adapt.gradient_worker", str(bundle.path),
            bundle.manifest["manifest_digest"], json.dumps(vars(settings)), str(os.getpid()),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: SimpleQueue[tuple[int, Mapping[str, np.ndarray]] | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[int, Proposal]] = SimpleQueue()
        self._questions = 0
        self._awaited: int | None = None
        """Number of the question whose answer somebody still wants."""
        self._deadline = 0.0
        self._closed = False
        self._starting = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="update worker", daemon=True)
        self._thread.start()

    def submit(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._questions += 1
        self._awaited, self._deadline = self._questions, time.monotonic() + self._patience
        self._asked.put((self._questions, arrays))

    def poll(self) -> Proposal | None:
        with contextlib.suppress(Empty):
            while True:
                number, answer = self._answers.get_nowait()
                if number == self._awaited:
                    self._awaited = None
                    return answer
        if self._awaited is not None and time.monotonic() > self._deadline:
            self._awaited = None
            self._kill()
            return Proposal(None, {"error": f"no proposal within {self._patience:g} s"})
        return None

    def close(self) -> None:
        with self._starting:
            self._closed = True
        self._asked.put(None)
        self._kill()
        self._thread.join(LAST_WORDS)

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        process = self._process
        return None if process is None else process.pid

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the first question tries again, and says what is wrong
            self._start()  # it takes seconds until torch is there
        while (asked := self._asked.get()) is not None and not self._closed:
            number, arrays = asked
            if number == self._awaited:
                self._answers.put((number, self._answer(arrays)))
        self._bury()

    def _answer(self, arrays: Mapping[str, np.ndarray]) -> Proposal:
        try:
            process = self._process
            if process is None or process.poll() is not None:
                self._bury()
                process = self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            write_arrays(process.stdin, arrays)
            return Proposal.of(read_arrays(process.stdout))
        except (
            Exception
        ) as error:  # whatever it answered, or kept it from starting: control goes on without it
            self._bury()
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return Proposal(None, {"error": f"the process that computes gradients failed: {reason:.300}"})

    def _start(self) -> subprocess.Popen[bytes]:
        with self._starting:
            if self._closed:
                raise OSError("closed")
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            return self._process

    def _kill(self) -> None:
        """Never waits: the thread buries it."""
        process = self._process
        if process is not None:
            process.kill()

    def _bury(self) -> None:
        self._kill()
        process, self._process = self._process, None
        if process is None:
            return
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # what it could not be sent
                if pipe is not None:
                    pipe.close()


def open_worker(bundle: PolicyBundle, settings: GateSettings) -> UpdateWorker:
    """The worker of a bundle.

    Raises:
        AdaptError: there is no torch to compute gradients with.
    """
    if importlib.util.find_spec("torch") is None:
        raise AdaptError(
            f"{bundle.path}: adapts by gradients, and those need torch: pip install '.[robot,gradient]'"
        )
    return UpdateWorker(bundle, settings)
