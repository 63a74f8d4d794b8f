"""`Population`: M agents that live side by side in one process, each in a task of its own, by one rule.

N environments, M agents with N / M consecutive ones each, T steps of a rollout, J joints, A actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from adapt.networks.agent import AgentNetwork, AgentSizes
from adapt.update_rules.adam import Adam
from adapt.update_rules.lifetime import Learning, Life, join
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule
from sim_tasks.discrete import make
from sim_tasks.families import family_names


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
    sizes: AgentSizes = field(default_factory=lambda: AgentSizes(dense=(32, 32), model=16, head=16))
    """Of the agents' networks."""
    options: tuple[tuple[str, Any], ...] = ()
    """Of the environment."""

    @classmethod
    def of(cls, env: str, updates: int) -> Setting:
        """Of any environment; robots are simulated in one thread, as there are as many simulations as copies."""
        robot = env.partition("+")[0].partition("@")[0] in family_names()
        return cls(env, updates=updates, options=(("threads", 1),) if robot else ())

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
        self._meta_params, self._tasks = meta_params, tasks
        self._worlds = [
            make(setting.env, tasks * setting.envs, seed, split, tasks=tasks, **dict(setting.options))
            for _ in range(copies)
        ]
        world = self._worlds[0]
        outputs = rule.outputs(world.actions)
        network = AgentNetwork(world.observation_shape, world.actions, outputs, setting.sizes, world.joints)
        self._say = torch.vmap(network)
        self._joints = world.joints
        self._learning = online(rule, network, Adam(setting.rate), population=True)
        self._generator = torch.Generator().manual_seed(seed)
        first = [network.initial(self._generator) for _ in range(tasks)] * copies
        self.life: Life = self._learning.begin(
            {name: torch.stack([each[name] for each in first]) for name in first[0]}
        )
        self._kept: Tensors = {}
        """The newest rollouts, oldest overwritten first. Shapes (R, M, T + 1 or T, N / M, ...)."""
        self._collected = 0
        self._now = self._act()

    def live(self) -> Iterator[tuple[np.ndarray, Tensors]]:
        """A lifetime, update by update: mean returns of the episodes that ended meanwhile, shape (M,), NaN where none
        did, and what `Learning.update` says."""
        for _ in range(self.setting.updates):
            self._keep(self._collect())
            self.life, learned = self._learning.update(self._meta_params, self.life, self._batch())
            self.life = self.life.detached()
            yield self._returns(), learned

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
        return Rollout.of(torch.vmap(lambda tensors: join(Rollout.of(tensors)).tensors())(drawn))

    def _collect(self) -> Tensors:
        """T steps of all environments, flat, leading axis M."""
        steps = [self._now]
        for _ in range(self.setting.steps):
            action = steps[-1]["action"].flatten(0, 1).numpy()
            for world, part in zip(self._worlds, np.split(action, len(self._worlds)), strict=True):
                world.step(part)
            steps.append(self._act())
        self._now = steps[-1]
        told = {name: torch.stack([step[name] for step in steps], dim=1) for name in steps[0]}
        return {
            "observation": told["observation"],
            "action": told["action"],
            "reward": told["reward"][:, 1:],
            "terminal": told["last"][:, 1:],
            "counts": 1 - told["last"][:, :-1],
            "behaviour.logits": told["logits"],
        }

    def _act(self) -> Tensors:
        """What environments show, and the actions that agents draw there; shapes (M, N / M, ...)."""
        shown = {name: self._of_agents(name) for name in ("observation", "reward", "last")}
        with torch.no_grad():
            logits = self._say(self.life.params, shown["observation"])["logits"]
        uniform = torch.rand((*logits.shape[:-1], 1), generator=self._generator)
        action = (logits.softmax(dim=-1).cumsum(dim=-1)[..., :-1] < uniform).sum(dim=-1)
        if self._joints == 1:
            action = action.unsqueeze(-1)
        return shown | {"logits": logits, "action": action}

    def _of_agents(self, field: str) -> torch.Tensor:
        """An array of all environments, by agent. Shape (M, N / M, ...), float32."""
        every = np.concatenate([getattr(world, field) for world in self._worlds])
        return torch.from_numpy(every.reshape(self.agents, -1, *every.shape[1:])).float()

    def _returns(self) -> np.ndarray:
        total, count = np.zeros((2, self.agents))
        for index, world in enumerate(self._worlds):
            ids, returns = world.ended()
            agents = index * self._tasks + world.task_of[ids]
            np.add.at(total, agents, returns)
            np.add.at(count, agents, 1)
        return np.divide(total, count, out=np.full(self.agents, np.nan), where=count > 0)
