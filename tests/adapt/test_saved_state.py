"""What was understood survives a restart, and nothing else gets in by its file."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from adapt.errors import AdaptError
from adapt.online.kinds import make_adapter
from adapt.online.saved_state import MAX_BYTES, restore_state, save_state

N, ACTIONS = 1, 1


def used(bundle):
    """An adapter that has heard twenty observations."""
    adapter, rng, listen = make_adapter(bundle), np.random.default_rng(0), np.ones(N, bool)
    action, reward = np.zeros((N, ACTIONS), np.float32), np.zeros((N, 1), np.float32)
    for step in range(20):
        observation = rng.normal(size=(N, bundle.observation.size)).astype(np.float32)
        fresh = np.array([[step == 0]], np.float32)
        adapter.act(observation, action, reward, fresh, listen)
    return adapter


def test_a_saved_state_comes_back_bit_by_bit(belief_bundle, tmp_path):
    first, second, path = (
        used(belief_bundle),
        make_adapter(belief_bundle),
        tmp_path / "new" / "state.safetensors",
    )
    save_state(path, first, belief_bundle)
    restore_state(path, second, belief_bundle)
    for name, array in first.state().items():
        np.testing.assert_array_equal(second.state()[name], array)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_no_torch_is_needed(belief_bundle, tmp_path):
    save_state(tmp_path / "state", used(belief_bundle), belief_bundle)
    code = "import adapt.online.saved_state, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def spoil(path: Path, how: str) -> None:
    arrays, whole = load_file(path), path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "large":
        path.write_bytes(bytes(MAX_BYTES + 1))
    elif how == "no digest":
        save_file(arrays, path)
    elif how == "changed":
        arrays["hidden"][0, 0] += 1
        save_file(arrays, path, metadata=metadata(path))


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="np") as file:
        return dict(file.metadata())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "no saved state can be read"),
        ("half", "no saved state can be read"),
        ("empty", "no saved state can be read"),
        ("large", "a saved state has at most 8388608"),
        ("no digest", "saved with another bundle than"),
        ("changed", "sha256 differs: the file was changed or damaged"),
    ],
)
def test_a_spoilt_file_is_refused_by_name_and_changes_nothing(belief_bundle, tmp_path, how, message):
    path, adapter = tmp_path / "state.safetensors", used(belief_bundle)
    save_state(path, make_adapter(belief_bundle), belief_bundle)
    spoil(path, how)
    before = adapter.state()
    with pytest.raises(AdaptError, match=message) as refusal:
        restore_state(path, adapter, belief_bundle)
    assert str(path) in str(refusal.value)
    for name, array in adapter.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_random_bytes_never_get_in(belief_bundle, tmp_path):
    path, adapter, rng = tmp_path / "state", used(belief_bundle), np.random.default_rng(0)
    save_state(path, adapter, belief_bundle)
    whole = path.read_bytes()
    for _ in range(500):
        bad = bytearray(whole)
        for place in rng.integers(0, len(bad), rng.integers(1, 4)):
            bad[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(bad if rng.random() < 0.7 else bad[: rng.integers(0, len(bad))])
        with pytest.raises(AdaptError, match=str(path)):
            restore_state(path, adapter, belief_bundle)


def test_a_state_of_another_bundle_is_refused(belief_bundle, tmp_path):
    path = tmp_path / "state"
    save_state(path, used(belief_bundle), belief_bundle)
    files = belief_bundle.manifest["files"] | {"step.onnx": "0" * 64}
    other = dataclasses.replace(belief_bundle, manifest=belief_bundle.manifest | {"files": files})
    with pytest.raises(AdaptError, match="saved with another bundle"):
        restore_state(path, make_adapter(belief_bundle), other)
