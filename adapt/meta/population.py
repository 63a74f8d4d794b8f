"""Groups of agents that live side by side, each in its own task, until their lifetimes end and others take their place.

M agents of a group share a kind of environment and the shape of their networks. T steps, B trajectories, J joints.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from adapt.checkpoint import flat
from adapt.errors import AdaptError
from adapt.meta.flat_adam import FlatAdam
from adapt.meta.side_by_side import SideBySide
from adapt.networks.agent import AgentNetwork, AgentSizes
from adapt.update_rules.lifetime import Learning, Life, join
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule
from sim_tasks.discrete import make

SMALL_AGENT = AgentSizes(dense=(32, 32), model=16, head=16)
_PARTS = ("params", "moments", "meta_state")


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
        self.env = environment(config, seed)
        self.network = AgentNetwork(
            self.env.observation_shape,
            self.env.actions,
            rule.outputs(self.env.actions),
            config.sizes,
            self.env.joints,
        )
        self._policy = torch.vmap(self.network.logits)
        self.learning = Learning(
            rule, self.network, FlatAdam(config.rate, floor=config.floor), population=True
        )
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
        steps, env, count = steps or self.config.steps, self.env, self.agents
        shape = (steps + 1, env.envs)
        seen = np.empty((*shape, *env.observation_shape), np.float32)
        taken, said = np.empty((*shape, env.joints), np.int64), []
        reward, terminal, counts = (np.empty((steps, env.envs), np.float32) for _ in range(3))
        for t in range(steps + 1):
            seen[t] = env.observation
            logits, taken[t] = self._act()
            said.append(logits)
            if t < steps:
                counts[t] = ~env.last
                env.step(taken[t])
                reward[t], terminal[t] = env.reward, env.last
        dtype = torch.get_default_dtype()

        def by_agent(values: np.ndarray) -> torch.Tensor:
            split = torch.from_numpy(values).unflatten(1, (count, -1)).transpose(0, 1)
            return split if values.dtype == np.int64 else split.to(dtype)

        logits = torch.stack(said, dim=1)
        behaviour = {"logits": logits if env.joints > 1 else logits.squeeze(-2)}
        return Rollout(
            by_agent(seen),
            by_agent(taken),
            by_agent(reward),
            by_agent(terminal),
            by_agent(counts),
            behaviour,
        )

    def learn(self, meta_params: Tensors, rollout: Rollout) -> Tensors:
        """One update of all agents; see `Learning.update`."""
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

    def returns(self) -> list[np.ndarray]:
        """Returns of episodes that ended since it was asked last, agent by agent."""
        ids, values = self.env.ended()
        agent = self.env.task_of[ids]
        return [values[agent == m] for m in range(self.agents)]

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            **life_state(self.life),
            "age": self.age.copy(),
            "births": self.births.copy(),
            "ends": self.ends.copy(),
            "random": json.dumps(self._random.bit_generator.state),
            "env": self.env.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.life = life_of(state)
        for name in ("age", "births", "ends"):
            getattr(self, name)[:] = np.asarray(state[name])
        self._random.bit_generator.state = json.loads(state["random"])
        self.env.restore(state["env"])

    @torch.no_grad()
    def _act(self) -> tuple[torch.Tensor, np.ndarray]:
        """Logits, (M, B, J, A), and actions drawn by them, (N, J)."""
        count, env, copies = self.agents, self.env, self.config.copies
        observation = torch.as_tensor(env.observation, dtype=torch.get_default_dtype())
        logits = self._policy(self.life.params, observation.unflatten(0, (count, -1)))
        up_to = logits.softmax(dim=-1).cumsum(dim=-1).numpy().reshape(env.envs, env.joints, env.actions)
        drawn = np.tile(self._random.random((env.envs // copies, env.joints, 1)), (copies, 1, 1))
        return logits, (drawn > up_to[..., :-1]).sum(axis=-1)

    def _fresh(self, agents: np.ndarray) -> Tensors:
        """First parameters of agents, shape (n,): each by its number and which birth this is."""
        born = []
        for agent in agents:
            generator = torch.Generator().manual_seed(
                seed_of(self.seed, 22, agent % self.config.agents, self.births[agent])
            )
            born.append(self.network.initial(generator))
        return {name: torch.stack([params[name] for params in born]) for name in born[0]}


def environment(config: GroupConfig, seed: int) -> SideBySide:
    """Of a group: a block of B environments for each agent."""
    agents = config.agents // len(config.environments)
    made = [
        make(name, agents * config.trajectories, seed, split=config.split, tasks=agents, **config.options)
        for _ in range(config.copies)
        for name in config.environments
    ]
    return SideBySide(made)


def seed_of(*entropy: Any) -> int:
    """A seed of torch's generator from several whole numbers, numpy's or Python's."""
    return int(np.random.SeedSequence([int(e) for e in entropy]).generate_state(1, np.uint64)[0] >> 1)


def joined(rollout: Rollout) -> Rollout:
    """`join` of M agents' rollouts."""
    return Rollout.of(torch.vmap(lambda told: join(Rollout.of(told)).tensors())(rollout.tensors()))


def joined_outputs(said: Tensors) -> Tensors:
    """What M agents of J joints say, (M, T, B, J, ...), as rules want to hear it, (M, T, B J, ...)."""
    if said["logits"].dim() == 5:
        return {name: value.flatten(2, 3) for name, value in said.items()}
    return said


def placed(life: Life, fresh: Life, agents: np.ndarray) -> Life:
    """A population's life with the lives of some of its agents, shape (n,), taken by others."""
    index = torch.from_numpy(agents)
    return Life(
        *(
            {name: value.detach().index_copy(0, index, new[name]) for name, value in old.items()}
            for old, new in zip(life.parts(), fresh.parts(), strict=True)
        )
    )


def life_state(life: Life) -> dict[str, Any]:
    """For a checkpoint."""
    return {name: dict(part) for name, part in zip(_PARTS, life.parts(), strict=True)}


def life_of(state: dict[str, Any]) -> Life:
    """Inverse of `life_state`."""
    return Life(*(flat(state[name]) for name in _PARTS))
