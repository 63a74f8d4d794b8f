"""Processes never outlive the one that started them. Here they are small scripts in the place of `adapt`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ros_bridge import processes
from ros_bridge.errors import ProcessError
from ros_bridge.processes import Process, own_domain
from tests.ros_bridge.patience import alive, until

ROOT = Path(__file__).parents[2]
ORDERLY = "import time\ndef leave(*_): sys.exit(7)\nsignal.signal(signal.SIGTERM, leave)\n"
STUBBORN = "import time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
RUN_ON = "print('ready', flush=True)\nwhile True: time.sleep(0.02)\n"

Start = Callable[..., Process]


def write_script(folder: Path, body: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!{sys.executable} -IS\nimport os, signal, sys\n{body}", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a script as `adapt` is started; all of them are gone after the test."""
    started: list[Process] = []

    def begin(body: str, *arguments: str, **environment: str) -> Process:
        program = SimpleNamespace(executable=str(write_script(tmp_path, body)), platform=sys.platform)
        monkeypatch.setattr(processes, "sys", program)
        started.append(Process(list(arguments) or ["echo"], tmp_path / "logs" / "process.log", environment))
        return started[-1]

    yield begin
    for process in started:
        process.signal(signal.SIGKILL)
        process.wait(20.0)


def ready(process: Process) -> bool:
    return "ready" in process.tail()


def test_it_runs_adapt_with_its_arguments_and_without_a_keyboard(start):
    body = "print(sys.argv[1:], repr(sys.stdin.read()), os.environ['OMP_NUM_THREADS'], os.environ['MORE'])"
    process = start(body, "deploy", "folder", MORE="yes")
    assert process.wait(60.0) == 0
    assert process.tail() == "['-m', 'adapt.cli', 'deploy', 'folder'] '' 1 yes"


def test_an_orderly_end_keeps_its_exit_code(start):
    process = start(ORDERLY + RUN_ON)
    until(lambda: ready(process))
    assert process.poll() is None
    assert process.stop() == 7
    assert process.stop() == 7
    assert not alive(process.pid)


def test_who_does_not_listen_is_killed(start, monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 0.3)
    process = start(STUBBORN + RUN_ON)
    until(lambda: ready(process))
    assert process.stop() == -signal.SIGKILL
    assert not alive(process.pid)


def test_a_wait_has_an_end_and_says_whose_log_to_read(start):
    process = start(STUBBORN + RUN_ON, "sim-robot", "pendulum_swingup", "--task")
    with pytest.raises(
        ProcessError, match=r"sim-robot pendulum_swingup: still running after 0\.1 s.*process\.log"
    ):
        process.wait(0.1)


def test_the_tail_of_a_log_is_its_last_lines_whatever_their_bytes(start):
    process = start(
        r"sys.stdout.buffer.write(b'one\ntwo\n\xff three\n'); sys.stdout.flush(); sys.stderr.write('four')"
    )
    process.wait(60.0)
    assert process.tail(2) == "\ufffd three\nfour"


def test_a_signal_to_one_that_has_ended_does_nothing(start):
    process = start("")
    process.wait(60.0)
    process.signal(signal.SIGKILL)
    assert process.poll() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_a_child_ends_when_its_parent_is_killed(tmp_path):
    script, log = write_script(tmp_path, ORDERLY + RUN_ON), tmp_path / "child.log"
    code = (
        "import sys, time; from types import SimpleNamespace; from pathlib import Path\n"
        "from ros_bridge import processes\n"
        f"processes.sys = SimpleNamespace(executable={str(script)!r}, platform='linux')\n"
        f"print(processes.Process(['echo'], Path({str(log)!r})).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until(lambda: "ready" in log.read_text(encoding="utf-8"))
        assert alive(child)
    finally:
        parent.kill()
        parent.communicate(timeout=60)
    until(lambda: not alive(child))


def test_a_domain_of_ones_own_on_this_machine_only(monkeypatch):
    monkeypatch.delenv("ROS_DOMAIN_ID")
    domain = own_domain()
    assert 1 <= int(domain["ROS_DOMAIN_ID"]) <= 100
    assert domain["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    monkeypatch.setattr(os, "getpid", lambda: 99)
    assert own_domain()["ROS_DOMAIN_ID"] == "100"
    monkeypatch.setattr(os, "getpid", lambda: 100)
    assert own_domain()["ROS_DOMAIN_ID"] == "1"


def test_a_domain_that_is_set_is_kept(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "77")
    assert own_domain()["ROS_DOMAIN_ID"] == "77"
