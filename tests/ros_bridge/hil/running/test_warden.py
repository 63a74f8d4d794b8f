"""Processes and shared memory of a runner that is killed, with stand-ins for both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ros_bridge.hil.running.warden import SHARED, Warden, marked
from tests.ros_bridge.patience import alive, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc")
# A runner with two processes: one is stopped, the other one ignores SIGTERM and has a child and shared memory.
RUNNER = """
import os, signal, subprocess, sys, time
from ros_bridge.hil.running.warden import Warden
warden = Warden()
stubborn = '''
import mmap, os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])
name = f"/dev/shm/fastdds_{os.getpid():016x}"
for each in (name, name + "_el"):
    open(each, "w").write("x" * 4096)
kept = mmap.mmap(os.open(name, os.O_RDWR), 4096)
print(child.pid, os.path.basename(name), flush=True)
time.sleep(600)
'''
environment = os.environ | warden.environment
first = subprocess.Popen(["sleep", "600"], env=environment)
second = subprocess.Popen([sys.executable, "-c", stubborn], env=environment, stdout=subprocess.PIPE, text=True)
child, name = second.stdout.readline().split()
os.kill(first.pid, signal.SIGSTOP)
time.sleep(1.2)
print(first.pid, second.pid, child, warden.pid, name, warden.mark, flush=True)
time.sleep(600)
"""


def test_nothing_is_left_of_a_runner_that_is_killed():
    stranger = subprocess.Popen(["sleep", "600"])
    runner = subprocess.Popen([sys.executable, "-c", RUNNER], stdout=subprocess.PIPE, text=True)
    try:
        assert runner.stdout is not None
        *ids, name, mark = runner.stdout.readline().split()
        pids = [int(each) for each in ids]
        assert all(alive(pid) for pid in pids)
        assert set(marked(mark)) == set(pids[:3])  # neither the warden nor the runner
        assert (SHARED / name).exists()
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        until(lambda: not any(alive(pid) for pid in pids), timeout=15.0)
        assert not [each.name for each in SHARED.iterdir() if each.name.startswith(name)]
        assert alive(stranger.pid)
    finally:
        for process in (stranger, runner):
            process.kill()
            process.wait()


def test_processes_are_told_by_what_else_is_in_their_environment():
    warden = Warden()
    try:
        environment = os.environ | warden.environment
        pids = [
            subprocess.Popen(["sleep", "600"], env=environment | {"ROS_DOMAIN_ID": domain}).pid
            for domain in ("7", "77")
        ]
        until(lambda: len(warden.left()) == 2)
        assert warden.left("ROS_DOMAIN_ID=7") == pids[:1]
    finally:
        warden.close()
    assert warden.left() == []
    assert not Path(f"/proc/{warden.pid}").exists()
