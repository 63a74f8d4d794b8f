"""`Warden`: a process beside a runner that ends all that the runner started, whatever becomes of the runner.

It is its own module, `python -m ros_bridge.hil.running.warden MARK`, of the standard library alone: it is there within
a twentieth of a second. It holds the reading end of a pipe whose writing end the runner alone has: its end is the
runner's. What belongs to the runner is told by an environment variable, which children inherit and process ids that
are used again do not have.

What processes that were killed leave in /dev/shm it removes: what they were seen to have mapped, and nobody has now.
Names alone do not tell whose it is: of Fast DDS's files, ports (`fastdds_port<number>`) are by domain, but segments
(`fastdds_<16 digits>`) have random names. rmw_fastrtps makes them also under FASTDDS_BUILTIN_TRANSPORTS=UDPv4.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

MARK = "ADAPT_HIL_RUNNER"
"""The environment variable."""
PATIENCE = 5.0
"""Time that processes have between SIGTERM and SIGKILL, in [s]: to say the safe command, and to close a bag."""
AFTER = 0.5
"""For so long nobody may come any more before all is taken to be over, in [s]: of who was just being started."""
_POLL = 0.05
_LOOK = 0.5
"""How often it is looked at what is mapped, in [s]."""
SHARED = Path("/dev/shm")


class Warden:
    """Watches over processes that are started with `environment`. To be closed, or left to the end of this process."""

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, self.mark, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C is not for it
            env={name: value for name, value in os.environ.items() if name != MARK}
            | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

        assert self._process.stdout is not None
        with self._process.stdout as said:
            said.readline()  # it knows by now what was in shared memory before

    @property
    def environment(self) -> dict[str, str]:
        """Of processes that are to be watched over."""
        return {MARK: self.mark}

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def left(self, more: str = "") -> list[int]:
        """Ids of the watched processes that run; `more`, such as `ROS_DOMAIN_ID=7`, is in their environment, too."""
        return list(marked(self.mark, more))

    def close(self) -> None:
        """Ends what is left, and the warden."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def marked(mark: str, more: str = "") -> Iterator[int]:
    """Ids of this user's processes that run and have a mark in their environment; not those that only wait to be
    buried."""
    wanted = {f"{MARK}={mark}".encode(), more.encode()} - {b""}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):  # somebody else's, or gone
            # Without a text: it is a zombie.
            if wanted <= set((folder / "environ").read_bytes().split(b"\0")):
                yield int(folder.name)


def end_all(mark: str, more: str = "", patience: float = PATIENCE) -> int:
    """Ends all marked processes, also those that are stopped; returns how many there were."""
    seen, told = set[int](), set[int]()
    deadline, quiet_since = time.monotonic() + patience, time.monotonic()
    while time.monotonic() - quiet_since < AFTER:
        late = time.monotonic() > deadline
        for pid in marked(mark, more):
            quiet_since = time.monotonic()
            with suppress(ProcessLookupError):
                if late:
                    os.kill(pid, signal.SIGKILL)
                elif pid not in told:
                    os.kill(pid, signal.SIGTERM)
                    told.add(pid)
                os.kill(pid, signal.SIGCONT)
            seen.add(pid)
        time.sleep(_POLL)
    return len(seen)


class Litter:
    """Shared memory that is left when those who used it are gone."""

    def __init__(self) -> None:
        self._before = _files()
        self._used = set[str]()

    def look(self, pids: Iterable[int]) -> None:
        """Notes what these processes have mapped, unless it was there before."""
        for pid in pids:
            self._used |= mapped(pid) - self._before

    def remove(self) -> None:
        """What was noted, with the files beside it, and nobody uses."""
        everybody = (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())
        in_use = set[str]().union(*map(mapped, everybody))
        for name in _files() - self._before - in_use:
            if any(name in (used, f"{used}_el", f"sem.{used}_mutex") for used in self._used):
                with suppress(OSError):
                    (SHARED / name).unlink()


def mapped(pid: int) -> set[str]:
    """Names of files in /dev/shm that a process has mapped; none of a process that is gone or somebody else's."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return {line.rsplit("/", 1)[1] for line in lines if f" {SHARED}/" in line and "(deleted)" not in line}


def _files() -> set[str]:
    return {each.name for each in SHARED.iterdir()} if SHARED.is_dir() else set()


def main(mark: str, runner: int) -> int:
    """Waits for the runner's end, however it comes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    litter = Litter()
    print("watching", flush=True)
    while not (select.select([sys.stdin], [], [], _LOOK)[0] and not os.read(sys.stdin.fileno(), 4096)):
        litter.look([runner, *marked(mark)])
    litter.look(marked(mark))
    end_all(mark)
    litter.remove()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], int(sys.argv[2])))
