"""Reptile's steps, worked out by hand."""

from __future__ import annotations

import pytest
import torch

from adapt.inner_steps.clipped_adam import ClippedAdam
from adapt.learners.reptile import ReptileConfig, ReptileLearner, reptile_step
from adapt.learners.setup import Setup
from sim_tasks.families import load_family
from tests.adapt.learners.made_episodes import made_episodes

CONFIG = ReptileConfig(tasks=3, rollouts=2, hidden=(6,), inner_steps=2, meta_step=0.8)


def build() -> ReptileLearner:
    return ReptileLearner(Setup(load_family("point_robot", episode_steps=5), CONFIG, 0, 1))


def test_the_meta_step():
    """theta (1, 2), tasks (3, 2) and (2, 6): mean difference (1.5, 2); half of it: (1.75, 3)."""
    moved = reptile_step(torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 2.0], [2.0, 6.0]]), 0.5)
    assert moved.tolist() == [1.75, 3.0]


def test_the_meta_step_falls_linearly_to_zero():
    learner = build()
    for progress, epsilon in ((0.0, 0.8), (0.25, 0.6), (1.0, 0.0)):
        learner.set_progress(progress)
        learner.collect()
        before, adapted = learner.parameters.clone(), learner._adapted
        assert learner.update()["meta_step"] == pytest.approx(epsilon)
        expected = (1 - epsilon) * before + epsilon * adapted.mean(dim=0)
        torch.testing.assert_close(learner.parameters, expected)
        assert torch.equal(before, learner.parameters) is (progress == 1.0)


def test_the_first_gradient_of_an_inner_step_moves_every_parameter_by_the_rate():
    """Adam with beta1 = 0: g / sqrt(g^2) is g's sign. The next moves by g2 / sqrt((0.999 g1^2 + g2^2) / 1.999)."""
    learner = build()
    start = learner.parameters.double().repeat(3, 1)
    episodes = made_episodes(learner.policies, start, 5, 2, 2, seed=0)
    gradients, at = [], start
    for _ in range(2):
        at = at.detach().requires_grad_()
        policy = learner.policies.distribution(at, episodes.inputs)
        gain = episodes.clipped_gain(policy.log_prob(episodes.action), CONFIG.clip).sum()
        gradients.append(torch.autograd.grad(gain, at)[0])
        first, last = gradients[0], gradients[-1]
        scale = first.abs() if len(gradients) == 1 else ((0.999 * first**2 + last**2) / 1.999).sqrt()
        at = at.detach() + 0.01 * last / (scale + 1e-8)
    torch.testing.assert_close(
        ClippedAdam(epochs=2, clip=CONFIG.clip).moved(learner.policies, episodes, 0.01), at
    )


def test_every_inner_step_plays_episodes_of_its_own():
    learner = build()
    assert learner.collect() == 2 * 3 * 2 * 5  # phases, tasks, episodes, control steps
    first, second = learner._phases
    assert torch.equal(first.parameters, learner._start(3))
    torch.testing.assert_close(second.parameters, learner.adapt(first, 0, {})[0])
    torch.testing.assert_close(learner._adapted, learner.adapt(second, 1, {})[0])
