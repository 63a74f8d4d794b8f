"""`AgentNetwork`: what an agent says of a state, by a rule's demand. A function of its parameters.

What is said of each action comes from one step of an LSTM with that action as input, each begun in the same root state
(Muesli, arXiv:2104.06159; google-deepmind/disco_rl). A robot of J joints has J policies that share the torso, each over
one joint's A actions. F features, H units.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from adapt.networks.torso import Torso, dense, initial_layer
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
    convolutions: str = "dqn"
    """Before the dense layers where observations are pictures: `dqn` (Mnih et al. 2013) or `nature` (2015)."""


class AgentNetwork:
    """Layers with ReLUs, linear heads, and an action model where outputs per action are asked for."""

    def __init__(
        self, observation: tuple[int, ...], actions: int, outputs: Outputs, sizes: AgentSizes, joints: int = 1
    ):
        self._actions, self._joints = actions, joints
        self._outputs, self._sizes = outputs, sizes
        self.torso = Torso(observation, sizes.dense, sizes.convolutions)

    def initial(self, generator: torch.Generator) -> Tensors:
        """Truncated normal weights, zero biases."""
        params = self.torso.initial(generator)
        sizes, joints, last = self._sizes, self._joints, self.torso.features

        def linear(name: str, inputs: int, outputs: int, spread: float | None = None) -> None:
            params.update(initial_layer(name, (inputs, outputs), outputs, generator, spread))

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
        hidden = self.torso(params, observation)
        said = {name: self._head(params, name, hidden) for name in self._outputs.flat}
        if self._outputs.per_action:
            root = self._by_joint(dense(params, "root", hidden))
            foreseen = self._foresee(params, root)
            for name in self._outputs.per_action:
                said[name] = dense(
                    params, f"model/{name}", dense(params, f"model/{name}/hidden", foreseen).relu()
                )
        return said

    def logits(self, params: Tensors, observation: torch.Tensor) -> torch.Tensor:
        """Of the policy alone, which is all that acting needs. Shape (..., J, A)."""
        logits = self._head(params, "logits", self.torso(params, observation))
        return logits if self._joints > 1 else logits.unsqueeze(-2)

    def _head(self, params: Tensors, name: str, hidden: torch.Tensor) -> torch.Tensor:
        return self._by_joint(dense(params, f"head/{name}", hidden))

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
