"""`AgentNetwork`: what an agent says of a state, by a rule's demand. A function of its parameters.

What is said of each action comes from one step of an LSTM with that action as input, each begun in the same root state
(Muesli, arXiv:2104.06159; google-deepmind/disco_rl). A robot of J joints has J policies that share the torso, each over
one joint's A actions. F features, H units.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch

from adapt.update_rules.rule import Outputs, Tensors

_HEAD_SPREAD = 1e-2
"""Standard deviation of the first weights of heads."""


@dataclass(frozen=True)
class AgentSizes:
    """Of the layers; the defaults are those that Disco103 was published with for Catch."""

    dense: tuple[int, ...] = (512, 512)
    """Layers that all outputs share."""
    model: int = 128
    """Units of the LSTM that foresees an action."""
    head: int = 128
    """Units of the hidden layer between it and each output."""


class AgentNetwork:
    """Layers with ReLUs, linear heads, and an action model where outputs per action are asked for."""

    def __init__(
        self, observation: tuple[int, ...], actions: int, outputs: Outputs, sizes: AgentSizes, joints: int = 1
    ):
        self._observation, self._actions, self._joints = observation, actions, joints
        self._outputs, self._sizes = outputs, sizes
        self._widths = list(itertools.pairwise((math.prod(observation), *sizes.dense)))

    def initial(self, generator: torch.Generator) -> Tensors:
        """Truncated normal weights, zero biases."""
        params: Tensors = {}
        sizes, joints, last = self._sizes, self._joints, self._sizes.dense[-1]

        def linear(name: str, inputs: int, outputs: int, spread: float | None = None) -> None:
            std = spread or 1 / math.sqrt(inputs)
            weight = torch.empty(inputs, outputs)
            params[f"{name}/w"] = torch.nn.init.trunc_normal_(
                weight, 0, std, -2 * std, 2 * std, generator=generator
            )
            params[f"{name}/b"] = torch.zeros(outputs)

        for index, (inputs, outputs) in enumerate(self._widths):
            linear(f"torso{index}", inputs, outputs)
        for name, size in self._outputs.flat.items():
            linear(f"head/{name}", last, joints * size, _HEAD_SPREAD)
        if self._outputs.per_action:
            linear("root", last, joints * sizes.model)
            linear("model", self._actions + sizes.model, 4 * sizes.model)
        for name, size in self._outputs.per_action.items():
            linear(f"model/{name}/hidden", sizes.model, sizes.head)
            linear(f"model/{name}", sizes.head, size)
        return params

    def __call__(self, params: Tensors, observation: torch.Tensor) -> Tensors:
        """What is said in states, shape (..., *observation): outputs (..., J, size) and (..., J, A, size).

        Without the axis J where there is one joint.
        """
        hidden = self._torso(params, observation)
        said = {name: self._head(params, name, hidden) for name in self._outputs.flat}
        if self._outputs.per_action:
            root = self._by_joint(_apply(params, "root", hidden))
            foreseen = self._foresee(params, root)
            for name in self._outputs.per_action:
                said[name] = _apply(
                    params, f"model/{name}", _apply(params, f"model/{name}/hidden", foreseen).relu()
                )
        return said

    def logits(self, params: Tensors, observation: torch.Tensor) -> torch.Tensor:
        """Of the policy alone, which is all that acting needs. Shape (..., J, A)."""
        logits = self._head(params, "logits", self._torso(params, observation))
        return logits if self._joints > 1 else logits.unsqueeze(-2)

    def _torso(self, params: Tensors, observation: torch.Tensor) -> torch.Tensor:
        """What all outputs share, (..., F); a picture's bytes are shares of 255."""
        lead = observation.shape[: observation.dim() - len(self._observation)]
        hidden = observation.reshape(*lead, -1)
        if hidden.dtype == torch.uint8:
            hidden = hidden.float() / 255
        for index in range(len(self._widths)):
            hidden = _apply(params, f"torso{index}", hidden).relu()
        return hidden

    def _head(self, params: Tensors, name: str, hidden: torch.Tensor) -> torch.Tensor:
        return self._by_joint(_apply(params, f"head/{name}", hidden))

    def _by_joint(self, values: torch.Tensor) -> torch.Tensor:
        """(..., J F) to (..., J, F); as it is where there is one joint."""
        return values.unflatten(-1, (self._joints, -1)) if self._joints > 1 else values

    def _foresee(self, params: Tensors, cell: torch.Tensor) -> torch.Tensor:
        """The LSTM after each of the actions, from one root state: (..., H) to (..., A, H)."""
        weight = params["model/w"]
        of_action = weight[: self._actions] + params["model/b"]
        of_root = torch.tanh(cell) @ weight[self._actions :]
        inputs, candidate, forget, output = (of_root.unsqueeze(-2) + of_action).chunk(4, dim=-1)
        after = torch.sigmoid(forget + 1) * cell.unsqueeze(-2) + torch.sigmoid(inputs) * torch.tanh(candidate)
        return torch.sigmoid(output) * torch.tanh(after)


def _apply(params: Tensors, name: str, inputs: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.linear(inputs, params[f"{name}/w"].mT, params[f"{name}/b"])
