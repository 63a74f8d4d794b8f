"""A hand-written rule: a policy gradient without a critic (Williams 1992, REINFORCE), for rollouts from a buffer too.

T steps, B trajectories, A actions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

from adapt.update_rules import moving_average
from adapt.update_rules.rule import Outputs, Rollout, Tensors
from adapt.update_rules.value import entropy, log_prob

_RETURN = "return"


@dataclass(frozen=True)
class PolicyGradient:
    """Returns at zero mean and unit variance over the lifetime, times log-probabilities."""

    name: ClassVar[str] = "policy_gradient"
    discount: float = 0.99
    largest_ratio: float = 1.0
    """At which an importance weight is cut."""
    entropy_weight: float = 0.01

    def outputs(self, actions: int) -> Outputs:
        """`logits` alone."""
        return Outputs({"logits": actions})

    def initial_meta_params(self, generator: torch.Generator) -> Tensors:
        """None."""
        return {}

    def initial_meta_state(self, params: Tensors) -> Tensors:
        """Moving averages of returns."""
        return moving_average.begin(_RETURN)

    def targets(
        self,
        meta_params: Tensors,
        meta_state: Tensors,
        params: Tensors,
        rollout: Rollout,
        said: Tensors,
        unroll: Callable[[Tensors], Tensors],
    ) -> tuple[Tensors, Tensors]:
        """Returns `adv` from each step to the end of its episode or of the rollout, normalised and weighted."""
        running, returns = torch.zeros_like(rollout.reward[0]), []
        for t in reversed(range(len(rollout.reward))):
            running = rollout.reward[t] + self.discount * (1 - rollout.terminal[t]) * running
            returns.append(running)
        returned = torch.stack(returns[::-1])
        averages = moving_average.add(meta_state, _RETURN, returned)
        action = rollout.action[:-1]
        ratio = torch.exp(
            log_prob(said["logits"][:-1].detach(), action)
            - log_prob(rollout.behaviour["logits"][:-1].detach(), action)
        )
        normalised = moving_average.normalise(averages, _RETURN, returned)
        return {"adv": ratio.clamp(max=self.largest_ratio) * normalised}, averages

    def loss(self, rollout: Rollout, said: Tensors, targets: Tensors) -> torch.Tensor:
        """Policy gradient and entropy. Shape (T, B)."""
        logits = said["logits"][:-1]
        return -log_prob(logits, rollout.action[:-1]) * targets["adv"] - self.entropy_weight * entropy(logits)

    def rates(self, targets: Tensors) -> None:
        """As the optimiser has them."""
