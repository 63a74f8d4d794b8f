"""A teacher's policy and critic on a belief: the same decisions where the belief is the truth, normalised or not."""

from __future__ import annotations

import pytest
import torch

from adapt.networks.mlp import mlp
from adapt.networks.normaliser import RunningNorm
from adapt.networks.on_belief import (
    NEW,
    EnvironmentLatent,
    critic_on_belief,
    layer_columns,
    norm_columns,
    policy_on_belief,
)
from adapt.networks.policy import Critic, GaussianPolicy, learn_scale
from tests.small_bundle import perturb

OBSERVATION, ACTION, TASK, LATENT = 3, 2, 4, 2
KNOWN = OBSERVATION + ACTION


def teacher(normalise: bool, latent: int) -> tuple[GaussianPolicy, Critic]:
    """A teacher that answers to everything it is told, and has seen inputs far from zero mean and unit variance."""
    torch.manual_seed(0)
    policy = GaussianPolicy(OBSERVATION, ACTION, TASK, (8,), normalise=normalise, latent=latent)
    critic = Critic(OBSERVATION, ACTION, TASK, (8,), normalise=normalise)
    for network in (policy, critic):
        perturb(network)
        learn_scale(network, 3 * torch.randn(100, KNOWN + TASK) + torch.arange(KNOWN + TASK))
    return policy, critic


@torch.no_grad()
@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("latent", [0, LATENT])
def test_on_the_true_task_all_decide_as_the_teacher(normalise, latent):
    policy, critic = teacher(normalise, latent)
    seen, task, doubt = torch.randn(6, KNOWN), torch.randn(6, TASK), torch.randn(6, TASK)
    told = torch.cat([seen, task], dim=-1)
    made = policy_on_belief(policy, None, TASK)
    assert made.context_size == 2 * TASK
    torch.testing.assert_close(made(torch.cat([told, doubt], dim=-1)), policy(told))
    wrong = made(torch.cat([seen, task + 1, doubt], dim=-1))
    assert (wrong - policy(told)).abs().min() > 1e-4, "the task is not listened to"
    guess = torch.randn(6, 2 * TASK)
    value = critic_on_belief(critic, KNOWN, TASK)(torch.cat([seen, guess, task], dim=-1))
    torch.testing.assert_close(value, critic(told))


@torch.no_grad()
@pytest.mark.parametrize("normalise", [False, True])
def test_a_teacher_that_was_told_nothing_decides_alike_on_any_belief(normalise):
    torch.manual_seed(0)
    policy = GaussianPolicy(OBSERVATION, ACTION, 0, (8,), normalise=normalise)
    perturb(policy)
    learn_scale(policy, 3 * torch.randn(100, KNOWN) + 1)
    made, seen = policy_on_belief(policy, None, TASK), torch.randn(6, KNOWN)
    assert made.context_size == 2 * TASK
    torch.testing.assert_close(made(torch.cat([seen, torch.randn(6, 2 * TASK)], dim=-1)), policy(seen))


@torch.no_grad()
@pytest.mark.parametrize("normalise", [False, True])
def test_on_the_true_latent_all_decide_as_the_teacher(normalise):
    policy, critic = teacher(normalise, LATENT)
    latent = EnvironmentLatent(policy, 5 * torch.randn(200, TASK) + 2)
    seen, task, doubt = torch.randn(6, KNOWN), torch.randn(6, TASK), torch.randn(6, LATENT)
    told = torch.cat([seen, task], dim=-1)
    made = policy_on_belief(policy, latent, TASK)
    assert made.context_size == 2 * LATENT
    torch.testing.assert_close(made(torch.cat([seen, latent(task), doubt], dim=-1)), policy(told))
    value = critic_on_belief(critic, KNOWN, LATENT)(
        torch.cat([seen, torch.randn(6, 2 * LATENT), task], dim=-1)
    )
    torch.testing.assert_close(value, critic(told))


@torch.no_grad()
def test_the_latent_has_zero_mean_and_unit_variance_over_tasks_and_does_not_learn():
    policy, _ = teacher(True, LATENT)
    tasks = 5 * torch.randn(200, TASK) + 2
    latent = EnvironmentLatent(policy, tasks)
    torch.testing.assert_close(latent(tasks).mean(dim=0), torch.zeros(LATENT), rtol=0, atol=1e-5)
    torch.testing.assert_close(latent(tasks).std(dim=0), torch.ones(LATENT))
    assert not any(parameter.requires_grad for parameter in latent.parameters())
    assert policy.encoder is not None
    assert all(parameter.requires_grad for parameter in policy.encoder.parameters())


@torch.no_grad()
def test_columns_worked_out_by_hand():
    layers = mlp((3, 5, 2))
    made = layer_columns(layers, [2, NEW, 0, 1])
    inputs = torch.randn(6, 4)
    torch.testing.assert_close(made(inputs), layers(inputs[:, [2, 3, 0]]))
    made[0].weight += 0.1  # type: ignore[operator]
    assert (made(inputs) != layers(inputs[:, [2, 3, 0]])).all(), "the new layers are their own"

    norm = RunningNorm(2)
    norm.mean[:] = torch.tensor([1.0, 10.0])
    norm.variance[:] = torch.tensor([4.0, 25.0])
    # (20 - 10) / 5, 7 as it is, (5 - 1) / 2.
    got = norm_columns(norm, [1, NEW, 0])(torch.tensor([[20.0, 7.0, 5.0]]))
    torch.testing.assert_close(got, torch.tensor([[2.0, 7.0, 2.0]]))
