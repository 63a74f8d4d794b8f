"""The belief's objectives, worked out by hand, and excitation."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import nn

from adapt.learners import objectives
from adapt.learners.bounds import BoundConfig, BoundLearner
from adapt.learners.excitation import LEVEL, Excitation
from adapt.learners.objectives import ACTION_HISTORY, Stretch
from adapt.learners.rma import RMAConfig, RMALearner
from sim_tasks.trial_env import TrialVecEnv


def belief(mean: list[float], std: list[float]) -> torch.Tensor:
    return torch.tensor([*mean, *(math.log(value) for value in std)])


def test_privileged_worked_out_by_hand():
    # Dimension 1: ((3 - 1) / 2)^2 / 2 + log 2 = 0.5 + log 2; dimension 2: 0 + log 0.5 = -log 2. Their mean: 0.25.
    loss = objectives.privileged(belief([1.0, -1.0], [2.0, 0.5]), torch.tensor([3.0, -1.0]))
    assert loss.item() == pytest.approx(0.25)


def test_privileged_is_least_for_the_true_mean_and_spread():
    torch.manual_seed(0)
    task = 0.5 + 0.3 * torch.randn(4000, 1)
    losses = {
        (mean, std): objectives.privileged(belief([mean], [std]).expand(4000, 2), task).item()
        for mean in (0.3, 0.5, 0.7)
        for std in (0.15, 0.3, 0.6)
    }
    assert min(losses, key=losses.__getitem__) == (0.5, 0.3)


def test_kl_worked_out_by_hand():
    # KL(N(m, s) || N(0, 1)) = (m^2 + s^2 - 1) / 2 - log s.
    # N(1, 2): (1 + 4 - 1) / 2 - log 2 = 2 - log 2; N(0, 1): 0. Their mean: 1 - log(2) / 2.
    loss = objectives.kl(belief([1.0, 0.0], [2.0, 1.0]))
    assert loss.item() == pytest.approx(1 - math.log(2) / 2)


def test_regression_worked_out_by_hand():
    # Squared errors: (3 - 1)^2 = 4 and 0, mean 2; how far off the mean is, as in `privileged`: 0.25.
    told = belief([1.0, -1.0], [2.0, 0.5]).requires_grad_()
    loss = objectives.regression(told, torch.tensor([3.0, -1.0]))
    assert loss.item() == pytest.approx(2.25)
    loss.backward()
    assert told.grad is not None
    # The mean goes by the squared error alone, -2 x 2 / 2; log std by 1 - (error / std)^2 over 2: 0 and 1 / 2.
    assert told.grad.tolist() == pytest.approx([-2.0, 0.0, 0.0, 0.5])


class Recorder(nn.Module):
    """Forecasts that nothing changes, and keeps what it was asked."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        self.observation, self.before, self.actions, self.belief = inputs
        return self.observation


def stretch(observations: list[list[float]], fresh: list[list[int]]) -> Stretch:
    """Of one-dimensional observations and actions, shape (N, T) each; the action before step t is 10 t."""
    seen, flags = torch.tensor(observations).T, torch.tensor(fresh, dtype=torch.float32).T
    actions = 10 * torch.arange(float(len(seen)))[:, None].expand_as(seen)
    return Stretch(torch.stack([seen, actions, flags], dim=-1), torch.zeros(*seen.shape, 1), 1, 1)


def told(steps: int, robots: int) -> torch.Tensor:
    """The belief at step t is (t + 1, t + 1). Shape (T, N, 2)."""
    return (1 + torch.arange(float(steps)))[:, None, None].expand(steps, robots, 2)


def test_state_worked_out_by_hand():
    model = Recorder()
    data = stretch([[0.0, 1.0, 3.0, 6.0, 10.0, 15.0]], [[0, 0, 0, 0, 0, 0]])
    # Forecast at steps 2, 3 and 4, each with three sent actions behind it: changes 3, 4 and 5.
    loss = objectives.state(model, told(6, 1), data)
    assert loss.item() == pytest.approx((9 + 16 + 25) / 3)


def test_state_in_units_of_a_scale_worked_out_by_hand():
    data = stretch([[0.0, 1.0, 3.0, 6.0, 10.0, 15.0]], [[0] * 6])
    data = dataclasses.replace(data, scale=torch.tensor([2.0]))
    assert objectives.state(Recorder(), told(6, 1), data).item() == pytest.approx((9 + 16 + 25) / 3 / 4)


def test_state_is_told_what_was_known_at_the_time(monkeypatch):
    monkeypatch.setattr(objectives, "PRIOR_SHARE", 0.0)
    model = Recorder()
    objectives.state(model, told(6, 1), stretch([[0.0, 1.0, 3.0, 6.0, 10.0, 15.0]], [[0] * 6]))
    assert model.observation.flatten().tolist() == [3, 6, 10]
    assert model.before.flatten().tolist() == [1, 3, 6]
    assert model.belief[..., 0].flatten().tolist() == [3, 4, 5]
    # The action sent at step t is the one before step t + 1; newest first.
    assert model.actions[:, 0].tolist() == [[30, 20, 10], [40, 30, 20], [50, 40, 30]]


def test_state_leaves_out_what_crosses_an_episodes_beginning():
    observations = [[0.0, 1.0, 3.0, 6.0, 10.0, 15.0, 21.0, 28.0], [0.0] * 8]
    fresh = [[0, 0, 0, 0, 1, 0, 0, 0], [0] * 8]
    # Robot 0, forecasts at steps 2 to 6. A beginning at 4 takes out step 3 (the next observation is of another
    # episode), 4 and 5 (their actions reach over the border): changes 3 (step 2) and 7 (step 6) stay.
    # Robot 1 has five forecasts without an error.
    loss = objectives.state(Recorder(), told(8, 2), stretch(observations, fresh))
    assert ACTION_HISTORY == 3, "worked out for three"
    assert loss.item() == pytest.approx((9 + 49) / 7)


def test_state_of_a_stretch_without_a_whole_history_is_nothing():
    assert objectives.state(Recorder(), told(4, 1), stretch([[0.0, 9.0, 0.0, 9.0]], [[1] * 4])).item() == 0.0


def test_a_share_of_forecasts_is_made_on_the_prior():
    torch.manual_seed(0)
    model = Recorder()
    objectives.state(model, told(100, 100), stretch([[0.0] * 100] * 100, [[0] * 100] * 100))
    prior = (model.belief == 0).all(dim=-1).float().mean().item()
    assert prior == pytest.approx(objectives.PRIOR_SHARE, abs=0.01)  # 9,700 draws: standard deviation 0.003


def test_excitation_holds_a_gain_and_a_level_for_a_while():
    torch.manual_seed(0)
    excitation = Excitation(200, 1)
    kept = []
    for _ in range(300):
        before = excitation.held.clone()
        action = torch.randn(200, 1)
        done = excitation(action)
        gain, level = excitation.held
        torch.testing.assert_close(done, gain * action + level)
        kept.append((excitation.held == before).all(dim=0).float().mean().item())
    assert sum(kept) / len(kept) == pytest.approx(0.96, abs=0.01)
    gain, level = excitation.held
    assert 0 <= gain.min() < 0.05
    assert 0.95 < gain.max() <= 1
    assert -LEVEL <= level.min() < -0.45
    assert 0.45 < level.max() <= LEVEL


def test_the_belief_learns_the_pendulums_physics_and_motion(family):
    # Mean of the last 5 of 30 iterations, seeds 0 to 4; a belief that knows nothing has 0.5:
    #   privileged  0.429 0.408 0.421 0.383 0.413
    # Last over first:
    #   state       0.38 0.38 0.35 0.42 0.38
    config = RMAConfig(robots=64, horizon=30, updates=8, batch=32, hidden=16, excited=32, warm_up=100)
    env = TrialVecEnv(family, config.robots, 0, threads=1, episodes=2)
    env.stagger(config.horizon)
    oracle = BoundLearner(env, 0, told_task=True, config=BoundConfig(robots=64, hidden=(16,)))
    learner = RMALearner(env, 0, (oracle.policy, oracle.critic), config)
    losses = []
    for _ in range(30):
        learner.collect()
        losses.append(learner.update())
    assert sum(loss["privileged"] for loss in losses[-5:]) / 5 < 0.46
    assert losses[0]["privileged"] > 0.46
    assert losses[-1]["state"] < 0.6 * losses[0]["state"]
