"""Lives from fresh parameters on, under a rule: what rules are judged by, and what evolution climbs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from adapt.meta.copies import Individual, with_own
from adapt.meta.population import Group, GroupConfig
from adapt.side_by_side.agents import joined
from adapt.update_rules.rule import Tensors, UpdateRule


def rewards_of_lives(
    config: GroupConfig, rule: UpdateRule, meta_params: Tensors, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lets M agents live once, from their first parameters to the end of their lifetime, each in a task of its own.

    Returns:
        Mean reward per control step of each update's rollout, in the task's own unit, and mean return of the episodes
        that ended in it, NaN where none did. Shape (lifetime, M) each.
    """
    return _live(Group(config, rule, seed, staggered=False), meta_params)


def rewards_under(
    config: GroupConfig, rule: UpdateRule, rules: Sequence[Tensors], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `rewards_of_lives` for each of R meta-parameters, with the same tasks and luck: (R, lifetime, M) each."""
    many = replace(config, copies=len(rules))
    group = Group(many, Individual(rule), seed, staggered=False)
    group.life = with_own(group.life, rules, config.agents)
    rewards, returns = (
        values.reshape(config.lifetime, len(rules), -1).swapaxes(0, 1) for values in _live(group, {})
    )
    return rewards, returns


def _live(group: Group, meta_params: Tensors) -> tuple[np.ndarray, np.ndarray]:
    config = group.config
    rewards, returns = np.empty((2, config.lifetime, group.agents))
    zero, one = group.env.unit[:, :: config.trajectories]
    for update in range(config.lifetime):
        rollout = group.roll()
        steps = rollout.counts.sum(dim=(1, 2)).clamp(min=1)
        rewards[update] = zero + one * (rollout.reward.sum(dim=(1, 2)) / steps).numpy()
        returns[update] = group.returns()
        group.learn(meta_params, joined(rollout))
    return rewards, returns
