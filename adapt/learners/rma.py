"""Rapid motor adaptation (Kumar et al. 2021, arXiv:2107.04034; Lee et al. 2020, arXiv:2010.11251).

Phase 1 trains an oracle that is told the task: the teacher. Phase 2, here, learns to tell from the robot's own history
what the teacher was told, or what its environment encoder made of it, on data of the policy that acts on the answer.
Here the answer is a posterior, and once it can be trusted, PPO goes on with the policy on its mean and standard
deviation: it learns to act well while it is still unsure. No gradient of the policy's loss enters the encoder.

Adaptation is reward-free: the encoder hears what the robot's own encoder says, and what was sent to its motor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from adapt.checkpoint import optimizer_state, restore_optimizer
from adapt.errors import AdaptError
from adapt.learners import objectives
from adapt.learners.excitation import Excitation
from adapt.learners.objectives import ACTION_HISTORY, Objective, Stretch
from adapt.learners.ppo import PPO, PPOConfig, Rollout
from adapt.learners.returns import ReturnMeter, RewardScale
from adapt.learners.setup import Setup, Teacher
from adapt.networks.belief import BeliefEncoder, HistoryEncoder, MotionModel
from adapt.networks.conv_history import ConvEncoder
from adapt.networks.normaliser import RunningNorm
from adapt.networks.on_belief import EnvironmentLatent, critic_on_belief, norm_columns, policy_on_belief
from adapt.networks.steps import BeliefStep
from adapt.networks.trajectory import TaskHead
from adapt.parallel import side_by_side
from adapt.ranges import ranged
from sim_tasks.family import TaskFamily
from sim_tasks.transition import Transition
from sim_tasks.trial_env import TrialVecEnv

TARGETS = ("parameters", "latent")
HISTORIES = ("gru", "conv")
PRIOR_TASKS = 4096
"""Tasks that the latent's mean and variance are taken from."""


@dataclass(frozen=True)
class RMAConfig:
    """Hyperparameters; the defaults were chosen on `pendulum_swingup`."""

    frames: int = 45 * 512 * 150
    """Control steps of the whole training."""
    target: str = "parameters"
    """What is believed: `parameters`, the task itself; or `latent`, as in the paper, what the teacher's environment
    encoder makes of it. That takes an oracle with `latent` above 0."""
    history: str = "gru"
    """What remembers: `gru`, for the whole trial; or `conv`, the paper's convolutions over the newest 50 steps."""
    fine_tune: bool = True
    """Whether PPO goes on with the policy on the belief; else it stays the teacher's, as in the paper."""
    objective: Objective = field(default_factory=Objective)
    """What trains the belief, see `adapt.learners.objectives`."""
    robots: int = 512
    """Simulations side by side, N; 0: as many per core as usual on two."""
    horizon: int = 150
    """Control steps per stretch, T: gradients reach this far back, memory further."""
    episodes: int = 2
    """Per trial."""
    updates: int = 16
    """Gradient steps of the belief per stretch."""
    batch: int = 96
    """Trials per gradient step."""
    learning_rate: float = 5e-3
    """Adam's at the start; falls linearly to a tenth."""
    hidden: int = 48
    """Units of the GRU."""
    excited: int = ranged(128, 0)
    """Robots that act unlike the policy, see `Excitation`; the policy does not learn from them."""
    renewal: float = ranged(0.5, 0.0, 1.0)
    """Chance that a trial ends after a stretch: a belief has most to learn in a trial's first seconds."""
    warm_up: int = ranged(8, 0)
    """Iterations before the policy learns on the belief."""
    max_grad_norm: float = 1.0
    scale_rewards: bool = False
    """Whether PPO learns from rewards at unit variance of the return; as the teacher did."""
    ppo: PPOConfig = field(default_factory=lambda: PPOConfig(learning_rate=6e-4, epochs=3))
    """Of the policy on the belief."""


class RMALearner:
    """History encoder, motion model and the policy on the belief. N trials, T steps, Q quantities, L latent.

    Networks that a teacher normalises stay as it normalised them, and the encoder hears as it saw.

    Raises:
        AdaptError: an option has a value that it cannot have, or the teacher has no latent to believe in.
    """

    def __init__(self, env: TrialVecEnv, seed: int, teacher: Teacher, config: RMAConfig | None = None):
        self.config = config = config or RMAConfig()
        _check(config, teacher)
        self.env = env
        self.iteration_steps = config.horizon * config.robots
        torch.manual_seed(seed)
        observation, action = env.observation.shape[1], env.previous_action.shape[1]
        task = env.context.shape[1]
        self.target = _latent(teacher, env.family) if config.target == "latent" else None
        size = self.target.size if self.target else task
        seen = norm_columns(teacher[0].norm, range(observation))
        norm = seen if isinstance(seen, RunningNorm) else None
        self.encoder = _encoder(config, observation, action, size, norm)
        self.motion_model = MotionModel(observation, ACTION_HISTORY * action, size, norm=norm)
        self.parameters = [*self.encoder.parameters(), *self.motion_model.parameters()]
        means_the_task = self.target is None and config.objective.privileged > 0
        self.task_head = None if means_the_task else TaskHead(size, task)
        """Reads the task off a belief that is over something else; the encoder does not learn from it."""
        head = [] if self.task_head is None else [*self.task_head.parameters()]
        self.optimizer = torch.optim.Adam([*self.parameters, *head], lr=config.learning_rate)
        self.policy = policy_on_belief(teacher[0], self.target, task)
        self.critic = critic_on_belief(teacher[1], observation + action, size)
        self.ppo = PPO(self.policy, self.critic, config.ppo)
        self.iteration = 0
        steps, robots = config.horizon, config.robots
        known = observation + action + 2 * size
        self._rollout = Rollout(steps, robots, known, known + env.told.shape[1], action)
        self._excitation = Excitation(config.excited, action)
        self._heard = torch.zeros(steps, robots, observation + action + 1)
        self._fresh = torch.zeros(steps, robots, dtype=torch.bool)
        self._memory = torch.zeros(robots, self.encoder.memory)
        self._memory_before = torch.zeros(robots, self.encoder.memory)
        self._sizes = (observation, action, task)
        self._returns = ReturnMeter(robots - config.excited)
        self._scale = RewardScale(robots, config.ppo.gamma) if config.scale_rewards else None

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets the learning rates."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * (1 - 0.9 * fraction)
        self.ppo.set_progress(fraction)

    @torch.no_grad()
    def collect(self) -> int:
        """One stretch of all trials, acting on the present belief; returns the control steps taken."""
        env, cut, excited = self.env, {}, self.config.excited
        renewed = np.flatnonzero(torch.rand(self.config.robots).numpy() < self.config.renewal)
        self._begin(renewed)
        self._returns.forget(renewed[renewed >= excited] - excited)
        self._memory_before.copy_(self._memory)
        for t in range(self.config.horizon):
            self._fresh[t] = torch.from_numpy(env.elapsed == 0)
            known, inputs, self._memory = self._listen(self._heard[t])
            action, log_prob = self.policy.sample(known)
            action[:excited] = self._excitation(action[:excited])
            transition = env.step(action.numpy())
            self._returns.add(Transition(*(each[excited:] for each in vars(transition).values())))
            self._rollout.record(t, known, inputs, action, log_prob, transition, self._scale)
            if transition.done.any():
                cut[t] = self._listen()[1]
                self._begin(np.flatnonzero(transition.done))
        self._rollout.evaluate(self.critic, self._listen()[1], cut)
        return self.iteration_steps

    def update(self) -> dict[str, float]:
        """Belief and policy on the stretch that was collected; returns mean losses.

        The two share no parameters and no random numbers: they run side by side, on a core each.
        """
        self.iteration += 1
        judged = self._rollout.without(self.config.excited)
        work = [self._update_belief]
        if self.config.fine_tune and self.iteration > self.config.warm_up:
            shuffles = self.ppo.shuffles(judged)
            work.append(lambda: self.ppo.update(judged, shuffles))
        losses = [loss for part in side_by_side(*work) for loss in part.items()]
        return {"reward": float(judged.played.mean())} | self._returns.mean() | dict(losses)

    def step(self) -> BeliefStep:
        """The control step on a robot."""
        return BeliefStep(self.encoder, self.policy, self.env.family, self.task_head)

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return self.ppo.state() | {
            "encoder": self.encoder.state_dict(),
            "motion_model": self.motion_model.state_dict(),
            "target": self.target.state_dict() if self.target else {},
            "task_head": self.task_head.state_dict() if self.task_head else {},
            "optimizer": optimizer_state(self.optimizer),
            "env": self.env.state(),
            "memory": self._memory,
            "excitation": self._excitation.held,
            "returns": self._returns.state(),
            "scale": self._scale.state() if self._scale else {},
            "iteration": self.iteration,
            "torch_rng": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.ppo.restore(state)
        self.encoder.load_state_dict(state["encoder"])
        self.motion_model.load_state_dict(state["motion_model"])
        if self.target:
            self.target.load_state_dict(state["target"])
        if self.task_head:
            self.task_head.load_state_dict(state["task_head"])
        restore_optimizer(self.optimizer, state["optimizer"])
        self.env.restore(state["env"])
        self._memory.copy_(state["memory"])
        self._excitation.held.copy_(state["excitation"])
        self._returns.restore(state["returns"])
        if self._scale:
            self._scale.restore(state["scale"])
        self.iteration = state["iteration"]
        torch.set_rng_state(state["torch_rng"])

    def _begin(self, ids: np.ndarray) -> None:
        """New trials: nothing is remembered."""
        self.env.reset(ids)
        self._memory[ids] = 0.0

    def _listen(self, heard: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What policy and critic know now, and the memory after it; writes the encoder's inputs to `heard`."""
        env = self.env
        observation, action = torch.from_numpy(env.observation), torch.from_numpy(env.previous_action)
        flag = torch.from_numpy(env.new_episode)[:, None]
        inputs = torch.cat([observation, action, flag], dim=-1, out=heard)
        belief, memory = self.encoder(inputs[None], self._memory)
        known = torch.cat([observation, action, belief[0]], dim=-1)
        return known, torch.cat([known, torch.from_numpy(env.told)], dim=-1), memory

    def _update_belief(self) -> dict[str, float]:
        config = self.config
        rounds = -(-config.updates * config.batch // config.robots)
        trials = torch.cat([torch.randperm(config.robots) for _ in range(rounds)])
        batches = trials[: config.updates * config.batch].split(config.batch)
        losses = [self._step(self._stretch(batch), self._memory_before[batch]) for batch in batches]
        return {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}

    def _step(self, stretch: Stretch, memory: torch.Tensor) -> dict[str, float]:
        belief, _ = self.encoder(stretch.heard, memory, stretch.fresh)
        terms = self._terms(belief, stretch)
        weights = self.config.objective
        # Motion model and head always learn; whether the belief learns from the forecast is the objective's choice.
        weight = {
            "privileged": weights.privileged,
            "kl": weights.kl,
            "state": weights.state or 1.0,
            "task": 1.0,
        }
        loss = torch.stack([weight[name] * term for name, term in terms.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        if self.task_head:  # for itself: it must not touch the encoder's step
            nn.utils.clip_grad_norm_(self.task_head.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        return {name: term.item() for name, term in terms.items()}

    def _terms(self, belief: torch.Tensor, stretch: Stretch) -> dict[str, torch.Tensor]:
        told = belief if self.config.objective.state else belief.detach()
        terms = {
            "privileged": objectives.regression(belief, self.target(stretch.task))
            if self.target
            else objectives.privileged(belief, stretch.task),
            "kl": objectives.kl(belief),
            "state": objectives.state(self.motion_model, told, stretch),
        }
        if self.task_head:
            terms["task"] = objectives.privileged(self.task_head(belief.detach()), stretch.task)
        return terms

    def _stretch(self, trials: torch.Tensor) -> Stretch:
        observation, action, task = self._sizes
        known = self._rollout.policy_inputs.shape[-1]
        return Stretch(
            self._heard[:, trials],
            self._rollout.critic_inputs[:, trials, known : known + task],
            observation,
            action,
            self._fresh[:, trials],
            self.motion_model.scale,
        )


def build_rma(setup: Setup) -> RMALearner:
    """
    Raises:
        AdaptError: there is no teacher, or see `RMALearner`.
    """
    if setup.teacher is None:
        raise AdaptError("rma: needs a teacher, policy and critic of an oracle run")
    config = setup.config
    env = TrialVecEnv(
        setup.family, config.robots, setup.seed, stream=2, threads=setup.threads, episodes=config.episodes
    )
    env.stagger(config.horizon if config.horizon <= env.trial_steps else 1)
    return RMALearner(env, setup.seed, setup.teacher, config)


def _encoder(
    config: RMAConfig, observation: int, action: int, latent: int, norm: RunningNorm | None
) -> HistoryEncoder:
    if config.history == "conv":
        return ConvEncoder(observation, action, latent, norm)
    return BeliefEncoder(observation, action, latent, config.hidden, norm)


def _latent(teacher: Teacher, family: TaskFamily) -> EnvironmentLatent:
    tasks = family.normalise(family.sample("train", PRIOR_TASKS, seed=0))
    return EnvironmentLatent(teacher[0], torch.from_numpy(tasks.astype(np.float32)))


def _check(config: RMAConfig, teacher: Teacher) -> None:
    for name, value, valid in (
        ("target", config.target, TARGETS),
        ("history", config.history, HISTORIES),
    ):
        if value not in valid:
            raise AdaptError(f"{name}: {value!r}; valid: {', '.join(valid)}")
    weights = config.objective
    if min(weights.privileged, weights.state, weights.kl) < 0 or not weights.privileged + weights.state:
        raise AdaptError(f"{weights}; valid: weights of 0 or more, privileged or state above 0")
    if not 0 <= config.excited < config.robots:
        raise AdaptError(
            f"excited: {config.excited}; valid: 0 to {config.robots - 1}, robots being {config.robots}"
        )
    if not (config.fine_tune or teacher[0].context_size):
        raise AdaptError(
            "fine_tune: False; the teacher was not told the task, so that its policy does not listen to a belief "
            "before PPO has taught it to: take True, or an oracle as the teacher"
        )
    if config.target == "latent" and teacher[0].encoder is None:
        raise AdaptError(
            "target: 'latent'; the teacher has no environment encoder: train the oracle with latent above 0, "
            "or take the target 'parameters'"
        )
