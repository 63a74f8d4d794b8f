"""`InnerStep`: from parameters and the experience that they made to new parameters. B tasks, P parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import torch

from adapt.inner_steps.episodes import Episodes, task_groups
from adapt.networks.task_policies import TaskPolicies

Tensors = dict[str, torch.Tensor]


class InnerStep(Protocol):
    """One inner step of many tasks side by side; a frozen dataclass, whose fields are its settings."""

    name: ClassVar[str]

    def initial_meta_params(self, policies: TaskPolicies) -> Tensors:
        """Its own parameters, the same for all tasks, before they are meta-trained; drawn by torch's generator."""
        ...

    def initial_meta_state(self, tasks: int) -> Tensors:
        """What it remembers of the steps before, of tasks that have taken none. Shapes (B, ...)."""
        ...

    def __call__(
        self,
        policies: TaskPolicies,
        episodes: Episodes,
        rate: float,
        meta_params: Tensors,
        meta_state: Tensors,
    ) -> tuple[torch.Tensor, Tensors]:
        """The step from the parameters that played `episodes`, at a learning rate.

        Returns:
            The new parameters, shape (B, P), and what it remembers from now on; neither with a graph.
        """
        ...

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of it: its name and settings."""
        ...


class HandWrittenStep(ABC):
    """An inner step in which nothing is learned, and which remembers nothing."""

    @abstractmethod
    def moved(self, policies: TaskPolicies, episodes: Episodes, rate: float) -> torch.Tensor:
        """The new parameters. Shape (B, P)."""

    def initial_meta_params(self, policies: TaskPolicies) -> Tensors:
        """None."""
        return {}

    def initial_meta_state(self, tasks: int) -> Tensors:
        """None."""
        return {}

    def __call__(
        self,
        policies: TaskPolicies,
        episodes: Episodes,
        rate: float,
        meta_params: Tensors,
        meta_state: Tensors,
    ) -> tuple[torch.Tensor, Tensors]:
        """See `InnerStep`."""
        return self.moved(policies, episodes, rate), meta_state


def in_groups(
    inner_step: InnerStep,
    policies: TaskPolicies,
    episodes: Episodes,
    rate: float,
    meta_params: Tensors,
    meta_state: Tensors,
) -> tuple[torch.Tensor, Tensors]:
    """The step of all tasks, a few at a time; see `InnerStep`."""
    parts = []
    for tasks in task_groups(episodes):
        state = {name: tensor[tasks] for name, tensor in meta_state.items()}
        parts.append(inner_step(policies, episodes.of(tasks), rate, meta_params, state))
    parameters, states = zip(*parts, strict=True)
    return torch.cat(parameters), {name: torch.cat([each[name] for each in states]) for name in meta_state}
