"""A policy gradient in which what to learn from each sample, and how fast, is itself learned.

theta'_i = theta_i + alpha_k * grad (E[w_t log pi(a_t | s_t)] + eta_k H), * element by element, H the policy's entropy:

- alpha_k: a learning rate for each tensor of the policy, as in Meta-SGD (Li et al. 2017, arXiv:1707.09835), and for
  each step of a lifetime;
- w_t = (1 + g_t) A_t + b_t: g_t and b_t come from a network that reads an episode backwards in time, as in LPG (Oh
  et al. 2020, arXiv:2007.08794): they know how the episode went on. EPG (Houthooft et al. 2018, arXiv:1802.04821)
  learns such a loss by evolution; here the outer gradient goes through the step;
- a memory of the lifetime, one update per step, as both have: what was earned before, and how far this is.

As it begins, all of alpha_k is the learning rate, g_t = b_t = eta_k = 0: the plain policy gradient.
Letters: B tasks, P parameters in L tensors, M = T R samples of R episodes, F features, H units over them, G of memory.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch

from adapt.inner_steps.episodes import Episodes
from adapt.inner_steps.inner_step import Tensors
from adapt.networks.task_policies import TaskPolicies

_FEATURES, _SUMMARY = 6, 5
_RANGE = math.log(100.0)
"""Learning rates stay within a hundredth and a hundred times of what is given."""
_GRU = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@dataclass(frozen=True)
class LearnedStep:
    """One policy gradient of every task, weighted and paced by networks."""

    name: ClassVar[str] = "learned"
    steps: int = 5
    """Steps of a lifetime that have rates of their own; later ones have those of the last."""
    hidden: int = 16
    """Units of the network over an episode, H."""
    memory: int = 8
    """Units of the memory of a lifetime, G."""

    def initial_meta_params(self, policies: TaskPolicies) -> Tensors:
        """With which it is the plain policy gradient; drawn by torch's generator."""
        tensors, hidden, memory = len(policies.lengths), self.hidden, self.memory
        return {
            "log_rates": torch.zeros(self.steps, tensors),
            "entropy": torch.zeros(self.steps),
            **_initial_gru("lifetime", _SUMMARY, memory),
            "lifetime.log_rates": torch.zeros(tensors, memory),
            **_initial_gru("samples", _FEATURES + memory, hidden),
            "samples.weights": torch.zeros(2, hidden),
            "samples.weights_bias": torch.zeros(2),
        }

    def initial_meta_state(self, tasks: int) -> Tensors:
        """Nothing is remembered; no step was taken."""
        return {"memory": torch.zeros(tasks, self.memory), "steps": torch.zeros(tasks, 1)}

    def __call__(
        self,
        policies: TaskPolicies,
        episodes: Episodes,
        rate: float,
        meta_params: Tensors,
        meta_state: Tensors,
    ) -> tuple[torch.Tensor, Tensors]:
        """See `InnerStep`."""
        start = episodes.parameters.detach().requires_grad_()
        fixed = {name: tensor.detach() for name, tensor in meta_params.items()}
        parameters, state = self.step(policies, start, episodes, rate, fixed, meta_state, graph=False)
        return parameters.detach(), state

    def step(
        self,
        policies: TaskPolicies,
        parameters: torch.Tensor,
        episodes: Episodes,
        rate: float,
        meta_params: Tensors,
        meta_state: Tensors,
        graph: bool = True,
    ) -> tuple[torch.Tensor, Tensors]:
        """theta' of theta, both (B, P), and the next meta-state, differentiable in `meta_params`; with a graph, in
        theta too."""
        row = meta_state["steps"][:, 0].long().clamp(0, self.steps - 1)
        memory = _remembered(episodes, meta_params, meta_state)
        policy = policies.distribution(parameters, episodes.inputs)
        weights = _weights(episodes, meta_params, memory)
        objective = episodes.mean(weights * policy.log_prob(episodes.action))
        objective = objective + meta_params["entropy"][row] * policy.log_std.sum(dim=(1, 2))
        (gradient,) = torch.autograd.grad(objective.sum(), parameters, create_graph=graph)
        log_rates = meta_params["log_rates"][row] + memory @ meta_params["lifetime.log_rates"].T
        rates = rate * torch.exp(_RANGE * torch.tanh(log_rates / _RANGE))
        lengths = torch.tensor(policies.lengths)
        moved = parameters + rates.repeat_interleave(lengths, dim=1) * gradient
        return moved, {"memory": memory, "steps": meta_state["steps"] + 1}

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of it."""
        return {"name": self.name, **asdict(self)}


def _remembered(episodes: Episodes, meta_params: Tensors, meta_state: Tensors) -> torch.Tensor:
    """The memory of a lifetime after another phase of it. Shape (B, G)."""
    spread = episodes.policy.log_std.mean(dim=2)
    summary = torch.cat([_sign_log(episodes.scales), spread, meta_state["steps"] / 10], dim=1)
    return torch.gru_cell(summary, meta_state["memory"], *_gru(meta_params, "lifetime"))


def _weights(episodes: Episodes, meta_params: Tensors, memory: torch.Tensor) -> torch.Tensor:
    """w_t = (1 + g_t) A_t + b_t of every sample. Shape (B, M)."""
    tasks, rollouts = episodes.returns.shape
    features = _features(episodes)
    steps = features.shape[1] // rollouts
    context = memory.unsqueeze(1).expand(-1, features.shape[1], -1)
    backwards = torch.cat([features, context], dim=2).unflatten(1, (steps, rollouts)).flip(1)
    sequences = backwards.transpose(0, 1).flatten(1, 2)  # (T, B R, F + G)
    start = sequences.new_zeros(1, tasks * rollouts, len(meta_params["samples.weight_hh"]) // 3)
    read, _ = torch.gru(sequences, start, _gru(meta_params, "samples"), True, 1, 0.0, False, False, False)
    said = read @ meta_params["samples.weights"].T + meta_params["samples.weights_bias"]
    said = said.unflatten(1, (tasks, rollouts)).transpose(0, 1).flip(1).flatten(1, 2)
    return (1 + said[..., 0]) * episodes.advantage + said[..., 1]


def _features(episodes: Episodes) -> torch.Tensor:
    """What there is to know of a sample; nothing of those that do not count but their rewards. Shape (B, M, F)."""
    advantage, policy = episodes.advantage, episodes.policy
    counts = (episodes.weight > 0).to(advantage.dtype)
    deviation = (episodes.action - policy.mean) * torch.exp(-policy.log_std)
    surprise = (deviation.square().mean(dim=2) - 1) * counts
    samples, rollouts = advantage.shape[1], episodes.returns.shape[1]
    time = torch.arange(samples, device=advantage.device) // rollouts * (rollouts / samples)
    raw = _sign_log(advantage * episodes.scales[:, 2:])
    fraction = time.to(advantage.dtype).expand_as(advantage)
    return torch.stack([advantage, raw, episodes.reward_z, surprise, counts, fraction], dim=2)


def _sign_log(values: torch.Tensor) -> torch.Tensor:
    """Of any scale, brought near to one."""
    return values.sign() * torch.log1p(values.abs())


def _initial_gru(prefix: str, inputs: int, units: int) -> Tensors:
    """Uniform, as torch's."""
    bound = units**-0.5
    shapes = (3 * units, inputs), (3 * units, units), (3 * units,), (3 * units,)
    return {
        f"{prefix}.{name}": torch.empty(shape).uniform_(-bound, bound)
        for name, shape in zip(_GRU, shapes, strict=True)
    }


def _gru(meta_params: Tensors, prefix: str) -> list[torch.Tensor]:
    return [meta_params[f"{prefix}.{name}"] for name in _GRU]
