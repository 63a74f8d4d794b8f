"""Policy and critic with a memory of the trial (RL^2, arXiv:1611.02779). N trials, T steps.

Both act on the observation, the previous action and a GRU's state: what the trial has shown so far.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn

from adapt.networks.normaliser import RunningNorm
from adapt.networks.policy import Critic, GaussianPolicy
from adapt.networks.steps import gru_cell


class Memory(nn.Module):
    """GRU, H units, over all that a trial shows: the input of policy or critic.

    Its inputs, F in number, are the observation, the previous action, the previous reward (where it is heard), whether
    an episode begins with the observation, and what else it is told.
    """

    def __init__(
        self,
        observation: int,
        action: int,
        told: int = 0,
        *,
        reward: bool = True,
        normalise: bool = False,
        embedding: int = 64,
        hidden: int = 128,
    ):
        """
        Args:
            observation: its size, O.
            action: its size, A.
            told: size of what else it is told.
            reward: whether it hears the previous reward.
            normalise: whether observations are brought to zero mean and unit variance; rewards always are.
            embedding: size of the layer before the GRU.
            hidden: H.
        """
        super().__init__()
        self.sizes = [observation, action, int(reward), 1 + told]
        self.hidden = hidden
        self.observation_norm = RunningNorm(observation) if normalise else nn.Identity()
        self.reward_norm = RunningNorm(1) if reward else nn.Identity()
        self.embed = nn.Sequential(nn.Linear(sum(self.sizes), embedding), nn.Tanh())
        self.gru = nn.GRU(embedding, hidden)

    def forward(
        self, inputs: torch.Tensor, hidden: torch.Tensor, fresh: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A stretch of trials to what is known at each of its steps.

        Args:
            inputs: shape (T, N, F).
            hidden: the GRU's state before the stretch. Shape (N, H).
            fresh: whether a trial begins with the input: the state is zero then. Shape (T, N), bool.

        Returns:
            Observation, previous action and the GRU's state, shape (T, N, O + A + H), and that state after the
            stretch, shape (N, H).
        """
        seen, embedded = self.heard(inputs)
        begins = fresh.any(dim=1).nonzero()[:, 0].tolist()
        borders = sorted({0, *begins, len(inputs)})
        state, stretches = hidden[None], []
        for first, last in itertools.pairwise(borders):
            state = state.masked_fill(fresh[first, :, None], 0.0)
            states, state = self.gru(embedded[first:last], state)
            stretches.append(states)
        states = stretches[0] if len(stretches) == 1 else torch.cat(stretches)
        return torch.cat([seen, states], dim=-1), state[0]

    def heard(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs, shape (..., F), to observation and previous action, (..., O + A), and the GRU's inputs."""
        observation, action, reward, rest = inputs.split(self.sizes, dim=-1)
        observation = self.observation_norm(observation)
        heard = torch.cat([observation, action, self.reward_norm(reward), rest], dim=-1)
        return heard[..., : observation.shape[-1] + action.shape[-1]], self.embed(heard)

    def learn_scale(self, inputs: torch.Tensor) -> None:
        """Lets it see more inputs, shape (..., F), that it normalises."""
        observation, _, reward, _ = inputs.split(self.sizes, dim=-1)
        for norm, seen in ((self.observation_norm, observation), (self.reward_norm, reward)):
            if isinstance(norm, RunningNorm):
                norm.update(seen)


class RecurrentPolicy(nn.Module):
    """A Gaussian policy on a memory."""

    def __init__(self, memory: Memory, layers: tuple[int, ...], std: float = 0.6):
        super().__init__()
        observation, action, *_ = memory.sizes
        self.memory = memory
        self.head = GaussianPolicy(observation, action, memory.hidden, layers, std=std)


class RecurrentCritic(nn.Module):
    """The value of what a memory knows."""

    def __init__(self, memory: Memory, layers: tuple[int, ...]):
        super().__init__()
        observation, action, *_ = memory.sizes
        self.memory = memory
        self.head = Critic(observation, action, memory.hidden, layers)


class MemoryStep(nn.Module):
    """One control step of a recurrent policy that hears the reward."""

    kind = "memory"
    inputs = ("observation", "previous_action", "previous_reward", "new_episode", "hidden")
    outputs = ("action", "next_hidden")
    latent = 0
    reward_free = False

    def __init__(self, policy: RecurrentPolicy):
        super().__init__()
        self.policy = policy
        self.memory = policy.memory.hidden
        self.cell = gru_cell(policy.memory.gru)

    def forward(
        self,
        observation: torch.Tensor,
        previous_action: torch.Tensor,
        previous_reward: torch.Tensor,
        new_episode: torch.Tensor,
        hidden: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """To the action (N, A) and the next memory (N, H)."""
        return self.act(
            torch.cat([observation, previous_action, previous_reward, new_episode], dim=-1), hidden
        )

    def act(self, inputs: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The memory's inputs (N, F) and the memory (N, H) to the action and the next memory."""
        seen, embedded = self.policy.memory.heard(inputs)
        hidden = self.cell(embedded, hidden)
        return self.policy.head(torch.cat([seen, hidden], dim=-1)).clamp(-1.0, 1.0), hidden


class RewardFreeMemoryStep(MemoryStep):
    """One control step of a recurrent policy that does not hear the reward."""

    inputs = ("observation", "previous_action", "new_episode", "hidden")
    reward_free = True

    def forward(  # type: ignore[override]
        self,
        observation: torch.Tensor,
        previous_action: torch.Tensor,
        new_episode: torch.Tensor,
        hidden: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """To the action (N, A) and the next memory (N, H)."""
        return self.act(torch.cat([observation, previous_action, new_episode], dim=-1), hidden)
