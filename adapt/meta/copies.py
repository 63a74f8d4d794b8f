"""Several rules at once: the same agents, tasks and luck under each of them. Differences are then the rules' alone.

R rules, M agents of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from adapt.update_rules.lifetime import Life
from adapt.update_rules.rule import Outputs, Rollout, Tensors, UpdateRule

_OWN = "own."


@dataclass(frozen=True)
class Individual:
    """A rule whose meta-parameters are part of its meta-state, so that every agent may have others."""

    name: ClassVar[str] = "individual"
    rule: UpdateRule

    def outputs(self, actions: int) -> Outputs:
        """As the rule's."""
        return self.rule.outputs(actions)

    def initial_meta_params(self, generator: torch.Generator) -> Tensors:
        """None: see `with_own`."""
        return {}

    def initial_meta_state(self, params: Tensors) -> Tensors:
        """The rule's, in which the meta-parameters are missing yet: see `with_own`."""
        return self.rule.initial_meta_state(params)

    def targets(
        self,
        meta_params: Tensors,
        meta_state: Tensors,
        params: Tensors,
        rollout: Rollout,
        said: Tensors,
        unroll: Callable[[Tensors], Tensors],
    ) -> tuple[Tensors, Tensors]:
        """The rule's, with the agent's own meta-parameters."""
        own = {name: value for name, value in meta_state.items() if name.startswith(_OWN)}
        rest = {name: value for name, value in meta_state.items() if name not in own}
        named = {name.removeprefix(_OWN): value for name, value in own.items()}
        targets, state = self.rule.targets(named, rest, params, rollout, said, unroll)
        return targets, state | own

    def loss(self, rollout: Rollout, said: Tensors, targets: Tensors) -> torch.Tensor:
        """As the rule's."""
        return self.rule.loss(rollout, said, targets)

    def rates(self, targets: Tensors) -> Tensors | None:
        """As the rule's."""
        return self.rule.rates(targets)


def with_own(life: Life, rules: Sequence[Tensors], agents: int) -> Life:
    """The life of R M agents, of which M each have one of R rules' meta-parameters."""
    own = {
        _OWN + name: torch.stack([rule[name] for rule in rules]).repeat_interleave(agents, dim=0)
        for name in rules[0]
    }
    return Life(life.params, life.moments, life.meta_state | own)
