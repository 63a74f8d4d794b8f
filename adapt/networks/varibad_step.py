"""One control step of VariBAD: encoder, task head, and the policy on the belief."""

from __future__ import annotations

import torch
from torch import nn

from adapt.networks.policy import GaussianPolicy
from adapt.networks.steps import BELIEF_OUTPUTS, PhysicalUnits, gru_cell
from adapt.networks.trajectory import TaskHead, TrajectoryEncoder
from sim_tasks.family import TaskFamily


class VariBADStep(nn.Module):
    """What was heard to an action, the belief, and the physical task read off it."""

    kind = "belief"
    outputs = ("action", *BELIEF_OUTPUTS, "next_hidden")

    def __init__(
        self, encoder: TrajectoryEncoder, head: TaskHead, policy: GaussianPolicy, family: TaskFamily
    ):
        super().__init__()
        self.reward_free = not encoder.reward
        reward = () if self.reward_free else ("previous_reward",)
        self.inputs = ("observation", "previous_action", *reward, "new_episode", "hidden")
        self.memory, self.latent = encoder.hidden, encoder.latent
        self.encoder, self.head, self.policy = encoder, head, policy
        self.cell = gru_cell(encoder.gru)
        self.physical = PhysicalUnits(family)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """`inputs`, shape (N, size) each, to action (N, A), belief (N, 2 L), quantities (N, Q), memory (N, H)."""
        given = dict(zip(self.inputs, inputs, strict=True))
        observation, action, flag = (
            given[name] for name in ("observation", "previous_action", "new_episode")
        )
        reward = given.get("previous_reward", torch.zeros_like(flag))
        heard = torch.cat([observation, action, reward, flag], dim=-1)
        state = self.cell(self.encoder.embedded(heard), given["hidden"])
        belief = self.encoder.belief(state)
        mean, log_std = self.head(belief).chunk(2, dim=-1)
        parameters, parameter_std = self.physical(mean, torch.exp(log_std))
        requested = self.policy(torch.cat([observation, action, belief], dim=-1)).clamp(-1.0, 1.0)
        return requested, belief, parameters, parameter_std, state
