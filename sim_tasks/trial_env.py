"""`TrialVecEnv`: N trials side by side, with the robot's own observation, action and safety code in the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robots import SensorFrame
from robots.action import ActionLayout
from robots.safety import SafetyFilter
from sim_tasks.batch_sim import BatchSim
from sim_tasks.family import Motion, TaskFamily

_STATE = ("elapsed", "change_step", "observation", "previous_action", "context")


@dataclass(frozen=True)
class Transition:
    """What one control step gave. The environment's `observation` is already the next one."""

    reward: np.ndarray
    """Shape (N,)."""
    truncated: np.ndarray
    """Trials whose time is over. Shape (N,), bool."""
    terminated: np.ndarray
    """Trials whose simulation diverged. Shape (N,), bool."""

    @property
    def done(self) -> np.ndarray:
        return self.truncated | self.terminated


class TrialVecEnv:
    """N trials of K episodes each on tasks of one split; the caller resets trials that are done.

    Environments with the same seed but another `stream` draw other tasks.

    `observation` (N, O), `previous_action` (N, A) and `context` (N, P + R: the task in the belief's coordinates)
    are float32 and live. An episode boundary inside a trial moves the robot to a new start, on the same task.
    """

    def __init__(
        self,
        family: TaskFamily,
        robots: int,
        seed: int,
        *,
        stream: int = 0,
        split: str = "train",
        episodes: int = 1,
        threads: int = 0,
        changes: bool = True,
    ):
        self.family = family
        self.robots = robots
        self.split = split
        self._start = family.training_start if split == "train" else family.start
        self.episode_steps = family.episode_steps
        self.trial_steps = episodes * family.episode_steps
        self.rng = np.random.default_rng([seed, 7, stream])
        self.sim = BatchSim(family.robot, family.parameters, robots, threads)
        self.safety = SafetyFilter(family.robot, robots)
        self.action = ActionLayout(family.robot)
        self._change_probability = family.change.probability if changes else 0.0
        self._change_column = family.parameter_index(family.change.parameter)
        self.elapsed = np.zeros(robots, dtype=np.int64)
        """Control steps since the trial began. Shape (N,)."""
        self.change_step = np.zeros(robots, dtype=np.int64)
        """Step at which the physics change; beyond the trial's end where they do not. Shape (N,)."""
        self.observation = np.zeros((robots, family.observation.size), np.float32)
        self.previous_action = np.zeros((robots, self.action.size), np.float32)
        self.context = np.zeros((robots, len(family.belief_names)), np.float32)
        self.reset(np.arange(robots))

    @property
    def new_episode(self) -> np.ndarray:
        """1 where an episode begins with the present observation. Shape (N,), float32."""
        return (self.elapsed % self.episode_steps == 0).astype(np.float32)

    def reset(self, ids: np.ndarray, values: np.ndarray | None = None) -> None:
        """Begins new trials in `ids`, shape (n,), on drawn tasks or on given ones, shape (n, P)."""
        if values is None:
            values = self.family.draw(self.rng, len(ids), self.split)
        self._set_task(ids, values)
        self.elapsed[ids] = 0
        self.change_step[ids] = np.where(
            self.rng.random(len(ids)) < self._change_probability,
            self.rng.integers(self.episode_steps // 4, self.trial_steps, len(ids)),
            self.trial_steps + 1,
        )
        self._begin_episode(ids)
        self._sense()

    def stagger(self, stride: int = 1) -> None:
        """Spreads the trials over their length, in multiples of `stride` steps, so that not all end at once."""
        self.elapsed[:] = stride * self.rng.integers(0, self.trial_steps // stride, self.robots)

    def step(self, action: np.ndarray) -> Transition:
        """Applies actions, shape (N, A), through the safety filter for one control period."""
        return self.apply(self.safety.certify(self.action.to_command(action), self.frame).command)

    def apply(self, command: np.ndarray) -> Transition:
        """Sends certified commands, shape (N, J), in [command unit], for one control period."""
        diverged = self.sim.step(command)
        self.previous_action[:] = self.action.to_action(command)
        self.elapsed += 1
        self._change_physics()
        reward = self.family.rewards(Motion(self.sim.position, self.sim.velocity, self.previous_action))
        truncated = (self.elapsed >= self.trial_steps) & ~diverged
        boundary = np.flatnonzero((self.elapsed % self.episode_steps == 0) & ~truncated & ~diverged)
        if len(boundary):
            self._begin_episode(boundary)
        self._sense()
        return Transition(reward, truncated, diverged)

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {
            "sim": self.sim.state(),
            "safety": self.safety.state(),
            "rng": self.rng.bit_generator.state,
            "diverged": self.sim.diverged,
            "frame": {"position": self.frame.position, "velocity": self.frame.velocity},
        } | {name: getattr(self, name).copy() for name in _STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`; arrays may come as anything that numpy reads."""
        arrays = {name: np.asarray(array) for name, array in state["sim"].items()}
        self.sim.restore(arrays)
        self.safety.restore({name: np.asarray(array) for name, array in state["safety"].items()})
        self.rng.bit_generator.state = state["rng"]
        self.sim.diverged = state["diverged"]
        position, velocity = (np.asarray(state["frame"][name]) for name in ("position", "velocity"))
        self.frame = SensorFrame(self.sim.time.copy(), position, velocity)
        for name in _STATE:
            getattr(self, name)[:] = np.asarray(state[name])

    def _begin_episode(self, ids: np.ndarray) -> None:
        self.sim.reset(ids, *self._start(self.rng, len(ids)))
        self.safety.reset(ids)
        self.previous_action[ids] = 0.0

    def _change_physics(self) -> None:
        ids = np.flatnonzero(self.elapsed == self.change_step)
        if not len(ids):
            return
        values = self.sim.values[ids]
        values[:, self._change_column] = self.family.draw(self.rng, len(ids), self.split)[
            :, self._change_column
        ]
        self._set_task(ids, values)
        knock = self.family.change.knock
        self.sim.push(ids, self.rng.uniform(-knock, knock, (len(ids), self.action.size)))

    def _set_task(self, ids: np.ndarray, values: np.ndarray) -> None:
        self.sim.set_parameters(ids, values)
        self.context[ids] = self.family.normalise(values)

    def _sense(self) -> None:
        self.frame = self.sim.sense(self.rng)
        self.observation[:] = self.family.observation.build(self.frame)
