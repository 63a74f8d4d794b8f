"""Recurrent belief over the task: what the robot's own sensor stream says of its physics."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod

import torch
from torch import nn

from adapt.networks.mlp import mlp
from adapt.networks.normaliser import RunningNorm

LOG_STD_RANGE = (-4.0, 0.5)
"""Bounds of the belief's log standard deviation, in units of the prior's; smooth in between."""


CHANGE_SCALE = 10.0
"""Weight of the change of the observation in one step among the inputs: accelerations are what gives masses away,
and they are small beside the observation itself. Not beside one at unit variance: normalised, it has weight 1."""


class HistoryEncoder(nn.Module, ABC):
    """q(what is to be known | history), diagonal Gaussian, L dimensions; subclasses say how they remember.

    It hears observation, previously sent action and whether an episode begins: nothing else, no reward. Its memory,
    shape (N, M), is all zeros as a trial begins.
    """

    memory: int
    """M."""

    def __init__(self, observation: int, action: int, latent: int, width: int, norm: nn.Module | None = None):
        """
        Args:
            observation: its size, O.
            action: its size, A.
            latent: L.
            width: of the layer that embeds what was heard, W.
            norm: brings observations to unit variance, see `RunningNorm`; None: they are there already.
        """
        super().__init__()
        self.observation = observation
        self.latent = latent
        self.norm = norm or nn.Identity()
        self.embed = nn.Sequential(nn.Linear(2 * observation + action + 1, width), nn.Tanh())

    def _read_out(self, features: int) -> nn.Linear:
        head = nn.Linear(features, 2 * self.latent)
        nn.init.orthogonal_(head.weight, 0.1)
        nn.init.zeros_(head.bias)
        return head

    @abstractmethod
    def forward(
        self, inputs: torch.Tensor, memory: torch.Tensor, fresh: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A stretch of history to beliefs.

        Args:
            inputs: observation, previous action, episode flag. Shape (T, N, O + A + 1).
            memory: before the stretch. Shape (N, M).
            fresh: whether a trial begins with the input: nothing before it is remembered. Shape (T, N), bool.

        Returns:
            Beliefs (mean, log standard deviation), shape (T, N, 2 L), and the memory after it, shape (N, M).
        """

    @abstractmethod
    def step(self, inputs: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One control step: inputs (N, O + A + 1) and memory (N, M) to beliefs (N, 2 L) and the memory after it."""

    def heard(self, inputs: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        """Embeds inputs, shape (..., O + A + 1), with the observations one step before, (..., O); (..., W)."""
        seen = self.norm(inputs[..., : self.observation])
        change = (seen - self.norm(before)) * (1 - inputs[..., -1:])
        rest = inputs[..., self.observation :]
        return self.embed(torch.cat([seen, rest, change_scale(self.norm) * change], dim=-1))

    @staticmethod
    def bounded(raw: torch.Tensor) -> torch.Tensor:
        """A belief, shape (..., 2 L), whose log standard deviation keeps to its range."""
        mean, raw = raw.chunk(2, dim=-1)
        low, high = LOG_STD_RANGE
        return torch.cat([mean, low + (high - low) * torch.sigmoid(raw + 2.0)], dim=-1)


class BeliefEncoder(HistoryEncoder):
    """A GRU. Its memory is the GRU's state and the last observation."""

    def __init__(
        self, observation: int, action: int, latent: int, hidden: int = 64, norm: nn.Module | None = None
    ):
        super().__init__(observation, action, latent, hidden, norm)
        self.hidden = hidden
        self.memory = hidden + observation
        self.gru = nn.GRU(hidden, hidden)
        self.head = self._read_out(hidden)

    def forward(
        self, inputs: torch.Tensor, memory: torch.Tensor, fresh: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        state, last = memory[:, : self.hidden], memory[:, self.hidden :]
        seen = inputs[..., : self.observation]
        embedded = self.heard(inputs, torch.cat([last[None], seen[:-1]]))
        state, stretches = state[None].contiguous(), []
        begins = [] if fresh is None else fresh.any(dim=1).nonzero()[:, 0].tolist()
        for first, end in itertools.pairwise(sorted({0, *begins, len(inputs)})):
            if fresh is not None:
                state = state.masked_fill(fresh[first, :, None], 0.0)
            features, state = self.gru(embedded[first:end], state)
            stretches.append(features)
        return self.belief(torch.cat(stretches)), torch.cat([state[0], seen[-1]], dim=-1)

    def step(self, inputs: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state, last = memory[:, : self.hidden], memory[:, self.hidden :]
        w_ih, w_hh, b_ih, b_hh = self.gru.parameters()
        state = torch.gru_cell(self.heard(inputs, last), state, w_ih, w_hh, b_ih, b_hh)
        return self.belief(state), torch.cat([state, inputs[:, : self.observation]], dim=-1)

    def belief(self, features: torch.Tensor) -> torch.Tensor:
        """GRU features, shape (..., H), to mean and log standard deviation, shape (..., 2 L)."""
        return self.bounded(self.head(features))


class MotionModel(nn.Module):
    """Mean of p(next observation | last two observations, newest sent actions, belief), as a change of the newest.

    Two observations, because the way between two positions is a second, often better, measurement of velocity.
    """

    def __init__(
        self, observation: int, actions: int, latent: int, hidden: int = 64, norm: nn.Module | None = None
    ):
        super().__init__()
        self.norm = norm or nn.Identity()
        self.body = mlp(
            (2 * observation + actions + 2 * latent, hidden, hidden, observation), output_gain=0.1
        )

    @property
    def scale(self) -> torch.Tensor | float:
        """Standard deviations of the observations, shape (O,), where it normalises them; 1 elsewhere."""
        return self.norm.std if isinstance(self.norm, RunningNorm) else 1.0

    def forward(
        self, observation: torch.Tensor, before: torch.Tensor, actions: torch.Tensor, belief: torch.Tensor
    ) -> torch.Tensor:
        """Observation and the one before (..., O), actions newest first (..., actions), belief (..., 2 L).

        Returns the next observation, shape (..., O).
        """
        seen = self.norm(observation)
        change = change_scale(self.norm) * (seen - self.norm(before))
        return observation + self.scale * self.body(torch.cat([seen, change, actions, belief], dim=-1))


def change_scale(norm: nn.Module) -> float:
    """Weight of the change of what `norm` gives, see `CHANGE_SCALE`."""
    return 1.0 if isinstance(norm, RunningNorm) else CHANGE_SCALE
