"""`UpdateRule`: what an agent is to learn from a rollout. T steps, B trajectories, A actions.

The words are those of Oh et al. 2025 (Discovering state-of-the-art reinforcement learning algorithms, Nature): a rule
has `meta_params`, which are its own and shared by all agents, and a `meta_state`, which it keeps of one agent over its
lifetime. From a rollout and what the agent says in it, it makes targets, and a loss whose gradient in the agent's
parameters is what is learned.

Everything is a function of flat dictionaries of tensors, so that `torch.vmap` serves whole populations of agents, and
gradients in `meta_params` pass through as many updates as there is time for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch

from adapt.errors import AdaptError

Tensors = dict[str, torch.Tensor]
"""Tensors by name."""
_BEHAVIOUR = "behaviour."


@dataclass(frozen=True)
class Outputs:
    """What an agent has to say in a state, so that a rule can teach it: sizes of vectors by name."""

    flat: Mapping[str, int]
    """Of the state."""
    per_action: Mapping[str, int] = field(default_factory=dict)
    """Of the state and each of the A actions."""

    def shapes(self, actions: int) -> dict[str, tuple[int, ...]]:
        """Of all outputs in one state, by name."""
        flat = {name: (size,) for name, size in self.flat.items()}
        return flat | {name: (actions, size) for name, size in self.per_action.items()}


@dataclass(frozen=True)
class Rollout:
    """T steps of B trajectories, and the state after them.

    As in dm_env, the step after the end of an episode begins the next: its action is nobody's.
    """

    observation: torch.Tensor
    """Shape (T + 1, B, ...)."""
    action: torch.Tensor
    """Shape (T + 1, B), int64; of the last, no consequence is known."""
    reward: torch.Tensor
    """Of each step. Shape (T, B)."""
    terminal: torch.Tensor
    """1 where a step ended an episode, else 0. Shape (T, B)."""
    counts: torch.Tensor
    """0 for steps that only begin an episode, else 1. Shape (T, B)."""
    behaviour: Tensors
    """What the agent said when it acted: `logits`, which its actions were drawn by. Shapes (T + 1, B, ...)."""

    def tensors(self) -> Tensors:
        """All of it, flat."""
        named = {
            name: getattr(self, name) for name in ("observation", "action", "reward", "terminal", "counts")
        }
        return named | {_BEHAVIOUR + name: value for name, value in self.behaviour.items()}

    @classmethod
    def of(cls, tensors: Tensors) -> Rollout:
        """Inverse of `tensors`."""
        named = {name: value for name, value in tensors.items() if not name.startswith(_BEHAVIOUR)}
        said = {n.removeprefix(_BEHAVIOUR): value for n, value in tensors.items() if n.startswith(_BEHAVIOUR)}
        return cls(**named, behaviour=said)


class UpdateRule(Protocol):
    """One way to learn; its settings are the fields of a frozen dataclass."""

    name: ClassVar[str]

    def outputs(self, actions: int) -> Outputs:
        """What an agent with so many discrete actions has to say."""
        ...

    def initial_meta_params(self, generator: torch.Generator) -> Tensors:
        """Meta-parameters that nobody has trained yet."""
        ...

    def initial_meta_state(self, params: Tensors) -> Tensors:
        """Of an agent with these parameters, whose lifetime begins."""
        ...

    def targets(
        self,
        meta_params: Tensors,
        meta_state: Tensors,
        params: Tensors,
        rollout: Rollout,
        said: Tensors,
        unroll: Callable[[Tensors], Tensors],
    ) -> tuple[Tensors, Tensors]:
        """What the agent should have said, and the next meta-state.

        Args:
            meta_params: of the rule.
            meta_state: of this agent until now.
            params: of the agent.
            rollout: what it did.
            said: what it says now in the rollout's states, as `outputs` asks. Shapes (T + 1, B, ...).
            unroll: what an agent with other parameters would say in them.
        """
        ...

    def loss(self, rollout: Rollout, said: Tensors, targets: Tensors) -> torch.Tensor:
        """To be lowered in the parameters that `said` depends on. Shape (T, B)."""
        ...

    def rates(self, targets: Tensors) -> Tensors | None:
        """Factors of the optimiser's learning rate by name of parameter, from the targets; None: all 1."""
        ...


def check_said(rule: UpdateRule, said: Tensors, rollout: Rollout) -> None:
    """Refuses an agent that does not say what a rule needs.

    Raises:
        AdaptError: an output is missing or has another size, or actions are not whole numbers; names what is needed.
    """
    if rollout.action.is_floating_point():
        raise AdaptError(
            f"update rule {rule.name!r}: continuous actions ({rollout.action.dtype}); it needs discrete ones, "
            "whole numbers from 0: divide each joint's range into bins"
        )
    actions = said["logits"].shape[-1] if "logits" in said else 0
    needed = rule.outputs(actions).shapes(actions)
    for name, shape in needed.items():
        found = tuple(said[name].shape[2:]) if name in said else None
        if found != shape:
            shown = "missing" if found is None else f"shape {found}"
            raise AdaptError(
                f"update rule {rule.name!r}: output {name!r} of the agent: {shown}; expected {shape} in each state. "
                f"It needs {', '.join(f'{key} {value}' for key, value in needed.items())}"
            )


def of_action(values: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """Entries of the actions taken: values (T, B, A, ...), actions (T, B); shape (T, B, ...)."""
    index = action.reshape(*action.shape, *[1] * (values.dim() - 2))
    return values.gather(2, index.expand(*action.shape, 1, *values.shape[3:])).squeeze(2)
