"""A group of agents, and what is needed to judge a rule by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapt.meta.meta_gradient import Course, MetaGradient, checkpointed
from adapt.meta.outer_loss import OuterLoss
from adapt.meta.outer_value import OuterValue, ValueConfig
from adapt.meta.population import Group, GroupConfig, seed_of
from adapt.side_by_side.agents import joined, placed
from adapt.update_rules.lifetime import Life
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule


@dataclass(frozen=True)
class Stretch:
    """A part of the agents' lives, and what they did after it."""

    course: Course
    advantages: list[torch.Tensor]
    """By the outer value, of each update's rollout. Shape (M, T, B J)."""
    validation: Rollout
    """Joined over joints."""
    advantage: torch.Tensor
    """Of it. Shape (M, steps, B J)."""


class Site:
    """Agents of a group, each with an outer value of its own."""

    def __init__(self, config: GroupConfig, rule: UpdateRule, seed: int, loss: OuterLoss, value: ValueConfig):
        self.group = Group(config, rule, seed)
        self._loss = loss
        self._value = OuterValue(value, self.group.env.observation_shape)
        self._value_life = self._value.begin(self._value_seeds(np.arange(config.agents)))

    def live(self, meta_params: Tensors, updates: int, longer: int = 2) -> Stretch:
        """K updates, each on a rollout of the agents as they then are, and a rollout so many times longer after them.

        Lives that are over by then end first.
        """
        group = self.group
        over = group.renew()
        if len(over):
            fresh = self._value.begin(self._value_seeds(over))
            self._value_life = placed(self._value_life, fresh, over)
        lives, rollouts, advantages = [group.life], [], []
        for _ in range(updates):
            rollout = group.roll()
            advantages.append(self._advantage(rollout))
            self._value_life = self._value.learn(self._value_life, rollout)
            rollouts.append(joined(rollout))
            group.learn(meta_params, rollouts[-1])
            lives.append(group.life)
        validation = group.roll(longer * group.config.steps)
        group.returns()  # or environments would keep all of them, and every checkpoint too
        course = Course(lives, rollouts)
        return Stretch(course, advantages, joined(validation), self._advantage(validation))

    def gradient(
        self, meta_params: Tensors, stretch: Stretch, method: Callable[..., MetaGradient] = checkpointed
    ) -> MetaGradient:
        """Of the outer loss, through a stretch that was lived with these meta-parameters."""
        group, course, loss, say = self.group, stretch.course, self._loss, self.group.network

        def of_update(k: int, before: Life, told: Tensors) -> torch.Tensor:
            found = loss.of_targets(say, before, course.rollouts[k], told)
            if loss.along:
                judged = loss.of_life(say, before, course.rollouts[k], stretch.advantages[k])
                found = found + loss.along * judged
            return found

        return method(
            group.learning,
            meta_params,
            course,
            lambda life: loss.of_life(say, life, stretch.validation, stretch.advantage),
            of_update,
        )

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"group": self.group.state(), "value": self._value_life.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.group.restore(state["group"])
        self._value_life = self._value_life.restored(state["value"])

    def _advantage(self, rollout: Rollout) -> torch.Tensor:
        advantage = self._value.advantage(self._value_life, rollout)
        return advantage.repeat_interleave(self.group.env.joints, dim=2)

    def _value_seeds(self, agents: np.ndarray) -> list[int]:
        group = self.group
        return [seed_of(group.seed, 23, agent, group.births[agent]) for agent in agents]
