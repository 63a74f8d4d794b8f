"""A recurrent belief over the task, and a policy that acts on it.

The policy starts as an oracle's, trained on the true task; the belief stands in for the task. The belief is a GRU
posterior, trained on data from the policy that acts on it, so that what is scored is what it learns on. Once it can
be trusted, PPO goes on with the policy on the belief's mean and standard deviation: it learns to act well while it is
still unsure. No gradient of the policy's loss enters the encoder (VariBAD, arXiv:1910.08348).

Adaptation is reward-free: the encoder hears what the robot's own encoder says, and what was sent to its motor.
"""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from adapt.checkpoint import optimizer_state, restore_optimizer
from adapt.errors import AdaptError
from adapt.learners import objectives
from adapt.learners.excitation import Excitation
from adapt.learners.objectives import ACTION_HISTORY, Stretch
from adapt.learners.ppo import PPO, PPOConfig, Rollout
from adapt.learners.setup import Setup, Teacher
from adapt.networks.belief import BeliefEncoder, MotionModel
from adapt.networks.policy import Critic, GaussianPolicy, widen
from adapt.networks.steps import BeliefStep
from sim_tasks.trial_env import TrialVecEnv


@dataclass(frozen=True)
class RMAConfig:
    """Hyperparameters; the defaults were chosen on `pendulum_swingup`."""

    frames: int = 45 * 512 * 150
    """Control steps of the whole training."""
    robots: int = 512
    """Simulations side by side, N."""
    horizon: int = 150
    """Control steps per stretch, T: gradients reach this far back, memory further."""
    updates: int = 16
    """Gradient steps of the belief per stretch."""
    batch: int = 96
    """Trials per gradient step."""
    learning_rate: float = 5e-3
    """Adam's at the start; falls linearly to a tenth."""
    hidden: int = 48
    excited: int = 128
    """Robots that act unlike the policy, see `Excitation`; the policy does not learn from them."""
    renewal: float = 0.5
    """Chance that a trial ends after a stretch: a belief has most to learn in a trial's first seconds."""
    warm_up: int = 8
    """Iterations before the policy learns on the belief."""
    max_grad_norm: float = 1.0
    objective: dict[str, float] = field(default_factory=lambda: {"privileged": 1.0})
    """Weights of `adapt.learners.objectives`' terms that train the belief."""
    ppo: PPOConfig = field(default_factory=lambda: PPOConfig(learning_rate=6e-4, epochs=3))
    """Of the policy on the belief."""


class RMALearner:
    """Belief encoder, motion model and the policy on the belief. N trials, T steps, Q quantities."""

    def __init__(
        self,
        env: TrialVecEnv,
        seed: int,
        teacher: Teacher,
        config: RMAConfig | None = None,
    ):
        self.config = config or RMAConfig()
        unknown = set(self.config.objective) - {"privileged", "state", "kl"}
        if unknown:
            raise AdaptError(f"unknown objective {sorted(unknown)}; valid: privileged, state, kl")
        self.env = env
        self.iteration_steps = self.config.horizon * self.config.robots
        torch.manual_seed(seed)
        observation, action = env.observation.shape[1], env.previous_action.shape[1]
        task = env.context.shape[1]
        self.encoder = BeliefEncoder(observation, action, task, self.config.hidden)
        self.motion_model = MotionModel(observation, ACTION_HISTORY * action, task)
        self.parameters = [*self.encoder.parameters(), *self.motion_model.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=self.config.learning_rate)
        self.policy, self.critic = _on_belief(teacher, task)
        self.ppo = PPO(self.policy, self.critic, self.config.ppo)
        self.iteration = 0
        steps, robots = self.config.horizon, self.config.robots
        known = observation + action + 2 * task
        self._rollout = Rollout(steps, robots, known, known + task, action)
        self._excitation = Excitation(self.config.excited, action)
        self._heard = torch.zeros(steps, robots, observation + action + 1)
        self._memory = torch.zeros(robots, self.encoder.memory)
        self._memory_before = torch.zeros(robots, self.encoder.memory)
        self._sizes = (observation, action, task)

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets the learning rates."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * (1 - 0.9 * fraction)
        self.ppo.set_progress(fraction)

    @torch.no_grad()
    def collect(self) -> int:
        """One stretch of all trials, acting on the present belief; returns the control steps taken.

        Trials begin at the beginning of stretches only: `TrialVecEnv.stagger(horizon)` sees to it.
        """
        env, cut, excited = self.env, {}, self.config.excited
        renewed = np.flatnonzero(torch.rand(self.config.robots).numpy() < self.config.renewal)
        env.reset(renewed)
        self._memory[np.flatnonzero(env.elapsed == 0)] = 0.0
        self._memory_before.copy_(self._memory)
        for t in range(self.config.horizon):
            known, inputs, self._memory = self._listen(self._heard[t])
            action, log_prob = self.policy.sample(known)
            action[:excited] = self._excitation(action[:excited])
            transition = env.step(action.numpy())
            self._rollout.record(t, known, inputs, action, log_prob, transition)
            if transition.done.any():
                cut[t] = self._listen()[1]
                env.reset(np.flatnonzero(transition.done))
        self._rollout.evaluate(self.critic, self._listen()[1], cut)
        return self.iteration_steps

    def update(self) -> dict[str, float]:
        """Belief and policy on the stretch that was collected; returns mean losses.

        The two share no parameters and no random numbers: they run side by side, on a core each.
        """
        self.iteration += 1
        judged = self._rollout.without(self.config.excited)
        with ThreadPoolExecutor(max_workers=1) as other_core:
            policy = None
            if self.iteration > self.config.warm_up:
                policy = other_core.submit(self.ppo.update, judged, self.ppo.shuffles(judged))
            metrics = self._update_belief() | {"reward": float(judged.played.mean())}
            return metrics | (policy.result() if policy else {})

    def step(self) -> BeliefStep:
        """The control step on a robot."""
        return BeliefStep(self.encoder, self.policy, self.env.family)

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {
            "policy": self.policy.state_dict(),
            "critic": self.critic.state_dict(),
            "policy_optimizer": optimizer_state(self.ppo.optimizer),
            "encoder": self.encoder.state_dict(),
            "motion_model": self.motion_model.state_dict(),
            "optimizer": optimizer_state(self.optimizer),
            "env": self.env.state(),
            "memory": self._memory,
            "excitation": self._excitation.held,
            "iteration": self.iteration,
            "torch_rng": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.policy.load_state_dict(state["policy"])
        self.critic.load_state_dict(state["critic"])
        restore_optimizer(self.ppo.optimizer, state.get("policy_optimizer", {}))
        self.encoder.load_state_dict(state["encoder"])
        self.motion_model.load_state_dict(state["motion_model"])
        restore_optimizer(self.optimizer, state["optimizer"])
        self.env.restore(state["env"])
        self._memory.copy_(state["memory"])
        self._excitation.held.copy_(state["excitation"])
        self.iteration = state["iteration"]
        torch.set_rng_state(state["torch_rng"])

    def _listen(self, heard: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What policy and critic know now, and the memory after it; writes the encoder's inputs to `heard`."""
        env = self.env
        observation, action = torch.from_numpy(env.observation), torch.from_numpy(env.previous_action)
        flag = torch.from_numpy(env.new_episode)[:, None]
        inputs = torch.cat([observation, action, flag], dim=-1, out=heard)
        belief, memory = self.encoder(inputs[None], self._memory)
        known = torch.cat([observation, action, belief[0]], dim=-1)
        return known, torch.cat([known, torch.from_numpy(env.context)], dim=-1), memory

    def _update_belief(self) -> dict[str, float]:
        config = self.config
        rounds = -(-config.updates * config.batch // config.robots)
        trials = torch.cat([torch.randperm(config.robots) for _ in range(rounds)])
        batches = trials[: config.updates * config.batch].split(config.batch)
        losses = [self._step(self._stretch(batch), self._memory_before[batch]) for batch in batches]
        return {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}

    def _step(self, stretch: Stretch, memory: torch.Tensor) -> dict[str, float]:
        weights = self.config.objective
        belief, _ = self.encoder(stretch.heard, memory)
        told = belief if "state" in weights else belief.detach()
        terms = {
            "privileged": objectives.privileged(belief, stretch.task),
            "kl": objectives.kl(belief),
            "state": objectives.state(self.motion_model, told, stretch),
        }
        # The motion model always learns to predict; whether the belief learns from it is the objective's choice.
        loss = torch.stack(
            [weights.get(name, float(name == "state")) * term for name, term in terms.items()]
        ).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        self.optimizer.step()
        return {name: term.item() for name, term in terms.items()}

    def _stretch(self, trials: torch.Tensor) -> Stretch:
        observation, action, task = self._sizes
        return Stretch(
            self._heard[:, trials], self._rollout.critic_inputs[:, trials, -task:], observation, action
        )


def build_rma(setup: Setup) -> RMALearner:
    """
    Raises:
        AdaptError: there is no teacher.
    """
    if setup.teacher is None:
        raise AdaptError("rma: needs a teacher, policy and critic of an oracle run")
    config = setup.config
    env = TrialVecEnv(setup.family, config.robots, setup.seed, stream=2, threads=setup.threads, episodes=2)
    env.stagger(config.horizon)
    return RMALearner(env, setup.seed, setup.teacher, config)


def _on_belief(teacher: Teacher, task: int) -> tuple[GaussianPolicy, Critic]:
    """The teacher's policy on (mean, log std) in place of the task; its critic on both.

    Inputs are (observation, previous action, mean, log std) for the policy, and the task after them for the critic.
    """
    policy, critic = copy.deepcopy(teacher[0]), copy.deepcopy(teacher[1])
    policy.body = widen(policy.body, task)
    policy.context_size = 2 * task
    critic.body = widen(critic.body, 2 * task)
    first = critic.body[0]
    assert isinstance(first, nn.Linear)
    known = first.in_features - 3 * task
    order = [*range(known), *range(known + task, known + 3 * task), *range(known, known + task)]
    first.weight = nn.Parameter(first.weight.detach()[:, order])
    return policy, critic
