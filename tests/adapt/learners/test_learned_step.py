"""The meta-gradient through a course of learned steps against finite differences, in double precision."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from adapt.inner_steps.episodes import Episodes
from adapt.inner_steps.inner_step import Tensors
from adapt.inner_steps.learned_step import LearnedStep
from adapt.learners.learned_step import LearnedStepConfig, LearnedStepLearner, course, gains
from adapt.learners.setup import Setup
from adapt.networks.task_policies import TaskPolicies
from sim_tasks.families import load_family
from tests.adapt.learners.made_episodes import made_episodes

POLICIES = TaskPolicies(2, 1, (3,))
STEP = LearnedStep(steps=2, hidden=3, memory=2)
TASKS, T, R = 2, 4, 3
RATES = [0.5, 0.3, 0.4]
CLIP = 10.0
"""No ratio is cut: the objective has no kinks."""


@dataclasses.dataclass(frozen=True)
class Course:
    """Three steps of two tasks; theta and mu that are not those that played."""

    theta: torch.Tensor
    mu: Tensors
    before: list[Episodes]
    after: list[Episodes]

    def gain(self, theta: torch.Tensor, mu: Tensors) -> torch.Tensor:
        """J of all tasks together."""
        start = theta.repeat(TASKS, 1)
        if not start.requires_grad:
            start.requires_grad_()
        stages = course(POLICIES, STEP, start, mu, self.before, self.after, RATES)
        each = gains(stages, self.after, CLIP)
        assert each.shape == (len(RATES) + 1, TASKS)
        return each.sum()


@pytest.fixture(scope="module")
def made() -> Course:
    torch.manual_seed(0)
    theta = POLICIES.initial(0.6).double()
    mu = {
        name: tensor.double() + 0.3 * torch.randn(tensor.shape, dtype=torch.float64)
        for name, tensor in STEP.initial_meta_params(POLICIES).items()
    }
    parameters = theta.repeat(TASKS, 1)
    before = [made_episodes(POLICIES, parameters, T, R, 2, seed) for seed in range(len(RATES))]
    after = [made_episodes(POLICIES, parameters, T, R, 2, 10 + seed) for seed in range(len(RATES) + 1)]
    return Course(theta + 0.02, mu, before, after)


def difference(course: Course, theta: torch.Tensor, mu: Tensors) -> float:
    """Central difference, by Richardson's rule from two widths, along a direction in theta and mu."""

    def central(width: float) -> float:
        ends = []
        for sign in (1, -1):
            there = {name: course.mu[name] + sign * width * mu[name] for name in mu}
            ends.append(float(course.gain(course.theta + sign * width * theta, there).detach()))
        return (ends[0] - ends[1]) / (2 * width)

    return (4 * central(5e-5) - central(1e-4)) / 3


def test_the_meta_gradient_is_the_derivative_of_the_gain(made):
    """Of theta and of each tensor of mu, along random directions."""
    theta = made.theta.clone().requires_grad_()
    mu = {name: tensor.clone().requires_grad_() for name, tensor in made.mu.items()}
    gradients = torch.autograd.grad(made.gain(theta, mu), [theta, *mu.values()])
    nothing, still = torch.zeros_like(theta), {n: torch.zeros_like(t) for n, t in mu.items()}
    generator = torch.Generator().manual_seed(1)
    for index, (name, tensor) in enumerate([("theta", theta), *mu.items()]):
        direction = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        by_hand = (
            difference(made, direction, still)
            if name == "theta"
            else difference(made, nothing, still | {name: direction})
        )
        found = float((gradients[index] * direction).sum())
        assert abs(found) > 1e-6, name
        assert found == pytest.approx(by_hand, rel=1e-6), name


def small(**changes: Any) -> LearnedStepLearner:
    sizes = {"tasks": 3, "rollouts": 2, "hidden": (8,), "inner_steps": 2, "episode_units": 4, "memory": 3}
    config = dataclasses.replace(LearnedStepConfig(warm_up=0.0), **(sizes | changes))
    return LearnedStepLearner(Setup(load_family("point_robot", episode_steps=10), config, 0, 1))


def iterate(learner: LearnedStepLearner) -> None:
    learner.collect()
    learner.update()


def test_theta_and_all_of_mu_are_learned():
    learner = small()
    theta = learner.parameters.detach().clone()
    mu = {name: tensor.detach().clone() for name, tensor in learner.meta_params.items()}
    iterate(learner)
    assert not torch.equal(learner.parameters, theta)
    for name, tensor in learner.meta_params.items():
        assert not torch.equal(tensor, mu[name]), name


def test_without_a_rate_of_its_own_the_step_stays_the_plain_one():
    learner = small(learning_rate=0.0)
    mu = {name: tensor.detach().clone() for name, tensor in learner.meta_params.items()}
    theta = learner.parameters.detach().clone()
    iterate(learner)
    assert not torch.equal(learner.parameters, theta)
    for name, tensor in learner.meta_params.items():
        assert torch.equal(tensor, mu[name]), name


def test_at_first_only_theta_is_learned_each_phase_on_tasks_of_its_own():
    learner = small(warm_up=0.5)
    mu = {name: tensor.detach().clone() for name, tensor in learner.meta_params.items()}
    theta = learner.parameters.detach().clone()
    tasks, reset = [], learner.env.reset

    def spy(ids: np.ndarray, values: np.ndarray) -> None:
        tasks.append(values[::2, 0].copy())
        reset(ids, values)

    learner.env.reset = spy  # type: ignore[method-assign]
    for progress in (0.0, 0.49):
        learner.set_progress(progress)
        iterate(learner)
        assert all(torch.equal(e.parameters, learner._phases[0].parameters) for e in learner._phases)
    assert len(set(np.concatenate(tasks))) == 2 * 3 * 3  # iterations, phases, tasks
    assert not torch.equal(learner.parameters, theta)
    assert all(torch.equal(tensor, mu[name]) for name, tensor in learner.meta_params.items())
    tasks.clear()
    learner.set_progress(0.5)
    iterate(learner)
    assert len(set(np.concatenate(tasks))) == 3
    assert not any(torch.equal(tensor, mu[name]) for name, tensor in learner.meta_params.items())


def test_every_stage_is_judged_by_the_truth_and_every_step_by_what_is_heard():
    config = LearnedStepConfig(tasks=2, rollouts=2, hidden=(6,), inner_steps=2, warm_up=0.0)
    family = load_family("pendulum_swingup")
    short = dataclasses.replace(family, episode_seconds=40 * family.period)
    learner = LearnedStepLearner(Setup(short, config, 0, 1))
    learner.collect()
    assert len(learner._outcomes) == len(learner._phases) == 3
    for heard, true in zip(learner._phases, learner._outcomes, strict=True):
        assert torch.equal(heard.action, true.action)
        assert not torch.allclose(heard.advantage, true.advantage, atol=1e-3)
