"""What all outputs of an agent share: dense layers, after convolutions where it sees a picture.

Functions of parameters, that `torch.vmap` gives to many agents. F features, C channels, H x W pixels.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import conv2d, linear

from adapt.errors import AdaptError
from adapt.update_rules.rule import Tensors

_SMALLEST = 36
"""Pixels of a side that the convolutions of `nature` need; boards and maps have fewer."""


@dataclass(frozen=True)
class Convolution:
    """Square, without padding."""

    filters: int
    size: int
    stride: int

    def pixels(self, before: int) -> int:
        """Of a side, after it."""
        return (before - self.size) // self.stride + 1


CONVOLUTIONS = {
    "dqn": (Convolution(16, 8, 4), Convolution(32, 4, 2)),
    "nature": (Convolution(32, 8, 4), Convolution(64, 4, 2), Convolution(64, 3, 1)),
}
"""Of Mnih et al. 2013 (arXiv:1312.5602; a dense layer of 256 follows) and 2015 (Nature 518; one of 512)."""


def convolutions(name: str) -> tuple[Convolution, ...]:
    """A network's convolutions.

    Raises:
        AdaptError: no such network; the message lists the valid ones.
    """
    if name not in CONVOLUTIONS:
        raise AdaptError(f"convolutions: {name!r}; valid: {', '.join(CONVOLUTIONS)}")
    return CONVOLUTIONS[name]


def is_picture(observation: tuple[int, ...]) -> bool:
    """Whether observations of this shape are pictures, with their channels first or last."""
    return len(observation) == 3 and sorted(observation)[1] >= _SMALLEST


class Torso:
    """Layers with ReLUs; which convolutions come first counts where observations are pictures alone.

    Raises:
        AdaptError: no such convolutions.
    """

    def __init__(self, observation: tuple[int, ...], dense: tuple[int, ...], picture: str = "dqn"):
        self._observation = observation
        self._convolutions = convolutions(picture) if is_picture(observation) else ()
        self._channels_last = bool(self._convolutions) and observation[2] < observation[0]
        inputs = self._after_convolutions()
        self._widths = list(itertools.pairwise((inputs, *dense)))
        self.features = dense[-1] if dense else inputs
        """F."""

    def initial(self, generator: torch.Generator) -> Tensors:
        """Truncated normal weights, zero biases."""
        params: Tensors = {}
        channels = min(self._observation) if self._convolutions else 0
        for index, layer in enumerate(self._convolutions):
            shape = (layer.filters, channels, layer.size, layer.size)
            params |= initial_layer(f"picture{index}", shape, layer.filters, generator)
            channels = layer.filters
        for index, widths in enumerate(self._widths):
            params |= initial_layer(f"torso{index}", widths, widths[1], generator)
        return params

    def __call__(self, params: Tensors, observation: torch.Tensor) -> torch.Tensor:
        """Observations (..., *observation) to features (..., F); a picture's bytes are shares of 255."""
        lead = observation.shape[: observation.dim() - len(self._observation)]
        hidden = observation.float() / 255 if observation.dtype == torch.uint8 else observation
        if self._convolutions:
            hidden = hidden.reshape(-1, *self._observation)
            hidden = hidden.movedim(-1, -3) if self._channels_last else hidden
            for index, layer in enumerate(self._convolutions):
                weight, bias = params[f"picture{index}/w"], params[f"picture{index}/b"]
                hidden = conv2d(hidden, weight, bias, stride=layer.stride).relu()
        hidden = hidden.reshape(*lead, -1)
        for index in range(len(self._widths)):
            hidden = dense(params, f"torso{index}", hidden).relu()
        return hidden

    def ready(self, observation: torch.Tensor) -> torch.Tensor:
        """Observations as `__call__` reads them fastest, for those that it reads more than once.

        Of pictures: numbers, each pixel's channels side by side in memory. The shape stays.
        """
        if not self._convolutions:
            return observation
        pictures = observation.reshape(-1, *self._observation)
        order = torch.contiguous_format if self._channels_last else torch.channels_last
        read = pictures.to(torch.float32, memory_format=order, copy=True)
        read = read.div_(255) if observation.dtype == torch.uint8 else read
        return read.unflatten(0, observation.shape[:-3])

    def module(self) -> nn.Sequential:
        """The same layers as a module with weights of its own, for pictures whose channels are first, as floats."""
        layers: list[nn.Module] = []
        channels = min(self._observation) if self._convolutions else 0
        for each in self._convolutions:
            layers += [nn.Conv2d(channels, each.filters, each.size, each.stride), nn.ReLU()]
            channels = each.filters
        layers.append(nn.Flatten())
        for inputs, outputs in self._widths:
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers)

    def _after_convolutions(self) -> int:
        """Numbers that the last of them gives; without any, that an observation has."""
        if not self._convolutions:
            return math.prod(self._observation)
        filters, *sides = sorted(self._observation)
        for layer in self._convolutions:
            filters, sides = layer.filters, [layer.pixels(side) for side in sides]
        return filters * math.prod(sides)


def initial_layer(
    name: str, shape: tuple[int, ...], outputs: int, generator: torch.Generator, spread: float | None = None
) -> Tensors:
    """Weights, by default with the inverse root of the number of inputs as standard deviation, and zero biases."""
    weight = torch.empty(shape)
    std = spread or 1 / math.sqrt(weight.numel() // outputs)
    torch.nn.init.trunc_normal_(weight, 0, std, -2 * std, 2 * std, generator=generator)
    return {f"{name}/w": weight, f"{name}/b": torch.zeros(outputs)}


def dense(params: Tensors, name: str, inputs: torch.Tensor) -> torch.Tensor:
    """A layer without its ReLU."""
    return linear(inputs, params[f"{name}/w"].mT, params[f"{name}/b"])
