"""A learned inner step on a robot: what it knows comes from the bundle, what it remembers goes with the parameters."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from adapt.bundle import PolicyBundle, load_bundle
from adapt.bundle_gradient import META_PARAMS, META_STATE, WEIGHTS
from adapt.errors import AdaptError
from adapt.online.gates import GateSettings
from adapt.online.gradient import GradientAdapter
from adapt.online.proposal import Proposal
from adapt.online.saved_state import restore_state, save_state
from adapt.online.update_worker import UpdateWorker
from adapt.proposer import Proposer
from tests.adapt.damaged import change, read, refused, write
from tests.adapt.test_gradient_worker import answer, experience
from tests.gradient_learning import Driven

MEMORY = META_STATE + "memory"


def memory(value: float, steps: float = 1.0) -> dict[str, np.ndarray]:
    """What a step might remember of one robot."""
    return {"memory": np.full(8, value, np.float32), "steps": np.array([steps], np.float32)}


def of_robots(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array[None] for name, array in state.items()}


def near(bundle: PolicyBundle, step: float) -> Proposal:
    return Proposal(bundle.start + np.float32(step), {"passed": True}, memory(step))


# What is kept, dropped and gone back to.


def test_memory_is_kept_and_rolled_back_with_the_parameters(learned_bundle):
    adapter = GradientAdapter(learned_bundle)

    def remembers(value: float) -> bool:
        return bool((adapter.stage.meta_state["memory"] == np.float32(value)).all())

    assert remembers(0.0)
    for step in (1, 2):
        adapter.propose((learned_bundle.start + np.float32(step))[None], of_robots(memory(step)))
        assert remembers(step)
        adapter.accept()
    adapter.propose((learned_bundle.start + np.float32(3))[None], of_robots(memory(3)))
    assert remembers(3)
    np.testing.assert_array_equal(adapter.state()[MEMORY], np.full((1, 8), 2, np.float32))
    for expected in (2, 1, 0):  # the trial, and two that were accepted
        assert adapter.rollback()
        assert remembers(expected)
        assert (adapter.parameters[0] == learned_bundle.start + np.float32(expected)).all()
    adapter.propose((learned_bundle.start + np.float32(4))[None], of_robots(memory(4)))
    adapter.accept()
    adapter.reset()
    assert remembers(0.0)
    assert adapter.steps == 0


def test_robots_forget_one_by_one(learned_bundle):
    adapter = GradientAdapter(learned_bundle, 3)
    state = {name: np.tile(array, (3, 1)) for name, array in memory(1.0).items()}
    adapter.propose(np.stack([learned_bundle.start] * 3), state)
    adapter.reset(np.array([1]))
    np.testing.assert_array_equal(adapter.stage.meta_state["memory"][:, 0], [1, 0, 1])


def test_what_a_proposal_remembers_is_not_its_sender_s_any_more(learned_bundle):
    adapter, state = GradientAdapter(learned_bundle), of_robots(memory(1.0))
    adapter.propose(learned_bundle.start[None], state)
    state["memory"][:] = 7.0
    adapter.state()[MEMORY][:] = 7.0
    assert (adapter.stage.meta_state["memory"] == 1.0).all()


@pytest.mark.parametrize(
    "spoilt",
    [
        {},
        {"memory": np.zeros(8, np.float32)},
        memory(1.0) | {"more": np.zeros(1, np.float32)},
        memory(np.nan),
        memory(1.0) | {"memory": np.zeros(7, np.float32)},
        memory(1.0) | {"memory": np.zeros(8)},
        memory(1.0) | {"memory": np.float32(1)},
    ],
    ids=["nothing", "half", "more", "not a number", "too short", "doubles", "a number"],
)
def test_a_proposal_with_another_memory_never_acts(learned_bundle, spoilt):
    driven = Driven(learned_bundle, Proposal(learned_bundle.start + np.float32(1), {}, spoilt))
    driven.turn(driven.steps + 3)
    assert driven.names == ["window collected", "rejected"]
    assert META_STATE in driven.events[-1]["why"]
    assert (driven.adapter.parameters[0] == learned_bundle.start).all()


def test_a_step_is_asked_for_with_the_memory_of_the_steps_that_were_kept(learned_bundle):
    """Kept, kept, rolled back, kept: asked with that of none, one, two, two."""
    driven = Driven(learned_bundle, *[near(learned_bundle, step) for step in (1, 2, 3, 4)])
    for _ in range(2):
        driven.until("COMPUTING")
        driven.until("TRIAL")
    driven.until("COMPUTING")
    driven.until("TRIAL")
    assert driven.learning.rollback() is None
    driven.until("COMPUTING")
    asked = [float(each[MEMORY][0]) for each in driven.updates.asked]
    assert asked == [0.0, 1.0, 2.0, 2.0]
    assert all(each[MEMORY].shape == (8,) for each in driven.updates.asked)


# Over restarts, and through a process.


def test_memory_survives_a_restart(learned_bundle, tmp_path):
    adapter, other = GradientAdapter(learned_bundle), GradientAdapter(learned_bundle)
    adapter.propose((learned_bundle.start + np.float32(1))[None], of_robots(memory(0.1)))
    adapter.accept()
    save_state(tmp_path / "state", adapter, learned_bundle)
    restore_state(tmp_path / "state", other, learned_bundle)
    assert other.state().keys() == adapter.state().keys() > {MEMORY, META_STATE + "steps"}
    for name, array in adapter.state().items():
        np.testing.assert_array_equal(other.state()[name], array)
    assert other.rollback()
    assert (other.stage.meta_state["memory"] == 0.0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_saved_memory_that_is_not_sound_is_refused_and_nothing_has_changed(learned_bundle, bad):
    adapter = GradientAdapter(learned_bundle)
    state = adapter.state()
    state["parameters"] += 1.0
    state[MEMORY][0, 3] = bad
    with pytest.raises(AdaptError, match=MEMORY):
        adapter.restore(state)
    assert (adapter.parameters[0] == learned_bundle.start).all()
    del state[MEMORY]
    with pytest.raises(AdaptError, match=f"{MEMORY}: none"):
        adapter.restore(state)


@pytest.fixture
def worker(learned_bundle: PolicyBundle) -> Iterator[UpdateWorker]:
    made = UpdateWorker(learned_bundle, GateSettings(trust_region=10.0, spread=100.0, interventions=1.0))
    yield made
    made.close()


def test_the_process_takes_the_step_of_a_lifetime(learned_bundle, worker):
    """What it answers is what the proposer says, and depends on what is remembered; what is remembered has moved."""
    settings = GateSettings(trust_region=10.0, spread=100.0, interventions=1.0)
    arrays = experience(learned_bundle)
    moved = []
    for value in (0.0, 0.5):
        given = arrays | {META_STATE + name: array for name, array in memory(value).items()}
        worker.submit(given)
        got, wanted = answer(worker), Proposer(learned_bundle, settings)(given)
        assert got.parameters is not None, got.report
        np.testing.assert_array_equal(got.parameters, wanted.parameters)
        assert got.meta_state["steps"] == 2.0
        np.testing.assert_array_equal(got.meta_state["memory"], wanted.meta_state["memory"])
        assert (got.meta_state["memory"] != np.float32(value)).any()
        moved.append(got.parameters)
    assert (moved[0] != moved[1]).any()
    worker.submit(arrays)
    assert "meta_state.memory: none" in answer(worker).report["error"]


# Bundles that are not sound.


@pytest.fixture
def folder(learned_bundle: PolicyBundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned_bundle.path, tmp_path / "bundle"))


def put(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Other weights, with the digests that they must have."""
    content = safetensors.numpy.save(arrays)
    (folder / WEIGHTS).write_bytes(content)
    manifest = read(folder)
    manifest["files"][WEIGHTS] = hashlib.sha256(content).hexdigest()
    write(folder, manifest)


RATES = META_PARAMS + "log_rates"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({RATES: None}, f"expected {RATES}: float32 (2, 5)"),
        ({RATES: np.zeros((2, 4), np.float32)}, f"float32 (2, 4)'}}; expected {RATES}: float32 (2, 5)"),
        ({RATES: np.zeros((2, 5))}, f"'{RATES}': 'float64 (2, 5)'"),
        ({META_PARAMS + "more": np.zeros(1, np.float32)}, f"'{META_PARAMS}more': 'float32 (1,)'"),
        ({MEMORY: None}, f"expected {MEMORY}: float32 (8,)"),
        ({MEMORY: np.full(8, np.nan, np.float32)}, f"{MEMORY}: not all numbers are finite"),
        ({RATES: np.full((2, 5), np.inf, np.float32)}, f"{RATES}: not all numbers are finite"),
        ({"parameters": None}, "expected parameters: float32 (82,)"),
    ],
)
def test_weights_that_are_not_those_of_the_manifest_are_named(learned_bundle, folder, changes, words):
    arrays = {**learned_bundle.weights, **changes}
    put(folder, {name: array for name, array in arrays.items() if array is not None})
    refused(folder, WEIGHTS, words)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("meta_params", {}, "'meta_params."),
        ("meta_state", {"memory": [9], "steps": [1]}, f"expected {MEMORY}: float32 (9,)"),
        ("meta_state", {"memory": [1000, 1001]}, "adapter.meta_state: 1001000 numbers; expected at most 1000000"),
        ("meta_params", {"w": [10**6, 10**6, 10**6]}, "adapter.meta_params: 1000000000000000000 numbers"),
        ("meta_params", {"w": [2**62]}, "adapter.meta_params.w[0]: expected a whole number from 1 to 1000000"),
        ("meta_params", {"w": [1] * 9}, "adapter.meta_params.w: expected a list of 1 to 3"),
        ("meta_params", {"w": []}, "adapter.meta_params.w: expected a list of 1 to 3"),
        ("meta_params", {"w": [-1]}, "adapter.meta_params.w[0]"),
        ("meta_params", {"../w": [1]}, "adapter.meta_params: expected a plain name of an array"),
        ("meta_params", {f"w{i}": [1] for i in range(33)}, "adapter.meta_params: expected at most 32 fields"),
        ("meta_params", [1], "adapter.meta_params: expected"),
        ("rule", {"name": "learned", "steps": 2, "hidden": 65, "memory": 8}, "adapter.rule.hidden"),
        ("rule", {"name": "learned", "steps": 0, "hidden": 16, "memory": 8}, "adapter.rule.steps"),
        ("rule", {"name": "learned", "steps": 2, "hidden": 16}, "adapter.rule: missing field 'memory'"),
    ],
)  # fmt: skip
def test_a_manifest_that_lies_about_its_step_is_refused(folder, field, value, words):
    change(folder, "adapter", field, to=value)
    refused(folder, words)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"name": "learned", "steps": 3, "hidden": 16, "memory": 8}, r"meta_params.log_rates: \(2, 5\); .* \(3, 5\)"),
        ({"name": "learned", "steps": 2, "hidden": 16, "memory": 7}, r"meta_params.lifetime.weight_ih"),
        ({"name": "policy_gradient"}, r"meta_params.\S+: .*; the inner step has none"),
    ],
)  # fmt: skip
def test_a_step_whose_parameters_are_another_s_is_refused(folder, rule, words):
    change(folder, "adapter", "rule", to=rule)
    with pytest.raises(AdaptError, match=words):
        Proposer(load_bundle(folder), GateSettings())
