"""`Sabotage`: faults of the node as a process, and of the machine, done to the processes of one run."""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ros_bridge.hil.events import BEGUN, Event
from ros_bridge.hil.running.cast import Cast
from ros_bridge.hil.schedule import MACHINE, NODE, Fault

_BUSY = "while True: pass"


class Sabotage:
    """Begins what the relay says, and undoes it when its time is over. Times in [s] of one clock."""

    def __init__(self, faults: tuple[Fault, ...], cast: Cast, note: Callable[[str], None]):
        """`note` is told what was done, in words."""
        self._faults, self._cast, self._note = faults, cast, note
        self._undo: list[tuple[float, Callable[[], None]]] = []
        self.deaths = 0
        """Nodes that were killed, or told to end, and that nobody has buried."""
        self.relay_lost = False
        """Whether the relay is dead by a fault."""
        self._over = False

    def on_event(self, event: Event, now: float) -> None:
        """The relay said something."""
        if self._over or event.what != BEGUN or self._faults[event.index].target not in (NODE, MACHINE):
            return
        fault = self._faults[event.index]
        undo = self._begin(fault, now - fault.begin if event.zero is None else event.zero)
        if undo is not None:
            self._undo.append((now + fault.duration, undo))

    def turn(self, now: float) -> None:
        """Undoes what is over."""
        due = [undo for end, undo in self._undo if end <= now]
        self._undo = [(end, undo) for end, undo in self._undo if end > now]
        for undo in due:
            undo()

    def end(self) -> None:
        """Undoes all, so that everything can end in an orderly way; nothing begins any more."""
        self._over = True
        self.turn(math.inf)

    def _begin(self, fault: Fault, zero: float) -> Callable[[], None] | None:
        match fault.kind:
            case "killed":
                self.deaths += 1
                self._node(signal.SIGKILL, "node killed")
                return None
            case "restarted":
                self.deaths += 1
                self._node(signal.SIGTERM, "node told to end")
                return None
            case "paused":
                self._node(signal.SIGSTOP, "node paused")
                return lambda: self._node(signal.SIGCONT, "node goes on")
            case "hogged":
                return self._hog(round(fault.magnitude))
            case "lost":
                return self._lose(zero)
            case "disk_full":
                return self._fill()
        raise AssertionError(f"{fault.label}: no fault of a process")

    def _node(self, number: int, words: str) -> None:
        self._cast.processes["node"].signal(number)
        self._note(words)

    def _hog(self, count: int) -> Callable[[], None]:
        environment = os.environ | self._cast.environment
        busy = [subprocess.Popen([sys.executable, "-S", "-c", _BUSY], env=environment) for _ in range(count)]
        self._note(f"{count} busy processes")

        def undo() -> None:
            for process in busy:
                process.kill()
                process.wait()
            self._note("busy processes ended")

        return undo

    def _lose(self, zero: float) -> Callable[[], None]:
        self.relay_lost = True
        self._cast.processes["relay"].signal(signal.SIGKILL)
        self._note("relay killed")

        def undo() -> None:
            self._cast.start_relay(zero)
            self.relay_lost = False
            self._note("relay started again")

        return undo

    def _fill(self) -> Callable[[], None]:
        """No file of the node may become larger than its bag is now: to it, the disk is full (EFBIG for ENOSPC)."""
        pid = self._cast.processes["node"].pid
        size = max((file.stat().st_size for file in _files(self._cast.folder / "bag")), default=0)
        most = resource.RLIM_INFINITY
        with suppress(ProcessLookupError):
            _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        self._note(f"disk full at {size} bytes")

        def undo() -> None:
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
            self._note("disk free")

        return undo


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]
