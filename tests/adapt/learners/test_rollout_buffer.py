"""The buffer of rollouts: the newest stay, in order, as they were written."""

from __future__ import annotations

import numpy as np
import pytest

from adapt.checkpoint import load_checkpoint, save_checkpoint
from adapt.learners.rollout_buffer import FIELDS, RolloutBuffer

LENGTH = 3


def buffer(capacity: int = 5, dtype: type = np.uint8) -> RolloutBuffer:
    return RolloutBuffer(capacity, LENGTH, (2, 2), np.dtype(dtype), joints=2, actions=4)


def write(made: RolloutBuffer, numbers: list[int]) -> None:
    """Adds rollouts that have their number in every field."""
    places = made.begin(len(numbers))
    for name in FIELDS:
        field = getattr(made, name)
        for place, number in zip(places, numbers, strict=True):
            field[place] = number % 2 if field.dtype == bool else number


def held(made: RolloutBuffer) -> list[int]:
    return sorted(made.reward[: len(made), 0].astype(int).tolist())


def test_the_oldest_go_first():
    made = buffer()
    assert len(made) == 0
    for first in (0, 2, 4):
        write(made, [first, first + 1])
    assert (len(made), held(made)) == (5, [1, 2, 3, 4, 5])
    write(made, [6, 7])
    assert held(made) == [3, 4, 5, 6, 7]


def test_a_sample_has_time_first_and_keeps_rollouts_together():
    made = buffer()
    write(made, [0, 1, 2])
    drawn = made.sample(200, np.random.default_rng(0))
    assert {name: value.shape for name, value in drawn.items()} == {
        "observation": (LENGTH, 200, 2, 2), "action": (LENGTH, 200, 2), "reward": (LENGTH, 200), "last": (LENGTH, 200),
        "logits": (LENGTH, 200, 2, 4),
    }  # fmt: skip
    assert drawn["observation"].dtype == np.uint8
    number = drawn["reward"][0]
    assert set(number.tolist()) == {0.0, 1.0, 2.0}, "only those that there are"
    for name, value in drawn.items():
        wanted = number % 2 if value.dtype == bool else number
        assert (value == wanted.reshape(1, -1, *[1] * (value.ndim - 2))).all(), name
    assert all(value.flags.c_contiguous for value in drawn.values())


def test_a_sample_is_a_copy():
    made = buffer()
    write(made, [7])
    made.sample(2, np.random.default_rng(0))["observation"][:] = 0
    assert (made.observation[0] == 7).all()


@pytest.mark.parametrize("count", [2, 5, 8])
def test_it_is_restored_exactly_and_goes_on_alike(count, tmp_path):
    made, again = buffer(), buffer()
    for number in range(count):
        write(made, [number])
    save_checkpoint(tmp_path / "buffer", made.state())
    again.restore(load_checkpoint(tmp_path / "buffer"))
    for both in (made, again):
        write(both, [100, 101])
    drawn = [each.sample(50, np.random.default_rng(1)) for each in (made, again)]
    for name in FIELDS:
        assert np.array_equal(drawn[0][name], drawn[1][name])
        assert drawn[0][name].dtype == drawn[1][name].dtype


def test_a_state_holds_only_the_rollouts_that_there_are():
    made = buffer(capacity=1000)
    write(made, [1, 2])
    assert made.state()["observation"].shape == (2, LENGTH, 2, 2)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (RolloutBuffer(5, LENGTH, (2, 3), np.dtype(np.uint8), 2, 4), "rollouts' observation"),
        (buffer(dtype=np.float32), "of uint8"),
        (RolloutBuffer(5, LENGTH, (2, 2), np.dtype(np.uint8), 2, 5), "rollouts' logits"),
        (RolloutBuffer(5, LENGTH + 1, (2, 2), np.dtype(np.uint8), 2, 4), "rollouts' observation"),
        (buffer(capacity=2), "at most"),
    ],
    ids=["observation", "type", "actions", "length", "capacity"],
)
def test_a_state_of_other_rollouts_is_refused(other, words):
    made = buffer()
    write(made, [1, 2, 3])
    with pytest.raises(ValueError, match=words):
        other.restore(made.state())


def test_more_at_once_than_it_holds_are_refused():
    with pytest.raises(ValueError, match="6 rollouts at once; the buffer holds 5"):
        buffer().begin(6)


STACKED = 4


def stacks(capacity: int = 6, length: int = 5) -> RolloutBuffer:
    return RolloutBuffer(capacity, length, (STACKED, 2, 3), np.dtype(np.uint8), 1, 2, STACKED)


def play(made: RolloutBuffer, rollouts: int, rng: np.random.Generator, ends: float) -> np.ndarray:
    """Two environments' frames, drawn, and every observation that was written, shape (rollouts x 2, R, K, 2, 3)."""
    shown, begins = np.zeros((2, STACKED, 2, 3), np.uint8), np.ones(2, bool)
    written = []
    for _ in range(rollouts):
        places = made.begin(2)
        every = []
        for t in range(made.last.shape[1]):
            shown = np.where(begins[:, None, None, None], np.uint8(0), shown)
            shown = np.concatenate([shown[:, 1:], rng.integers(1, 256, (2, 1, 2, 3), np.uint8)], axis=1)
            begins = rng.random(2) < ends
            made.observe(places, t, shown)
            made.last[places, t] = begins
            made.reward[places, t] = len(written) * 2 + np.arange(2)
            every.append(shown)
        written.append(np.stack(every, axis=1))
    return np.concatenate(written)


@pytest.mark.parametrize("ends", [0.0, 0.15, 0.6])
def test_stacks_come_back_to_the_bit_though_frames_are_kept_once(ends, tmp_path):
    """Across ends of episodes, which may be so short that no stack fills, and across rollouts."""
    made, again = stacks(), stacks()
    written = play(made, 5, np.random.default_rng(0), ends)
    save_checkpoint(tmp_path / "buffer", made.state())
    again.restore(load_checkpoint(tmp_path / "buffer"))
    for buffer in (made, again):
        drawn = buffer.sample(60, np.random.default_rng(1))
        assert drawn["observation"].shape == (5, 60, STACKED, 2, 3)
        assert drawn["observation"].dtype == np.uint8
        assert drawn["observation"].flags.c_contiguous
        numbers = drawn["reward"][0].astype(int)
        assert set(numbers.tolist()) == set(range(4, 10)), "the newest six"
        assert np.array_equal(drawn["observation"], written[numbers].swapaxes(0, 1))
    assert made.observation.shape == (6, 5 + STACKED - 1, 2, 3)
    drawn["observation"][:] = 0
    assert np.array_equal(
        made.sample(60, np.random.default_rng(1))["observation"], written[numbers].swapaxes(0, 1)
    )


def test_a_state_of_whole_stacks_is_read():
    """As versions before wrote it."""
    made, again = stacks(), stacks()
    written = play(made, 3, np.random.default_rng(0), 0.3)
    again.restore(made.state() | {"observation": written})
    drawn = [each.sample(30, np.random.default_rng(1)) for each in (made, again)]
    for name in FIELDS:
        assert np.array_equal(drawn[0][name], drawn[1][name])
    other = RolloutBuffer(6, 5, (3, 2, 3), np.dtype(np.uint8), 1, 2, 3)
    with pytest.raises(ValueError, match="rollouts' observation"):
        other.restore(made.state())
    with pytest.raises(ValueError, match="rollouts' observation"):
        other.restore(made.state() | {"observation": written[..., :2]})


@pytest.mark.parametrize("t", [1, 3])
def test_what_is_no_stack_is_refused(t):
    """A frame left out, or an episode that began without its end having been said."""
    made, rng = stacks(), np.random.default_rng(0)
    frames = rng.integers(1, 256, (1, 9, 2, 3), np.uint8)
    places = made.begin(1)
    for before in range(t):
        made.observe(places, before, frames[:, before : before + STACKED])
    left_out = frames[:, t + 1 : t + 1 + STACKED]
    began = np.concatenate([np.zeros((1, STACKED - 1, 2, 3), np.uint8), frames[:, :1]], axis=1)
    for wrong in (left_out, began):
        with pytest.raises(ValueError, match=f"observation {t} is no stack of the newest 4 frames"):
            made.observe(places, t, wrong)
