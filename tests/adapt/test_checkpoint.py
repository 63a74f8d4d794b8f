"""Checkpoints: exact, whole or not there, and damage is named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adapt import checkpoint
from adapt.checkpoint import load_checkpoint, optimizer_state, restore_optimizer, save_checkpoint
from adapt.errors import RunError
from tests.adapt.small import differences


def nested() -> dict:
    torch.manual_seed(0)
    return {
        "floats": {"single": torch.randn(3, 2), "double": torch.randn(2, dtype=torch.float64) / 3},
        "special": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]).view(torch.int32),
        "flags": torch.tensor([True, False]),
        "bytes": torch.get_rng_state(),
        "scalar": torch.tensor(7),
        "empty": torch.zeros(0, 4),
        "array": np.arange(6.0).reshape(2, 3).T,
        "array_scalar": np.array(2.5),
        "rng": np.random.default_rng(3).bit_generator.state,
        "nothing": {},
        "plain": {
            "count": 3,
            "share": 0.1 + 0.2,
            "name": "größe",
            "yes": True,
            "none": None,
            "list": [1, [2.5]],
        },
    }


def test_a_round_trip_is_exact(tmp_path):
    save_checkpoint(tmp_path / "state", nested())
    assert differences(nested(), load_checkpoint(tmp_path / "state")) == []


def test_a_generator_goes_on_where_it_was(tmp_path):
    rng = np.random.default_rng(5)
    rng.random(7)
    save_checkpoint(tmp_path / "state", {"rng": rng.bit_generator.state})
    expected = rng.integers(0, 2**62, 100)
    other = np.random.default_rng(0)
    other.bit_generator.state = load_checkpoint(tmp_path / "state")["rng"]
    assert (other.integers(0, 2**62, 100) == expected).all()


def test_parts_of_one_tensor_come_back_as_parts(tmp_path):
    """Views that share memory, which safetensors itself refuses."""
    whole = torch.arange(6.0)
    save_checkpoint(tmp_path / "state", {"whole": whole, "part": whole[2:4], "every_other": whole[::2]})
    state = load_checkpoint(tmp_path / "state")
    assert state["part"].tolist() == [2.0, 3.0]
    assert state["every_other"].tolist() == [0.0, 2.0, 4.0]


def test_what_is_saved_does_not_change_with_the_original(tmp_path):
    weight = torch.ones(2)
    save_checkpoint(tmp_path / "state", {"weight": weight})
    weight += 1
    assert load_checkpoint(tmp_path / "state")["weight"].tolist() == [1.0, 1.0]


def test_a_write_that_fails_midway_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"iteration": 1})

    def full_disk(tensors, file, metadata):
        file.write_bytes(b"half a checkpoint")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, {"iteration": 2})
    assert load_checkpoint(path) == {"iteration": 1}
    assert list(tmp_path.iterdir()) == [path], "nothing half-written stays behind"


def test_the_old_checkpoint_is_replaced_and_never_written_into(tmp_path):
    """Whoever has it open still reads all of the old one."""
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"iteration": 1})
    old = path.read_bytes()
    with path.open("rb") as reader:
        save_checkpoint(path, {"iteration": 2, "more": torch.zeros(100)})
        assert reader.read() == old
    assert load_checkpoint(path)["iteration"] == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:5],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"\xff" * len(content),
        lambda content: b"PK\x03\x04" + content,
        lambda content: content.replace(b'"state"', b'"stale"'),
    ],
    ids=["empty", "five bytes", "half", "a byte short", "noise", "another format", "no state"],
)
def test_damage_is_named(tmp_path, damage):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, nested())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunError, match="damaged checkpoint") as error:
        load_checkpoint(path)
    assert str(path) in str(error.value)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(RunError, match=r"nowhere: no such checkpoint"):
        load_checkpoint(tmp_path / "nowhere")


def test_an_optimizer_goes_on_exactly(tmp_path):
    def step(weight: torch.nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        (weight**3).sum().backward()
        optimizer.step()

    first, second = (torch.nn.Parameter(torch.tensor([1.0, 2.0])) for _ in range(2))
    optimizer = torch.optim.Adam([first], lr=0.1)
    for _ in range(3):
        step(first, optimizer)
    save_checkpoint(tmp_path / "state", {"weight": first, "optimizer": optimizer_state(optimizer)})
    state = load_checkpoint(tmp_path / "state")
    second.data.copy_(state["weight"])
    resumed = torch.optim.Adam([second], lr=0.1)
    restore_optimizer(resumed, state["optimizer"])
    for _ in range(3):
        step(first, optimizer)
        step(second, resumed)
    assert torch.equal(first, second)
