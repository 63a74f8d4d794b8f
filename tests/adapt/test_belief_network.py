"""The belief encoder: what it remembers, of whom, and what it does not hear."""

from __future__ import annotations

import math

import pytest
import torch

from adapt.networks.belief import LOG_STD_RANGE, BeliefEncoder, MotionModel
from adapt.networks.mlp import mlp
from adapt.networks.policy import widen
from tests.small_bundle import perturb

OBSERVATION, ACTION, LATENT = 3, 2, 4
STEPS, ROBOTS = 12, 5


@pytest.fixture
def encoder() -> BeliefEncoder:
    torch.manual_seed(0)
    encoder = BeliefEncoder(OBSERVATION, ACTION, LATENT, hidden=8)
    perturb(encoder)
    return encoder


@pytest.fixture
def history() -> torch.Tensor:
    """Observations, actions and flags of a few robots, episodes beginning here and there."""
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(STEPS, ROBOTS, OBSERVATION + ACTION, generator=generator)
    flags = (torch.rand(STEPS, ROBOTS, 1, generator=generator) < 0.2).float()
    return torch.cat([values, flags], dim=-1)


def nothing(encoder: BeliefEncoder, robots: int = ROBOTS) -> torch.Tensor:
    return torch.zeros(robots, encoder.memory)


@torch.no_grad()
@pytest.mark.parametrize("cut", [1, 5, STEPS - 1])
def test_a_stretch_is_the_same_in_pieces(encoder, history, cut):
    whole, memory = encoder(history, nothing(encoder))
    first, carried = encoder(history[:cut], nothing(encoder))
    second, end = encoder(history[cut:], carried)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(end, memory, rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_stretch_is_the_same_step_by_step(encoder, history):
    whole, last = encoder(history, nothing(encoder))
    memory = nothing(encoder)
    for t in range(STEPS):
        belief, memory = encoder(history[t : t + 1], memory)
        torch.testing.assert_close(belief[0], whole[t], rtol=0, atol=1e-6)
    torch.testing.assert_close(memory, last, rtol=0, atol=1e-6)
    assert whole.shape == (STEPS, ROBOTS, 2 * LATENT)
    assert last.shape == (ROBOTS, encoder.memory)


@torch.no_grad()
def test_memory_matters(encoder, history):
    fresh, _ = encoder(history[-1:], nothing(encoder))
    remembered, _ = encoder(history, nothing(encoder))
    assert ((fresh[0] - remembered[-1]).abs().amax(dim=-1) > 1e-3).all()


@torch.no_grad()
def test_robots_do_not_hear_each_other(encoder, history):
    """Other robots' histories do not matter, and another order of robots gives the same in that order."""
    order = torch.tensor([3, 0, 4, 1, 2])
    start = torch.randn(ROBOTS, encoder.memory)
    belief, memory = encoder(history, start)
    mixed, mixed_memory = encoder(history[:, order], start[order])
    torch.testing.assert_close(mixed, belief[:, order], rtol=0, atol=1e-6)
    torch.testing.assert_close(mixed_memory, memory[order], rtol=0, atol=1e-6)
    alone, _ = encoder(history[:, 2:3], start[2:3])
    torch.testing.assert_close(alone, belief[:, 2:3], rtol=0, atol=1e-6)


@torch.no_grad()
def test_at_an_episodes_beginning_the_change_of_observation_is_not_heard(encoder):
    """Two memories that differ in the last observation alone: told apart, except where an episode begins."""
    inputs = torch.ones(1, 1, OBSERVATION + ACTION + 1)
    here, there = nothing(encoder, 1), nothing(encoder, 1)
    there[:, encoder.hidden :] = 0.5
    for flag in (0.0, 1.0):
        inputs[..., -1] = flag
        same = torch.equal(encoder(inputs, here)[0], encoder(inputs, there)[0])
        assert same is (flag == 1.0)


@torch.no_grad()
def test_the_change_worked_out_by_hand(encoder):
    """Change: 10 x (observation - the one before) where no episode begins, behind all other inputs."""
    heard: list[torch.Tensor] = []
    encoder.embed[0].register_forward_hook(lambda _, inputs, __: heard.append(inputs[0]))
    seen, before = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.5, 2.0, 4.0]])
    encoder.heard(torch.cat([seen, torch.zeros(1, ACTION), torch.zeros(1, 1)], dim=-1), before)
    encoder.heard(torch.cat([seen, torch.zeros(1, ACTION), torch.ones(1, 1)], dim=-1), before)
    assert heard[0][0, -OBSERVATION:].tolist() == [5.0, 0.0, -10.0]
    assert heard[1][0, -OBSERVATION:].tolist() == [0.0, 0.0, 0.0]


@torch.no_grad()
def test_the_last_observation_is_remembered(encoder, history):
    _, memory = encoder(history, nothing(encoder))
    assert torch.equal(memory[:, encoder.hidden :], history[-1, :, :OBSERVATION])


@torch.no_grad()
def test_doubt_stays_within_its_bounds(encoder):
    features = 1e4 * torch.randn(500, encoder.hidden)
    log_std = encoder.belief(features)[:, LATENT:]
    low, high = LOG_STD_RANGE
    assert log_std.min().item() == pytest.approx(low)
    assert log_std.max().item() == pytest.approx(high)


def test_a_fresh_belief_is_near_the_prior():
    torch.manual_seed(0)
    encoder = BeliefEncoder(OBSERVATION, ACTION, LATENT, hidden=8)
    belief, _ = encoder(torch.randn(1, 100, OBSERVATION + ACTION + 1), nothing(encoder, 100))
    mean, log_std = belief[0].detach().chunk(2, dim=-1)
    assert mean.abs().max() < 0.2
    # The log standard deviation's bias: -4 + 4.5 sigmoid(2) = -0.036.
    assert log_std.mean().item() == pytest.approx(-4 + 4.5 / (1 + math.exp(-2)), abs=0.1)


@torch.no_grad()
def test_the_motion_model_forecasts_a_change():
    model = MotionModel(OBSERVATION, ACTION, LATENT, hidden=8)
    for parameter in model.parameters():
        parameter.zero_()
    seen, before = torch.randn(4, OBSERVATION), torch.randn(4, OBSERVATION)
    actions, belief = torch.randn(4, ACTION), torch.randn(4, 2 * LATENT)
    assert torch.equal(model(seen, before, actions, belief), seen)
    perturb(model)
    forecast = model(seen, before, actions, belief)
    others = [
        model(seen, before + 0.1, actions, belief),
        model(seen, before, actions + 0.1, belief),
        model(seen, before, actions, belief + 0.1),
    ]
    assert all((other != forecast).any() for other in others), "an input is not used"


@torch.no_grad()
def test_widened_layers_are_the_same_function_until_trained():
    torch.manual_seed(0)
    narrow = mlp((3, 5, 2))
    wide = widen(narrow, 4)
    inputs = torch.randn(6, 7)
    torch.testing.assert_close(wide(inputs), narrow(inputs[:, :3]))
    wide[0].weight += 0.1  # type: ignore[operator]
    assert (wide(inputs) != narrow(inputs[:, :3])).all(), "the new layers are their own"
