"""What the gradient meta-learners share: start parameters that a few policy-gradient steps adapt to a task.

An iteration draws B tasks. From the shared parameters theta, each task's policy plays a phase of R episodes, takes an
inner step on it, plays again, and so on; what is learned from the phases is the subclass's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapt.bundle_gradient import META_PARAMS, META_STATE, prefixed
from adapt.inner_steps import InnerStep
from adapt.inner_steps.episodes import Episodes
from adapt.inner_steps.inner_step import Tensors, in_groups
from adapt.inner_steps.policy_gradient import PolicyGradient
from adapt.learners.phase import Phase
from adapt.learners.setup import Setup
from adapt.networks.gradient_step import GradientStep
from adapt.networks.normaliser import RunningNorm
from adapt.networks.task_policies import TaskPolicies
from adapt.ranges import ranged
from sim_tasks.trial_env import TrialVecEnv

_STREAM, _EVALUATION_STREAM = 5, 6


@dataclass(frozen=True)
class GradientMetaConfig:
    """Hyperparameters that MAML (arXiv:1703.03400, appendix A.2) and ProMP (arXiv:1810.06784) have in common.

    Many small iterations: an eighth of those papers' 40 tasks of 20 episodes each, and exploration that costs a quarter
    of their control effort (they have a standard deviation of 1). With 20 tasks of 10 episodes and 1, the directions of
    half_cheetah_dir were hardly told apart after 4 to 6 M control steps; with these, adapted ones earn 480 and more.
    """

    frames: int = 20_000_000
    """Control steps of the whole training."""
    tasks: int = 20
    """Tasks per iteration, B."""
    rollouts: int = 5
    """Episodes of each task before and after every inner step, R."""
    inner_steps: int = 1
    """Inner steps in training, K."""
    inner_learning_rate: float = 0.1
    """Of the inner steps, alpha."""
    later_learning_rate: float = 0.05
    """Of inner steps beyond those of training; MAML halves alpha."""
    later_steps: int = 3
    """Inner steps that a task is given after training: so many, or as many as in training, if those are more."""
    gamma: float = ranged(0.99, 0.0, 1.0)
    """Discount per control step."""
    gae_lambda: float = ranged(1.0, 0.0, 1.0)
    hidden: tuple[int, ...] = (64, 64)
    """Sizes of the hidden layers."""
    std: float = ranged(0.5, 1e-3)
    """Standard deviation of the actions at the start."""
    normalise: bool = True
    """Whether observations are brought to zero mean and unit variance; the papers take them as they are."""


class GradientMetaLearner(ABC):
    """Start parameters, and phases of many tasks side by side. B tasks, R episodes, P parameters."""

    plays_adapted = True
    """Whether an iteration ends with a phase of the fully adapted policies."""

    def __init__(self, setup: Setup, config: GradientMetaConfig):
        self._shared, self._setup = config, setup
        torch.manual_seed(setup.seed)
        self.env = self._environment(config.tasks, setup.seed, _STREAM, "train")
        observation, action = self.env.observation.shape[1], self.env.previous_action.shape[1]
        self.policies = TaskPolicies(observation, action, config.hidden)
        self.parameters = self.policies.initial(config.std)
        """What adaptation starts from, theta. Shape (P,)."""
        self.meta_params = self.inner_step.initial_meta_params(self.policies)
        """Of the inner step: what of it is meta-trained besides."""
        self.norm = RunningNorm(observation) if config.normalise else None
        self._phase = self._phase_of(self.env, config.tasks)
        self._phases: list[Episodes] = []
        self._progress = 0.0
        self._adapted = self._start(config.tasks)
        played = config.inner_steps + self.plays_adapted
        self.iteration_steps = played * self.env.robots * self.env.episode_steps

    @property
    def steps(self) -> int:
        """Inner steps that a task is given after training."""
        return max(self._shared.later_steps, self._shared.inner_steps)

    def step(self) -> GradientStep:
        """One control step, with the parameters from outside."""
        return GradientStep(self.policies, self._phase.normalise, self.parameters.detach().clone())

    def adaptation(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What whoever goes on adapting has to know, for a bundle's manifest; and the inner step's own arrays."""
        config = self._shared
        params = {name: tensor.detach().numpy() for name, tensor in self.meta_params.items()}
        state = {name: tensor[0].numpy() for name, tensor in self.inner_step.initial_meta_state(1).items()}
        own = {"meta_params": params, "meta_state": state}
        shapes = {
            field: {n: list(a.shape) for n, a in arrays.items()} for field, arrays in own.items() if arrays
        }
        manifest = {
            "parameters": self.policies.size,
            "layers": list(config.hidden),
            "rule": self.inner_step.manifest(),
            "rates": [self.inner_rate(step) for step in range(self.steps)],
            "rollouts": config.rollouts,
            "episode_steps": self.env.episode_steps,
            "gamma": config.gamma,
            "gae_lambda": config.gae_lambda,
            **shapes,
        }
        return manifest, prefixed(META_PARAMS, params) | prefixed(META_STATE, state)

    @property
    @abstractmethod
    def inner_step(self) -> InnerStep:
        """What an inner step is."""

    @abstractmethod
    def meta_step(self, phases: list[Episodes], adapted: torch.Tensor) -> dict[str, float]:
        """Improves the start parameters; phases in order of time, adapted parameters (B, P). Returns metrics."""

    def adapt(self, episodes: Episodes, step: int, meta_state: Tensors) -> tuple[torch.Tensor, Tensors]:
        """Inner step number `step`, from 0, of the parameters that played.

        Returns:
            The new ones, shape (B, P), and the inner step's next meta-state.
        """
        rate = self.inner_rate(step)
        return in_groups(self.inner_step, self.policies, episodes, rate, self.meta_params, meta_state)

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]."""
        self._progress = fraction

    def collect(self) -> int:
        """Plays and adapts B new tasks; returns the control steps taken."""
        config, env = self._shared, self.env
        first = np.arange(0, env.robots, config.rollouts)
        values = env.family.draw(env.random.rows(first), config.tasks, env.split)
        parameters, self._phases = self._start(config.tasks), []
        meta_state = self.inner_step.initial_meta_state(config.tasks)
        for step in range(config.inner_steps):
            self._phases.append(self._phase.play(parameters, values))
            parameters, meta_state = self.adapt(self._phases[-1], step, meta_state)
        if self.plays_adapted:
            self._phases.append(self._phase.play(parameters, values, by_truth=True))
        self._adapted = parameters
        return self.iteration_steps

    def update(self) -> dict[str, float]:
        """The meta-step on what was collected. `return` is that of the last phase, `return_before` of the first."""
        phases = self._phases
        metrics = self.meta_step(phases, self._adapted)
        if self.norm is not None:
            for episodes in phases:
                self.norm.update(episodes.observation)
        log_std = self.parameters.detach()[-self.env.previous_action.shape[1] :]
        return metrics | {
            "reward": phases[-1].reward,
            "return": float(phases[-1].returns.mean()),
            "return_before": float(phases[0].returns.mean()),
            "action_std": float(torch.exp(log_std).mean()),
        }

    def adaptation_curve(
        self, tasks: np.ndarray, steps: int, seed: int, split: str = "test", plain_rate: float | None = None
    ) -> np.ndarray:
        """Mean return over R episodes of tasks, after 0 to `steps` inner steps, on an environment of its own.

        Args:
            tasks: in SI units, shape (n, physical parameters).
            steps: may be more than were taken in training.
            seed: of starts and actions.
            split: what the tasks are of.
            plain_rate: of plain policy gradients in place of the learner's own inner steps.

        Returns:
            Shape (steps + 1, n).
        """
        plain = plain_rate is not None
        inner_step, meta_params = (PolicyGradient(), {}) if plain else (self.inner_step, self.meta_params)
        generator = torch.Generator().manual_seed(seed)
        group = min(self._shared.tasks, len(tasks))
        phase = self._phase_of(self._environment(group, seed, _EVALUATION_STREAM, split), group)
        curve = np.empty((steps + 1, len(tasks)))
        for first in range(0, len(tasks), group):
            some = tasks[first : first + group]
            values = np.resize(
                some, (group, tasks.shape[1])
            )  # a last group that is smaller repeats its tasks
            parameters, meta_state = self._start(group), inner_step.initial_meta_state(group)
            for step in range(steps + 1):
                episodes = phase.play(parameters, values, generator)
                curve[step, first : first + group] = episodes.returns.mean(dim=1)[: len(some)].numpy()
                if step < steps:
                    rate = self.inner_rate(step) if plain_rate is None else plain_rate
                    parameters, meta_state = in_groups(
                        inner_step, self.policies, episodes, rate, meta_params, meta_state
                    )
        return curve

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {
            "parameters": self.parameters.detach().clone(),
            "meta_params": {name: tensor.detach().clone() for name, tensor in self.meta_params.items()},
            "env": self.env.state(),
            "norm": self.norm.state_dict() if self.norm is not None else {},
            "torch_rng": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.replace_parameters(torch.as_tensor(state["parameters"]))
        with torch.no_grad():
            for name, tensor in self.meta_params.items():
                tensor.copy_(torch.as_tensor(state["meta_params"][name]))
        self.env.restore(state["env"])
        if self.norm is not None:
            self.norm.load_state_dict(state["norm"])
        torch.set_rng_state(state["torch_rng"])

    def inner_rate(self, step: int) -> float:
        """Alpha of inner step number `step`, from 0."""
        config = self._shared
        return config.inner_learning_rate if step < config.inner_steps else config.later_learning_rate

    @torch.no_grad()
    def replace_parameters(self, parameters: torch.Tensor) -> None:
        """New start parameters, shape (P,)."""
        self.parameters.copy_(parameters)

    def _start(self, tasks: int) -> torch.Tensor:
        """The start parameters, once for each task. Shape (B, P)."""
        return self.parameters.detach().repeat(tasks, 1)

    def _environment(self, tasks: int, seed: int, stream: int, split: str) -> TrialVecEnv:
        """R simulations of each task; physics that change in mid-trial would be another task."""
        setup, robots = self._setup, tasks * self._shared.rollouts
        return TrialVecEnv(
            setup.family, robots, seed, stream=stream, split=split, threads=setup.threads, changes=False
        )

    def _phase_of(self, env: TrialVecEnv, tasks: int) -> Phase:
        config = self._shared
        normalise = self.norm if self.norm is not None else _as_it_is
        return Phase(
            env, self.policies, normalise, tasks=tasks, gamma=config.gamma, gae_lambda=config.gae_lambda
        )


def _as_it_is(observation: torch.Tensor) -> torch.Tensor:
    return observation
