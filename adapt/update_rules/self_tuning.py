"""A rule that tunes itself: an actor-critic whose hyperparameters eta are adapted while its agent learns.

Xu et al. 2018 (Meta-gradient reinforcement learning, arXiv:1805.09801) and Zahavy et al. 2020 (A self-tuning
actor-critic algorithm, arXiv:2002.12326): an update by eta is good if the parameters that it led to have a low loss, by
a judge's fixed hyperparameters, on the rollout that follows. `OnlineTuning` has the gradient in eta; here is what
depends on eta.

Where eta starts are the meta-parameters, which a bundle can carry to other robots; how far it has moved since is part
of an agent's meta-state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from adapt.errors import AdaptError
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.hyperparameters import RANGES, RATE
from adapt.update_rules.rule import Outputs, Rollout, Tensors
from adapt.update_rules.value import divergence

ETA = "eta."
"""Prefix of eta's displacements in a meta-state."""
VALUE = "head/v"
"""Prefix of an agent's parameters that are the value's alone."""
_WEIGHTS = ("policy_weight", "value_weight", "entropy_weight")
_OUTER = "outer."
"""Prefix of what the judge remembers."""


@dataclass(frozen=True)
class SelfTuning:
    """Learning rates of all tensors, discount, trace and the losses' weights."""

    name: ClassVar[str] = "self_tuning"
    reference: ActorCritic = field(default_factory=lambda: ActorCritic(discount=0.99, entropy_weight=0.01))
    """Its hyperparameters are where eta starts, if nobody has trained it."""
    judge: ActorCritic = field(
        default_factory=lambda: ActorCritic(discount=0.99, entropy_weight=0.01, value_weight=0.0)
    )
    """Whose loss eta is judged by; its hyperparameters stay."""
    divergence_weight: float = 1.0
    """Of the policy's divergence in an update, KL(before || after), in what eta is judged by."""

    def outputs(self, actions: int) -> Outputs:
        """As an actor-critic's."""
        return self.reference.outputs(actions)

    def initial_meta_params(self, generator: torch.Generator) -> Tensors:
        """Eta where its hyperparameters are the reference's, by name; `rate` is that of all tensors which have none of
        their own, `rate/NAME`. Shapes ().

        Raises:
            AdaptError: a hyperparameter of the reference is out of its range; names both.
        """
        start = {name: getattr(self.reference, name) for name in ("discount", "trace", *_WEIGHTS)}
        params = {}
        for name, value in (start | {RATE: 1.0}).items():
            try:
                params[name] = torch.tensor(RANGES[name].x(float(value)), dtype=torch.get_default_dtype())
            except ValueError as error:
                raise AdaptError(f"update rule {self.name!r}: {name} {error}") from error
        return params

    def initial_meta_state(self, params: Tensors) -> Tensors:
        """Averages of the rule and of its judge, and eta, which has not moved."""
        averages = self.reference.initial_meta_state(params)
        names = ["discount", "trace", *_WEIGHTS, *(f"{RATE}/{name}" for name in params)]
        outer = {_OUTER + name: value for name, value in self.judge.initial_meta_state(params).items()}
        return averages | outer | {ETA + name: torch.zeros(()) for name in names}

    def targets(
        self,
        meta_params: Tensors,
        meta_state: Tensors,
        params: Tensors,
        rollout: Rollout,
        said: Tensors,
        unroll: Callable[[Tensors], Tensors],
    ) -> tuple[Tensors, Tensors]:
        """As an actor-critic's; beside them all hyperparameters by name, of rates `rate/NAME`."""
        eta = hyperparameters(meta_params, meta_state)
        rule = replace(self.reference, **{name: value for name, value in eta.items() if "/" not in name})
        targets, averages = rule.targets(meta_params, meta_state, params, rollout, said, unroll)
        return targets | eta, meta_state | averages

    def loss(self, rollout: Rollout, said: Tensors, targets: Tensors) -> torch.Tensor:
        """As an actor-critic's, with the weights that there are now."""
        rule = replace(self.reference, **{name: targets[name] for name in _WEIGHTS})
        return rule.loss(rollout, said, targets)

    def rates(self, targets: Tensors) -> Tensors:
        """Of every tensor its own."""
        prefix = f"{RATE}/"
        return {n.removeprefix(prefix): value for n, value in targets.items() if n.startswith(prefix)}

    def judged(self, meta_state: Tensors, rollout: Rollout, said: Tensors) -> tuple[Tensors, Tensors]:
        """The judge's targets, and the next meta-state."""
        own = {n.removeprefix(_OUTER): value for n, value in meta_state.items() if n.startswith(_OUTER)}
        targets, averages = self.judge.targets({}, own, {}, rollout, said, lambda params: said)
        return targets, meta_state | {_OUTER + name: value for name, value in averages.items()}

    def judge_loss(self, rollout: Rollout, before: Tensors, said: Tensors, targets: Tensors) -> torch.Tensor:
        """What eta is judged by, from what was said before the update and is said after it. Shape (T, B)."""
        moved = divergence(before["logits"][:-1], said["logits"][:-1])
        return self.judge.loss(rollout, said, targets) + self.divergence_weight * moved


def hyperparameters(meta_params: Tensors, meta_state: Tensors) -> Tensors:
    """Values by name: where eta starts, moved as the meta-state says. Shapes () each."""
    moved = {n.removeprefix(ETA): value for n, value in meta_state.items() if n.startswith(ETA)}
    values = {}
    for name, displacement in moved.items():
        kind = name.partition("/")[0]
        start = meta_params[name] if name in meta_params else meta_params[kind]
        values[name] = RANGES[kind].value(start + displacement)
    return values


def values(meta_params: Tensors) -> dict[str, float]:
    """Hyperparameters where eta starts, by name."""
    return {n: float(RANGES[n.partition("/")[0]].value(x)) for n, x in meta_params.items()}


def own_judge(rule: SelfTuning, meta_params: Tensors) -> SelfTuning:
    """The rule with a judge who thinks as the rule does where it starts: with another's, discount and trace leave what
    was found for the judge's."""
    found = {name: value for name, value in values(meta_params).items() if hasattr(rule.judge, name)}
    return replace(rule, judge=replace(rule.judge, **found))
