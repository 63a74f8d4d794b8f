"""Training runs: what stops one, what is kept of it, and that it goes on to the last bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from adapt import train as training
from adapt.checkpoint import load_checkpoint
from adapt.errors import AdaptError, RunError
from adapt.learners import LEARNERS
from adapt.learners.bounds import BoundLearner
from adapt.train import TrainRequest, load_learner, read_run, train
from sim_tasks.errors import TaskError
from tests.adapt.small import ITERATIONS, ROOT, differences, request
from tests.small_bundle import FAMILY

every_learner = pytest.mark.parametrize("name", LEARNERS)
pytestmark = pytest.mark.usefixtures("small")


def learnt(run: Path) -> dict:
    """What a checkpoint holds, but for the time it took."""
    state = load_checkpoint(run / "checkpoint.safetensors")
    assert state.pop("seconds") > 0
    return state


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def with_oracle(runs: Path, out: Path) -> Path:
    shutil.copytree(runs / "oracle", out / "oracle")
    return out


def signalled(number: int, iteration: int):
    def progress(row: dict) -> None:
        if row["iteration"] == iteration:
            os.kill(os.getpid(), number)

    return progress


@every_learner
def test_a_run_folder_holds_what_it_should(runs, name):
    run = runs / name
    config, result = read_run(run), json.loads((run / "result.json").read_text())
    assert (config["learner"], config["family"], config["seed"]) == (name, FAMILY, 0)
    assert config["iterations"] == ITERATIONS
    assert config["hyperparameters"]["frames"] == LEARNERS[name].config.frames
    assert {"versions", "commit", "machine"} <= config.keys()
    assert [row["iteration"] for row in rows(run)] == [1, 2, 3, 4]
    assert result["steps"] == rows(run)[-1]["steps"] == ITERATIONS * rows(run)[0]["steps"] > 0
    assert result["steps_per_s"] == pytest.approx(result["steps"] / result["seconds"])
    assert result["peak_memory_mib"] > 10
    assert result["diverged"] == 0
    assert learnt(run)["iteration"] == ITERATIONS
    assert list((run / "tensorboard").iterdir())


@every_learner
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_training_saves_says_how_to_go_on_and_resumes_to_the_last_bit(runs, name, number, tmp_path):
    out = with_oracle(runs, tmp_path) / "run"
    before = signal.getsignal(number)
    with pytest.raises(RunError) as stop:
        train(request(name, out), signalled(number, 2))
    assert signal.getsignal(number) is before
    assert f"stopped after iteration 2 of {ITERATIONS}" in str(stop.value)
    assert f"adapt train {name} {FAMILY} --out {out} --resume" in str(stop.value)
    assert learnt(out)["iteration"] == 2
    assert not (out / "result.json").exists()

    result = train(request(name, out, resume=True))
    assert differences(learnt(runs / name), learnt(out)) == []
    again, whole = ([row | {"seconds": 0.0} for row in rows(run)] for run in (out, runs / name))
    assert again == whole
    assert result["steps"] == rows(out)[-1]["steps"]


def test_a_stop_in_the_last_iteration_is_a_finished_training(tmp_path):
    result = train(request("dr", tmp_path / "run"), signalled(signal.SIGTERM, ITERATIONS))
    assert result == json.loads((tmp_path / "run" / "result.json").read_text())


def test_resuming_a_finished_training_changes_nothing(runs, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(runs / "dr", out)
    again = train(request("dr", out, resume=True))
    first = json.loads((runs / "dr" / "result.json").read_text())
    assert {k: again[k] for k in ("steps", "seconds")} == {k: first[k] for k in ("steps", "seconds")}
    assert differences(learnt(runs / "dr"), learnt(out)) == []
    assert len(rows(out)) == ITERATIONS


KILLED = """
import os, pytest
from pathlib import Path
from adapt import checkpoint, train
from tests.adapt.small import request, shrink
shrink(pytest.MonkeyPatch())
train.CHECKPOINT_SECONDS = 0.0
save, calls = checkpoint.save_file, []
def killed_midway(tensors, file, metadata):
    save(tensors, file, metadata)
    calls.append(file)
    if len(calls) == {saves}:
        os.truncate(file, os.path.getsize(file) // 2)
        os.kill(os.getpid(), 9)
checkpoint.save_file = killed_midway
train.train(request("dr", Path({out!r})))
"""


def in_another_process(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("saves", [1, 3])
def test_a_training_killed_while_it_saves_keeps_the_last_checkpoint_and_goes_on(runs, saves, tmp_path):
    """Killed in its first save there is no checkpoint yet; in its third, the second one."""
    out = tmp_path / "run"
    done = in_another_process(KILLED.format(saves=saves, out=str(out)))
    assert done.returncode == -signal.SIGKILL, done.stderr
    checkpoint = out / "checkpoint.safetensors"
    assert checkpoint.is_file() is (saves > 1)
    if saves > 1:
        assert load_checkpoint(checkpoint)["iteration"] == saves - 1
    train(request("dr", out, resume=True))
    assert differences(learnt(runs / "dr"), learnt(out)) == []
    assert [row["iteration"] for row in rows(out)] == [1, 2, 3, 4]


ENDLESS = """
import pytest
from pathlib import Path
from adapt import train
from tests.adapt.small import request, shrink
shrink(pytest.MonkeyPatch())
train.CHECKPOINT_SECONDS = 0.0
train.train(request({learner!r}, Path({out!r}), iterations=100000), lambda row: print(row["iteration"], flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "after"), [("dr", 1), ("dr", 40), *((learner, 7) for learner in LEARNERS)]
)
def test_a_training_killed_at_any_time_leaves_a_readable_checkpoint(learner, after, runs, tmp_path):
    out = with_oracle(runs, tmp_path) / "run"
    code = [sys.executable, "-c", ENDLESS.format(learner=learner, out=str(out))]
    with subprocess.Popen(code, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for _ in range(after):
                assert process.stdout.readline()
        finally:
            process.kill()
    checkpoint = out / "checkpoint.safetensors"
    done = load_checkpoint(checkpoint)["iteration"] if checkpoint.is_file() else 0
    assert done >= after - 1  # a line is printed before its checkpoint is written
    with pytest.raises(RunError, match=f"stopped after iteration {done + 1} of"):
        train(
            request(learner, out, iterations=100000, resume=True),
            lambda row: os.kill(os.getpid(), signal.SIGTERM),
        )
    assert [row["iteration"] for row in rows(out)] == list(range(1, learnt(out)["iteration"] + 1))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("iteration", "kept"), [(1, "no checkpoint yet"), (3, "the last good state is in")])
def test_a_loss_that_is_not_finite_stops_the_training(monkeypatch, tmp_path, value, iteration, kept):
    out, update, calls = tmp_path / "run", BoundLearner.update, []

    def broken(self):
        calls.append(self)
        return update(self) | ({"value_loss": value} if len(calls) == iteration else {})

    monkeypatch.setattr(BoundLearner, "update", broken)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(RunError, match=f"value_loss is {value}: training stopped; {kept}") as stop:
        train(request("dr", out))
    assert len(calls) == iteration
    assert len(rows(out)) == iteration - 1
    if iteration > 1:
        assert str(out / "checkpoint.safetensors") in str(stop.value)
        assert learnt(out)["iteration"] == iteration - 1


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, [1, 2, 3, 4, 5]), (1e9, [5])])
def test_checkpoints_are_saved_every_so_often(monkeypatch, tmp_path, seconds, expected):
    saved = []
    save = training.save_checkpoint
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", seconds)
    monkeypatch.setattr(
        training, "save_checkpoint", lambda path, state: (saved.append(state["iteration"]), save(path, state))
    )
    train(request("dr", tmp_path / "run", iterations=5))
    assert saved == expected


@pytest.mark.parametrize(
    ("learner", "changes", "message"),
    [
        ("dr", {"seed": 1}, "seed was 0, now 1"),
        ("dr", {"iterations": 9}, f"iterations was {ITERATIONS}, now 9"),
        ("oracle", {}, "learner was 'dr', now 'oracle'"),
    ],
)
def test_resuming_another_training_says_what_differs(runs, tmp_path, learner, changes, message):
    out = tmp_path / "run"
    shutil.copytree(runs / "dr", out)
    with pytest.raises(RunError, match=message) as error:
        train(request(learner, out, resume=True, **changes))
    assert str(out / "config.json") in str(error.value)
    assert differences(learnt(runs / "dr"), learnt(out)) == [], "nothing was trained"


@pytest.mark.parametrize("field", ["family", "hyperparameters"])
def test_resuming_with_another_configuration_says_which_field(runs, tmp_path, field):
    out = tmp_path / "run"
    shutil.copytree(runs / "dr", out)
    config = read_run(out)
    (out / "config.json").write_text(json.dumps(config | {field: "another"}))
    with pytest.raises(RunError, match=f"{field} was 'another', now"):
        train(request("dr", out, resume=True))


def test_a_run_in_the_way_is_not_overwritten(runs, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(runs / "dr", out)
    with pytest.raises(RunError, match=r"holds a run already; add --resume, or choose another --out"):
        train(request("dr", out))
    assert differences(learnt(runs / "dr"), learnt(out)) == []


def test_a_missing_teacher_is_asked_for(tmp_path):
    with pytest.raises(AdaptError, match="rma: needs --teacher, the folder of a run of oracle or dr"):
        train(TrainRequest("rma", FAMILY, tmp_path / "run", threads=1))
    with pytest.raises(RunError, match=f"{tmp_path / 'oracle'}: not a training run"):
        train(request("rma", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_another_kind_or_family_is_refused(runs, tmp_path):
    with pytest.raises(AdaptError, match=f"a run of rl2 on {FAMILY}; expected oracle or dr on {FAMILY}"):
        train(request("rma", tmp_path / "run", teacher=runs / "rl2"))
    shutil.copytree(runs / "oracle", tmp_path / "oracle")
    config = read_run(runs / "oracle") | {"family": "cartpole"}
    (tmp_path / "oracle" / "config.json").write_text(json.dumps(config))
    with pytest.raises(AdaptError, match=f"a run of oracle on cartpole; expected oracle or dr on {FAMILY}"):
        train(request("rma", tmp_path / "run"))


def test_a_teacher_may_be_one_that_was_told_nothing(runs, tmp_path):
    train(request("rma", tmp_path / "run", teacher=runs / "dr"))
    assert load_learner(tmp_path / "run").env.family.name == FAMILY


def test_a_teacher_without_a_checkpoint_is_named(runs, tmp_path):
    (tmp_path / "oracle").mkdir()
    shutil.copy(runs / "oracle" / "config.json", tmp_path / "oracle")
    with pytest.raises(RunError, match=r"checkpoint.safetensors: no such checkpoint"):
        train(request("rma", tmp_path / "run"))


@pytest.mark.parametrize(
    ("learner", "family", "iterations", "message"),
    [
        ("magic", FAMILY, 1, "unknown learner 'magic'; valid: dr"),
        ("dr", "cartpole", 1, "unknown family 'cartpole'; valid: pendulum_swingup"),
        ("dr", FAMILY, 0, "iterations: expected at least 1, got 0"),
    ],
)
def test_impossible_requests_leave_no_folder(tmp_path, learner, family, iterations, message):
    with pytest.raises((AdaptError, TaskError), match=message):
        train(TrainRequest(learner, family, tmp_path / "run", iterations=iterations))
    assert not list(tmp_path.iterdir())


@every_learner
def test_a_learner_is_loaded_as_it_was_saved(runs, name):
    loaded = load_learner(runs / name)
    assert differences(learnt(runs / name)["learner"], loaded.state()) == []


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b"\xff\xfe", b"[]", b'"text"', b'{"learner": "dr"}'], ids=repr
)
def test_a_folder_that_is_no_run_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(RunError, match="not a training run") as error:
        load_learner(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_a_checkpoint_of_other_code_is_refused_in_words(runs, tmp_path):
    run = tmp_path / "dr"
    shutil.copytree(runs / "dr", run)
    state = load_checkpoint(run / "checkpoint.safetensors")
    del state["learner"]["env"]["port"]["safety"]["last"]
    training.save_checkpoint(run / "checkpoint.safetensors", state)
    with pytest.raises(RunError, match=rf"{run}: its checkpoint does not fit .*'last'; .* train again"):
        load_learner(run)
