"""PPO over stretches of trials, through a memory: gradients reach back to the beginning of the stretch.

Policy and critic with a memory each share nothing: they learn side by side, on a core each. With one memory for both,
they learn together from the sum of their losses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from adapt.learners.ppo import PPOConfig, Rollout, clipped_loss, value_error
from adapt.networks.recurrent import Memory, RecurrentCritic, RecurrentPolicy
from adapt.parallel import side_by_side


@dataclass(frozen=True)
class Batch:
    """Some trials' stretches, T steps of N."""

    inputs: torch.Tensor
    """Of the memory. Shape (T, N, F)."""
    hidden: torch.Tensor
    """Before the stretch. Shape (N, H)."""
    fresh: torch.Tensor
    """Whether a trial begins with the step. Shape (T, N), bool."""
    actions: torch.Tensor
    """Shape (T, N, A)."""
    log_probs: torch.Tensor
    """Of the actions when they were drawn. Shape (T, N)."""
    advantages: torch.Tensor
    """Shape (T, N)."""
    returns: torch.Tensor
    """Shape (T, N)."""

    def of(self, trials: torch.Tensor) -> Batch:
        """The part of some trials."""
        parts = {name: value[:, trials] for name, value in vars(self).items() if name != "hidden"}
        return Batch(hidden=self.hidden[trials], **parts)


@dataclass(frozen=True)
class Together:
    """Networks on one memory, and the losses that they learn from."""

    memory: Memory
    losses: dict[str, Callable[[torch.Tensor, Batch], torch.Tensor]]
    """From what the memory knows, shape (T, N, ...), and the batch."""
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer


class RecurrentPPO:
    """The update of a policy and its critic on one rollout."""

    def __init__(self, policy: RecurrentPolicy, critic: RecurrentCritic, config: PPOConfig):
        self.policy = policy
        self.critic = critic
        self.config = config
        if policy.memory is critic.memory:
            losses = {"policy_loss": self._policy_loss, "value_loss": self._value_loss}
            self.groups = [self._together(losses, policy, critic)]
        else:
            self.groups = [
                self._together({"policy_loss": self._policy_loss}, policy),
                self._together({"value_loss": self._value_loss}, critic),
            ]
        self.optimizers = [group.optimizer for group in self.groups]

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets the learning rate."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.config.learning_rate * (1 - 0.9 * fraction)

    def update(
        self, rollout: Rollout, fresh: torch.Tensor, hidden: torch.Tensor, critic_hidden: torch.Tensor
    ) -> dict[str, float]:
        """Several epochs of minibatches over the rollout; returns mean losses.

        Args:
            rollout: T steps of N trials, with values.
            fresh: whether a trial begins with the step. Shape (T, N), bool.
            hidden: of the policy's memory before the rollout. Shape (N, H).
            critic_hidden: of the critic's. Shape (N, H).
        """
        config, trials = self.config, rollout.rewards.shape[1]
        advantages = rollout.advantages(config.gamma, config.gae_lambda)
        rest = (fresh, rollout.actions, rollout.log_probs, advantages, advantages + rollout.values)
        data = (
            Batch(rollout.policy_inputs, hidden, *rest),
            Batch(rollout.critic_inputs, critic_hidden, *rest),
        )
        size = -(-trials // config.minibatches)
        batches = [batch for _ in range(config.epochs) for batch in torch.randperm(trials).split(size)]
        work = [partial(self._train, group, heard, batches) for group, heard in zip(self.groups, data)]  # noqa: B905
        metrics = {
            "reward": float(rollout.played.mean()),
            "action_std": float(torch.exp(self.policy.head.log_std.detach()).mean()),
        }
        return metrics | {name: loss for losses in side_by_side(*work) for name, loss in losses.items()}

    def losses(self, group: Together, batch: Batch) -> dict[str, torch.Tensor]:
        """The losses of networks that learn together."""
        known, _ = group.memory(batch.inputs, batch.hidden, batch.fresh)
        return {name: loss(known, batch) for name, loss in group.losses.items()}

    def _train(self, group: Together, data: Batch, batches: list[torch.Tensor]) -> dict[str, float]:
        """All epochs of networks that learn together, on one core; returns mean losses."""
        seen = []
        for trials in batches:
            losses = self.losses(group, data.of(trials))
            group.optimizer.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            nn.utils.clip_grad_norm_(group.parameters, self.config.max_grad_norm)
            group.optimizer.step()
            seen.append([loss.item() for loss in losses.values()])
        return dict(zip(group.losses, np.mean(seen, axis=0).tolist(), strict=True))

    def _policy_loss(self, known: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Clipped, less the bonus on entropy."""
        head, config = self.policy.head, self.config
        now = head.log_prob(head(known), batch.actions)
        loss = clipped_loss(now, batch.log_probs, batch.advantages, config.clip)
        return loss - config.entropy * head.entropy()

    def _value_loss(self, known: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Weighted as the configuration says."""
        config = self.config
        return config.value_weight * value_error(self.critic.head(known), batch.returns, config.huber)

    def _together(
        self, losses: dict[str, Callable[[torch.Tensor, Batch], torch.Tensor]], *networks: nn.Module
    ) -> Together:
        parameters = list(nn.ModuleList(networks).parameters())
        optimizer = torch.optim.Adam(parameters, lr=self.config.learning_rate, eps=1e-5)
        memory = networks[0].memory
        assert isinstance(memory, Memory)
        return Together(memory, losses, parameters, optimizer)
