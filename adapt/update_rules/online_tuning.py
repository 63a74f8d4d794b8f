"""`OnlineTuning`: lifetimes in which eta follows a meta-gradient, one step with every update.

At rollout k, what update k - 1 led to is computed once more, with a history: theta_k(eta) = theta - f(theta, rollout
k - 1, eta). The judge's loss of theta_k on rollout k, which eta has not seen, is differentiated in eta, and eta takes
a step of Adam; then theta_k is updated. For that a lifetime remembers the rollout before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from adapt.update_rules.adam import Adam
from adapt.update_rules.hyperparameters import RATE
from adapt.update_rules.lifetime import Learning, Life
from adapt.update_rules.rule import Rollout, Tensors
from adapt.update_rules.self_tuning import ETA, VALUE, SelfTuning

_TUNER, _BEFORE = "tuner.", "before."
_PARTS = ("params.", "moments.", "meta_state.", "rollout.")
"""Of what is remembered."""


@dataclass(frozen=True)
class OnlineTuning(Learning):
    """`Learning` by a rule that tunes itself."""

    later: ClassVar[tuple[str, ...]] = (_BEFORE,)
    tuner: Adam = field(default_factory=lambda: Adam(rate=0.01))
    """Of eta."""
    tuned: tuple[str, ...] = ("discount", "trace", "entropy_weight", RATE)
    """Hyperparameters that are adapted, by what their names begin with, as `rate` or `rate/head/v`; the others stay
    where they start. Adam undoes a loss's weight in the parameters that only this loss moves, but not within one
    update: of `policy_weight` and `value_weight` the meta-gradient says what is better said of the heads' rates."""

    def begin(self, params: Tensors) -> Life:
        """As of `Learning`; eta's optimiser begins too."""
        life = super().begin(params)
        return self._with(life, _named(_TUNER, self._each(self.tuner.begin)(self._eta(life.meta_state))))

    def update(
        self, meta_params: Tensors, life: Life, rollout: Rollout, through: bool = False
    ) -> tuple[Life, Tensors]:
        """As of `Learning`, after a step of eta; beside what that returns, the judge's `meta_loss` and the
        `meta_gradient_norm`, each () or (M,): 0 at the first update, which has nothing to judge.

        Where gradients are to pass `through`, into where eta starts for example, eta itself stays.
        """
        before, meta_state = _part(_BEFORE, life.meta_state)
        kept = Life(life.params, life.moments, meta_state)
        if before and not through:
            kept, judged = self._tune(meta_params, kept, before, rollout)
        else:
            nothing = torch.zeros(self._size(life))
            judged = {"meta_loss": nothing, "meta_gradient_norm": nothing}
        updated, learned = super().update(meta_params, kept, rollout, through)
        parts = (*kept.parts(), rollout.tensors())
        memory = {
            prefix + name: value.detach()
            for prefix, part in zip(_PARTS, parts, strict=True)
            for name, value in part.items()
        }
        return self._with(updated, _named(_BEFORE, memory)), learned | judged

    def meta_gradient(
        self, meta_params: Tensors, meta_state: Tensors, before: tuple[Life, Rollout], rollout: Rollout
    ) -> tuple[Tensors, torch.Tensor, Tensors]:
        """The gradient in eta's displacements of the judge's loss on a rollout, through the update before it.

        Args:
            meta_params: where eta starts.
            meta_state: where it is, and the judge's averages.
            before: a life and the rollout that it learned from.
            rollout: the one that followed.

        Returns:
            Gradients by names as in the meta-state, the losses, () or (M,), and the next meta-state.
        """
        eta = {
            name: value.detach().requires_grad_()
            for name, value in self._eta(meta_state).items()
            if f"{name.removeprefix(ETA)}/".startswith(tuple(f"{tuned}/" for tuned in self.tuned))
        }
        life, learned_from = before
        life = Life(life.params, life.moments, life.meta_state | self._eta(meta_state) | eta)
        told = rollout.tensors()
        with torch.enable_grad():
            led_to, _ = super().update(meta_params, life, learned_from, through=True)
            said = self._each(self._say)(led_to.params, told)
            own = {n: led_to.params[n] if n.startswith(VALUE) else v for n, v in life.params.items()}
            said |= {"v": self._each(self._say)(own, told)["v"]}
            targets, following = self._each(self._judged)(meta_state, told, said)
            with torch.no_grad():
                then = self._each(self._say)(life.params, told)
            loss = self._each(self._judge_loss)(told, then, said, targets)
            gradients = torch.autograd.grad(loss.sum(), list(eta.values()))
        return dict(zip(eta, gradients, strict=True)), loss.detach(), following

    def _tune(
        self, meta_params: Tensors, life: Life, before: Tensors, rollout: Rollout
    ) -> tuple[Life, Tensors]:
        """A step of eta, and how the update before was judged."""
        params, moments, state, told = (_part(prefix, before)[0] for prefix in _PARTS)
        gradients, loss, meta_state = self.meta_gradient(
            meta_params, life.meta_state, (Life(params, moments, state), Rollout.of(told)), rollout
        )
        meta_state = {name: value.detach() for name, value in meta_state.items()}
        every, own = self._eta(meta_state), _part(_TUNER, meta_state)[0]
        still = {name: torch.zeros_like(value) for name, value in every.items()}
        moved, own = self._each(self._tuner_step)(every, still | gradients, own)
        meta_state |= moved | _named(_TUNER, own)
        norm = torch.stack([value.square() for value in gradients.values()]).sum(dim=0).sqrt()
        kept = Life(life.params, life.moments, meta_state)
        return kept, {"meta_loss": loss, "meta_gradient_norm": norm}

    def _tuner_step(self, eta: Tensors, gradients: Tensors, moments: Tensors) -> tuple[Tensors, Tensors]:
        return self.tuner.step(eta, gradients, moments)

    def _judged(self, meta_state: Tensors, told: Tensors, said: Tensors) -> tuple[Tensors, Tensors]:
        return self._self_tuning.judged(meta_state, Rollout.of(told), said)

    def _judge_loss(self, told: Tensors, before: Tensors, said: Tensors, targets: Tensors) -> torch.Tensor:
        counts = told["counts"]
        loss = self._self_tuning.judge_loss(Rollout.of(told), before, said, targets)
        return (loss * counts).sum() / (counts.sum() + 1e-8)

    @property
    def _self_tuning(self) -> SelfTuning:
        assert isinstance(self.rule, SelfTuning)
        return self.rule

    def _eta(self, meta_state: Tensors) -> Tensors:
        return {name: value for name, value in meta_state.items() if name.startswith(ETA)}

    def _with(self, life: Life, more: Tensors) -> Life:
        return Life(life.params, life.moments, life.meta_state | more)

    def _size(self, life: Life) -> tuple[int, ...]:
        return (len(next(iter(life.params.values()))),) if self.population else ()


def _named(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: value for name, value in tensors.items()}


def _part(prefix: str, tensors: Tensors) -> tuple[Tensors, Tensors]:
    """Those whose names begin so, without that, and the others."""
    found = {n.removeprefix(prefix): value for n, value in tensors.items() if n.startswith(prefix)}
    return found, {name: value for name, value in tensors.items() if not name.startswith(prefix)}
