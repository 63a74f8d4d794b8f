"""RMA's convolutions over the newest 50 steps: which steps a belief rests on, and a sum worked out by hand."""

from __future__ import annotations

import pytest
import torch

from adapt.networks.conv_history import HISTORY, REACH, ConvEncoder
from tests.small_bundle import perturb

OBSERVATION, ACTION, LATENT = 2, 1, 3
STEPS = 130


@pytest.fixture
def encoder() -> ConvEncoder:
    torch.manual_seed(0)
    encoder = ConvEncoder(OBSERVATION, ACTION, LATENT)
    perturb(encoder, size=0.05)
    return encoder


@pytest.fixture
def history() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(STEPS, 3, OBSERVATION + ACTION, generator=generator)
    return torch.cat([values, torch.zeros(STEPS, 3, 1)], dim=-1)


@torch.no_grad()
def test_longer_than_its_window_step_by_step_is_over_the_sequence(encoder, history):
    """Trials begin at steps 0, 7 and 100 of robot 1, and at 60 of robot 2."""
    fresh = torch.zeros(STEPS, 3, dtype=torch.bool)
    fresh[[0, 7, 100], 1] = True
    fresh[60, 2] = True
    history[..., -1] = fresh.float()
    before = torch.randn(3, encoder.memory)
    whole, last = encoder(history, before, fresh)
    memory = before
    for t in range(STEPS):
        memory = memory.masked_fill(fresh[t, :, None], 0.0)
        belief, memory = encoder.step(history[t], memory)
        torch.testing.assert_close(belief, whole[t], rtol=0, atol=1e-5)
    assert torch.equal(memory, last)
    assert whole.std(dim=0).min() > 1e-3, "beliefs that are all alike would hide a difference"


@torch.no_grad()
def test_memory_is_the_last_50_inputs(encoder, history):
    _, memory = encoder(history, torch.zeros(3, encoder.memory))
    assert torch.equal(memory, history[-HISTORY:].transpose(0, 1).flatten(1))
    _, memory = encoder(history[:20], torch.zeros(3, encoder.memory))
    kept = memory.unflatten(-1, (HISTORY, -1)).transpose(0, 1)
    assert (kept[:30] == 0).all()
    assert torch.equal(kept[30:], history[:20])


@torch.no_grad()
def test_a_belief_rests_on_the_newest_48_steps(encoder, history):
    """And on the observation before them, of which it hears the change."""
    belief, _ = encoder(history, torch.zeros(3, encoder.memory))
    for back, counts in ((0, True), (REACH - 1, True), (REACH, True), (REACH + 1, False)):
        other = history.clone()
        other[STEPS - 1 - back, :, :OBSERVATION] += 1.0
        changed, _ = encoder(other, torch.zeros(3, encoder.memory))
        assert bool((changed[-1] != belief[-1]).any()) is counts, back


@torch.no_grad()
def test_the_newest_eight_steps_summed_by_hand():
    """Channel 0 hears tanh(observation 0); the first kernel sums it, and the others hand its last place on.

    Place 2 of 3 behind the convolutions is place 2 + 4 + 4 = 10 behind the first, which begins at step
    2 + 4 x 10 = 42 of 50: the newest eight.
    """
    encoder = ConvEncoder(1, 1, 1)
    for parameter in encoder.parameters():
        parameter.zero_()
    encoder.embed[0].weight[0, 0] = 1.0  # type: ignore[operator]
    encoder.first.weight[0, 0, :] = 1.0
    encoder.second.weight[0, 0, -1] = 1.0
    encoder.third.weight[0, 0, -1] = 1.0
    encoder.head.weight[0, 2] = 1.0
    values = torch.arange(1.0, 61.0) / 100
    inputs = torch.zeros(60, 1, 3)
    inputs[:, 0, 0] = torch.atanh(values)
    belief, _ = encoder(inputs, torch.zeros(1, encoder.memory))
    # 0.53 + 0.54 + ... + 0.60 = 8 x 0.565 = 4.52; of the third step, 0.01 + 0.02 + 0.03 and nothing before.
    assert belief[-1, 0, 0].item() == pytest.approx(4.52, abs=1e-5)
    assert belief[2, 0, 0].item() == pytest.approx(0.06, abs=1e-6)
