"""Processes that never outlive the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ros_bridge.errors import ProcessError

PATIENCE = 10.0
"""Time that a process has to end in an orderly way, in [s]."""
_PR_SET_PDEATHSIG = 1
DOMAINS = 100
"""ROS domains 1 to this can be used on every system (ROS 2 documentation, "The ROS_DOMAIN_ID")."""


def own_domain() -> dict[str, str]:
    """Environment in which ROS processes hear each other, this machine only, and nobody else's.

    A `ROS_DOMAIN_ID` that is set already is kept.
    """
    domain = os.environ.get("ROS_DOMAIN_ID", str(1 + os.getpid() % DOMAINS))
    return {"ROS_DOMAIN_ID": domain, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def free_domain() -> dict[str, str]:
    """As `own_domain`, but with a domain in which nobody on this machine takes part, also where one is set already.

    Raises:
        ProcessError: all of them are taken.
    """
    first = int(os.environ.get("ROS_DOMAIN_ID", os.getpid()))
    for offset in range(1, DOMAINS + 1):
        domain = 1 + (first + offset) % DOMAINS
        if not taken(domain):
            return own_domain() | {"ROS_DOMAIN_ID": str(domain)}
    raise ProcessError(f"ROS domains 1 to {DOMAINS} are all taken")


def taken(domain: int) -> bool:
    """Whether a domain's first participant is there: it listens on UDP port 7410 + 250 domain (DDSI-RTPS 9.6.1.1)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", 7410 + 250 * domain))
        except OSError:
            return True
    return False


class Process:
    """An `adapt` command, or another module, in a process of its own, its output in a log.

    It is sent SIGTERM when the thread that started it ends, however it ends: start processes from the main thread.
    """

    def __init__(
        self,
        arguments: list[str],
        log: Path,
        environment: dict[str, str] | None = None,
        module: str = "adapt.cli",
        on_time: bool = False,
    ):
        """`on_time`: it stands for hardware, and gets real-time priority where the system allows that."""
        self.name = " ".join(arguments[:2]) if module == "adapt.cli" else module
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {}),
                preexec_fn=_end_with_parent_on_time if on_time else _end_with_parent,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Sends a signal, if it still runs."""
        if self.poll() is None:
            self._process.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Waits for its end; returns its exit code.

        Raises:
            ProcessError: it still runs after `timeout` [s].
        """
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"{self.name}: still running after {timeout} s; its log: {self.log}") from None

    def stop(self) -> int:
        """Ends it, in an orderly way if it can; returns its exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def tail(self, lines: int = 5) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end_with_parent_on_time() -> None:
    _end_with_parent()
    if sys.platform == "linux":
        with suppress(OSError):  # without the right to: it is as late as others are
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
