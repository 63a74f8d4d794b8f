"""DiscoRL's discovered rule (Oh et al. 2025, Discovering state-of-the-art reinforcement learning algorithms, Nature).

A network makes targets for the agent's policy and for two predictions, y of a state and z of an action in it, whose
meaning nobody prescribed. The agent learns to say them, its next policy beforehand (`aux_pi`), and an action value.
T steps, B trajectories, A actions, K bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from adapt.update_rules import disco_network, moving_average
from adapt.update_rules.rule import Outputs, Rollout, Tensors, of_action
from adapt.update_rules.value import divergence, expected, log_prob, retrace, value_loss

_TARGET = "target."
_ADVANTAGE, _TD = "advantage", "td"


@dataclass(frozen=True)
class Disco:
    """The rule, and the settings that its authors publish with it."""

    name: ClassVar[str] = "disco"
    sizes: disco_network.Sizes = field(default_factory=disco_network.Sizes)
    bins: int = 601
    """Of the action value's head, K."""
    largest: float = 300.0
    """Largest value that it can express, transformed."""
    discount: float = 0.997
    trace: float = 0.95
    """Retrace's lambda."""
    target_decay: float = 0.9
    """Of the average that the target parameters are."""
    policy_weight: float = 1.0
    y_weight: float = 1.0
    z_weight: float = 1.0
    next_policy_weight: float = 1.0
    value_weight: float = 0.2

    def outputs(self, actions: int) -> Outputs:
        """`logits`, `y`; per action `z`, `q` and `aux_pi`, the policy after it."""
        return Outputs(
            {"logits": actions, "y": self.sizes.prediction},
            {"z": self.sizes.prediction, "q": self.bins, "aux_pi": actions},
        )

    def initial_meta_params(self, generator: torch.Generator) -> Tensors:
        """Of a rule that has to be discovered yet."""
        return disco_network.initial_params(self.sizes, generator)

    def initial_meta_state(self, params: Tensors) -> Tensors:
        """The lifetime's memory, moving averages, and the target parameters."""
        state = disco_network.initial_state(self.sizes)
        state |= moving_average.begin(_ADVANTAGE) | moving_average.begin(_TD)
        return state | {_TARGET + name: value for name, value in params.items()}

    def targets(
        self,
        meta_params: Tensors,
        meta_state: Tensors,
        params: Tensors,
        rollout: Rollout,
        said: Tensors,
        unroll: Callable[[Tensors], Tensors],
    ) -> tuple[Tensors, Tensors]:
        """`pi`, `y`, `z` to be said, and the error `q_td` of the action value; besides what led to them."""
        before = {name: meta_state[_TARGET + name] for name in params}
        judged, made, averages = self._judge(meta_state, rollout, said, unroll(before))
        lifetime = {name: meta_state[name] for name in (disco_network.HIDDEN, disco_network.CELL)}
        targets, lifetime = disco_network.targets(meta_params, lifetime, rollout, said, judged)
        decay = self.target_decay
        after = {_TARGET + name: decay * before[name] + (1 - decay) * params[name] for name in params}
        return targets | made, lifetime | averages | after

    def loss(self, rollout: Rollout, said: Tensors, targets: Tensors) -> torch.Tensor:
        """Of the rule's targets, and of the action value."""
        return self.target_loss(rollout, said, targets) + self.value_loss(rollout, said, targets)

    def rates(self, targets: Tensors) -> None:
        """As the optimiser has them."""

    def target_loss(self, rollout: Rollout, said: Tensors, targets: Tensors) -> torch.Tensor:
        """Divergence of what is said from the targets. Shape (T, B)."""
        action, following = rollout.action[:-1], said["logits"][1:].detach()
        z, next_policy = (of_action(said[name][:-1], action) for name in ("z", "aux_pi"))
        foreseen = divergence(following, next_policy) * (1 - rollout.terminal)
        return (
            self.policy_weight * divergence(targets["pi"], said["logits"][:-1])
            + self.y_weight * divergence(targets["y"], said["y"][:-1])
            + self.z_weight * divergence(targets["z"], z)
            + self.next_policy_weight * foreseen
        )

    def value_loss(self, rollout: Rollout, said: Tensors, targets: Tensors) -> torch.Tensor:
        """Of the action value; no gradient of it passes into the rule. Shape (T, B)."""
        q = of_action(said["q"][:-1], rollout.action[:-1])
        return self.value_weight * value_loss(q, targets["q_td"].detach(), self.largest)

    def _judge(
        self, meta_state: Tensors, rollout: Rollout, said: Tensors, target: Tensors
    ) -> tuple[disco_network.Judged, Tensors, Tensors]:
        """By Retrace on the target parameters' values; all without gradients."""
        logits, action = said["logits"].detach(), rollout.action[:-1]
        q, target_q = (expected(output["q"].detach(), self.largest) for output in (said, target))
        policy = logits.softmax(dim=-1)
        value, target_value = ((policy * values).sum(dim=-1) for values in (q, target_q))
        ratio = torch.exp(
            log_prob(logits[:-1], action) - log_prob(rollout.behaviour["logits"][:-1].detach(), action)
        )
        returns = retrace(
            of_action(target_q[:-1], action),
            target_value,
            rollout.reward,
            self.discount * (1 - rollout.terminal),
            self.trace * ratio.clamp(max=1.0),
        )
        advantage, q_advantage = returns - target_value[:-1], target_q - target_value.unsqueeze(-1)
        td = returns - of_action(q[:-1], action)
        averages = moving_average.add(meta_state, _ADVANTAGE, advantage)
        normalised, normalised_q = (
            moving_average.normalise(averages, _ADVANTAGE, values) for values in (advantage, q_advantage)
        )
        averages |= moving_average.add(meta_state, _TD, td)
        judged = disco_network.Judged(
            value, advantage, normalised, target_q, q_advantage, normalised_q, target
        )
        made = {
            "adv": advantage,
            "normalized_adv": normalised,
            "qv_adv": q_advantage,
            "normalized_qv_adv": normalised_q,
            "q_value": q,
            "q_target": returns,
            "q_td": td,
        }
        return judged, made, averages
