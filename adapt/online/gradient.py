"""`GradientAdapter`: a policy without memory whose parameters are replaced, on trial at first, while it acts.

N robots, O observation, A action, P parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.bundle_gradient import META_STATE, prefixed, without_prefix
from adapt.errors import AdaptError
from adapt.online.adapters import bundle_graph, check_state

NOISE_BOUND = 2.0
"""Exploration goes so many standard deviations from the mean at most: 95 % of a normal distribution."""
KEPT = 16
"""How many accepted parameters, the newest, can be gone back to."""
MOST_STEPS = 2**24
"""Accepted steps: float32 counts so far."""


@dataclass(frozen=True)
class Acted:
    """What a control step was drawn from."""

    inputs: np.ndarray
    """What the network saw of the observation. Shape (N, O)."""
    action: np.ndarray
    """Before anything limits it. Shape (N, A)."""
    mean: np.ndarray
    """Shape (N, A)."""
    log_std: np.ndarray
    """Shape (N, A)."""


@dataclass(frozen=True)
class Stage:
    """Where a course of inner steps has led."""

    parameters: np.ndarray
    """Shape (N, P), float32."""
    steps: int
    """Steps from the start to here."""
    meta_state: Mapping[str, np.ndarray]
    """What the inner step remembers of them, by its name for it. Shapes (N, ...), float32."""

    def state(self) -> dict[str, np.ndarray]:
        """As named arrays; copies."""
        arrays = {"parameters": self.parameters, **prefixed(META_STATE, self.meta_state)}
        steps = {"steps": np.array([self.steps], np.float32)}
        return {name: array.copy() for name, array in arrays.items()} | steps


class GradientAdapter:
    """Acts by the mean, unless it explores. Somebody else computes parameters, see `adapt.online.learning`."""

    def __init__(self, bundle: PolicyBundle, robots: int = 1, seed: int = 0):
        outputs = ("action", "log_std", "inputs")
        inputs = ("observation", "parameters")
        self._step = bundle_graph(bundle, "step.onnx", inputs, outputs, inputs)
        start = {name: np.tile(each, (robots, *[1] * each.ndim)) for name, each in bundle.meta_state.items()}
        self._start = Stage(np.tile(bundle.start, (robots, 1)), 0, start)
        self._accepted = [self._start]
        self._trial: Stage | None = None
        self._random = np.random.default_rng(seed)
        self.exploration = 0.0
        """Standard deviations of exploration in those of the policy; 0: it acts by the mean."""
        self.newest: Acted | None = None
        """Of the last control step."""

    @property
    def stage(self) -> Stage:
        """What is acted by."""
        return self._accepted[-1] if self._trial is None else self._trial

    @property
    def parameters(self) -> np.ndarray:
        """What is acted by. Shape (N, P), float32."""
        return self.stage.parameters

    @property
    def steps(self) -> int:
        """How many steps, each of them accepted, lead from the start to what is accepted now."""
        return self._accepted[-1].steps

    @property
    def on_trial(self) -> bool:
        """Whether what is acted by is neither accepted nor rolled back yet."""
        return self._trial is not None

    def propose(self, parameters: np.ndarray, meta_state: Mapping[str, np.ndarray] | None = None) -> None:
        """Acts by other parameters, shape (N, P), from the next control step on: on trial.

        `meta_state`: what the inner step remembers with them, shapes (N, ...); None: nothing, where it has no memory.

        Raises:
            AdaptError: not all numbers are finite, or it is another shape; nothing has changed.
        """
        trial = Stage(parameters, self.steps + 1, dict(meta_state or {}))
        check_state(trial.state(), self._start.state())
        self._trial = self._stage_of(trial.state())

    def accept(self) -> bool:
        """Keeps what is on trial; whether there was anything."""
        if self._trial is None:
            return False
        self._accepted = [*self._accepted, self._trial][-KEPT:]
        self._trial = None
        return True

    def rollback(self) -> bool:
        """Drops what is on trial, else what was accepted last; False where nothing older is left."""
        if self._trial is not None:
            self._trial = None
            return True
        if len(self._accepted) == 1:
            return False
        self._accepted.pop()
        return True

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Robots `ids` act by the start parameters, and nothing else is kept of any."""
        now, start = self.stage.state(), self._start.state()
        for name in now:
            if name != "steps":
                now[name][ids] = start[name][ids]
        now["steps"] = start["steps"]
        self._accepted, self._trial = [self._stage_of(now)], None

    def act(
        self,
        observation: np.ndarray,
        previous_action: np.ndarray,
        previous_reward: np.ndarray,
        new_episode: np.ndarray,
        listen: np.ndarray,
    ) -> np.ndarray:
        """One control step, as `OnlineAdapter.act`."""
        parameters = self.parameters
        mean, log_std, inputs = self._step(observation=observation, parameters=parameters)
        action = mean
        if self.exploration > 0.0:
            noise = self._random.standard_normal(mean.shape, np.float32).clip(-NOISE_BOUND, NOISE_BOUND)
            with np.errstate(over="ignore", invalid="ignore"):  # the safety filter answers what is not finite
                action = mean + np.float32(self.exploration) * np.exp(log_std) * noise
        self.newest = Acted(inputs, action, mean, log_std)
        return action

    def belief(self) -> None:
        """It believes nothing."""
        return

    def state(self) -> dict[str, np.ndarray]:
        """The accepted parameters, how many steps led there, and what the inner step remembers of them.

        What is on trial has not proven itself.
        """
        return self._accepted[-1].state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Inverse of `state`; the start can be gone back to.

        Raises:
            AdaptError: they are not of a policy like this one.
        """
        check_state(state, self.state())
        steps = float(state["steps"][0])
        if not (steps.is_integer() and 0 <= steps <= MOST_STEPS):
            raise AdaptError(f"steps: {steps:g}; valid: a whole number from 0 to {MOST_STEPS}")
        self.reset()
        begun = self.stage.state()
        if not all(np.array_equal(state[name], begun[name]) for name in begun):
            self._accepted.append(self._stage_of(state))

    @staticmethod
    def _stage_of(state: Mapping[str, np.ndarray]) -> Stage:
        remembered = {name: array.copy() for name, array in without_prefix(META_STATE, state).items()}
        return Stage(state["parameters"].copy(), int(state["steps"][0]), remembered)
