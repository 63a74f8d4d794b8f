"""Control steps of policies that stable-baselines3 has trained. N robots, O observation, A action, H LSTM units."""

from __future__ import annotations

import torch
from torch import nn


class ReactiveStep(nn.Module):
    """One control step of a policy without memory, that does not hear the previous action either."""

    kind = "none"
    inputs = ("observation", "previous_action")
    outputs = ("action",)
    memory = 0
    latent = 0
    reward_free = True

    def __init__(self, body: nn.Module):
        """
        Args:
            body: observation (N, O) to the deterministic action (N, A), normaliser and squashing inside.
        """
        super().__init__()
        self.body = body

    def forward(self, observation: torch.Tensor, previous_action: torch.Tensor) -> torch.Tensor:
        """Observation (N, O) and previous action (N, A) to the action (N, A)."""
        return self.body(observation).clamp(-1.0, 1.0)


class LSTMStep(nn.Module):
    """One control step of an LSTM policy: its memory is empty as an episode begins. `hidden` is h and c, (N, 2 H)."""

    kind = "memory"
    inputs = ("observation", "previous_action", "new_episode", "hidden")
    outputs = ("action", "next_hidden")
    latent = 0
    reward_free = True

    def __init__(self, norm: nn.Module, lstm: nn.LSTM, head: nn.Module, *, hears_action: bool):
        """
        Args:
            norm: of what the memory hears.
            lstm: of one layer.
            head: its output (N, H) to the deterministic action (N, A).
            hears_action: whether the previous action follows the observation.
        """
        super().__init__()
        self.memory = 2 * lstm.hidden_size
        self.hears_action = hears_action
        self.norm, self.head, self.cell = norm, head, lstm_cell(lstm)

    def forward(
        self,
        observation: torch.Tensor,
        previous_action: torch.Tensor,
        new_episode: torch.Tensor,
        hidden: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """To the action (N, A) and the next memory (N, 2 H)."""
        past = [previous_action] if self.hears_action else []
        return self.act(torch.cat([observation, *past], dim=-1), new_episode, hidden)

    def act(
        self, heard: torch.Tensor, new_episode: torch.Tensor, hidden: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the memory hears, (N, F), to the action and the next memory."""
        before = (hidden * (1.0 - new_episode)).chunk(2, dim=-1)
        state, cell = self.cell(self.norm(heard), before)
        return self.head(state).clamp(-1.0, 1.0), torch.cat([state, cell], dim=-1)


class RewardLSTMStep(LSTMStep):
    """One control step of an LSTM policy that hears action and reward of the step before, 0 as an episode begins."""

    inputs = ("observation", "previous_action", "previous_reward", "new_episode", "hidden")
    reward_free = False

    def forward(  # type: ignore[override]
        self,
        observation: torch.Tensor,
        previous_action: torch.Tensor,
        previous_reward: torch.Tensor,
        new_episode: torch.Tensor,
        hidden: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """To the action (N, A) and the next memory (N, 2 H)."""
        reward = previous_reward * (1.0 - new_episode)
        return self.act(torch.cat([observation, previous_action, reward], dim=-1), new_episode, hidden)


def lstm_cell(lstm: nn.LSTM) -> nn.LSTMCell:
    """One step of a one-layer LSTM."""
    cell = nn.LSTMCell(lstm.input_size, lstm.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in lstm.state_dict().items()})
    return cell
