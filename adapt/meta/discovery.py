"""Discovery of a rule: the outer loop over sites (Oh et al. 2025, Nature; LPG, arXiv:2007.08794).

An outer step takes one or some of the sites in turn, lets their agents live on for K updates, and moves the
meta-parameters down the outer loss's gradient. As in the paper, a site's gradient is first scaled by an Adam of its
own, so that no environment outweighs the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from adapt.checkpoint import flat
from adapt.errors import AdaptError
from adapt.meta.meta_gradient import checkpointed
from adapt.meta.outer_loss import OuterLoss
from adapt.meta.outer_value import ValueConfig
from adapt.meta.population import GroupConfig
from adapt.meta.site import Site
from adapt.update_rules.adam import Adam
from adapt.update_rules.rule import Tensors, UpdateRule


@dataclass(frozen=True)
class OuterConfig:
    """Of the outer loop."""

    updates: int = 20
    """Inner updates of an outer step, K."""
    truncate: int | None = None
    """Through how many of them gradients pass; None: all."""
    validation: int = 8
    """Rollouts' lengths of the rollout after them."""
    at_once: int = 1
    """Sites of an outer step, in turn; 0: all."""
    rate: float = 1e-3
    """Of Adam on the meta-parameters."""
    largest: float = 1.0
    """Norm of a site's gradient; a larger one is scaled down to it."""
    loss: OuterLoss = field(default_factory=OuterLoss)
    value: ValueConfig = field(default_factory=ValueConfig)

    def __post_init__(self) -> None:
        for name, value, least in (
            ("updates", self.updates, 1),
            ("validation", self.validation, 1),
            ("at_once", self.at_once, 0),
        ):
            if value < least:
                raise AdaptError(f"{name}: {value}; valid: {least} or more")
        if self.truncate is not None and not 1 <= self.truncate <= self.updates:
            raise AdaptError(f"truncate: {self.truncate}; valid: 1 to {self.updates}, the number of updates")


class Discovery:
    """Rule, sites, and the optimiser of the meta-parameters."""

    def __init__(
        self,
        config: OuterConfig,
        rule: UpdateRule,
        meta_params: Tensors,
        groups: Sequence[GroupConfig],
        seed: int,
    ):
        if not meta_params:
            raise AdaptError(f"update rule {rule.name!r} has no meta-parameters to be discovered; try disco")
        if not groups:
            raise AdaptError("no environments to discover a rule in")
        self.config, self.rule, self.meta_params = config, rule, meta_params
        self.sites = [
            Site(group, rule, seed + 1000 * index, config.loss, config.value)
            for index, group in enumerate(groups)
        ]
        self._optimiser = Adam(config.rate)
        self._moments = [self._optimiser.begin(meta_params) for _ in groups]
        self.done = 0
        """Outer steps."""

    @property
    def frames(self) -> int:
        """Of all environments in an outer step, on average over sites."""
        config = self.config
        each = [
            site.group.env.envs * site.group.config.steps * (config.updates + config.validation)
            for site in self.sites
        ]
        return self._chosen * sum(each) // len(each)

    def step(self) -> dict[str, float]:
        """One outer step; its metrics: of the agents' last rollouts `reward`, the loss' parts, and of the meta-gradient
        `meta_gradient_norm`, `agreement`, its cosine with the average of those before it, and `relative_step`, what it
        changes, by the norm of the weights."""
        count, chosen = len(self.sites), self._chosen
        turn = [(self.done * chosen + i) % count for i in range(chosen)]
        changes, rows = [], []
        for index in turn:
            change, row = self._site_step(index)
            changes.append(change)
            rows.append(row)
        self.meta_params = {
            name: value + sum(change[name] for change in changes) / chosen
            for name, value in self.meta_params.items()
        }
        self.done += 1
        return {name: sum(row[name] for row in rows) / chosen for name in rows[0]}

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "meta_params": dict(self.meta_params),
            "moments": {str(i): dict(moments) for i, moments in enumerate(self._moments)},
            "sites": {str(i): site.state() for i, site in enumerate(self.sites)},
            "done": self.done,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.meta_params = {name: flat(state["meta_params"])[name] for name in self.meta_params}
        self._moments = [flat(state["moments"][str(i)]) for i in range(len(self.sites))]
        for i, site in enumerate(self.sites):
            site.restore(state["sites"][str(i)])
        self.done = state["done"]

    @property
    def _chosen(self) -> int:
        """Sites of an outer step."""
        return min(self.config.at_once or len(self.sites), len(self.sites))

    def _site_step(self, index: int) -> tuple[Tensors, dict[str, float]]:
        """What a site would have the meta-parameters change by, and metrics."""
        site, config = self.sites[index], self.config
        stretch = site.live(self.meta_params, config.updates, config.validation)
        found = site.gradient(self.meta_params, stretch, partial(checkpointed, truncate=config.truncate))
        norm = _norm(found.of_meta_params)
        scale = min(1.0, config.largest / norm) if norm > 0 else 1.0
        gradient = {name: scale * value for name, value in found.of_meta_params.items()}
        agreement = _cosine(
            gradient, {name: self._optimiser.mean(self._moments[index], name) for name in gradient}
        )
        with torch.no_grad():
            after, self._moments[index] = self._optimiser.step(
                self.meta_params, gradient, self._moments[index]
            )
        change = {name: after[name] - value for name, value in self.meta_params.items()}
        return change, {
            "reward": stretch.validation.reward.mean().item(),
            "end_loss": found.end_loss,
            "update_loss": found.update_loss,
            "meta_gradient_norm": norm,
            "agreement": agreement,
            "relative_step": _norm(change) / max(_norm(self.meta_params), 1e-12),
        }


def _norm(tensors: Tensors) -> float:
    return math.sqrt(sum(value.square().sum().item() for value in tensors.values()))


def _cosine(one: Tensors, other: Tensors) -> float:
    """Between two vectors; 0 where one of them is none."""
    product = sum((value * other[name]).sum().item() for name, value in one.items())
    return product / max(_norm(one) * _norm(other), 1e-30)
