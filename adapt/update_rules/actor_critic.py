"""A hand-written rule: advantage actor-critic on V-trace's targets, with a categorical value.

As the authors of DiscoRL compare with (google-deepmind/disco_rl); IMPALA's loss (arXiv:1802.01561, section 4.2).
T steps, B trajectories, A actions, K bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

from adapt.update_rules import moving_average
from adapt.update_rules.rule import Outputs, Rollout, Tensors
from adapt.update_rules.value import entropy, expected, log_prob, value_loss, vtrace

Number = float | torch.Tensor
"""A setting, or one that gradients pass into. Shape ()."""
_ADVANTAGE = "advantage"


@dataclass(frozen=True)
class ActorCritic:
    """Settings are the authors'."""

    name: ClassVar[str] = "actor_critic"
    bins: int = 601
    """Of the value's head, K."""
    largest: float = 300.0
    """Largest value that it can express, transformed."""
    discount: Number = 0.997
    trace: Number = 0.95
    """V-trace's lambda."""
    policy_weight: Number = 1.0
    value_weight: Number = 0.5
    entropy_weight: Number = 0.2
    normalise: bool = False
    """Whether advantages are brought to zero mean and unit variance over the lifetime."""

    def outputs(self, actions: int) -> Outputs:
        """`logits` and the value `v`."""
        return Outputs({"logits": actions, "v": self.bins})

    def initial_meta_params(self, generator: torch.Generator) -> Tensors:
        """None: everything in it was written by hand."""
        return {}

    def initial_meta_state(self, params: Tensors) -> Tensors:
        """Moving averages of advantages."""
        return moving_average.begin(_ADVANTAGE)

    def targets(
        self,
        meta_params: Tensors,
        meta_state: Tensors,
        params: Tensors,
        rollout: Rollout,
        said: Tensors,
        unroll: Callable[[Tensors], Tensors],
    ) -> tuple[Tensors, Tensors]:
        """Advantages `adv` of the actions taken and errors `td` of the values."""
        logits, action = said["logits"][:-1].detach(), rollout.action[:-1]
        value = expected(said["v"].detach(), self.largest)
        rho = torch.exp(
            log_prob(logits, action) - log_prob(rollout.behaviour["logits"][:-1].detach(), action)
        )
        discount = self.discount * (1 - rollout.terminal)
        target, advantage = vtrace(value, rollout.reward, discount, rho, self.trace)
        averages = moving_average.add(meta_state, _ADVANTAGE, advantage)
        if self.normalise:
            advantage = moving_average.normalise(averages, _ADVANTAGE, advantage)
        return {"adv": advantage, "td": target - value[:-1]}, averages

    def loss(self, rollout: Rollout, said: Tensors, targets: Tensors) -> torch.Tensor:
        """Policy gradient, value and entropy."""
        logits = said["logits"][:-1]
        return (
            -self.policy_weight * log_prob(logits, rollout.action[:-1]) * targets["adv"]
            + self.value_weight * value_loss(said["v"][:-1], targets["td"], self.largest)
            - self.entropy_weight * entropy(logits)
        )

    def rates(self, targets: Tensors) -> None:
        """As the optimiser has them."""
