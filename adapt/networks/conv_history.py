"""RMA's adaptation module (Kumar et al. 2021, arXiv:2107.04034): 1-D convolutions over the newest 50 control steps.

Each step's inputs are embedded into 32 channels; three convolutions over time with kernels 8, 5, 5 and strides 4, 1, 1
follow, and a linear layer. The strides leave two of the 50 steps over: here the oldest two. (RMA leaves out the newest
two, which say most of a robot that has just changed.)
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from adapt.networks.belief import HistoryEncoder

HISTORY = 50
"""Control steps that it looks back on, the present one included."""
CHANNELS = 32
KERNELS = (8, 5, 5)
STRIDE = 4
"""Of the first convolution; the others have 1."""
PLACES = ((HISTORY - KERNELS[0]) // STRIDE + 1) - (KERNELS[1] - 1) - (KERNELS[2] - 1)
"""In time, behind the last convolution: 3."""
REACH = KERNELS[0] + STRIDE * (KERNELS[1] + KERNELS[2] + PLACES - 3)
"""Steps that a belief rests on: 48."""


class ConvEncoder(HistoryEncoder):
    """A window on the newest steps. Its memory is the inputs of the last 50, oldest first, zeros before the trial."""

    def __init__(self, observation: int, action: int, latent: int, norm: nn.Module | None = None):
        super().__init__(observation, action, latent, CHANNELS, norm)
        self.inputs = observation + action + 1
        self.memory = HISTORY * self.inputs
        self.first, self.second, self.third = (nn.Conv1d(CHANNELS, CHANNELS, kernel) for kernel in KERNELS)
        self.head = self._read_out(CHANNELS * PLACES)

    def forward(
        self, inputs: torch.Tensor, memory: torch.Tensor, fresh: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if fresh is None:
            fresh = torch.zeros(inputs.shape[:2], dtype=torch.bool)
        memory = memory.masked_fill(fresh[0, :, None], 0.0)
        if len(inputs) == 1:
            belief, memory = self.step(inputs[0], memory)
            return belief[None], memory
        line, place = self._laid_out(inputs, memory.unflatten(-1, (HISTORY, -1)), fresh)
        newest = place[-1][:, None] - torch.arange(HISTORY - 1, -1, -1)
        return self._along(line)[place], line[newest].flatten(1)

    def step(self, inputs: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        line = torch.cat([memory.unflatten(-1, (HISTORY, self.inputs)), inputs[:, None]], dim=1)
        before = line[:, :-1, : self.observation]
        features = self.heard(line[:, 1:], before)[:, HISTORY - REACH :].transpose(1, 2)
        for layer, stride in ((self.first, STRIDE), (self.second, 1), (self.third, 1)):
            features = torch.relu(functional.conv1d(features, layer.weight, layer.bias, stride))
        return self.bounded(self.head(features.flatten(1))), line[:, 1:].flatten(1)

    def _laid_out(
        self, inputs: torch.Tensor, memory: torch.Tensor, fresh: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All trials one behind the other, each behind its memory or, where it begins on the way, behind zeros.

        Args:
            inputs: shape (T, N, F).
            memory: shape (N, 50, F).
            fresh: shape (T, N), bool.

        Returns:
            The line, shape (S, F), and where in it each input stands, shape (T, N).
        """
        begun = fresh.long().cumsum(dim=0) - fresh[0].long()
        place = HISTORY * (1 + begun) + torch.arange(len(inputs))[:, None]
        lengths = place[-1] + 1
        start = lengths.cumsum(dim=0) - lengths
        place = start + place
        line = inputs.new_zeros(int(lengths.sum()), inputs.shape[-1])
        line[start[:, None] + torch.arange(HISTORY)] = memory
        line[place] = inputs
        return line, place

    def _along(self, line: torch.Tensor) -> torch.Tensor:
        """Beliefs at each place of a line (S, F), shape (S, 2 L), in one pass; without meaning at the first 47.

        A stride of the first convolution at every place is a dilation of what comes behind it.
        """
        before = torch.cat([torch.zeros_like(line[:1]), line[:-1]])[:, : self.observation]
        features = self.heard(line, before).T[None]
        for layer, dilation in ((self.first, 1), (self.second, STRIDE), (self.third, STRIDE)):
            features = torch.relu(functional.conv1d(features, layer.weight, layer.bias, dilation=dilation))
        weight = self.head.weight.unflatten(-1, (CHANNELS, PLACES))
        raw = functional.conv1d(features, weight, self.head.bias, dilation=STRIDE)[0].T
        return functional.pad(self.bounded(raw), (0, 0, REACH - 1, 0))
