"""Start parameters and an inner step, meta-trained together through a whole course of inner steps.

theta_{k+1} = U(theta_k, D_k; mu), k = 0 .. K-1, on the episodes D_k that theta_k has played, from theta_0 = theta; what
U is, and what in it is learned, mu, is `LearnedStep`'s. What is raised is the return at every stage of the course,

    J(theta, mu) = mean_k E[return of pi(theta_k)],  k = 0 .. K,

so that a robot has to be good soon and not only in the end. Its gradient is that of the likelihood ratios of each
stage's policy on each stage's episodes, through all steps before it (second order; that earlier parameters also decide
what is played later is left out, as in MAML). theta takes a TRPO step, as MAML's does; its trust region is about the
policies of all stages, their curvature taken at each stage as if theta moved it as it moves itself (first order). mu
takes Adam steps on PPO's clipped objective of the same episodes (arXiv:1707.06347, equation 7).

A policy that can do nothing yet has nothing to adapt: for a first part of the training only J(theta) = E[return of
pi(theta)] is raised, and each of the K + 1 phases is of tasks of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from adapt.checkpoint import optimizer_state, restore_optimizer
from adapt.inner_steps.episodes import Episodes, groups
from adapt.inner_steps.inner_step import Tensors
from adapt.inner_steps.learned_step import LearnedStep
from adapt.learners.gradient_meta import GradientMetaConfig, GradientMetaLearner
from adapt.learners.setup import Setup
from adapt.learners.trpo import Step, TRPOConfig, hessian, trust_region_step
from adapt.networks.task_policies import Gaussian, TaskPolicies
from adapt.ranges import ranged


@dataclass(frozen=True)
class LearnedStepConfig(GradientMetaConfig):
    """Hyperparameters."""

    tasks: int = 6
    inner_steps: int = 5
    """Inner steps in training, K; each has learning rates of its own, later ones those of the last."""
    later_learning_rate: float = 0.1
    later_steps: int = 5
    """No more than in training: what no course has led to may lead astray (point_robot: -15 after the fifth step, -116
    after the eighth)."""
    warm_up: float = ranged(0.5, 0.0, 1.0)
    """Share of the training before any inner step is taken."""
    episode_units: int = 16
    """Of the network that reads an episode."""
    memory: int = 8
    """Units of what is remembered from step to step."""
    learning_rate: float = ranged(3e-3, 0.0)
    """Adam's, of what is learned in the inner step; 0: it stays the plain policy gradient that it begins as."""
    updates: int = 5
    """Of it, per iteration."""
    clip: float = 0.2
    """Largest deviation from 1 of the likelihood ratios that pays it."""
    max_gradient: float = 1.0
    """Norm at which its gradient is cut."""
    curvature_stride: int = 5
    """Only every so many control steps count for the curvature, as in MAML."""
    trpo: TRPOConfig = field(default_factory=TRPOConfig)


class LearnedStepLearner(GradientMetaLearner):
    """Learns start parameters and the step from them."""

    def __init__(self, setup: Setup):
        self.config: LearnedStepConfig = setup.config
        super().__init__(setup, self.config)
        self._mu = [tensor.requires_grad_() for tensor in self.meta_params.values()]
        self.optimizer = torch.optim.Adam(self._mu, lr=self.config.learning_rate)
        self._outcomes: list[Episodes] = []
        """All phases of a course, judged by the truth."""

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
            if self._warms_up and step:
                values = env.family.draw(env.random.rows(first), config.tasks, env.split)
            heard, true = self._phase.play_for_both(parameters, values)
            self._phases.append(heard)
            self._outcomes.append(true)
            if step < config.inner_steps and not self._warms_up:
                parameters, meta_state = self.adapt(heard, step, meta_state)
        self._adapted = parameters
        return self.iteration_steps

    def meta_step(self, phases: list[Episodes], adapted: torch.Tensor) -> dict[str, float]:
        """The TRPO step on theta, then Adam's on mu."""
        parts = list(groups([*phases[: self.config.inner_steps], *self._outcomes]))
        distance = (adapted - self.parameters).norm(dim=1).mean()
        step = self._trust_region_step(parts)
        self.replace_parameters(step.parameters)
        updates = 0 if self._warms_up else self.config.updates
        norms = [self._improve_step(parts) for _ in range(updates)]
        return {
            "improvement": -step.loss,
            "kl": step.kl,
            "backtracks": float(step.backtracks),
            "step_gradient_norm": float(np.mean(norms or [0.0])),
            "rate_factor": float(self.meta_params["log_rates"].detach().mean().exp()),
            "inner_distance": float(distance),
        }

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return super().state() | {"optimizer": optimizer_state(self.optimizer)}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        super().restore(state)
        restore_optimizer(self.optimizer, state["optimizer"])

    def _trust_region_step(self, parts: list[list[Episodes]]) -> Step:
        """Of theta, at the inner step as it is."""
        config, fixed = self.config, {name: tensor.detach() for name, tensor in self.meta_params.items()}
        gradient = torch.zeros_like(self.parameters)
        for part in parts:
            start = self._starts(self.parameters, part)
            stages = self._course(start, fixed, part)
            (found,) = torch.autograd.grad(
                -gains(stages, self._after(part), math.inf).mean(dim=0).sum(), start
            )
            gradient += found.sum(dim=0) / config.tasks
        thin = [e.thinned(config.curvature_stride) for part in parts for e in self._after(part)]
        fishers = []
        for after in thin:
            at = after.parameters.detach().requires_grad_()
            policy = self.policies.distribution(at, after.inputs)
            fishers.append((len(at), hessian(after.mean(after.policy.kl(policy)), at)))

        def curvature(vector: torch.Tensor) -> torch.Tensor:
            products = [fisher(vector.repeat(tasks, 1)).sum(dim=0) for tasks, fisher in fishers]
            return torch.stack(products).sum(dim=0) / (config.tasks * (config.inner_steps + 1))

        def evaluate(candidate: torch.Tensor) -> tuple[float, float]:
            outcomes = []
            for part in parts:
                stages = self._course(self._starts(candidate, part), fixed, part, graph=False)
                kl = [a.mean(a.policy.kl(s)) for a, s in zip(self._after(part), stages, strict=True)]
                loss = -gains(stages, self._after(part), math.inf)
                outcomes.append(torch.stack([loss.mean(dim=0), torch.stack(kl).mean(dim=0)]).detach())
            loss, kl = torch.cat(outcomes, dim=1).mean(dim=1).tolist()
            return loss, kl

        return trust_region_step(self.parameters, gradient, curvature, evaluate, config.trpo)

    def _improve_step(self, parts: list[list[Episodes]]) -> float:
        """One Adam step on mu; its gradient's norm."""
        self.optimizer.zero_grad(set_to_none=True)
        for part in parts:
            stages = self._course(self._starts(self.parameters, part), self.meta_params, part)
            loss = -gains(stages, self._after(part), self.config.clip).mean(dim=0).sum() / self.config.tasks
            loss.backward(inputs=self._mu)
        norm = torch.nn.utils.clip_grad_norm_(self._mu, self.config.max_gradient)
        self.optimizer.step()
        return float(norm)

    def _course(
        self, start: torch.Tensor, meta_params: Tensors, part: list[Episodes], graph: bool = True
    ) -> list[Gaussian]:
        rates = [self.inner_rate(step) for step in range(self.config.inner_steps)]
        before = [] if self._warms_up else part[: self.config.inner_steps]
        return course(
            self.policies, self.inner_step, start, meta_params, before, self._after(part), rates, graph
        )

    @property
    def _warms_up(self) -> bool:
        return self._progress < self.config.warm_up

    def _after(self, part: list[Episodes]) -> list[Episodes]:
        return part[self.config.inner_steps :]

    def _starts(self, parameters: torch.Tensor, part: list[Episodes]) -> torch.Tensor:
        return parameters.detach().repeat(len(part[0].parameters), 1).requires_grad_()


def course(
    policies: TaskPolicies,
    inner_step: LearnedStep,
    parameters: torch.Tensor,
    meta_params: Tensors,
    before: list[Episodes],
    after: list[Episodes],
    rates: list[float],
    graph: bool = True,
) -> list[Gaussian]:
    """What the policies of each stage of a course do, differentiable in its start and in `meta_params`.

    Args:
        policies: of the tasks.
        inner_step: U.
        parameters: theta, once for each task; requires gradients. Shape (B, P).
        meta_params: mu.
        before: what each of K steps learns from, by what was heard.
        after: what each of K + 1 stages has played.
        rates: of each step, alpha.
        graph: whether the inner gradients have gradients too.
    """
    meta_state, stages = inner_step.initial_meta_state(len(parameters)), []
    meta_state = {name: tensor.to(parameters) for name, tensor in meta_state.items()}
    for step, outcome in enumerate(after):
        stages.append(policies.distribution(parameters, outcome.inputs))
        if step < len(before):
            parameters, meta_state = inner_step.step(
                policies, parameters, before[step], rates[step], meta_params, meta_state, graph
            )
    return stages


def gains(stages: list[Gaussian], after: list[Episodes], clip: float) -> torch.Tensor:
    """PPO's objective of each stage on what it has played, by the truth. Shape (K + 1, B)."""
    return torch.stack(
        [e.clipped_gain(policy.log_prob(e.action), clip) for policy, e in zip(stages, after, strict=True)]
    )
