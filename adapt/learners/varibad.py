"""VariBAD (Zintgraf et al. 2020, arXiv:1910.08348): a policy on a variational belief over the task.

A recurrent encoder, q(m | trajectory so far), is trained by a variational autoencoder whose decoders predict rewards,
observations or both, in past and future. The policy acts on its mean and log standard deviation, by PPO; no gradient
of the policy enters the encoder. A head reads the physical task off the belief; none of its gradients enter either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from adapt.checkpoint import optimizer_state, restore_optimizer
from adapt.learners import elbo
from adapt.learners.objectives import privileged
from adapt.learners.ppo import PPO, PPOConfig, Rollout
from adapt.learners.returns import ReturnMeter, RewardScale
from adapt.learners.setup import Setup
from adapt.learners.trial_buffer import TrialBuffer, Trials
from adapt.networks.policy import Critic, GaussianPolicy, learn_scale
from adapt.networks.trajectory import TaskHead, TrajectoryEncoder, TransitionDecoder
from adapt.networks.varibad_step import VariBADStep
from adapt.parallel import side_by_side
from adapt.ranges import ranged
from sim_tasks.trial_env import TrialVecEnv


@dataclass(frozen=True)
class VariBADConfig:
    """Hyperparameters; the defaults are for tasks that differ in what is rewarded (`half_cheetah_vel`)."""

    frames: int = 30_000_000
    """Control steps of the whole training."""
    robots: int = 256
    """Simulations side by side, N; 0: as many per core as usual on two."""
    horizon: int = 50
    """Control steps per simulation and update, T."""
    episodes: int = 2
    """Per trial."""
    hidden: tuple[int, ...] = (128, 128)
    """Hidden layers of policy and critic."""
    std: float = ranged(0.6, 1e-3)
    """Standard deviation of the actions at the start."""
    latent: int = 5
    """Dimensions of the belief, L."""
    memory: int = 128
    """Units of the encoder's GRU."""
    embedding: int = 64
    hears_reward: bool = True
    """Whether the encoder hears the reward; a robot that measures none needs one that does not."""
    reward_weight: float = 1.0
    """Of the reward decoder in the loss; 0: there is none."""
    state_weight: float = 0.0
    """Of the state decoder, which tells dynamics apart without reward; 0: there is none."""
    ahead: int = 1
    """Control steps that the state decoder looks ahead, given the actions between. 1 is the paper's; where sensors are
    noisy, what one step changes is mostly noise."""
    reward_decoder: tuple[int, ...] = (64, 32)
    state_decoder: tuple[int, ...] = (128, 64)
    kl_weight: float = 0.1
    """Of the KL divergence against the error of one trajectory, summed over its steps."""
    learning_rate: float = 1e-3
    """Adam's for encoder and decoders."""
    max_grad_norm: float = 1e3
    """Of encoder, decoders and task head each: only outliers are cut."""
    updates: int = 2
    """Gradient steps of the autoencoder per iteration."""
    trials: int = 16
    """Per gradient step, out of the buffer."""
    times: int = 32
    """Times t at which a trajectory is decoded, per gradient step."""
    transitions: int = 64
    """Transitions that are decoded at each."""
    buffer: int = 1000
    """Newest whole trials that are kept."""
    warm_up: int = 32
    """Trials in the buffer before the autoencoder learns."""
    ppo: PPOConfig = field(
        default_factory=lambda: PPOConfig(
            gamma=0.99,
            gae_lambda=0.95,
            epochs=4,
            minibatches=16,
            learning_rate=7e-4,
            clip=0.2,
            entropy=2e-3,
            huber=True,
        )
    )


class VariBADLearner:
    """Encoder, decoders, task head and the policy on the belief. N trials, T steps, Q physical quantities."""

    def __init__(self, env: TrialVecEnv, seed: int, config: VariBADConfig):
        self.config = config
        self.env = env
        self.iteration_steps = config.horizon * config.robots
        torch.manual_seed(seed)
        observation, action = env.observation.shape[1], env.previous_action.shape[1]
        task, told, latent = env.context.shape[1], env.told.shape[1], config.latent
        self.encoder = TrajectoryEncoder(
            observation, action, latent, config.memory, config.embedding, reward=config.hears_reward
        )
        known = observation + action
        self.decoders = nn.ModuleDict()
        if config.reward_weight > 0:
            inputs = known + observation
            self.decoders["reward"] = TransitionDecoder(inputs, latent, 1, config.reward_decoder)
        if config.state_weight > 0:
            inputs = observation + config.ahead * action
            self.decoders["state"] = TransitionDecoder(inputs, latent, observation, config.state_decoder)
        self.task_head = TaskHead(latent, task)
        self.model = nn.ModuleList([self.encoder, self.decoders, self.task_head])
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config.learning_rate)
        self.policy = GaussianPolicy(
            observation, action, 2 * latent, config.hidden, normalise=True, std=config.std
        )
        self.critic = Critic(observation, action, 2 * latent + told, config.hidden, normalise=True)
        self.ppo = PPO(self.policy, self.critic, config.ppo)
        inputs = known + 2 * latent
        self._rollout = Rollout(config.horizon, config.robots, inputs, inputs + told, action)
        self._buffer = TrialBuffer(env, config.buffer)
        self._heard = torch.zeros(config.horizon, config.robots, self.encoder.size)
        self._memory = torch.zeros(config.robots, config.memory)
        self._reward = np.zeros((config.robots, 1), np.float32)
        """What the control step before earned, which is decoded; robots hear another reward than it."""
        self._returns = ReturnMeter(config.robots)
        self._scale = RewardScale(config.robots, config.ppo.gamma)

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets the policy's learning rate."""
        self.ppo.set_progress(fraction)

    @torch.no_grad()
    def collect(self) -> int:
        """T steps of all trials, acting on the present belief; returns the control steps taken."""
        env, cut = self.env, {}
        for t in range(self.config.horizon):
            inputs = self._listen(self._heard[t])
            known = inputs[:, : self._rollout.policy_inputs.shape[-1]]
            action, log_prob = self.policy.sample(known)
            self._buffer.hear(env, self._heard[t].numpy(), self._reward)
            transition = env.step(action.numpy())
            self._reward[:, 0] = transition.reward
            self._returns.add(transition)
            self._rollout.record(t, known, inputs, action, log_prob, transition, self._scale)
            if transition.done.any():
                cut[t], heard = self._peek()
                over = np.flatnonzero(transition.done)
                self._buffer.end(env, over, heard.numpy()[over], self._reward[over])
                self._begin(over)
        self._rollout.evaluate(self.critic, self._peek()[0], cut)
        return self.iteration_steps

    def update(self) -> dict[str, float]:
        """Policy and autoencoder, side by side: they share no parameters, and all random numbers are drawn before."""
        rollout, shuffles = self._rollout, self.ppo.shuffles(self._rollout)
        draws = self._draws()
        policy, model = side_by_side(
            lambda: self.ppo.update(rollout, shuffles), lambda: [self._step(draw) for draw in draws]
        )
        learn_scale(self.policy, rollout.policy_inputs)
        learn_scale(self.critic, rollout.critic_inputs)
        self.encoder.norm.update(self._heard)
        losses = {name: float(np.mean([loss[name] for loss in model])) for name in (model or [{}])[0]}
        return policy | losses | self._returns.mean()

    def step(self) -> VariBADStep:
        """One control step, as it is deployed."""
        return VariBADStep(self.encoder, self.task_head, self.policy, self.env.family)

    def _listen(self, heard: torch.Tensor) -> torch.Tensor:
        """Takes in what there is to hear, writes it to `heard`, (N, size), and returns the critic's inputs."""
        belief, self._memory = self._encode(heard)
        return self._inputs(belief)

    def _peek(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The critic's inputs and what there is to hear, without taking it in."""
        heard = torch.empty_like(self._heard[0])
        return self._inputs(self._encode(heard)[0]), heard

    def _encode(self, heard: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        env, flag = self.env, self.env.new_episode[:, None]
        parts = [env.observation, env.previous_action, env.previous_reward[:, None], flag]
        torch.cat([torch.from_numpy(part) for part in parts], dim=-1, out=heard)
        belief, memory = self.encoder(heard[None], self._memory)
        return belief[0], memory

    def _inputs(self, belief: torch.Tensor) -> torch.Tensor:
        env = self.env
        known = [torch.from_numpy(array) for array in (env.observation, env.previous_action)]
        return torch.cat([*known, belief, torch.from_numpy(env.told)], dim=-1)

    def _begin(self, ids: np.ndarray) -> None:
        """New trials: nothing is remembered."""
        self.env.reset(ids)
        self._memory[ids] = 0.0
        self._reward[ids] = 0.0

    def _draws(self) -> list[elbo.Draws]:
        config, kept = self.config, len(self._buffer)
        if kept < config.warm_up:
            return []
        sizes = (config.trials, config.times, config.transitions, config.latent)
        return [elbo.Draws.draw(kept, self.env.trial_steps, *sizes) for _ in range(config.updates)]

    def _step(self, draws: elbo.Draws) -> dict[str, float]:
        """One gradient step on -ELBO, and of the task head on its log-likelihood."""
        config, trials = self.config, self._buffer.sample(draws.rows)
        belief, _ = self.encoder(trials.heard[:-1], torch.zeros(len(draws.rows), config.memory))
        latent = elbo.latent_samples(belief[draws.times], draws.noise)
        terms = {
            "kl": elbo.kl_to_previous(belief)[draws.times].mean(),
            **self._reconstruction(trials, latent, draws.transitions),
            "task": privileged(self.task_head(belief[draws.times].detach()), trials.task),
        }
        steps = self.env.trial_steps
        weights = {
            "kl": config.kl_weight,
            "reward_error": steps * config.reward_weight,
            "state_error": steps * config.state_weight,
            "task": 1.0,
        }
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for part in self.model:  # each for itself: the task head must not touch the encoder's step
            nn.utils.clip_grad_norm_(part.parameters(), config.max_grad_norm)
        self.optimizer.step()
        return {name: term.item() for name, term in terms.items()}

    def _reconstruction(
        self, trials: Trials, latent: torch.Tensor, k: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        ahead, errors = self.config.ahead, {}
        for name, decoder in self.decoders.items():
            assert isinstance(decoder, TransitionDecoder)
            if name == "reward":
                inputs, target, valid = elbo.reward_inputs(trials, k), trials.reward(k), trials.valid(k)
            else:
                inputs, valid = elbo.state_inputs(trials, k, ahead), trials.valid(k, ahead)
                target = trials.observation(k + ahead) - trials.observation(k)
            decoder.norm.update(inputs[valid])
            decoder.target_norm.update(target[valid])
            errors[f"{name}_error"] = elbo.reconstruction(decoder, latent, inputs, target, valid)
        return errors

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return self.ppo.state() | {
            "model": self.model.state_dict(),
            "optimizer": optimizer_state(self.optimizer),
            "env": self.env.state(),
            "buffer": self._buffer.state(),
            "memory": self._memory,
            "reward": self._reward.copy(),
            "returns": self._returns.state(),
            "scale": self._scale.state(),
            "torch_rng": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.ppo.restore(state)
        self.model.load_state_dict(state["model"])
        restore_optimizer(self.optimizer, state.get("optimizer", {}))
        self.env.restore(state["env"])
        self._buffer.restore(state["buffer"])
        self._memory.copy_(state["memory"])
        self._reward[:] = np.asarray(state["reward"])
        self._returns.restore(state["returns"])
        self._scale.restore(state["scale"])
        torch.set_rng_state(state["torch_rng"])


def build_varibad(setup: Setup) -> VariBADLearner:
    """VariBAD on trials of several episodes."""
    config = setup.config
    env = TrialVecEnv(
        setup.family, config.robots, setup.seed, stream=3, threads=setup.threads, episodes=config.episodes
    )
    env.stagger()
    return VariBADLearner(env, setup.seed, config)
