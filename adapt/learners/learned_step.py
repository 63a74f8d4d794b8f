"""Start parameters and an inner step, meta-trained together through a whole course of inner steps.

theta_{k+1} = U(theta_k, D_k; mu), k = 0 .. K-1, on the episodes D_k that theta_k has played, from theta_0 = theta; what
U is, and what in it is learned, mu, is `LearnedStep`'s. What is raised is the return at every stage of the course,

    J(theta, mu) = mean_k E[return of pi(theta_k)],  k = 0 .. K,

so that a robot has to be good soon and not only in the end. Its gradient is that of PPO's clipped objective of each
stage's policy on each stage's episodes (arXiv:1707.06347, equation 7), through all steps before it (second order; that
earlier parameters also decide what is played later is left out, as in MAML). Adam on theta and mu, several steps
on the same episodes, as ProMP does it (arXiv:1810.06784).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapt.checkpoint import optimizer_state, restore_optimizer
from adapt.learners.gradient_meta import GradientMetaConfig, GradientMetaLearner
from adapt.learners.setup import Setup
from adapt.networks.task_policies import TaskPolicies
from adapt.ranges import ranged
from adapt.update_rules.episodes import Episodes, groups
from adapt.update_rules.inner_step import Tensors
from adapt.update_rules.learned_step import LearnedStep


@dataclass(frozen=True)
class LearnedStepConfig(GradientMetaConfig):
    """Hyperparameters."""

    tasks: int = 10
    inner_steps: int = 5
    """Inner steps in training, K; each has learning rates of its own, later ones those of the last."""
    later_learning_rate: float = 0.1
    later_steps: int = 8
    episode_units: int = 16
    """Of the network that reads an episode."""
    memory: int = 8
    """Units of what is remembered from step to step."""
    learning_rate: float = 1e-3
    """Adam's, of the start parameters."""
    step_learning_rate: float = ranged(3e-3, 0.0)
    """Adam's, of what is learned in the inner step; 0: it stays the plain policy gradient that it begins as."""
    outer_steps: int = 5
    """Adam steps per iteration."""
    clip: float = 0.2
    """Largest deviation from 1 of the likelihood ratios that pays."""
    max_gradient: float = 1.0
    """Norm at which the gradients of theta and of mu are cut, each by itself."""


class LearnedStepLearner(GradientMetaLearner):
    """Learns start parameters and the step from them."""

    def __init__(self, setup: Setup):
        self.config: LearnedStepConfig = setup.config
        super().__init__(setup, self.config)
        mu = [tensor.requires_grad_() for tensor in self.meta_params.values()]
        self._learned = [self.parameters.requires_grad_()], mu
        rates = self.config.learning_rate, self.config.step_learning_rate
        self.optimizer = torch.optim.Adam(
            [{"params": list(some), "lr": lr} for some, lr in zip(self._learned, rates, strict=True)]
        )
        self._outcomes: list[Episodes] = []

    @property
    def inner_step(self) -> LearnedStep:
        """Begins as theta'_i = theta_i - alpha grad L_i(theta_i)."""
        return LearnedStep(self.config.inner_steps, self.config.episode_units, self.config.memory)

    def collect(self) -> int:
        """Plays and adapts B new tasks; each phase is judged by what a robot hears, and by the truth."""
        config, env = self.config, self.env
        first = np.arange(0, env.robots, config.rollouts)
        values = env.family.draw(env.random.rows(first), config.tasks, env.split)
        parameters, meta_state = self._start(config.tasks), self.inner_step.initial_meta_state(config.tasks)
        self._phases, self._outcomes = [], []
        for step in range(config.inner_steps + 1):
            heard, true = self._phase.play_for_both(parameters, values)
            self._phases.append(heard)
            self._outcomes.append(true)
            if step < config.inner_steps:
                parameters, meta_state = self.adapt(heard, step, meta_state)
        self._adapted = parameters
        return self.iteration_steps

    def meta_step(self, phases: list[Episodes], adapted: torch.Tensor) -> dict[str, float]:
        """Adam steps on the same episodes."""
        config, losses, norms = self.config, [], []
        before = phases[: config.inner_steps]
        for _ in range(config.outer_steps):
            self.optimizer.zero_grad(set_to_none=True)
            losses.append(sum(self._backward(part) for part in groups([*before, *self._outcomes])))
            norms.append(
                [float(torch.nn.utils.clip_grad_norm_(s, config.max_gradient)) for s in self._learned]
            )
            self.optimizer.step()
        with torch.no_grad():
            rates = self.meta_params["log_rates"].mean().exp()
        return {
            "policy_loss": float(np.mean(losses)),
            "gradient_norm": float(np.mean(norms, axis=0)[0]),
            "step_gradient_norm": float(np.mean(norms, axis=0)[1]),
            "rate_factor": float(rates),
            "inner_distance": float((adapted - self.parameters.detach()).norm(dim=1).mean()),
        }

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return super().state() | {"optimizer": optimizer_state(self.optimizer)}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        super().restore(state)
        restore_optimizer(self.optimizer, state["optimizer"])

    def _backward(self, phases: list[Episodes]) -> float:
        """Adds some tasks' part of the gradient of -J; returns their part of it."""
        before, after = phases[: self.config.inner_steps], phases[self.config.inner_steps :]
        gains = course_gains(
            self.policies,
            self.inner_step,
            self.parameters.repeat(len(after[0].parameters), 1),
            self.meta_params,
            before,
            after,
            [self.inner_rate(step) for step in range(len(before))],
            self.config.clip,
        )
        loss = -gains.mean(dim=0).sum() / self.config.tasks
        loss.backward()
        return loss.item()


def course_gains(
    policies: TaskPolicies,
    inner_step: LearnedStep,
    parameters: torch.Tensor,
    meta_params: Tensors,
    before: list[Episodes],
    after: list[Episodes],
    rates: list[float],
    clip: float,
) -> torch.Tensor:
    """PPO's objective of every stage of a course, differentiable in its start and in `meta_params`.

    Args:
        policies: of the tasks.
        inner_step: U.
        parameters: theta, once for each task. Shape (B, P).
        meta_params: mu.
        before: what each of K steps learns from, by what was heard.
        after: what each of K + 1 stages has played, by the truth.
        rates: of each step, alpha.
        clip: largest deviation from 1 of the likelihood ratio that pays.

    Returns:
        Shape (K + 1, B).
    """
    meta_state, gains = inner_step.initial_meta_state(len(parameters)), []
    meta_state = {name: tensor.to(parameters) for name, tensor in meta_state.items()}
    for step, outcome in enumerate(after):
        log_prob = policies.distribution(parameters, outcome.inputs).log_prob(outcome.action)
        gains.append(outcome.clipped_gain(log_prob, clip))
        if step < len(before):
            parameters, meta_state = inner_step.step(
                policies, parameters, before[step], rates[step], meta_params, meta_state
            )
    return torch.stack(gains)
