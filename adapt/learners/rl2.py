"""RL^2 (Duan et al. 2016, arXiv:1611.02779): a recurrent policy, trained end to end by PPO over whole trials.

Its memory hears observation, previous action, previous reward and whether an episode begins, lasts as long as a trial,
and is all that adapts: there is no belief. The return runs over all episodes of the trial, so that exploring in the
first one can pay. Policy and critic have a memory each (pomdp-baselines, arXiv:2110.05038).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from adapt.checkpoint import optimizer_state, restore_optimizer
from adapt.errors import AdaptError
from adapt.learners.ppo import PPOConfig, Rollout
from adapt.learners.recurrent_ppo import RecurrentPPO
from adapt.learners.returns import ReturnMeter, RewardScale
from adapt.learners.setup import Setup
from adapt.networks.recurrent import (
    Memory,
    MemoryStep,
    RecurrentCritic,
    RecurrentPolicy,
    RewardFreeMemoryStep,
)
from adapt.ranges import ranged
from sim_tasks.trial_env import TrialVecEnv


@dataclass(frozen=True)
class RL2Config:
    """Hyperparameters; the defaults were chosen on `half_cheetah_vel`."""

    frames: int = 13_000_000
    """Control steps of the whole training."""
    robots: int = 128
    """Simulations side by side, N; 0: as many per core as usual on two."""
    horizon: int = 100
    """Control steps per simulation and update, T: gradients reach this far back, memory further."""
    episodes: int = 2
    """Of a trial, K."""
    hidden: int = 128
    """Units of each GRU, H."""
    embedding: int = 64
    """Size of the layer before it."""
    layers: tuple[int, ...] = (128,)
    """Sizes of the hidden layers behind it, of policy and critic."""
    shared: bool = False
    """Whether policy and critic have one memory."""
    reward: bool = True
    """Whether the memory hears the reward: on robots the measured one, where the family has one."""
    told_critic: bool = True
    """Whether the critic is told the task: it never leaves training. Not with a shared memory."""
    std: float = ranged(0.6, 1e-3)
    """Standard deviation of the actions at the start."""
    normalise: bool = True
    """Whether observations are brought to zero mean and unit variance; those of benchmark bodies need it."""
    scale_rewards: bool = True
    """Whether rewards are learnt at unit variance of the return."""
    ppo: PPOConfig = field(
        default_factory=lambda: PPOConfig(learning_rate=7e-4, minibatches=4, entropy=1e-3, huber=True)
    )


class RL2Learner:
    """Recurrent policy and critic. N trials, T steps."""

    def __init__(self, env: TrialVecEnv, seed: int, config: RL2Config | None = None):
        """
        Raises:
            AdaptError: a critic with the policy's memory is to be told the task, or the learning rate is to follow the
                divergence, which is not for recurrent policies.
        """
        self.config = config = config or RL2Config()
        if config.ppo.target_kl:
            raise AdaptError(f"rl2: ppo.target_kl: {config.ppo.target_kl}; valid: 0")
        if config.shared and config.told_critic:
            raise AdaptError("rl2: shared and told_critic: the policy would be told the task; choose one")
        self.env = env
        self.iteration_steps = config.horizon * config.robots
        torch.manual_seed(seed)
        self.policy = RecurrentPolicy(self._memory(0), config.layers, config.std)
        told = env.told.shape[1] if config.told_critic else 0
        memory = self.policy.memory if config.shared else self._memory(told)
        self.critic = RecurrentCritic(memory, config.layers)
        self.ppo = RecurrentPPO(self.policy, self.critic, config.ppo)
        steps, robots, known = config.horizon, config.robots, sum(self.policy.memory.sizes)
        self._known = known
        self._rollout = Rollout(steps, robots, known, known + told, env.previous_action.shape[1])
        self._fresh = torch.zeros(steps + 1, robots, dtype=torch.bool)
        """Whether a trial begins with the step."""
        self._hidden, self._hidden_before = (torch.zeros(2, robots, config.hidden) for _ in range(2))
        """Of policy and critic, now and before the rollout."""
        self._returns = ReturnMeter(config.robots)
        self._scale = RewardScale(config.robots, config.ppo.gamma) if config.scale_rewards else None

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets the learning rate."""
        self.ppo.set_progress(fraction)

    @torch.no_grad()
    def collect(self) -> int:
        """Plays T steps in all simulations with the present policy; returns the control steps taken."""
        env, policy, rollout, cut = self.env, self.policy, self._rollout, {}
        self._hidden_before.copy_(self._hidden)
        hidden = self._hidden[0]
        for t in range(self.config.horizon):
            self._fresh[t] = torch.from_numpy(env.elapsed == 0)
            inputs = self._inputs()
            heard = inputs[:, : self._known]
            known, hidden = policy.memory(heard[None], hidden, self._fresh[t, None])
            action, log_prob = policy.head.sample(known[0])
            transition = env.step(action.numpy())
            self._returns.add(transition)
            rollout.record(t, heard, inputs, action, log_prob, transition, self._scale)
            if transition.done.any():
                cut[t] = self._inputs()[transition.done]
                env.reset(np.flatnonzero(transition.done))
        self._fresh[-1] = torch.from_numpy(env.elapsed == 0)
        self._hidden[0] = hidden
        self._evaluate(cut)
        return self.iteration_steps

    def update(self) -> dict[str, float]:
        """One PPO update on what was collected; returns mean losses."""
        rollout = self._rollout
        metrics = self.ppo.update(rollout, self._fresh[:-1], *self._hidden_before)
        for memory, inputs in {
            self.policy.memory: rollout.policy_inputs,
            self.critic.memory: rollout.critic_inputs,
        }.items():
            memory.learn_scale(inputs)
        return metrics | self._returns.mean()

    def step(self) -> MemoryStep:
        """The policy's control step on a robot."""
        return (MemoryStep if self.config.reward else RewardFreeMemoryStep)(self.policy)

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {
            "policy": self.policy.state_dict(),
            "critic": self.critic.state_dict(),
            "optimizers": {str(i): optimizer_state(each) for i, each in enumerate(self.ppo.optimizers)},
            "env": self.env.state(),
            "hidden": self._hidden,
            "returns": self._returns.state(),
            "scale": self._scale.state() if self._scale else {},
            "torch_rng": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.policy.load_state_dict(state["policy"])
        self.critic.load_state_dict(state["critic"])
        for i, optimizer in enumerate(self.ppo.optimizers):
            restore_optimizer(optimizer, state["optimizers"][str(i)])
        self.env.restore(state["env"])
        self._hidden.copy_(state["hidden"])
        self._returns.restore(state["returns"])
        if self._scale:
            self._scale.restore(state["scale"])
        torch.set_rng_state(state["torch_rng"])

    def _memory(self, told: int) -> Memory:
        env, config = self.env, self.config
        return Memory(
            env.observation.shape[1],
            env.previous_action.shape[1],
            told,
            reward=config.reward,
            normalise=config.normalise,
            embedding=config.embedding,
            hidden=config.hidden,
        )

    def _inputs(self) -> torch.Tensor:
        """What policy and critic hear now, shape (N, F); the critic's come last."""
        env = self.env
        reward = env.previous_reward[:, None][:, : int(self.config.reward)]
        parts = (env.observation, env.previous_action, reward, env.new_episode[:, None])
        told = (env.told,) if self.config.told_critic else ()
        return torch.from_numpy(np.concatenate([*parts, *told], axis=1))

    def _evaluate(self, cut: dict[int, torch.Tensor]) -> None:
        """Values of all states.

        Args:
            cut: critic inputs, shape (ended, F), after those steps at which trials ended, before their reset.
        """
        critic, rollout, hidden = self.critic, self._rollout, self._hidden_before[1]
        inputs = torch.cat([rollout.critic_inputs, self._inputs()[None]])
        known, _ = critic.memory(inputs, hidden, self._fresh)
        values, states = critic.head(known), known[..., -self.config.hidden :]
        ends = {}
        for t, last in cut.items():
            ended = rollout.done[t] > 0
            unbroken = torch.zeros(1, len(last), dtype=torch.bool)
            known, _ = critic.memory(last[None], states[t, ended], unbroken)
            ends[t] = critic.head(known)[0]
        rollout.bootstrap(values[:-1], values[-1], ends)
        self._hidden[1] = states[-2]


def build_rl2(setup: Setup) -> RL2Learner:
    config = setup.config
    env = TrialVecEnv(
        setup.family, config.robots, setup.seed, stream=4, threads=setup.threads, episodes=config.episodes
    )
    env.stagger(config.horizon)
    return RL2Learner(env, setup.seed, config)
