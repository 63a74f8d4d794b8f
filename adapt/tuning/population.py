"""`Population`: M agents that live side by side in one process, each in a task of its own, by one rule.

N environments, M agents with N / M consecutive ones each, T steps of a rollout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapt.networks.agent import AgentSizes
from adapt.side_by_side.agents import SMALL_AGENT, Agents, joined, stacked
from adapt.side_by_side.environments import blocks
from adapt.update_rules.adam import Adam
from adapt.update_rules.lifetime import Learning, Life
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule
from sim_tasks.discrete import is_robot


@dataclass(frozen=True)
class Setting:
    """What all agents of a population have in common."""

    env: str
    """Name of an environment, see `sim_tasks.discrete`."""
    envs: int = 8
    """Environments of an agent, N / M."""
    steps: int = 16
    """Of a rollout, T."""
    memory: int = 4
    """Newest rollouts of an agent that an update's batch is drawn from, of as many trajectories as it has environments.
    More than one, so that batches that follow each other are not the same episodes, a few steps on: a rule that is
    judged by the next batch would otherwise learn to forget."""
    updates: int = 400
    """Of a lifetime."""
    rate: float = 3e-3
    """Adam's learning rate, which a rule's `rates` multiply."""
    sizes: AgentSizes = SMALL_AGENT
    """Of the agents' networks."""
    options: tuple[tuple[str, Any], ...] = ()
    """Of the environment."""

    @classmethod
    def of(cls, env: str, updates: int) -> Setting:
        """Of any environment; robots are simulated in one thread, as there are as many simulations as copies."""
        return cls(env, updates=updates, options=(("threads", 1),) if is_robot(env) else ())

    @property
    def frames(self) -> int:
        """Steps of the environments in a lifetime."""
        return self.updates * self.steps * self.envs


class Population:
    """The lifetimes of M agents, from fresh parameters on."""

    def __init__(
        self,
        setting: Setting,
        rule: UpdateRule,
        meta_params: Tensors,
        tasks: int,
        seed: int,
        *,
        copies: int = 1,
        split: str = "train",
        online: Callable[..., Learning] = Learning,
    ):
        """
        Args:
            setting: what the agents have in common.
            rule: by which they learn.
            meta_params: the rule's.
            tasks: how many there are.
            seed: fixes parameters, tasks and everything that is drawn.
            copies: agents of a task: M = copies x tasks. Agents i and i + `tasks` have the same task, begin with the
                same parameters, and their environments draw the same.
            split: train or test tasks.
            online: makes the learning, as `partial(OnlineTuning, tuner=...)`.
        """
        self.setting, self.agents = setting, copies * tasks
        self._meta_params = meta_params
        self._generator = torch.Generator().manual_seed(seed)
        env = blocks((setting.env,), tasks, setting.envs, seed, split, dict(setting.options), copies)
        self._agents = Agents(env, self.agents, rule, setting.sizes, Adam(setting.rate), self._draw, online)
        self._learning = self._agents.learning
        first = [self._agents.network.initial(self._generator) for _ in range(tasks)]
        self.life: Life = self._learning.begin(stacked(first * copies))
        self._kept: Tensors = {}
        """The newest rollouts, oldest overwritten first. Shapes (R, M, T + 1 or T, N / M, ...)."""
        self._collected = 0
        self._now = self._agents.act(self.life.params)

    def live(self) -> Iterator[tuple[np.ndarray, Tensors]]:
        """A lifetime, update by update: mean returns of the episodes that ended meanwhile, shape (M,), NaN where none
        did, and what `Learning.update` says."""
        for _ in range(self.setting.updates):
            self._keep(self._collect())
            self.life, learned = self._learning.update(self._meta_params, self.life, self._batch())
            self.life = self.life.detached()
            yield self._agents.returns(), learned

    def _keep(self, rollout: Tensors) -> None:
        if not self._kept:
            size = self.setting.memory
            self._kept = {
                name: torch.zeros(size, *value.shape, dtype=value.dtype) for name, value in rollout.items()
            }
        for name, value in rollout.items():
            self._kept[name][self._collected % self.setting.memory] = value
        self._collected += 1

    def _batch(self) -> Rollout:
        """Trajectories drawn for every agent from its own, joined over joints; leading axis M."""
        agents, envs = self.agents, self.setting.envs
        of = torch.arange(agents).unsqueeze(1)
        there = min(self._collected, self.setting.memory)
        rollout = torch.randint(there, (agents, envs), generator=self._generator)
        env = torch.randint(envs, (agents, envs), generator=self._generator)
        drawn = {name: kept[rollout, of, :, env].transpose(1, 2) for name, kept in self._kept.items()}
        return joined(Rollout.of(drawn))

    def _collect(self) -> Tensors:
        """T steps of all environments, flat, leading axis M."""
        rollout, self._now = self._agents.roll(self.life.params, self._now, self.setting.steps)
        return rollout.tensors()

    def _draw(self, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.rand(shape, generator=self._generator)
