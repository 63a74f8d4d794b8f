"""What a rule is discovered by: how well its agents do after their updates (Oh et al. 2025, Nature; Methods).

A policy gradient on a rollout of the updated agent, with advantages that the rule has no part in; and regularisers,
whose weights are those of the authors' meta-training example. M agents, T steps, B trajectories.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from adapt.side_by_side.agents import joined_outputs
from adapt.update_rules.lifetime import Life, Say
from adapt.update_rules.rule import Rollout, Tensors
from adapt.update_rules.value import divergence, entropy, log_prob

TARGET = "target."
"""Prefix under which a rule remembers the parameters of an agent's slow copy."""


@dataclass(frozen=True)
class OuterLoss:
    """Weights of the terms, means over agents all."""

    entropy: float = 1e-2
    """Of the policy; rewarded."""
    prediction_entropy: float = 1e-3
    """Of y, and of z of the actions taken; rewarded."""
    target_mean: float = 1e-3
    """Of the square of the mean of each of the targets' logits."""
    target_divergence: float = 1e-2
    """KL of the slow copy's policy from the policy target."""
    along: float = 1.0
    """Of the policy gradient on the way: every update's rollout also judges the updates before it, as in LPG
    (arXiv:2007.08794). The authors of DiscoRL have 0; at our scale one rollout at the end says too little."""

    def of_life(self, say: Say, life: Life, rollout: Rollout, advantage: torch.Tensor) -> torch.Tensor:
        """Of agents as they are after some updates.

        Args:
            say: of one agent; `torch.vmap` makes it that of M.
            life: of them.
            rollout: what they then did, joined over joints.
            advantage: of it. Shape (M, T, B).
        """
        said = joined_outputs(torch.vmap(say)(life.params, rollout.observation))
        logits, action, counts = said["logits"][:, :-1], rollout.action[:, :-1], rollout.counts
        gain = (log_prob(logits, action) * advantage.detach() * counts).mean()
        spread = self.entropy * entropy(logits).mean()
        if "y" in said:
            spread = spread + self.prediction_entropy * entropy(said["y"]).mean()
        if "z" in said:
            index = action[..., None, None]
            z = torch.take_along_dim(said["z"][:, :-1], index, dim=3).squeeze(3)
            spread = spread + self.prediction_entropy * entropy(z).mean()
        return -gain - spread

    def of_targets(self, say: Say, before: Life, rollout: Rollout, told: Tensors) -> torch.Tensor:
        """Of an update's targets; 0 where a rule has none of `pi`, `y`, `z`."""
        loss = torch.zeros(())
        for name in ("pi", "y", "z"):
            if name in told:
                mean = told[name].flatten(1).mean(dim=1)
                loss = loss + self.target_mean * mean.square().mean()
        if "pi" in told and any(name.startswith(TARGET) for name in before.meta_state):
            with torch.no_grad():
                slow = {
                    name.removeprefix(TARGET): value.detach()
                    for name, value in before.meta_state.items()
                    if name.startswith(TARGET)
                }
                policy = joined_outputs(torch.vmap(say)(slow, rollout.observation))["logits"][:, :-1]
            loss = loss + self.target_divergence * divergence(policy, told["pi"]).mean()
        return loss
