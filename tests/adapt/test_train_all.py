"""Training all three: order, threads, failures, and what is added up; mostly with a stand-in for the trainings."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapt import train_all as module
from adapt.errors import RunError
from adapt.learners import LEARNERS
from adapt.train_all import LEARNERS_IN_ORDER, train_all
from tests.adapt.small import ROOT, leaves
from tests.small_bundle import FAMILY

SECONDS = {"dr": 3.0, "oracle": 5.0, "rma": 7.0}
MEMORY = {"dr": 100.0, "oracle": 150.0, "rma": 200.0}
STAND_IN = """#!{python}
import json, os, pathlib, signal, sys, time
arguments = sys.argv[4:]
learner, out = arguments[0], pathlib.Path(arguments[arguments.index("--out") + 1])
out.mkdir(parents=True, exist_ok=True)
(out / "called.json").write_text(
    json.dumps({{"arguments": arguments, "threads": os.environ["OMP_NUM_THREADS"], "begin": time.time()}})
)
if learner == "{failing}":
    sys.exit("adapt: value_loss is nan")
def stopped(*_):
    (out / "stopped").touch()
    sys.exit(2)
signal.signal(signal.SIGTERM, stopped)
print(json.dumps({{"iteration": 1, "reward": 0.5}}), flush=True)
time.sleep({wait})
seconds, memory = {seconds}[learner], {memory}[learner]
result = {{"steps": 1000, "seconds": seconds, "peak_memory_mib": memory, "end": time.time()}}
(out / "result.json").write_text(json.dumps(result))
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts a script in the place of the trainings; returns a function that says how it behaves."""

    def place(failing: str = "", wait: float = 0.3) -> Path:
        script = tmp_path / "stand_in"
        text = STAND_IN.format(
            python=sys.executable, failing=failing, wait=wait, seconds=SECONDS, memory=MEMORY
        )
        script.write_text(text)
        script.chmod(0o755)
        monkeypatch.setattr(module, "sys", SimpleNamespace(executable=str(script)))
        return tmp_path / "runs"

    return place


def called(out: Path, learner: str) -> dict:
    return json.loads((out / learner / "called.json").read_text())


def test_the_bounds_side_by_side_then_rma(stand_in):
    out, seen = stand_in(), []
    train_all(FAMILY, out, seed=4, progress=lambda learner, row: seen.append((learner, row["reward"])))
    assert sorted(seen) == [("dr", 0.5), ("oracle", 0.5), ("rma", 0.5)]
    begin = {name: called(out, name)["begin"] for name in LEARNERS_IN_ORDER}
    end = {name: json.loads((out / name / "result.json").read_text())["end"] for name in LEARNERS_IN_ORDER}
    assert begin["rma"] >= max(end["dr"], end["oracle"])
    assert called(out, "dr")["threads"] == called(out, "oracle")["threads"] == "1"
    for name in LEARNERS_IN_ORDER:
        arguments = called(out, name)["arguments"]
        assert arguments[:3] == [name, FAMILY, "--json"]
        assert arguments[arguments.index("--seed") + 1] == "4"
        assert "--resume" not in arguments
        assert ("--teacher" in arguments) is (name == "rma")
    assert str(out / "oracle") in called(out, "rma")["arguments"]


def test_what_is_added_up(stand_in):
    out = stand_in()
    result = train_all(FAMILY, out)
    assert result["steps"] == 3000
    # dr and oracle side by side took the longer of both, 5 s, rma 7 s: more than the stand-ins' own time.
    assert result["seconds"] == 12.0
    assert result["steps_per_s"] == 250.0
    assert result["peak_memory_mib"] == 250.0  # 100 + 150 side by side, more than the 200 of rma
    assert list(result["runs"]) == list(LEARNERS_IN_ORDER)
    assert json.loads((out / "train.json").read_text()) == result


def test_going_on_counts_the_time_that_was_taken_before(stand_in):
    out = stand_in()
    train_all(FAMILY, out)
    assert "--resume" in (train_all(FAMILY, out, resume=True), called(out, "dr")["arguments"])[1]
    record = json.loads((out / "train.json").read_text())
    assert record["seconds"] == 12.0, "everything was there already"
    (out / "train.json").write_text(json.dumps(record | {"seconds": 100.0}))
    assert train_all(FAMILY, out, resume=True)["seconds"] == 100.0


@pytest.mark.parametrize("scale", [0.001, 0.5, 2.0])
def test_scale_is_of_the_default_number_of_control_steps(stand_in, scale):
    out = stand_in(wait=0.0)
    train_all(FAMILY, out, scale=scale)
    for name in LEARNERS_IN_ORDER:
        arguments = called(out, name)["arguments"]
        frames = int(arguments[arguments.index("--frames") + 1])
        assert frames == max(1, round(scale * LEARNERS[name].config.frames))


def test_iterations_are_of_each_of_the_three(stand_in):
    out = stand_in(wait=0.0)
    train_all(FAMILY, out, iterations=3)
    for name in LEARNERS_IN_ORDER:
        arguments = called(out, name)["arguments"]
        assert arguments[arguments.index("--iterations") + 1] == "3"


@pytest.mark.parametrize("failing", LEARNERS_IN_ORDER)
def test_a_failed_training_is_named_with_what_it_said(stand_in, failing):
    out = stand_in(failing=failing)
    with pytest.raises(RunError, match=f"training {failing} failed:\nadapt: value_loss is nan"):
        train_all(FAMILY, out)
    assert (out / "rma").exists() is (failing == "rma")
    assert not (out / "train.json").exists()


def test_an_interruption_stops_both_trainings(stand_in):
    out = stand_in(wait=60.0)

    class Interrupt(Exception):
        pass

    begin = time.monotonic()

    def interrupted(self: object, timeout: float | None = None) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not all(
            (out / n / "called.json").exists() for n in ("dr", "oracle")
        ):
            time.sleep(0.05)
        time.sleep(0.5)  # for the handlers, which come after that file
        raise Interrupt

    class Thread(module.threading.Thread):
        join = interrupted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.threading, "Thread", Thread)
        with pytest.raises(Interrupt):
            train_all(FAMILY, out)
    assert all((out / name / "stopped").exists() for name in ("dr", "oracle"))
    assert time.monotonic() - begin < 55, "they were not waited for"


@pytest.mark.slow
def test_all_three_really_train(tmp_path):
    seen = set()
    result = train_all(FAMILY, tmp_path, scale=1e-3, progress=lambda learner, row: seen.add(learner))
    assert seen == set(LEARNERS_IN_ORDER)
    assert all(value is not None for _, value in leaves(result))
    assert result["steps"] == sum(run["steps"] for run in result["runs"].values()) > 0
    assert all((tmp_path / name / "checkpoint.safetensors").is_file() for name in LEARNERS_IN_ORDER)
    assert ROOT not in tmp_path.parents
