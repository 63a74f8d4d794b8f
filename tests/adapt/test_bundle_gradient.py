"""Bundles that adapt by gradients: whatever is wrong with weights or sizes is refused and named."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from adapt.bundle import PolicyBundle, load_bundle
from adapt.bundle_gradient import MAX_WINDOW, WEIGHTS, size_problem
from adapt.online.experience import Window
from adapt.online.gates import GateSettings
from adapt.online.kinds import make_adapter
from adapt.proposer import Proposer
from tests.adapt.damaged import change, read, refused, write


@pytest.fixture
def folder(gradient_bundle: PolicyBundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(gradient_bundle.path, tmp_path / "bundle"))


def put(folder: Path, content: bytes) -> None:
    """Other weights, with the digests that they must have."""
    (folder / WEIGHTS).write_bytes(content)
    manifest = read(folder)
    manifest["files"][WEIGHTS] = hashlib.sha256(content).hexdigest()
    write(folder, manifest)


def header(content: dict[str, object] | bytes, data: bytes = b"", announced: int | None = None) -> bytes:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(raw) if announced is None else announced) + raw + data


def test_its_start_is_what_was_exported(gradient_bundle, folder):
    assert load_bundle(folder).start.shape == (gradient_bundle.manifest["adapter"]["parameters"],)
    np.testing.assert_array_equal(load_bundle(folder).start, gradient_bundle.start)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"parameters": np.zeros(82, np.float64)}, "float64 (82,)"),
        ({"parameters": np.zeros(82, np.float16)}, "float16"),
        ({"parameters": np.zeros(82, np.int32)}, "int32"),
        ({"parameters": np.zeros(81, np.float32)}, "(81,)"),
        ({"parameters": np.zeros((1, 82), np.float32)}, "(1, 82)"),
        ({"parameters": np.float32(0)}, "float32 ()"),
        ({"weights": np.zeros(82, np.float32)}, "weights"),
        ({"parameters": np.zeros(82, np.float32), "more": np.zeros(1, np.float32)}, "more"),
        ({}, "{}"),
    ],
)
def test_weights_that_are_not_those_of_the_manifest_are_named(folder, arrays, words):
    put(folder, safetensors.numpy.save({name: np.asarray(array) for name, array in arrays.items()}))
    refused(folder, WEIGHTS, words, "expected parameters: float32 (82,)")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(folder, bad):
    put(folder, safetensors.numpy.save({"parameters": np.array([*[0.0] * 81, bad], np.float32)}))
    refused(folder, WEIGHTS, "parameters: not all numbers are finite")


_WHOLE = {"dtype": "F32", "shape": [82], "data_offsets": [0, 328]}


@pytest.mark.parametrize(
    "content",
    [
        b"\0",
        b"\x80\x04\x95pickle",
        header(b"{}", announced=2**63),
        header(b"{}", announced=2**27),
        header(b"[" * 5000),
        header({"parameters": _WHOLE}, bytes(327)),
        header({"parameters": _WHOLE}, bytes(329)),
        header({"parameters": _WHOLE | {"shape": [2**62, 4]}}, bytes(328)),
        header({"parameters": _WHOLE | {"shape": [-82]}}, bytes(328)),
        header({"parameters": _WHOLE | {"dtype": "object"}}, bytes(328)),
        header({"parameters": _WHOLE | {"dtype": "BF16", "data_offsets": [0, 164]}}, bytes(164)),
        header({"parameters": _WHOLE | {"data_offsets": [164, 328]}}, bytes(328)),
        header({"parameters": _WHOLE, "x" * 200_000: _WHOLE}, bytes(328)),
        header(b'{"parameters": ' + json.dumps(_WHOLE).encode() + b', "a\\nb": 1}', bytes(328)),
    ],
    ids=[
        "a byte", "a pickle", "a huge header", "a header beyond the end", "a deep header", "a byte too few",
        "a byte too many", "a huge shape", "a negative shape", "objects", "a type that numpy has not", "a hole",
        "a long name", "a name of two lines",
    ],
)  # fmt: skip
def test_damaged_weights_are_refused(folder, content):
    put(folder, content)
    refused(folder, WEIGHTS)


def test_weights_that_are_not_there_are_named(folder):
    manifest = read(folder)
    del manifest["files"][WEIGHTS]
    write(folder, manifest)
    refused(folder, f"files: {WEIGHTS} is missing")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("parameters", 81, "adapter.parameters: 81; the layers have 82"),
        ("parameters", 10**7, "adapter.parameters: expected a whole number from 1 to 1000000"),
        ("layers", [], "adapter.parameters: 82; the layers have 5"),
        ("layers", [16, 1], "adapter.parameters: 82; the layers have 84"),
        ("layers", [1024] * 8, "the layers have"),
        ("layers", [0], "adapter.layers[0]: expected a whole number from 1 to 1024"),
        ("episode_steps", 100_000, "expected at most 16777216"),
        ("rates", [], "adapter.rates: expected a list of 1 to 100"),
        ("rates", [0.1, -0.1], "adapter.rates[1]: expected a number from above 0"),
        ("gamma", 1.1, "adapter.gamma: expected a number from 0 to 1"),
        ("rollouts", 0, "adapter.rollouts: expected a whole number from 1 to 100"),
        ("rule", {"name": "sgd"}, "adapter.rule.name: 'sgd'; valid: policy_gradient"),
        ("rule", {"name": "clipped_adam", "epochs": 5}, "adapter.rule: missing field 'clip'"),
        ("rule", {"name": "policy_gradient", "clip": 1.0}, "adapter.rule: unknown field 'clip'"),
        ("hidden", 3, "adapter: unknown field 'hidden'"),
    ],
)
def test_a_manifest_that_lies_is_refused(folder, field, value, words):
    if field == "episode_steps":
        change(folder, "adapter", "rollouts", to=100)
    change(folder, "adapter", field, to=value)
    refused(folder, words)


def test_the_size_of_a_window_is_that_of_all_its_arrays(gradient_bundle):
    """A window of a million steps of this robot is as large as what is recorded of one step, a million times."""
    made, observation = gradient_bundle.manifest["adapter"], gradient_bundle.observation.size
    one = Window(1, 1, observation, 1).arrays()
    numbers = sum(array.size for array in one.values())
    most = MAX_WINDOW // (100 * numbers)
    assert size_problem(made | {"rollouts": 100, "episode_steps": most}, observation, 1) is None
    problem = size_problem(made | {"rollouts": 100, "episode_steps": most + 1}, observation, 1)
    assert f"make {100 * (most + 1) * numbers} numbers of experience" in str(problem)


def test_a_sound_bundle_makes_an_adapter_and_a_proposer(folder):
    bundle = load_bundle(folder)
    make_adapter(bundle)
    Proposer(bundle, GateSettings())
