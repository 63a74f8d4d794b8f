"""A control: a rule that sees no rewards. What its agents gain, they gain by moving otherwise, not by learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch

from adapt.update_rules.disco import Disco
from adapt.update_rules.rule import Rollout, Tensors


@dataclass(frozen=True)
class Blind(Disco):
    """As `Disco`, but all rewards are 0 to it."""

    @classmethod
    def of(cls, rule: Disco) -> Blind:
        """With a rule's settings."""
        return cls(**{each.name: getattr(rule, each.name) for each in fields(rule)})

    def targets(
        self,
        meta_params: Tensors,
        meta_state: Tensors,
        params: Tensors,
        rollout: Rollout,
        said: Tensors,
        unroll: Callable[[Tensors], Tensors],
    ) -> tuple[Tensors, Tensors]:
        """As the rule's in a world without rewards."""
        unpaid = replace(rollout, reward=torch.zeros_like(rollout.reward))
        return super().targets(meta_params, meta_state, params, unpaid, said, unroll)
