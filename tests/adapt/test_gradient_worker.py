"""The process that computes gradients: what it answers, and that it never holds up, and never outlives, its parent."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.gradient_worker import serve
from adapt.online import update_worker
from adapt.online.controller import AdaptiveController
from adapt.online.experience import Window
from adapt.online.gates import GateSettings
from adapt.online.gradient import Acted, GradientAdapter
from adapt.online.learning import OnRobotLearning, Phase
from adapt.online.pipes import MAX_BYTES, read_arrays, write_arrays
from adapt.online.proposal import Proposal
from adapt.online.update_worker import UpdateWorker, open_worker
from adapt.proposer import Proposer
from robots import RobotSpec, SensorFrame
from tests.adapt.small import ROOT
from tests.ros_bridge.patience import alive, until

Arrays = dict[str, np.ndarray]


def experience(bundle: PolicyBundle, seed: int = 0) -> Arrays:
    """A window that the bundle's policy might have recorded, exploring."""
    adapter, made = GradientAdapter(bundle, seed=seed), bundle.manifest["adapter"]
    adapter.exploration = 1.0
    rng = np.random.default_rng(seed)
    window = Window(made["rollouts"], made["episode_steps"], bundle.observation.size, 1)
    nothing, sent = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
    while not window.full:
        seen = rng.normal(0, 0.5, (1, bundle.observation.size)).astype(np.float32)
        adapter.act(seen, nothing, nothing, nothing, np.array([True]))
        assert isinstance(adapter.newest, Acted)
        window.add(seen, adapter.newest, sent, 0)
        window.hear(float(-np.square(adapter.newest.action - 0.3).sum()))
        sent = adapter.newest.action.clip(-1, 1)
    return window.arrays() | {"parameters": bundle.start.copy(), "step": np.array(0)}


@pytest.fixture(scope="module")
def arrays(gradient_bundle: PolicyBundle) -> Arrays:
    return experience(gradient_bundle)


@pytest.fixture
def worker(gradient_bundle: PolicyBundle) -> Iterator[UpdateWorker]:
    made = UpdateWorker(gradient_bundle, GateSettings())
    yield made
    made.close()


def answer(worker: UpdateWorker) -> Proposal:
    found: list[Proposal] = []
    until(lambda: (got := worker.poll()) is not None and (found.append(got), True)[1])
    return found[0]


def running(worker: UpdateWorker) -> int:
    """The pid of its process, as soon as there is one."""
    until(lambda: worker.pid is not None)
    assert worker.pid is not None
    return worker.pid


def test_it_answers_what_the_proposer_says_and_its_process_stays(worker, gradient_bundle, arrays):
    wanted = Proposer(gradient_bundle, GateSettings())(arrays)
    pids = set()
    for _ in range(2):
        worker.submit(arrays)
        got = answer(worker)
        assert worker.poll() is None
        pids.add(worker.pid)
        assert wanted.parameters is not None
        assert got.parameters is not None
        np.testing.assert_array_equal(got.parameters, wanted.parameters)
        assert got.report["gates"] == wanted.report["gates"]
    assert len(pids) == 1
    assert os.getpriority(os.PRIO_PROCESS, running(worker)) >= 10


def test_killed_it_is_an_error_and_the_next_window_has_a_new_process(worker, arrays):
    worker.submit(arrays)
    assert answer(worker).parameters is not None
    first = running(worker)
    os.kill(first, signal.SIGSTOP)  # so that it dies with the question in hand
    worker.submit(arrays)
    time.sleep(0.2)
    os.kill(first, signal.SIGKILL)
    got = answer(worker)
    assert got.parameters is None
    assert got.report["error"].startswith("the process that computes gradients failed: EOFError")
    worker.submit(arrays)
    assert answer(worker).parameters is not None
    assert running(worker) != first
    assert not Path(f"/proc/{first}").exists(), "no zombie"


def test_killed_while_nobody_asked_it_nobody_notices(worker, arrays):
    first = running(worker)
    os.kill(first, signal.SIGKILL)
    until(lambda: not alive(first))
    worker.submit(arrays)
    assert answer(worker).parameters is not None


def test_one_that_hangs_is_given_up_without_waiting_for_it(gradient_bundle, arrays):
    worker = UpdateWorker(gradient_bundle, GateSettings(), patience=1.0)
    try:
        hung = running(worker)
        os.kill(hung, signal.SIGSTOP)
        worker.submit(arrays)
        longest, got, asked = 0.0, None, time.monotonic()
        while got is None:
            began = time.monotonic()
            got = worker.poll()
            longest = max(longest, time.monotonic() - began)
            assert time.monotonic() - asked < 20.0
            time.sleep(0.005)
        assert got.report == {"error": "no proposal within 1 s"}
        assert longest < 0.05
        until(lambda: not alive(hung))
        worker._patience = 120.0
        worker.submit(arrays)
        assert answer(worker).parameters is not None, "its own late answer, an error, is nobody's"
        assert worker.poll() is None
    finally:
        worker.close()


def test_the_patience_for_a_question_is_not_ended_by_the_answer_to_another(gradient_bundle, arrays):
    """A question that was given up, as by a reset, is answered late; the one after it hangs."""
    worker = UpdateWorker(gradient_bundle, GateSettings())
    try:
        worker.submit(arrays)
        assert answer(worker).parameters is not None  # torch is there
        worker.submit(arrays)
        until(lambda: worker._answers.qsize() == 1)
        os.kill(running(worker), signal.SIGSTOP)
        worker._patience = 1.0
        worker.submit(arrays)
        assert worker.poll() is None, "stale"
        assert answer(worker).report == {"error": "no proposal within 1 s"}
    finally:
        worker.close()


def test_what_was_asked_before_is_answered_no_more(worker, gradient_bundle, arrays):
    other = experience(gradient_bundle, seed=5)
    wanted = Proposer(gradient_bundle, GateSettings())(other).parameters
    for each in (arrays, arrays, other):
        worker.submit(each)
    got = answer(worker)
    assert wanted is not None
    np.testing.assert_array_equal(got.parameters, wanted)
    time.sleep(0.3)
    assert worker.poll() is None


def test_closed_it_is_gone_with_its_thread_and_its_pipes(gradient_bundle, arrays):
    before = len(os.listdir("/proc/self/fd"))
    for ask in (False, True):
        worker = UpdateWorker(gradient_bundle, GateSettings())
        pid = running(worker)
        if ask:
            worker.submit(arrays)
            worker.submit(arrays)
        began = time.monotonic()
        worker.close()
        assert time.monotonic() - began < 3.0
        assert not worker._thread.is_alive()
        assert not Path(f"/proc/{pid}").exists()
        assert worker.pid is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_that_die_leave_no_file_open(gradient_bundle, arrays):
    """Each says at once that it cannot begin."""
    worker = UpdateWorker(gradient_bundle, GateSettings())
    worker._command = [sys.executable, "-c", "print('Hello', flush=True)"]
    running(worker)
    open_files = []
    try:
        for _ in range(5):
            worker._kill()
            worker.submit(arrays)
            assert answer(worker).parameters is None
            open_files.append(len(os.listdir("/proc/self/fd")))
        assert len(set(open_files)) == 1
    finally:
        worker.close()


GARBAGE = {
    "text": "sys.stdout.write('Hello World, this is no array at all'); sys.stdout.flush(); time.sleep(60)",
    "short": "sys.stdout.buffer.write(bytes([5, 0, 0, 0, 0, 0, 0, 0, 1])); sys.stdout.flush()",
    "random": "sys.stdout.buffer.write((64).to_bytes(8, 'little') + bytes(range(64))); sys.stdout.flush()",
    "no report": "say({'parameters': np.zeros(82, np.float32)})",
    "a report that is no JSON": "say({'report': np.frombuffer(b'\\xff{', np.uint8)})",
    "a report that is deep": "say({'report': np.frombuffer(b'[' * 100000, np.uint8)})",
    "a report that is a list": "say({'report': np.frombuffer(b'[1]', np.uint8)})",
    "a report with an event": 'say({\'report\': np.frombuffer(b\'{"event": "kept", "why": 1}\', np.uint8)})',
    "gates that are none": "say({'report': np.frombuffer(b'{\"gates\": [1, 2]}', np.uint8)})",
    "a gate of NaN": "say({'report': np.frombuffer(b'{\"scale\": NaN}', np.uint8)})",
    "a report of other numbers": "say({'report': np.zeros(3)})",
}
SPEAKER = """
import sys, time
import numpy as np
from adapt.online.pipes import read_arrays, write_arrays
def say(arrays):
    write_arrays(sys.stdout.buffer, arrays)
    time.sleep(60)
read_arrays(sys.stdin.buffer)
"""


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_an_error_of_one_line(gradient_bundle, arrays, monkeypatch, garbage):
    popen = subprocess.Popen
    command = [sys.executable, "-c", SPEAKER + GARBAGE[garbage]]
    monkeypatch.setattr(
        update_worker.subprocess, "Popen", lambda _, **pipes: popen(command, cwd=ROOT, **pipes)
    )
    worker = UpdateWorker(gradient_bundle, GateSettings())
    try:
        worker.submit(arrays)
        got = answer(worker)
        assert got.parameters is None
        assert got.report["error"].startswith("the process that computes gradients failed: ")
        assert "\n" not in got.report["error"]
        assert len(got.report["error"]) < 500
        assert worker._thread.is_alive()
    finally:
        worker.close()


def test_a_process_that_cannot_be_started_is_an_error(gradient_bundle, arrays, monkeypatch):
    def fail(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(update_worker.subprocess, "Popen", fail)
    worker = UpdateWorker(gradient_bundle, GateSettings())
    worker.submit(arrays)
    assert "Cannot allocate memory" in answer(worker).report["error"]
    worker.close()
    assert not worker._thread.is_alive()


def test_a_bundle_that_was_changed_meanwhile_is_not_learned_with(gradient_bundle, arrays, monkeypatch):
    changed = gradient_bundle.manifest | {"manifest_digest": "0" * 64}
    worker = UpdateWorker(PolicyBundle(gradient_bundle.path, changed, gradient_bundle.files), GateSettings())
    try:
        for _ in range(2):
            worker.submit(arrays)
            assert "changed since the node was configured" in answer(worker).report["error"]
    finally:
        worker.close()


def test_experience_that_does_not_fit_is_an_answer_and_not_the_end(worker, arrays):
    pids = set()
    for wrong in (
        {"parameters": arrays["parameters"] + np.float32(1)},
        {"observation": arrays["observation"][:-1]},
        {"reward": np.full_like(arrays["reward"], np.nan)},
        {"parameters": arrays["parameters"][:-1]},
    ):
        worker.submit(arrays | wrong)
        got = answer(worker)
        assert got.parameters is None
        assert got.report.get("error") or not got.report["passed"]
        pids.add(worker.pid)
    missing = dict(arrays)
    del missing["alive"]
    worker.submit(missing)
    assert "alive" in answer(worker).report["error"]
    worker.submit(arrays)
    assert answer(worker).parameters is not None
    assert pids == {worker.pid}


PARENT = """
import sys, time
from adapt.bundle import load_bundle
from adapt.online.gates import GateSettings
from adapt.online.update_worker import UpdateWorker
worker = UpdateWorker(load_bundle({path!r}), GateSettings())
while worker.pid is None:
    time.sleep(0.01)
print(worker.pid, flush=True)
time.sleep(120)
"""


@pytest.mark.parametrize("state", ["beginning", "idle", "hanging"])
def test_it_does_not_outlive_a_parent_that_is_killed(gradient_bundle, state):
    command = [sys.executable, "-c", PARENT.format(path=str(gradient_bundle.path))]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    try:
        if state != "beginning":  # nice is the last before torch
            until(lambda: os.getpriority(os.PRIO_PROCESS, pid) >= 10)
            time.sleep(0.3)
        if state == "hanging":
            os.kill(pid, signal.SIGSTOP)
        parent.kill()
        killed = time.monotonic()
        until(lambda: not alive(pid), timeout=10.0)
        if state != "beginning":
            assert time.monotonic() - killed < 2.0
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_what_a_terminal_sends_to_all_does_not_end_it(worker, arrays):
    pid = running(worker)
    until(lambda: os.getpriority(os.PRIO_PROCESS, pid) >= 10)
    os.kill(pid, signal.SIGINT)
    worker.submit(arrays)
    assert answer(worker).parameters is not None
    assert worker.pid == pid


def test_without_torch_it_says_how_to_get_it(gradient_bundle, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    with pytest.raises(AdaptError, match=r"need torch: pip install '\.\[robot,gradient\]'"):
        open_worker(gradient_bundle, GateSettings())


def test_arrays_through_a_pipe_are_the_same_and_nothing_else_is_read():
    pipe = io.BytesIO()
    sent = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(3)}
    write_arrays(pipe, sent)
    pipe.seek(0)
    got = read_arrays(pipe)
    assert {name: array.tolist() for name, array in got.items()} == {"a": [[0, 1, 2], [3, 4, 5]], "b": 3}
    with pytest.raises(EOFError):
        read_arrays(pipe)
    for content, error in (
        (b"\1\0", EOFError), ((MAX_BYTES + 1).to_bytes(8, "little"), OSError), (bytes(8), OSError),
        ((100).to_bytes(8, "little") + bytes(50), EOFError), ((16).to_bytes(8, "little") + b"x" * 16, OSError),
    ):  # fmt: skip
        with pytest.raises(error):
            read_arrays(io.BytesIO(content))


def test_what_goes_wrong_in_a_proposal_is_an_answer():
    def broken(_: object) -> Proposal:
        raise RuntimeError("singular\nmatrix\x07" + "x" * 1000)

    requests, answers = io.BytesIO(), io.BytesIO()
    write_arrays(requests, {"a": np.zeros(1)})
    requests.seek(0)
    serve(broken, requests, answers)
    answers.seek(0)
    report = json.loads(read_arrays(answers)["report"].tobytes())
    assert report["error"].startswith("RuntimeError: singular matrixx")
    assert len(report["error"]) == 500


@pytest.mark.slow
def test_control_goes_on_at_200_hz_while_it_computes(gradient_bundle: PolicyBundle, robot: RobotSpec):
    """The step's own time, of a step every 5 ms, with the real process at work all the time: p99 below 2.5 ms."""
    adapter = GradientAdapter(gradient_bundle)
    learning = OnRobotLearning(gradient_bundle, adapter)
    controller = AdaptiveController(robot, gradient_bundle.observation, adapter, learning=learning)
    controller.reset()
    took: dict[Phase, list[float]] = {phase: [] for phase in Phase}
    rng, reward, due = np.random.default_rng(0), np.ones((1, 1), np.float32), time.monotonic()
    try:
        until(lambda: learning._updates.pid is not None)  # type: ignore[attr-defined]
        while len(took[Phase.COMPUTING]) < 50 or len(took[Phase.COLLECTING]) < 400:
            frame = SensorFrame(np.zeros(1), rng.uniform(-1, 1, (1, 1)), rng.uniform(-1, 1, (1, 1)))
            due += 0.005
            time.sleep(max(0.0, due - time.monotonic()))
            phase, began = learning.phase, time.perf_counter()
            controller.step(frame, reward=reward)
            took[phase].append(time.perf_counter() - began)
            if learning.phase in (Phase.DONE, Phase.GAVE_UP, Phase.TRIAL):
                controller.reset()
        busy = np.array(took[Phase.COMPUTING] + took[Phase.COLLECTING])
        assert np.percentile(busy, 99) < 0.0025, np.percentile(busy, [50, 99, 100])
    finally:
        learning.close()
