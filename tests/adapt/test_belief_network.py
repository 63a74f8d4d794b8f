"""Belief encoders: what they remember, of whom, and what they do not hear."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from adapt.networks.belief import LOG_STD_RANGE, BeliefEncoder, HistoryEncoder, MotionModel
from adapt.networks.conv_history import ConvEncoder
from adapt.networks.normaliser import RunningNorm
from tests.small_bundle import perturb

OBSERVATION, ACTION, LATENT = 3, 2, 4
STEPS, ROBOTS = 12, 5


@pytest.fixture
def encoder() -> BeliefEncoder:
    torch.manual_seed(0)
    encoder = BeliefEncoder(OBSERVATION, ACTION, LATENT, hidden=8)
    perturb(encoder)
    return encoder


@pytest.fixture(params=["gru", "conv"])
def any_encoder(request: pytest.FixtureRequest, encoder: BeliefEncoder) -> HistoryEncoder:
    if request.param == "gru":
        return encoder
    conv = ConvEncoder(OBSERVATION, ACTION, LATENT)
    perturb(conv, size=0.05)
    return conv


@pytest.fixture
def history() -> torch.Tensor:
    """Observations, actions and flags of a few robots, episodes beginning here and there."""
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(STEPS, ROBOTS, OBSERVATION + ACTION, generator=generator)
    flags = (torch.rand(STEPS, ROBOTS, 1, generator=generator) < 0.2).float()
    return torch.cat([values, flags], dim=-1)


def nothing(encoder: HistoryEncoder, robots: int = ROBOTS) -> torch.Tensor:
    return torch.zeros(robots, encoder.memory)


@torch.no_grad()
@pytest.mark.parametrize("cut", [1, 5, STEPS - 1])
def test_a_stretch_is_the_same_in_pieces(any_encoder, history, cut):
    whole, memory = any_encoder(history, nothing(any_encoder))
    first, carried = any_encoder(history[:cut], nothing(any_encoder))
    second, end = any_encoder(history[cut:], carried)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(end, memory, rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_stretch_is_the_same_step_by_step(any_encoder, history):
    whole, last = any_encoder(history, nothing(any_encoder))
    memory = nothing(any_encoder)
    for t in range(STEPS):
        belief, memory = any_encoder(history[t : t + 1], memory)
        torch.testing.assert_close(belief[0], whole[t], rtol=0, atol=1e-6)
    torch.testing.assert_close(memory, last, rtol=0, atol=1e-6)
    assert whole.shape == (STEPS, ROBOTS, 2 * LATENT)
    assert last.shape == (ROBOTS, any_encoder.memory)


@torch.no_grad()
def test_one_control_step_is_a_stretch_of_one(any_encoder, history):
    memory = nothing(any_encoder)
    for heard in history:
        wanted, after = any_encoder(heard[None], memory)
        belief, memory = any_encoder.step(heard, memory)
        torch.testing.assert_close(belief, wanted[0], rtol=0, atol=1e-6)
        torch.testing.assert_close(memory, after, rtol=0, atol=1e-6)


@torch.no_grad()
def test_nothing_is_remembered_across_the_beginning_of_a_trial(any_encoder, history):
    """Robot 1's second trial begins at step 5; robots 2 and 4 begin at 0 and at 5 and at 9."""
    fresh = torch.zeros(STEPS, ROBOTS, dtype=torch.bool)
    for robot, steps in ((1, [5]), (2, [0, 5]), (4, [0, 5, 9])):
        fresh[steps, robot] = True
    history[..., -1] = torch.maximum(history[..., -1], fresh.float())
    before = torch.randn(ROBOTS, any_encoder.memory)
    belief, memory = any_encoder(history, before, fresh)
    for robot in range(ROBOTS):
        alone = history[:, robot : robot + 1]
        begins = fresh[:, robot].nonzero()[:, 0].tolist()
        known = nothing(any_encoder, 1) if 0 in begins else before[robot : robot + 1]
        borders = [0, *(step for step in begins if step), STEPS]
        for first, last in itertools.pairwise(borders):
            wanted, end = any_encoder(alone[first:last], known if first == 0 else nothing(any_encoder, 1))
            torch.testing.assert_close(belief[first:last, robot], wanted[:, 0], rtol=0, atol=1e-6)
            if last == STEPS:
                torch.testing.assert_close(memory[robot], end[0], rtol=0, atol=1e-6)
    continued, _ = any_encoder(history, before)
    changed = ((continued - belief).abs().amax(dim=-1) > 1e-5).any(dim=0)
    assert changed.tolist() == [False, True, True, False, True]


@torch.no_grad()
def test_memory_matters(any_encoder, history):
    fresh, _ = any_encoder(history[-1:], nothing(any_encoder))
    remembered, _ = any_encoder(history, nothing(any_encoder))
    assert ((fresh[0] - remembered[-1]).abs().amax(dim=-1) > 1e-3).all()


@torch.no_grad()
def test_robots_do_not_hear_each_other(any_encoder, history):
    """Other robots' histories do not matter, and another order of robots gives the same in that order."""
    order = torch.tensor([3, 0, 4, 1, 2])
    start = torch.randn(ROBOTS, any_encoder.memory)
    belief, memory = any_encoder(history, start)
    mixed, mixed_memory = any_encoder(history[:, order], start[order])
    torch.testing.assert_close(mixed, belief[:, order], rtol=0, atol=1e-6)
    torch.testing.assert_close(mixed_memory, memory[order], rtol=0, atol=1e-6)
    alone, _ = any_encoder(history[:, 2:3], start[2:3])
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
def test_normalised_observations_worked_out_by_hand():
    """Mean 1 and standard deviation 2: 5 is heard as 2, after 3 as a change of 1, which has weight 1 then."""
    norm = RunningNorm(1)
    norm.mean.fill_(1.0)
    norm.variance.fill_(4.0)
    encoder = BeliefEncoder(1, 1, LATENT, hidden=8, norm=norm)
    heard: list[torch.Tensor] = []
    encoder.embed[0].register_forward_hook(lambda _, inputs, __: heard.append(inputs[0]))
    encoder.heard(torch.tensor([[5.0, 0.5, 0.0]]), torch.tensor([[3.0]]))
    torch.testing.assert_close(heard[0], torch.tensor([[2.0, 0.5, 0.0, 1.0]]))
    model = MotionModel(1, 1, LATENT, hidden=8, norm=norm)
    for parameter in model.parameters():
        parameter.zero_()
    model.body[-1].bias.fill_(0.5)  # type: ignore[operator]  # half a standard deviation upwards, which is 1
    forecast = model(
        torch.tensor([[5.0]]), torch.tensor([[3.0]]), torch.zeros(1, 1), torch.zeros(1, 2 * LATENT)
    )
    torch.testing.assert_close(forecast, torch.tensor([[6.0]]))
