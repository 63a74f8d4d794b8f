"""Learning by an update rule in one environment with discrete actions: act, remember, replay (Oh et al. 2025, Nature).

N environments, R observations of a rollout, J joints, A actions. As the authors' agents learn: every iteration adds N
rollouts to a buffer, and updates on batches drawn from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapt.checkpoint import flat
from adapt.errors import AdaptError
from adapt.learners.environments import EnvironmentConfig
from adapt.learners.rollout_buffer import RolloutBuffer
from adapt.networks.agent import AgentNetwork, AgentSizes
from adapt.ranges import ranged
from adapt.update_rules.adam import Adam
from adapt.update_rules.lifetime import Learning, Life, join
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule
from sim_tasks.discrete import DiscreteEnv

_REMEMBERED = 100
"""Episodes that the return is the mean of."""


@dataclass(frozen=True)
class RuleConfig(EnvironmentConfig):
    """What all learners by a rule have in common; defaults are those of Disco103's published runs on Catch."""

    frames: int = 1_000_000
    """Steps of all environments, of the whole training."""
    rollout: int = ranged(29, 2)
    """Observations of a rollout, R: one more than the steps that are learnt from."""
    batch: int = 64
    """Rollouts of an update; `batch` times `updates` over `envs` is how often each is learnt from, 32 times."""
    updates: int = 1
    """Per iteration."""
    buffer: int = 1024
    """Rollouts that are remembered; learning begins when there are `batch` of them."""
    learning_rate: float = 3e-4
    """Of Adam."""
    rate_end: float = 1.0
    """What of the learning rate is left at the end."""
    largest_update: float = 1.0
    """Of a parameter, at a learning rate of 1."""
    reward_scale: float = 1.0
    """What rewards are multiplied by to be learned from; what is reported stays as it is."""
    sizes: AgentSizes = dataclasses.field(default_factory=AgentSizes)
    """Of the agent's network."""


class RuleLearner:
    """An agent that learns as a rule says. Everything that is drawn comes from the seed.

    Raises:
        AdaptError: the buffer holds fewer rollouts than a batch or an iteration has.
    """

    def __init__(
        self,
        env: DiscreteEnv,
        rule: UpdateRule,
        meta_params: Tensors,
        config: RuleConfig,
        seed: int,
        learning: Callable[..., Learning] = Learning,
    ):
        if (least := max(config.batch, config.envs)) > config.buffer:
            raise AdaptError(
                f"buffer: {config.buffer} rollouts; valid: {least} or more, as batch and envs have it"
            )
        self.env, self.config = env, config
        self.iteration_steps = config.envs * config.rollout
        self.network = AgentNetwork(
            env.observation_shape, env.actions, rule.outputs(env.actions), config.sizes, env.joints
        )
        self._generator = torch.Generator().manual_seed(seed)
        self._rng = np.random.default_rng([seed, 21])
        self._meta_params = meta_params
        self._learning = learning(rule, self.network, Adam(config.learning_rate, config.largest_update))
        self.life: Life = self._learning.begin(self.network.initial(self._generator))
        self._buffer = RolloutBuffer(
            config.buffer,
            config.rollout,
            env.observation_shape,
            env.observation.dtype,
            env.joints,
            env.actions,
            env.stacked,
        )
        self._reward, self._returns, self._updates = 0.0, np.zeros(0), 0

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets the learning rate."""
        config = self.config
        rate = config.learning_rate * (1.0 + fraction * (config.rate_end - 1.0))
        self._learning = dataclasses.replace(self._learning, optimiser=Adam(rate, config.largest_update))

    def collect(self) -> int:
        """One rollout of every environment into the buffer; returns the steps taken, N R."""
        env, buffer = self.env, self._buffer
        places = buffer.begin(env.envs)
        for t in range(self.config.rollout):
            logits, action = self.act(env.observation, self._generator)
            buffer.observe(places, t, env.observation)
            buffer.reward[places, t], buffer.last[places, t] = env.reward, env.last
            buffer.logits[places, t], buffer.action[places, t] = logits, action
            env.step(action)
        self._reward = float(buffer.reward[places].mean(dtype=float))
        buffer.reward[places] *= self.config.reward_scale
        returns = env.returns()
        self._returns = np.concatenate([self._returns, returns])[-max(_REMEMBERED, len(returns)) :]
        return self.iteration_steps

    @torch.no_grad()
    def act(self, observation: np.ndarray, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Logits, shape (N, J, A), and actions drawn by them, (N, J), in states, shape (N, ...)."""
        logits = self.network.logits(self.life.params, torch.from_numpy(observation))
        drawn = torch.multinomial(logits.flatten(0, 1).softmax(dim=-1), 1, generator=generator)
        return logits.numpy(), drawn.view(logits.shape[:2]).numpy()

    def update(self) -> dict[str, float]:
        """Learns from rollouts drawn from the buffer; nothing before there are enough of them.

        Returns:
            `reward` per step of the last iteration, `return`, the mean of the newest 100 episodes, `updates` so far,
            and of the updates `loss` and `gradient_norm`.
        """
        made: list[Tensors] = []
        for _ in range(self.config.updates if len(self._buffer) >= self.config.batch else 0):
            rollout = self._draw()
            if not self._updates:
                self._learning.check(self.life, rollout)
            self.life, result = self._learning.update(self._meta_params, self.life, rollout)
            self._updates += 1
            made.append(result)
        report = {"reward": self._reward, "updates": float(self._updates)}
        if len(self._returns):
            report["return"] = float(self._returns.mean())
        names = ("loss", "gradient_norm") if made else ()
        return report | {name: float(torch.stack([each[name] for each in made]).mean()) for name in names}

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {
            "env": self.env.state(),
            **self.life.state(),
            "buffer": self._buffer.state(),
            "reward": self._reward,
            "returns": self._returns.copy(),
            "updates": self._updates,
            "torch_rng": self._generator.get_state(),
            "numpy_rng": self._rng.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`.

        Raises:
            ValueError: it is of another network or rule.
            TaskError: it is of another environment.
        """
        life = self.life.restored(state, self._learning.later)
        self.env.restore({name: np.asarray(value).copy() for name, value in flat(state["env"]).items()})
        self._buffer.restore(state["buffer"])
        self.life = life
        self._reward, self._updates = state["reward"], state["updates"]
        self._returns = np.asarray(state["returns"]).copy()
        self._generator.set_state(state["torch_rng"])
        self._rng.bit_generator.state = state["numpy_rng"]

    def _draw(self) -> Rollout:
        """A batch, its joints' trajectories side by side."""
        drawn = {n: torch.from_numpy(v) for n, v in self._buffer.sample(self.config.batch, self._rng).items()}
        logits, ended = drawn["logits"], drawn["last"].float()
        return join(
            Rollout(
                observation=self.network.torso.ready(drawn["observation"]),
                action=drawn["action"],
                reward=drawn["reward"][1:],
                terminal=ended[1:],
                counts=1 - ended[:-1],
                behaviour={"logits": logits if self.env.joints > 1 else logits.squeeze(2)},
            )
        )
