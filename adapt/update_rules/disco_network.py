"""The network of a discovered rule (Oh et al. 2025, Nature; Methods): from a rollout to targets.

An LSTM reads every trajectory backwards, so that each step knows what followed; its output is scaled by a second LSTM,
which makes one step per update and remembers an agent's lifetime. What belongs to an action passes through layers that
all actions share, so any number of them will do. T steps, B trajectories, A actions, F features.

Parameters have the names under which the authors published theirs (google-deepmind/disco_rl, Apache-2.0).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch

from adapt.update_rules.rule import Rollout, Tensors, of_action
from adapt.update_rules.value import signed_log

_ROOT, _LIFETIME = "lstm", "lstm/~/meta_lstm/~unroll"
_FEATURES = 23
"""Of a step, besides those that come from the actions' layers."""
_CHANNELS = 9
"""Of an action."""
HIDDEN, CELL = "lifetime.hidden", "lifetime.cell"


@dataclass(frozen=True)
class Sizes:
    """Of the network; defaults are those of Disco103."""

    prediction: int = 600
    """Entries of the predictions y and z, whose meaning is the rule's to find."""
    hidden: int = 256
    """Of the LSTM that reads trajectories."""
    lifetime: int = 128
    """Of the LSTM that remembers a lifetime."""
    embedding: int = 16
    """Of predictions, before they become one feature; of what the lifetime is told; of a policy target."""
    channels: tuple[int, int] = (16, 2)
    """Of the actions' layers."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all parameters, by name."""
        _, narrow = self.channels
        features = _FEATURES + 2 * narrow
        shapes = self._inputs(_ROOT) | self._inputs(_LIFETIME)
        shapes |= _linear(f"{_ROOT}/lstm/linear", features + self.hidden, 4 * self.hidden)
        shapes |= _linear(f"{_ROOT}/linear", self.lifetime, self.hidden)
        shapes |= _linear(f"{_ROOT}/linear_1", self.hidden, 1)
        shapes |= _linear(f"{_ROOT}/linear_2", self.hidden, self.prediction)
        shapes |= _linear(f"{_ROOT}/linear_3", self.hidden, self.prediction)
        shapes |= _conv(f"{_ROOT}/sequential_1/conv1_d", 2 * (self.hidden + narrow), self.embedding)
        shapes |= _linear(f"{_ROOT}/linear_4", self.embedding, 1)
        shapes |= _linear(f"{_LIFETIME}/mlp_2/~/linear_0", features + 2, self.embedding)
        shapes |= _linear(f"{_LIFETIME}/lstm/linear", self.embedding + self.lifetime, 4 * self.lifetime)
        return shapes

    def _inputs(self, root: str) -> dict[str, tuple[int, ...]]:
        """Of the layers before an LSTM, of which either LSTM has its own."""
        shapes = {}
        for mlp in ("mlp", "mlp_1"):
            shapes |= _linear(f"{root}/{mlp}/~/linear_0", self.prediction, self.embedding)
            shapes |= _linear(f"{root}/{mlp}/~/linear_1", self.embedding, 1)
        wide, narrow = self.channels
        shapes |= _conv(f"{root}/sequential/conv1_d", 2 * _CHANNELS, wide)
        return shapes | _conv(f"{root}/sequential/conv1_d_1", 2 * wide, narrow)


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/w": (inputs, outputs), f"{name}/b": (outputs,)}


def _conv(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/w": (1, inputs, outputs), f"{name}/b": (outputs,)}


def sizes_of(params: Tensors) -> Sizes:
    """Of a network with these parameters.

    Raises:
        KeyError, IndexError: there is none.
    """
    linear, conv = params[f"{_ROOT}/mlp/~/linear_0/w"], params[f"{_ROOT}/sequential/conv1_d/w"]
    return Sizes(
        prediction=linear.shape[0],
        hidden=params[f"{_ROOT}/linear_1/w"].shape[0],
        lifetime=params[f"{_ROOT}/linear/w"].shape[0],
        embedding=linear.shape[1],
        channels=(conv.shape[2], params[f"{_ROOT}/sequential/conv1_d_1/w"].shape[2]),
    )


_SPREADS = {
    f"{_ROOT}/linear/w": 1.0,
    f"{_ROOT}/linear_1/w": 0.3,
    f"{_ROOT}/linear_2/w": 0.3,
    f"{_ROOT}/linear_3/w": 0.3,
    f"{_ROOT}/linear_4/w": 0.3,
}
"""Standard deviations of first weights that are not the inverse root of the number of inputs."""


def initial_params(sizes: Sizes, generator: torch.Generator) -> Tensors:
    """Of an untrained network: truncated normal weights, zero biases, as the authors begin."""
    params = {}
    for name, shape in sizes.shapes().items():
        params[name] = torch.zeros(shape)
        if name.endswith("/w"):
            spread = _SPREADS.get(name, 1 / math.sqrt(math.prod(shape[:-1])))
            torch.nn.init.trunc_normal_(params[name], 0, spread, -2 * spread, 2 * spread, generator=generator)
    return params


def initial_state(sizes: Sizes) -> Tensors:
    """Of a lifetime that begins."""
    return {HIDDEN: torch.zeros(sizes.lifetime), CELL: torch.zeros(sizes.lifetime)}


@dataclass(frozen=True)
class Judged:
    """What is known of a rollout besides what the agent says: values and advantages, constants all."""

    value: torch.Tensor
    """Shape (T + 1, B)."""
    advantage: torch.Tensor
    """Shape (T, B)."""
    normalised_advantage: torch.Tensor
    """Shape (T, B)."""
    q: torch.Tensor
    """By the target parameters. Shape (T + 1, B, A)."""
    q_advantage: torch.Tensor
    """Shape (T + 1, B, A)."""
    normalised_q_advantage: torch.Tensor
    """Shape (T + 1, B, A)."""
    target: Tensors
    """What the agent says with its target parameters."""


def targets(
    params: Tensors, state: Tensors, rollout: Rollout, said: Tensors, judged: Judged
) -> tuple[Tensors, Tensors]:
    """Targets `pi` (T, B, A), `y` and `z` (T, B, prediction) as logits, and the lifetime's next state."""
    seen = _see(rollout, said, judged)
    features, of_actions = _inputs(params, _ROOT, seen)
    hidden = _read_backwards(params, features, rollout.terminal)
    hidden = hidden * _apply(params, f"{_ROOT}/linear", state[HIDDEN])
    summary = _apply(params, f"{_ROOT}/linear_1", hidden)
    y, z = _apply(params, f"{_ROOT}/linear_2", hidden), _apply(params, f"{_ROOT}/linear_3", hidden)
    repeated = hidden.unsqueeze(2).expand(*of_actions.shape[:3], hidden.shape[-1])
    both = torch.cat([repeated, of_actions], dim=-1)
    pi = _apply(params, f"{_ROOT}/linear_4", _action_layers(params, f"{_ROOT}/sequential_1", both)).squeeze(
        -1
    )

    features, _ = _inputs(params, _LIFETIME, seen)
    told = torch.cat([features, summary, _embed(params, f"{_LIFETIME}/mlp", y.softmax(dim=-1))], dim=-1)
    average = _apply(params, f"{_LIFETIME}/mlp_2/~/linear_0", told).mean(dim=(0, 1))
    weight, bias = params[f"{_LIFETIME}/lstm/linear/w"], params[f"{_LIFETIME}/lstm/linear/b"]
    gates = torch.cat([average, state[HIDDEN]]) @ weight + bias
    hidden, cell = _lstm(gates, state[CELL])
    return {"pi": pi, "y": y, "z": z}, {HIDDEN: hidden, CELL: cell}


@dataclass(frozen=True)
class _Seen:
    """What both LSTMs are shown before their own layers, computed once."""

    action: torch.Tensor
    """Shape (T, B)."""
    policy: torch.Tensor
    """Shape (T + 1, B, A)."""
    before: list[torch.Tensor]
    """Features of a step before its predictions. Shapes (T, B, F)."""
    y: list[torch.Tensor]
    """Of the agent and its target, as probabilities. Shapes (T + 1, B, prediction)."""
    z: list[torch.Tensor]
    """Shapes (T + 1, B, A, prediction)."""
    policies: list[torch.Tensor]
    """Of the agent, of who acted, and of the target. Shapes (T, B, A)."""
    values: list[torch.Tensor]
    """What else is known of each action. Shapes (T, B, A)."""


def _see(rollout: Rollout, said: Tensors, judged: Judged) -> _Seen:
    action, target = rollout.action[:-1], judged.target
    policy = said["logits"].softmax(dim=-1).detach()
    policies = [
        policy[:-1],
        rollout.behaviour["logits"][:-1].softmax(dim=-1),
        target["logits"][:-1].softmax(dim=-1).detach(),
    ]
    ours, theirs, targets_ = (of_action(probability, action).unsqueeze(-1) for probability in policies)
    before = [
        ours,
        theirs,
        signed_log(rollout.reward).unsqueeze(-1),
        (1 - rollout.terminal).unsqueeze(-1),
        _with_next(signed_log(judged.value).unsqueeze(-1)),
        signed_log(judged.advantage).unsqueeze(-1),
        judged.normalised_advantage.unsqueeze(-1),
        targets_,
    ]
    values = [
        signed_log(judged.q[:-1]),
        signed_log(judged.q_advantage[:-1]),
        judged.normalised_q_advantage[:-1],
        torch.zeros_like(policy[:-1]).scatter(-1, action.unsqueeze(-1), 1.0),
    ]
    y, z = ([outputs[name].softmax(dim=-1) for outputs in (said, target)] for name in ("y", "z"))
    return _Seen(action, policy, before, y, z, policies, values)


def _inputs(params: Tensors, root: str, seen: _Seen) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of the steps, (T, B, F), and of their actions, (T, B, A, channels)."""
    y = [_with_next(_embed(params, f"{root}/mlp", each)) for each in seen.y]
    entries = [_embed(params, f"{root}/mlp_1", each) for each in seen.z]
    z = []
    for entry in entries:
        z += [
            of_action(entry[:-1], seen.action),
            _with_next((entry * seen.policy.unsqueeze(-1)).sum(dim=2)),
            _with_next(entry.amax(dim=2)),
        ]
    scalars = [each.unsqueeze(-1) for each in (*seen.policies, *seen.values)]
    channels = [*scalars[:3], *(entry[:-1] for entry in entries), *scalars[3:]]
    of_actions = _action_layers(params, f"{root}/sequential", torch.cat(channels, dim=-1))
    mean, taken = of_actions.mean(dim=2), of_action(of_actions, seen.action)
    return torch.cat([*seen.before, *y, *z, mean, taken], dim=-1), of_actions


def _with_next(values: torch.Tensor) -> torch.Tensor:
    """Of each step and the one after it: (T + 1, B, F) to (T, B, 2 F)."""
    return torch.cat([values[:-1], values[1:]], dim=-1)


def _apply(params: Tensors, name: str, inputs: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.linear(inputs, params[f"{name}/w"].mT, params[f"{name}/b"])


def _embed(params: Tensors, name: str, probabilities: torch.Tensor) -> torch.Tensor:
    """A prediction to one feature."""
    hidden = _apply(params, f"{name}/~/linear_0", probabilities).relu()
    return _apply(params, f"{name}/~/linear_1", hidden)


def _action_layers(params: Tensors, name: str, inputs: torch.Tensor) -> torch.Tensor:
    """Layers that see an action beside the mean of all: (T, B, A, F) to (T, B, A, channels)."""
    for index in itertools.count():
        layer = f"{name}/conv1_d" + (f"_{index}" if index else "")
        if f"{layer}/w" not in params:
            return inputs
        both = torch.cat([inputs, inputs.mean(dim=2, keepdim=True).expand_as(inputs)], dim=-1)
        inputs = (both @ params[f"{layer}/w"].squeeze(-3) + params[f"{layer}/b"]).relu()
    return inputs


def _read_backwards(params: Tensors, features: torch.Tensor, terminal: torch.Tensor) -> torch.Tensor:
    """Outputs from the last step to the first, (T, B, hidden); what follows an episode's end is not known."""
    weight, bias = params[f"{_ROOT}/lstm/linear/w"], params[f"{_ROOT}/lstm/linear/b"]
    size = features.shape[-1]
    from_inputs, recurrent = features @ weight[:size] + bias, weight[size:]
    hidden = cell = features.new_zeros(*features.shape[1:-1], recurrent.shape[0])
    outputs = []
    for t in reversed(range(len(features))):
        goes_on = (1 - terminal[t]).unsqueeze(-1)
        hidden, cell = _lstm(from_inputs[t] + (hidden * goes_on) @ recurrent, cell * goes_on)
        outputs.append(hidden)
    return torch.stack(outputs[::-1])


def _lstm(gates: torch.Tensor, cell: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Next output and cell; gates in Haiku's order, with 1 added to the forget gate."""
    inputs, candidate, forget, output = gates.chunk(4, dim=-1)
    cell = torch.sigmoid(forget + 1) * cell + torch.sigmoid(inputs) * torch.tanh(candidate)
    return torch.sigmoid(output) * torch.tanh(cell), cell
