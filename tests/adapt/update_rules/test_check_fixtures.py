"""The check against recorded calls: it passes on the rule as published, and fails on every known way to be wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.update_rules import check_fixtures, disco, disco_network
from adapt.update_rules.disco import Disco
from adapt.update_rules.disco_weights import load_disco
from adapt.update_rules.rule import Tensors
from tests.adapt.small import save_arrays, small_weights
from tests.adapt.update_rules.rollouts import B, T, outputs, rollout

CALLS = 3


def recorded(rule: Disco, meta_params: Tensors) -> dict[str, np.ndarray]:
    """A file's arrays: consecutive calls of one lifetime, as the check itself makes them."""
    arrays: dict[str, np.ndarray] = {}
    state = rule.initial_meta_state({})
    for call in range(CALLS):
        made = rollout(seed=call)
        made.terminal[2, call % B] = 1.0
        given = {
            f"call{call}/in/{who}/{name}": value.numpy()
            for seed, who in enumerate(("agent", "behaviour", "target"))
            for name, value in outputs(rule, seed=10 * call + seed).items()
        }
        arrays |= given | {
            f"call{call}/in/actions": made.action.int().numpy(),
            f"call{call}/in/rewards": made.reward.numpy(),
            f"call{call}/in/is_terminal": made.terminal.bool().numpy(),
        }
        results, state = check_fixtures._call(rule, meta_params, state, arrays, call)
        arrays |= {f"call{call}/out/{name}": value.numpy().copy() for name, value in results.items()}
    return arrays


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls of a small rule, so that all of this is tested without the authors' files."""
    path = tmp_path_factory.mktemp("fixtures") / "fixtures.npz"
    save_arrays(path, recorded(*load_disco(small_weights())))
    return path


def checked(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["check_fixtures", *map(str, arguments)])
    return check_fixtures.main()


def test_it_prints_the_error_of_every_output_under_its_name_in_the_file(fixtures, monkeypatch, capsys):
    assert checked(monkeypatch, fixtures, small_weights()) == 0
    (line,) = capsys.readouterr().out.splitlines()
    with np.load(fixtures) as file:
        names = [name for name in file.files if "/out/" in name]
    assert list(json.loads(line)) == names
    assert {name.split("/")[-1] for name in names} >= {"pi", "y", "z", "q_td", "loss", "value_loss"}
    assert len([name for name in names if name.endswith("/loss")]) == CALLS
    assert max(json.loads(line).values()) < 1e-6


def test_a_file_of_another_output_alone_fails_there(fixtures, tmp_path, monkeypatch, capsys):
    with np.load(fixtures) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["call2/out/z"] = arrays["call2/out/z"] + np.float32(2e-4)
    save_arrays(tmp_path / "other.npz", arrays)
    assert checked(monkeypatch, tmp_path / "other.npz", small_weights()) == 1
    errors = json.loads(capsys.readouterr().out)
    assert errors["call2/out/z"] == pytest.approx(2e-4, rel=0.01)
    assert max(error for name, error in errors.items() if name != "call2/out/z") < 1e-6


def off_by_one(q, v, reward, discount, trace):
    """Retrace with the trace of the step itself, as in a port that differs from the authors' code."""
    running = reward[-1] + discount[-1] * v[-1]
    returns = [running]
    for t in reversed(range(len(reward) - 1)):
        running = reward[t] + discount[t] * (v[t + 1] + trace[t] * (running - q[t + 1]))
        returns.append(running)
    return torch.stack(returns[::-1])


def without_bias(gates, cell):
    """An LSTM without the 1 that is added to the forget gate."""
    inputs, candidate, forget, output = gates.chunk(4, dim=-1)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(inputs) * torch.tanh(candidate)
    return torch.sigmoid(output) * torch.tanh(cell), cell


def in_torchs_order(gates, cell):
    """An LSTM with torch's order of gates, i, f, g, o, in place of Haiku's."""
    inputs, forget, candidate, output = gates.chunk(4, dim=-1)
    cell = torch.sigmoid(forget + 1) * cell + torch.sigmoid(inputs) * torch.tanh(candidate)
    return torch.sigmoid(output) * torch.tanh(cell), cell


def forwards(params, features, terminal):
    """The LSTM over the trajectory from its first step on."""
    return READ(params, features.flip(0), terminal.flip(0)).flip(0)


READ = disco_network._read_backwards
WRONG = {
    "retrace": (disco, "retrace", off_by_one),
    "forget gate": (disco_network, "_lstm", without_bias),
    "order of gates": (disco_network, "_lstm", in_torchs_order),
    "direction": (disco_network, "_read_backwards", forwards),
    "logarithm": (disco_network, "signed_log", lambda x: x),
}
every_mistake = pytest.mark.parametrize("mistake", WRONG.values(), ids=list(WRONG))


@every_mistake
def test_a_wrong_rule_fails(fixtures, mistake, monkeypatch, capsys):
    monkeypatch.setattr(*mistake)
    assert checked(monkeypatch, fixtures, small_weights()) == 1
    assert max(json.loads(capsys.readouterr().out).values()) > 1e-4


def test_a_lifetime_that_is_not_carried_over_fails_from_the_second_call_on(fixtures, monkeypatch, capsys):
    targets = Disco.targets

    def forgets(self, meta_params, meta_state, *rest):
        return targets(self, meta_params, self.initial_meta_state({}), *rest)

    monkeypatch.setattr(Disco, "targets", forgets)
    assert checked(monkeypatch, fixtures, small_weights()) == 1
    errors = json.loads(capsys.readouterr().out)
    wrong = {name.split("/")[0] for name, error in errors.items() if error > 1e-4}
    assert wrong == {"call1", "call2"}


def perturbed(path: Path, to: Path) -> Path:
    """Weights one of which is off by a hundredth."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["lstm/linear_3/w"][0, 0] += 0.01
    save_arrays(to, arrays)
    return to


def test_a_perturbed_weight_fails(fixtures, tmp_path, monkeypatch):
    assert checked(monkeypatch, fixtures, perturbed(small_weights(), tmp_path / "w.npz")) == 1


def test_the_rule_reproduces_the_authors_calls(disco_data, monkeypatch, capsys):
    files = disco_data / "fixtures.npz", disco_data / "disco_103.npz"
    assert checked(monkeypatch, *files) == 0
    errors = json.loads(capsys.readouterr().out)
    assert {name.split("/")[0] for name in errors} == {"call0", "call1", "call2"}
    assert max(errors[f"call{n}/out/{name}"] for n in range(3) for name in ("pi", "y", "z", "loss")) < 1e-4


@every_mistake
def test_the_authors_calls_tell_a_wrong_rule(disco_data, mistake, monkeypatch):
    monkeypatch.setattr(*mistake)
    assert checked(monkeypatch, disco_data / "fixtures.npz", disco_data / "disco_103.npz") == 1


def test_the_authors_calls_tell_a_perturbed_weight(disco_data, tmp_path, monkeypatch):
    weights = perturbed(disco_data / "disco_103.npz", tmp_path / "w.npz")
    assert checked(monkeypatch, disco_data / "fixtures.npz", weights) == 1


def damaged(kind: str, fixtures: Path, folder: Path) -> tuple[Path, Path]:
    """Fixtures and weights, one of them no good."""
    bad = folder / "bad.npz"
    if kind == "missing fixtures":
        return bad, small_weights()
    if kind == "missing weights":
        return fixtures, bad
    if kind == "text":
        bad.write_text("call0")
        return bad, small_weights()
    if kind == "cut":
        bad.write_bytes(fixtures.read_bytes()[:-200])
        return bad, small_weights()
    with np.load(fixtures) as file:
        arrays = {name: file[name] for name in file.files}
    if kind == "no calls":
        arrays = {"x": np.zeros(3)}
    elif kind == "an input missing":
        del arrays["call1/in/target/z"]
    elif kind == "an output unknown":
        arrays["call0/out/secret"] = np.zeros(3)
    elif kind == "another shape":
        arrays["call0/in/agent/y"] = arrays["call0/in/agent/y"][..., :3]
    elif kind == "an output's shape":
        arrays["call0/out/pi"] = np.zeros((T, B, 9), np.float32)
    elif kind == "pickled":
        arrays["call0/in/rewards"] = np.array([object()])
    save_arrays(bad, arrays)
    return bad, small_weights()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing fixtures", "bad.npz: not a readable .npz file"),
        ("missing weights", "bad.npz: No such file"),
        ("text", "not a readable .npz file"),
        ("cut", "not a readable .npz file"),
        ("no calls", "no recorded calls; expected call0/in/..., call0/out/..."),
        ("an input missing", "lacks 'call1/in/target/z'"),
        ("an output unknown", "secret"),
        ("another shape", r"output 'y' of the agent: shape (3,); expected (7,)"),
        ("an output's shape", "call0/out/pi: (6, 4, 9); expected (6, 4, 3)"),
        ("pickled", "not a readable .npz file"),
    ],
)
def test_files_that_are_no_good_are_named(kind, words, fixtures, tmp_path, monkeypatch, capsys):
    assert checked(monkeypatch, *damaged(kind, fixtures, tmp_path)) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.startswith("error: ")
    assert captured.out == ""


def test_two_files_are_asked_for(monkeypatch, capsys):
    assert checked(monkeypatch) == 2
    assert "usage: python -m adapt.update_rules.check_fixtures FIXTURES WEIGHTS" in capsys.readouterr().err
