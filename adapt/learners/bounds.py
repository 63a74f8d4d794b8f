"""The two bounds that every adaptive learner is held against, on the same networks.

Told the task, PPO gives the oracle; not told, the non-adaptive policy under domain randomisation (DR). The critic is
told the task in both: it never leaves training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from adapt.errors import AdaptError
from adapt.learners.ppo import PPO, PPOConfig, Rollout
from adapt.learners.returns import ReturnMeter, RewardScale
from adapt.learners.setup import Setup
from adapt.networks.policy import Critic, GaussianPolicy, learn_scale
from adapt.networks.steps import PolicyStep
from adapt.ranges import ranged
from sim_tasks.trial_env import TrialVecEnv


@dataclass(frozen=True)
class BoundConfig:
    """Hyperparameters; the defaults were chosen on `pendulum_swingup`."""

    frames: int = 180 * 1024 * 32
    """Control steps of the whole training."""
    robots: int = 1024
    """Simulations side by side, N; 0: as many per core as usual on two."""
    horizon: int = 32
    """Control steps per simulation and update, T."""
    hidden: tuple[int, ...] = (64, 64)
    """Sizes of the hidden layers, of policy and critic."""
    std: float = ranged(0.6, 1e-3)
    """Standard deviation of the actions at the start."""
    normalise: bool = False
    """Whether inputs are brought to zero mean and unit variance; observations of benchmark bodies need it."""
    scale_rewards: bool = False
    """Whether rewards are learnt at unit variance of the return."""
    latent: int = ranged(0, 0)
    """Size of the environment encoder's z, which RMA can regress; 0: the policy is told the task itself. The critic
    always is."""
    ppo: PPOConfig = field(default_factory=PPOConfig)


class BoundLearner:
    """PPO whose policy is told the task (`oracle`) or not (`dr`). N simulations, T steps.

    Raises:
        AdaptError: a latent of a policy that is not told the task.
    """

    def __init__(self, env: TrialVecEnv, seed: int, *, told_task: bool, config: BoundConfig | None = None):
        self.config = config = config or BoundConfig()
        if config.latent and not told_task:
            raise AdaptError(f"latent: {config.latent}; valid: 0 (only an oracle has a task to encode)")
        self.env = env
        self.iteration_steps = config.horizon * config.robots
        torch.manual_seed(seed)
        observation, action = env.observation.shape[1], env.previous_action.shape[1]
        task, hidden, normalise = env.context.shape[1], config.hidden, config.normalise
        critic_told = env.told.shape[1]
        told = task if told_task else 0
        self.policy = GaussianPolicy(
            observation, action, told, hidden, normalise=normalise, std=config.std, latent=config.latent
        )
        self.policy.ignore_context()  # most of what it is told matters little, and begins as so much noise
        self.critic = Critic(observation, action, critic_told, hidden, normalise=normalise)
        self.ppo = PPO(self.policy, self.critic, config.ppo)
        self._known = observation + action + told
        self._rollout = Rollout(
            config.horizon, config.robots, self._known, observation + action + critic_told, action
        )
        self._returns = ReturnMeter(config.robots)
        self._scale = RewardScale(config.robots, config.ppo.gamma) if config.scale_rewards else None

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets the learning rate."""
        self.ppo.set_progress(fraction)

    @torch.no_grad()
    def collect(self) -> int:
        """Plays T steps in all simulations with the present policy; returns the control steps taken."""
        env, cut = self.env, {}
        for t in range(self.config.horizon):
            inputs = self._inputs()
            known = inputs[:, : self._known]
            action, log_prob = self.policy.sample(known)
            transition = env.step(action.numpy())
            self._returns.add(transition)
            self._rollout.record(t, known, inputs, action, log_prob, transition, self._scale)
            if transition.done.any():
                cut[t] = self._inputs()
                env.reset(np.flatnonzero(transition.done))
        self._rollout.evaluate(self.critic, self._inputs(), cut)
        return self.iteration_steps

    def update(self) -> dict[str, float]:
        """One PPO update on what was collected; returns mean losses."""
        rollout = self._rollout
        metrics = self.ppo.update(rollout, self.ppo.shuffles(rollout))
        learn_scale(self.policy, rollout.policy_inputs)
        learn_scale(self.critic, rollout.critic_inputs)
        return metrics | self._returns.mean()

    def step(self) -> PolicyStep:
        """The policy's control step on a robot.

        Raises:
            AdaptError: it is an oracle's.
        """
        if self.policy.context_size:
            raise AdaptError("an oracle cannot be deployed: no robot can tell it its own physics")
        return PolicyStep(self.policy)

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return self.ppo.state() | {
            "env": self.env.state(),
            "returns": self._returns.state(),
            "scale": self._scale.state() if self._scale else {},
            "torch_rng": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.ppo.restore(state)
        self.env.restore(state["env"])
        self._returns.restore(state["returns"])
        if self._scale:
            self._scale.restore(state["scale"])
        torch.set_rng_state(state["torch_rng"])

    def _inputs(self) -> torch.Tensor:
        env = self.env
        return torch.from_numpy(np.concatenate([env.observation, env.previous_action, env.told], axis=1))


def build_dr(setup: Setup) -> BoundLearner:
    """The lower bound."""
    return _build(setup, told_task=False, stream=0)


def build_oracle(setup: Setup) -> BoundLearner:
    """The upper bound."""
    return _build(setup, told_task=True, stream=1)


def _build(setup: Setup, told_task: bool, stream: int) -> BoundLearner:
    config = setup.config
    env = TrialVecEnv(setup.family, config.robots, setup.seed, stream=stream, threads=setup.threads)
    env.stagger()
    return BoundLearner(env, setup.seed, told_task=told_task, config=config)
