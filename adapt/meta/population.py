"""Groups of agents that live side by side, each in its own task, until their lifetimes end and others take their place.

M agents of a group share a kind of environment and the shape of their networks. T steps, B trajectories, J joints.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from adapt.errors import AdaptError
from adapt.meta.flat_adam import FlatAdam
from adapt.networks.agent import AgentSizes
from adapt.side_by_side.agents import SMALL_AGENT, Agents, placed, stacked
from adapt.side_by_side.environments import blocks
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule


@dataclass(frozen=True)
class GroupConfig:
    """Of agents alike."""

    environments: tuple[str, ...]
    """See `sim_tasks.discrete.names`. Several are to have observations and actions alike; agents are shared out."""
    agents: int = 4
    """M, a multiple of the number of environments; each has a task of its own."""
    trajectories: int = 8
    """Environments of an agent, B."""
    steps: int = 16
    """Of a rollout, T."""
    lifetime: int = 100
    """Updates, after which an agent dies and another begins, on another task."""
    rate: float = 1e-2
    """Of the agents' optimiser. Large: lives are short."""
    floor: float = 1e-8
    """Of the optimiser's denominator, see `FlatAdam`."""
    sizes: AgentSizes = SMALL_AGENT
    options: dict[str, Any] = field(default_factory=dict)
    """Of the environment."""
    split: str = "train"
    copies: int = 1
    """How many times the same agents live, in the same tasks with the same luck: see `adapt.meta.copies`."""

    def __post_init__(self) -> None:
        for name in ("agents", "trajectories", "steps", "lifetime", "copies"):
            if (value := getattr(self, name)) < 1:
                raise AdaptError(f"{name}: {value}; valid: 1 or more")
        if not self.environments or self.agents % len(self.environments):
            raise AdaptError(
                f"agents: {self.agents} in {', '.join(self.environments) or 'no environment'}; "
                "valid: a multiple of the number of environments"
            )


class Group:
    """M agents of all ages."""

    def __init__(self, config: GroupConfig, rule: UpdateRule, seed: int, staggered: bool = True):
        """
        Args:
            config: what they are and where they live.
            rule: that they learn by.
            seed: fixes everything that is drawn.
            staggered: whether the first lives have different lengths, so that there will be agents of all ages.
        """
        self.config, self.seed = config, seed
        count = self.agents = config.agents * config.copies
        self.env = blocks(
            config.environments,
            config.agents,
            config.trajectories,
            seed,
            config.split,
            config.options,
            config.copies,
        )
        self._agents = Agents(
            self.env, count, rule, config.sizes, FlatAdam(config.rate, floor=config.floor), self._draw
        )
        self.network, self.learning = self._agents.network, self._agents.learning
        self.age = np.zeros(count, np.int64)
        """Updates so far. Shape (M,)."""
        self.births = np.zeros(count, np.int64)
        self.ends = np.full(count, config.lifetime)
        """Age at which each dies. Shape (M,)."""
        if staggered:
            self.ends = np.maximum(1, config.lifetime * (1 + np.arange(count)) // count)
        self._random = np.random.default_rng([seed, 21])
        self.life = self.learning.begin(self._fresh(np.arange(count)))

    def roll(self, steps: int | None = None) -> Rollout:
        """What the agents do in their environments, as rollouts with a leading axis M, not yet joined over joints."""
        params = self.life.params
        return self._agents.roll(params, self._agents.act(params), steps or self.config.steps)[0]

    def learn(self, meta_params: Tensors, rollout: Rollout) -> Tensors:
        """One update of all agents, on a rollout joined over joints; see `Learning.update`."""
        self.life, told = self.learning.update(meta_params, self.life, rollout)
        self.age += 1
        return told

    def renew(self) -> np.ndarray:
        """Ends the lives that are over; others begin on tasks newly drawn. Which agents, shape (n,)."""
        over = np.flatnonzero(self.age >= self.ends)
        if len(over):
            self.births[over] += 1
            self.age[over], self.ends[over] = 0, self.config.lifetime
            self.env.renew(over)
            self.life = placed(self.life, self.learning.begin(self._fresh(over)), over)
        return over

    def returns(self) -> np.ndarray:
        """See `Agents.returns`."""
        return self._agents.returns()

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            **self.life.state(),
            "age": self.age.copy(),
            "births": self.births.copy(),
            "ends": self.ends.copy(),
            "random": json.dumps(self._random.bit_generator.state),
            "env": self.env.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`.

        Raises:
            ValueError: it is of other agents.
            TaskError: it is of other environments.
        """
        self.life = self.life.restored(state, self.learning.later)
        for name in ("age", "births", "ends"):
            getattr(self, name)[:] = np.asarray(state[name])
        self._random.bit_generator.state = json.loads(state["random"])
        self.env.restore(state["env"])

    def _draw(self, shape: tuple[int, ...]) -> torch.Tensor:
        """The same for all copies."""
        copies = self.config.copies
        drawn = self._random.random((shape[0] // copies, *shape[1:]))
        return torch.from_numpy(np.tile(drawn, (copies, *[1] * (len(shape) - 1))))

    def _fresh(self, agents: np.ndarray) -> Tensors:
        """First parameters of agents, shape (n,): each by its number and which birth this is."""
        seeds = [seed_of(self.seed, 22, agent % self.config.agents, self.births[agent]) for agent in agents]
        return stacked([self.network.initial(torch.Generator().manual_seed(seed)) for seed in seeds])


def seed_of(*entropy: Any) -> int:
    """A seed of torch's generator from several whole numbers, numpy's or Python's."""
    return int(np.random.SeedSequence([int(e) for e in entropy]).generate_state(1, np.uint64)[0] >> 1)
