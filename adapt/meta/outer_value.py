"""Values of states for the outer loss, apart from all that a rule teaches: by ordinary TD(lambda), for each agent.

Rollouts are on-policy, so no importance weights are needed. M agents, T steps, B trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from adapt.meta.flat_adam import FlatAdam
from adapt.networks.agent import AgentNetwork, AgentSizes
from adapt.side_by_side.agents import stacked
from adapt.update_rules import moving_average
from adapt.update_rules.lifetime import Life
from adapt.update_rules.rule import Outputs, Rollout, Tensors
from adapt.update_rules.value import signed_hyperbolic, signed_parabolic, vtrace

_ADVANTAGE, _VALUE = "advantage", "value"


@dataclass(frozen=True)
class ValueConfig:
    """Discount, trace and rate are those of the authors' meta-training example."""

    discount: float = 0.99
    trace: float = 0.96
    """Lambda."""
    rate: float = 1e-3
    dense: tuple[int, ...] = (64, 64)
    centre: bool = False
    """Whether the mean over an agent's trajectories is taken from advantages, step by step. Where they begin together,
    as robots do, that takes away what all of them have in common: the error of values that are not learnt yet."""


class OuterValue:
    """Networks of M agents, functions of their state; a `Life` whose meta-state is an average of advantages."""

    def __init__(self, config: ValueConfig, observation: tuple[int, ...]):
        self._config, self._optimiser = config, FlatAdam(config.rate)
        self._network = AgentNetwork(observation, 1, Outputs({_VALUE: 1}), AgentSizes(dense=config.dense))

    def begin(self, seeds: list[int]) -> Life:
        """Of agents whose lives begin."""
        first = [self._network.initial(torch.Generator().manual_seed(seed)) for seed in seeds]
        params = stacked(first)
        averages = {n: v.expand(len(seeds)).clone() for n, v in moving_average.begin(_ADVANTAGE).items()}
        return Life(params, torch.vmap(self._optimiser.begin)(params), averages)

    def learn(self, life: Life, rollout: Rollout) -> Life:
        """One step on rollouts, as they come from `Group.roll`."""
        told = _told(rollout)
        leaves = {name: value.detach().requires_grad_() for name, value in life.params.items()}
        loss, averages = torch.vmap(self._loss)(leaves, life.meta_state, told)
        found = torch.autograd.grad(loss.sum(), list(leaves.values()))
        gradients = dict(zip(leaves, found, strict=True))
        with torch.no_grad():
            params, moments = torch.vmap(self._optimiser.step)(life.params, gradients, life.moments)
        return Life(params, moments, averages)

    @torch.no_grad()
    def advantage(self, life: Life, rollout: Rollout) -> torch.Tensor:
        """Of the actions taken, at unit variance over an agent's life. Shape (M, T, B)."""
        return torch.vmap(self._advantage)(life.params, life.meta_state, _told(rollout))

    def _advantage(self, params: Tensors, averages: Tensors, told: Tensors) -> torch.Tensor:
        advantage = self._judge(self._said(params, told), told)[1]
        averages = moving_average.add(averages, _ADVANTAGE, advantage)
        return moving_average.normalise(averages, _ADVANTAGE, advantage) * told["counts"]

    def _loss(self, params: Tensors, averages: Tensors, told: Tensors) -> tuple[torch.Tensor, Tensors]:
        said = self._said(params, told)
        target, advantage = self._judge(said.detach(), told)
        error = (said[:-1] - signed_hyperbolic(target)).square() * told["counts"]
        return 0.5 * error.mean(), moving_average.add(averages, _ADVANTAGE, advantage)

    def _said(self, params: Tensors, told: Tensors) -> torch.Tensor:
        """Transformed values. Shape (T + 1, B)."""
        return self._network(params, told["observation"])[_VALUE].squeeze(-1)

    def _judge(self, said: torch.Tensor, told: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        """Targets of values and advantages, (T, B) each."""
        discount = self._config.discount * (1 - told["terminal"])
        target, advantage = vtrace(
            signed_parabolic(said),
            told["reward"],
            discount,
            torch.ones_like(told["reward"]),
            self._config.trace,
        )
        if self._config.centre:
            advantage = advantage - advantage.mean(dim=1, keepdim=True)
        return target, advantage


def _told(rollout: Rollout) -> Tensors:
    return {n: getattr(rollout, n) for n in ("observation", "reward", "terminal", "counts")}
