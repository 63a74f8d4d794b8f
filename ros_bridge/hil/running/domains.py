"""`DomainLock`: a ROS domain that one runner on this machine has to itself, for as long as it lives."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ros_bridge.errors import ProcessError
from ros_bridge.processes import DOMAINS, own_domain, taken

HIGHEST = 232
"""ROS domain: the ports of a higher one are no ports (DDSI-RTPS 9.6.1.1: 7400 + 250 domain)."""


class DomainLock:
    """A domain in which nobody takes part, and which no other lock hands out until this one is released.

    The kernel releases it when the process dies, however it dies: it is an open file with a lock on it (flock(2)).
    Processes that are started do not inherit it.

    Raises:
        ProcessError: all domains are taken, or the folder of the locks cannot be written.
    """

    def __init__(self, folder: Path | None = None):
        """`folder` of the locks; None: `runtime_folder()`."""
        self._file, self.domain = _first_free(_made(folder or runtime_folder()))

    @property
    def environment(self) -> dict[str, str]:
        """Of processes that are to meet in this domain, on this machine only."""
        return own_domain() | {"ROS_DOMAIN_ID": str(self.domain)}

    def release(self) -> None:
        """Somebody else may have it; more than once does no harm."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> DomainLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class UsersDomain(DomainLock):
    """The domain that this process is in, for a real robot is there; one runner at a time may have it.

    Raises:
        ProcessError: another runner has it, or `ROS_DOMAIN_ID` is no domain.
    """

    def __init__(self, folder: Path | None = None):
        given = os.environ.get("ROS_DOMAIN_ID") or "0"  # empty is as if it were not set
        if not (given.isdecimal() and int(given) <= HIGHEST):
            raise ProcessError(f"ROS_DOMAIN_ID {given!r}: expected a number from 0 to {HIGHEST}")
        self.domain = int(given)
        self._file = _locked(_made(folder or runtime_folder()), self.domain)
        if self._file < 0:
            raise ProcessError(f"ROS domain {self.domain}: another runner drives a robot there")

    @property
    def environment(self) -> dict[str, str]:
        """As it is: the robot may be another computer."""
        return {"ROS_DOMAIN_ID": str(self.domain)}


@contextmanager
def in_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """This process has these environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def runtime_folder() -> Path:
    """Of files that matter as long as somebody runs: $XDG_RUNTIME_DIR/adapt, or adapt-<uid> among temporary files."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    return Path(given) / "adapt" if given else Path(tempfile.gettempdir()) / f"adapt-{os.getuid()}"


def _made(folder: Path) -> Path:
    """Where locks are kept."""
    folder = folder / "domains"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ProcessError(f"{folder}: locks of ROS domains cannot be kept there: {error}") from error
    return folder


def _locked(folder: Path, domain: int) -> int:
    """An open, locked file that stands for a domain; -1: somebody else has it."""
    file = os.open(folder / str(domain), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return -1
    return file


def _first_free(folder: Path) -> tuple[int, int]:
    """An open, locked file and the domain that it stands for. Who begins where is spread by process id."""
    first = os.getpid()
    for offset in range(DOMAINS):
        domain = 1 + (first + offset) % DOMAINS
        file = _locked(folder, domain)
        if file >= 0 and not taken(domain):
            return file, domain
        if file >= 0:
            os.close(file)
    raise ProcessError(f"ROS domains 1 to {DOMAINS} are all taken")
