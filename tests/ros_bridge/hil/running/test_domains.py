"""Domains that are handed out while many ask at once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ros_bridge.errors import ProcessError
from ros_bridge.hil.running import domains
from ros_bridge.hil.running.domains import DomainLock

ASKS = """
import sys
from pathlib import Path
from ros_bridge.hil.running.domains import DomainLock
locks = [DomainLock(Path(sys.argv[1])) for _ in range(8)]
print(*(lock.domain for lock in locks), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def nobody_takes_part(monkeypatch):
    monkeypatch.setattr(domains, "taken", lambda domain: domain == 13)


def test_no_two_of_many_that_ask_at_once_get_the_same(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ASKS, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    with ThreadPoolExecutor(16) as pool:
        locks = list(pool.map(lambda _: DomainLock(tmp_path), range(40)))
    got = [lock.domain for lock in locks]
    for process in processes:
        assert process.stdout is not None
        got += map(int, process.stdout.readline().split())
    assert len(got) == len(set(got)) == 64
    assert all(1 <= domain <= 100 for domain in got)
    for process in processes:
        process.kill()  # the kernel releases what they had
        process.wait()
    for lock in locks:
        lock.release()
    again = [DomainLock(tmp_path) for _ in range(99)]
    assert {lock.domain for lock in again} == set(range(1, 101)) - {13}
    with pytest.raises(ProcessError, match="1 to 100 are all taken"):
        DomainLock(tmp_path)
    again[0].release()
    again[0].release()
    assert DomainLock(tmp_path).domain == again[0].domain


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ProcessError, match="file"):
        DomainLock(tmp_path / "file")
