"""An agent's lifetime under a rule: what it is now, and one update. M agents side by side, or one.

All tensors of M agents have a leading axis M. T steps, B trajectories, J joints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from adapt.checkpoint import flat
from adapt.update_rules.adam import Adam
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule, check_said

Say = Callable[[Tensors, torch.Tensor], Tensors]
"""What an agent with some parameters says of observations (T + 1, B, ...): outputs (T + 1, B, ...) or, of J joints,
(T + 1, B, J, ...)."""
_PARTS = ("params", "moments", "meta_state")


@dataclass(frozen=True)
class Life:
    """All that an agent is."""

    params: Tensors
    moments: Tensors
    """Of its optimiser."""
    meta_state: Tensors
    """What the rule remembers of it."""

    def detached(self) -> Life:
        """The same without a history."""
        return Life(*({name: value.detach() for name, value in part.items()} for part in self.parts()))

    def parts(self) -> tuple[Tensors, Tensors, Tensors]:
        """Its three dictionaries."""
        return self.params, self.moments, self.meta_state

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {name: dict(part) for name, part in zip(_PARTS, self.parts(), strict=True)}

    def restored(self, state: dict[str, Any], later: tuple[str, ...] = ()) -> Life:
        """Inverse of `state`: the life that was saved, of an agent like this one.

        Args:
            state: which may hold more.
            later: what names begin with that this one need not have, see `Learning`.

        Raises:
            ValueError: it is of another network or rule.
        """
        return Life(
            *(_alike(ours, flat(state[name]), later) for name, ours in zip(_PARTS, self.parts(), strict=True))
        )


@dataclass(frozen=True)
class Learning:
    """How agents learn: by a rule, with an optimiser, and what they are."""

    rule: UpdateRule
    say: Say
    optimiser: Adam
    population: bool = False
    """Whether there are M agents, or one."""
    later: ClassVar[tuple[str, ...]] = ()
    """What names in a meta-state begin with that come with an update, and not with a lifetime."""

    def begin(self, params: Tensors) -> Life:
        """A lifetime from its first parameters on."""
        begin_state = self._each(self.rule.initial_meta_state)
        return Life(params, self._each(self.optimiser.begin)(params), begin_state(params))

    def check(self, life: Life, rollout: Rollout) -> None:
        """Refuses agents that do not say what the rule needs, see `check_said`; once is enough for all updates."""
        with torch.no_grad():
            said = self._each(self._say)(life.params, rollout.tensors())
        check_said(
            self.rule, {name: value[0] for name, value in said.items()} if self.population else said, rollout
        )

    def update(
        self, meta_params: Tensors, life: Life, rollout: Rollout, through: bool = False
    ) -> tuple[Life, Tensors]:
        """One update, and what came of it: `loss`, `gradient_norm`, each () or (M,), and the rule's targets.

        Args:
            meta_params: the rule's, the same for all agents.
            life: until now.
            rollout: joined over joints, see `join`.
            through: whether gradients are to pass through the update, into meta-parameters and the life before.
        """
        told = rollout.tensors()
        leaves = {
            name: value.view_as(value) if through else value.detach().requires_grad_()
            for name, value in life.params.items()
        }
        if through and not any(leaf.requires_grad for leaf in leaves.values()):
            leaves = {name: value.requires_grad_() for name, value in leaves.items()}
        said = self._each(self._say)(leaves, told)
        if through:
            targets, meta_state = self._each(self._targets, meta_params)(
                life.meta_state, life.params, told, self._each(self._say)(life.params, told)
            )
        else:
            with torch.no_grad():
                before = {name: value.detach() for name, value in said.items()}
                targets, meta_state = self._each(self._targets, meta_params)(
                    life.meta_state, life.params, told, before
                )
        loss = self._each(self._loss)(said, told, targets)
        gradients = dict(
            zip(
                leaves,
                torch.autograd.grad(loss.sum(), list(leaves.values()), create_graph=through),
                strict=True,
            )
        )
        with torch.set_grad_enabled(through):
            params, moments = self._each(self._step)(life.params, gradients, life.moments, targets)
        norm = self._each(_norm)({name: value.detach() for name, value in gradients.items()})
        return Life(params, moments, meta_state), {"loss": loss.detach(), "gradient_norm": norm, **targets}

    def _say(self, params: Tensors, told: Tensors) -> Tensors:
        said = self.say(params, told["observation"])
        if said["logits"].dim() == 4:  # joints
            return {name: value.flatten(1, 2) for name, value in said.items()}
        return said

    def _targets(
        self, meta_params: Tensors, meta_state: Tensors, params: Tensors, told: Tensors, said: Tensors
    ) -> tuple[Tensors, Tensors]:
        return self.rule.targets(
            meta_params, meta_state, params, Rollout.of(told), said, lambda other: self._say(other, told)
        )

    def _loss(self, said: Tensors, told: Tensors, targets: Tensors) -> torch.Tensor:
        counts = told["counts"]
        return (self.rule.loss(Rollout.of(told), said, targets) * counts).sum() / (counts.sum() + 1e-8)

    def _step(
        self, params: Tensors, gradients: Tensors, moments: Tensors, targets: Tensors
    ) -> tuple[Tensors, Tensors]:
        return self.optimiser.step(params, gradients, moments, self.rule.rates(targets))

    def _each(self, function: Callable[..., Any], *shared: Any) -> Callable[..., Any]:
        """The function of every agent; its first arguments `shared` are those of all."""
        bound = (lambda *own: function(*shared, *own)) if shared else function
        return torch.vmap(bound) if self.population else bound


def join(rollout: Rollout) -> Rollout:
    """Every joint's trajectory as one of its own: action (T + 1, B, J) to (T + 1, B J), and so on.

    A robot's joints are then agents that share a torso and a reward. Observations stay as they are.
    """
    joints = rollout.action.shape[2]
    return Rollout(
        observation=rollout.observation,
        action=rollout.action.flatten(1),
        reward=rollout.reward.repeat_interleave(joints, dim=1),
        terminal=rollout.terminal.repeat_interleave(joints, dim=1),
        counts=rollout.counts.repeat_interleave(joints, dim=1),
        behaviour={
            name: value.flatten(1, 2) if joints > 1 else value for name, value in rollout.behaviour.items()
        },
    )


def _norm(tensors: Tensors) -> torch.Tensor:
    return torch.stack([value.square().sum() for value in tensors.values()]).sum().sqrt()


def _alike(ours: Tensors, theirs: dict[str, Any], later: tuple[str, ...]) -> Tensors:
    """Theirs in our order, in which sums are made; then what comes with an update."""
    fixed = [name for name in ours if not name.startswith(later)]
    added = [name for name in theirs if name.startswith(later)]
    for name in sorted(set(fixed) | (theirs.keys() - set(added))):
        shapes = [tuple(part[name].shape) if name in part else None for part in (ours, theirs)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{name}: shape {shapes[1]}; expected {shapes[0]}")
    return {name: theirs[name].clone() for name in (*fixed, *added)}
