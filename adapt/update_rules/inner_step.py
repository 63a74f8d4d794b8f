"""`InnerStep`: from parameters and the experience that they made to new parameters. B tasks, P parameters."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import torch

from adapt.networks.task_policies import TaskPolicies
from adapt.update_rules.episodes import Episodes


class InnerStep(Protocol):
    """One inner step of many tasks side by side; a frozen dataclass, whose fields are its settings."""

    name: ClassVar[str]

    def __call__(self, policies: TaskPolicies, episodes: Episodes, rate: float) -> torch.Tensor:
        """The step from the parameters that played `episodes`, at a learning rate; the new ones, shape (B, P)."""
        ...

    def manifest(self) -> dict[str, Any]:
        """What a bundle records of it: its name and settings."""
        ...
