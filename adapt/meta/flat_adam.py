"""Adam on all parameters as one vector: the same numbers from a tenth of the operations, which is what small agents cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from adapt.update_rules.adam import Adam
from adapt.update_rules.rule import Tensors

_ALL = "all"


@dataclass(frozen=True)
class FlatAdam(Adam):
    """As `Adam`, but its moments have no names."""

    def begin(self, params: Tensors) -> Tensors:
        """Moments of nothing yet."""
        return super().begin({_ALL: _vector(params)})

    def step(
        self,
        params: Tensors,
        gradients: Tensors,
        moments: Tensors,
        rates: Mapping[str, torch.Tensor | float] | None = None,
    ) -> tuple[Tensors, Tensors]:
        """As `Adam.step`."""
        factor = None
        if rates is not None:
            factor = {_ALL: _vector({n: torch.ones_like(v) * rates[n] for n, v in params.items()})}
        slopes = {name: gradients[name] for name in params}
        flat, moments = super().step({_ALL: _vector(params)}, {_ALL: _vector(slopes)}, moments, factor)
        parts = flat[_ALL].split([value.numel() for value in params.values()])
        shaped = zip(params.items(), parts, strict=True)
        return {name: part.reshape(value.shape) for (name, value), part in shaped}, moments


def _vector(tensors: Tensors) -> torch.Tensor:
    return torch.cat([value.reshape(-1) for value in tensors.values()])
