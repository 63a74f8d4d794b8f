"""Adam on all parameters as one vector: what a small agent's step costs is the number of operations.

Its denominator may be kept from falling below a floor. No gradient passes through it, as in `adapt.update_rules.adam`:
where a gradient happens to be near zero, as in a life's first updates, its inverse is a factor of the meta-gradient
that has no finite variance and drowns all else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from adapt.update_rules.adam import Adam
from adapt.update_rules.rule import Tensors

_BETA1, _BETA2 = 0.9, 0.999
_COUNT, _FIRST, _SECOND = "count", "first", "second"


@dataclass(frozen=True)
class FlatAdam(Adam):
    """As `Adam`, but its moments have no names."""

    floor: float = 1e-8
    """Added to the denominator: Adam's epsilon."""

    def begin(self, params: Tensors) -> Tensors:
        """Moments of nothing yet."""
        nothing = torch.zeros_like(_vector(params))
        return {_COUNT: torch.zeros(()), _FIRST: nothing, _SECOND: nothing}

    def step(
        self,
        params: Tensors,
        gradients: Tensors,
        moments: Tensors,
        rates: Mapping[str, torch.Tensor | float] | None = None,
    ) -> tuple[Tensors, Tensors]:
        """As `Adam.step`."""
        gradient, count = _vector(gradients), moments[_COUNT] + 1
        first = _BETA1 * moments[_FIRST] + (1 - _BETA1) * gradient
        second = _BETA2 * moments[_SECOND] + (1 - _BETA2) * gradient.square()
        denominator = torch.sqrt(second.detach() / (1 - _BETA2**count)) + self.floor
        update = (first / (1 - _BETA1**count) / denominator).clamp(-self.largest, self.largest)
        names = sorted(params)
        parts = (self.rate * update).split([params[name].numel() for name in names])
        updated = {
            name: params[name] - (1.0 if rates is None else rates[name]) * part.reshape(params[name].shape)
            for name, part in zip(names, parts, strict=True)
        }
        return updated, {_COUNT: count, _FIRST: first, _SECOND: second}


def _vector(tensors: Tensors) -> torch.Tensor:
    """In the order of the names: that of a dictionary does not outlive a checkpoint."""
    return torch.cat([tensors[name].reshape(-1) for name in sorted(tensors)])
