"""A group of agents, and what is needed to judge a rule by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.meta.meta_gradient import Course, MetaGradient, checkpointed
from adapt.meta.outer_loss import OuterLoss
from adapt.meta.outer_value import OuterValue, ValueConfig
from adapt.meta.population import (
    Group,
    GroupConfig,
    joined,
    life_of,
    life_state,
    placed,
    seed_of,
)
from adapt.update_rules.lifetime import Life
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule


@dataclass(frozen=True)
class Stretch:
    """A part of the agents' lives, and what they did after it."""

    course: Course
    value: Life
    """Of the outer value, at the end."""
    validation: Rollout


class Site:
    """Agents of a group, each with an outer value of its own."""

    def __init__(
        self, config: GroupConfig, rule: UpdateRule, seed: int, loss: OuterLoss, value: ValueConfig
    ):
        self.group = Group(config, rule, seed)
        self._loss = loss
        self._value = OuterValue(value, self.group.env.observation_shape)
        self._value_life = self._value.begin(self._value_seeds(np.arange(config.agents)))

    def live(self, meta_params: Tensors, updates: int) -> Stretch:
        """K updates, each on a rollout of the agents as they then are, and a rollout twice as long after them.

        Lives that are over by then end first.
        """
        group = self.group
        over = group.renew()
        if len(over):
            fresh = self._value.begin(self._value_seeds(over))
            self._value_life = placed(self._value_life, fresh, over)
        lives, rollouts = [group.life], []
        for _ in range(updates):
            rollout = group.roll()
            self._value_life = self._value.learn(self._value_life, rollout)
            rollouts.append(joined(rollout))
            group.learn(meta_params, rollouts[-1])
            lives.append(group.life)
        validation = group.roll(2 * group.config.steps)
        return Stretch(Course(lives, rollouts), self._value_life, validation)

    def gradient(self, meta_params: Tensors, stretch: Stretch, truncate: int | None = None) -> MetaGradient:
        """Of the outer loss, through a stretch that was lived with these meta-parameters."""
        group = self.group
        advantage = self._value.advantage(stretch.value, stretch.validation)
        advantage = advantage.repeat_interleave(group.env.joints, dim=2)
        validation = joined(stretch.validation)
        return checkpointed(
            group.learning,
            meta_params,
            stretch.course,
            lambda life: self._loss.of_end(group.network, life, validation, advantage),
            lambda *made: self._loss.of_update(group.network, *made),
            truncate,
        )

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"group": self.group.state(), "value": life_state(self._value_life)}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.group.restore(state["group"])
        self._value_life = life_of(state["value"])

    def _value_seeds(self, agents: np.ndarray) -> list[int]:
        group = self.group
        return [seed_of(group.seed, 23, agent, group.births[agent]) for agent in agents]
