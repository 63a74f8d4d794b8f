"""`TrialVecEnv`: N trials side by side, a robot's own observation, action and safety code in the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from robots import SensorFrame
from robots.reward import heard
from sim_tasks.disturbances import Disturbances
from sim_tasks.errors import TaskError
from sim_tasks.family import TaskFamily
from sim_tasks.goal import GoalState
from sim_tasks.motion import Motion
from sim_tasks.randomisation import SPLITS, check_split
from sim_tasks.row_random import RowRandom
from sim_tasks.task_stock import TaskStock
from sim_tasks.transition import Transition

_NOBODY = np.empty(0, dtype=int)
_STATE = ("elapsed", "episode", "episode_step", "previous_action", "previous_reward", "context")


class TrialVecEnv:
    """N trials of K episodes each on tasks of one split; the caller resets trials that are done.

    Environments with the same seed but another `stream` draw other tasks. What simulation i does depends on seed,
    stream, split and i, and on what is done to it; never on how many others there are.

    `observation` (N, O), `previous_action` (N, A), `previous_reward` (N,), the last `Transition.heard_reward` or 0 as a
    trial begins, and `context` (N, P + R: the task in the belief's coordinates) are float32 and live. An episode
    boundary inside a trial moves the robot to a new start, on the same task.

    Raises:
        TaskError: unknown split, fewer than one robot or episode, or a range that is not physical.
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
        check_split(split)
        if episodes < 1:
            raise TaskError(f"episodes: {episodes}; a trial has at least one")
        self.family = family
        self.robots = robots
        self.split = split
        self.episodes = episodes
        self._start = (family.training_start if split == "train" else None) or family.start
        self.episode_steps = family.episode_steps
        self.trial_steps = episodes * family.episode_steps
        self._stream = stream
        self.random = self._streams(seed, robots)
        self.sim = family.simulate(family.plant, family.parameters, robots, threads)
        self.port = family.interface.connect(self.sim)
        self.observation = self.port.observation
        self.elapsed = np.zeros(robots, dtype=np.int64)
        """Control steps since the trial began. Shape (N,)."""
        self.episode = np.zeros(robots, dtype=np.int64)
        """Number of the present episode in its trial, from 0. Shape (N,)."""
        self.episode_step = np.zeros(robots, dtype=np.int64)
        """Control steps since the episode began. Shape (N,)."""
        self.previous_action = np.zeros((robots, family.action_size), np.float32)
        self.previous_reward = np.zeros(robots, np.float32)
        self.context = np.zeros((robots, len(family.belief_names)), np.float32)
        self.success = None if family.success is None else np.zeros(robots, dtype=bool)
        """Whether the robots were where they should be after the last control step, by the goals that they had in it;
        False before a trial's first. Shape (N,), bool; None where the family does not say."""
        self._goals = GoalState(family.goal, robots, family.period) if family.goal else None
        action = np.zeros((robots, family.action_size))
        self._motion = Motion.of(self.sim, action, self._goals.goal if self._goals else None)
        self._disturbances = Disturbances(family, self.sim, self.trial_steps, split, changes)
        self._stock = TaskStock(family, self.sim, split)
        self._bind_fields()
        self.reset(np.arange(robots))

    @property
    def frame(self) -> SensorFrame:
        """What the robots' sensors said last.

        Raises:
            TaskError: the family is about a benchmark's body.
        """
        return self.port.frame

    @property
    def goal(self) -> np.ndarray | None:
        """What the robots are asked to do now. Live. Shape (N, G); None where the family has no goals."""
        return self._motion.goal

    @property
    def motion(self) -> Motion:
        """The true state. Live."""
        return self._motion

    @property
    def told(self) -> np.ndarray:
        """What critics are told: the task, as in `context`, and what the family tells of the true state.

        Shape (N, P + R + S), float32.
        """
        privileged = self.family.privileged
        if privileged is None:
            return self.context
        return np.concatenate([self.context, privileged(self._motion)], axis=1, dtype=np.float32)

    @property
    def new_episode(self) -> np.ndarray:
        """1 where an episode begins with the present observation. Shape (N,), float32."""
        return (self.episode_step == 0).astype(np.float32)

    def reset(self, ids: np.ndarray, values: np.ndarray | None = None) -> None:
        """Begins new trials in `ids`, shape (n,), on drawn tasks or on given ones, shape (n, P)."""
        if not len(ids):
            return
        if values is None:
            self.context[ids] = self._stock.deal(ids, self.random)
        else:
            self._set_task(ids, values)
        self.elapsed[ids] = 0
        self.episode[ids] = 0
        self.previous_reward[ids] = 0.0
        if self.success is not None:
            self.success[ids] = False
        self._disturbances.begin_trial(ids, self.random.rows(ids))
        self._begin_episode(ids)

    def reseed(self, ids: np.ndarray, seeds: Sequence[int]) -> None:
        """Simulations `ids`, shape (n,), draw from now on what the first of an environment with their seed draws."""
        state = self.random.state()
        for row, seed in zip(ids, seeds, strict=True):
            state["keys"][row] = self._streams(seed, 1).state()["keys"][0]
            state["counters"][row] = 0
        self.random.restore(state)

    def stagger(self, stride: int = 1) -> None:
        """Spreads the trials over their length, in multiples of `stride` steps, so that not all end at once."""
        self.elapsed[:] = stride * self.random.all.integers(0, self.trial_steps // stride, self.robots)
        self.episode[:], self.episode_step[:] = np.divmod(self.elapsed, self.episode_steps)
        self._disturbances.skip(self.elapsed)

    def step(self, action: np.ndarray) -> Transition:
        """Applies actions, shape (N, A), for one control period: on robots through the safety filter."""
        return self.apply(self.port.command(action))

    def apply(self, command: np.ndarray) -> Transition:
        """Sends commands, shape (N, U), in the units of the command, for one control period."""
        motion = self._motion
        motion.before[:] = self.sim.qpos
        motion.previous_action[:] = motion.action
        self._disturbances.before_step(self.random.all)
        diverged = self.sim.step(command)
        motion.action[:] = self.port.sent(command)
        self.previous_action[:] = motion.action
        self.elapsed += 1
        self.episode_step += 1
        due = self._goals.advance() if self._goals else _NOBODY  # where a moving goal is by now counts
        reward = self.family.reward(motion)
        if self.family.success is not None and self.success is not None:
            self.success[:] = self.family.success(motion)
        reward, truncated, terminated, done = self._judge(reward, diverged)
        self._disturb()
        if self._goals and len(due):
            self._goals.redraw(due, self.random.rows(due))
        self.port.observe(motion, self.random.all)
        heard_reward = self._hear(reward, diverged)
        self.previous_reward[:] = heard_reward
        ended = (terminated | truncated) & ~done
        if ended.any():
            self._next_episode(np.flatnonzero(ended))
        return Transition(reward, truncated, terminated, done, heard_reward)

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {
            "sim": self.sim.state(),
            "port": self.port.state(),
            "random": self.random.state(),
            "diverged": self.sim.diverged,
            "disturbances": self._disturbances.state(),
            "goals": self._goals.state() if self._goals else {},
            "action": self._motion.action.copy(),
        } | {name: getattr(self, name).copy() for name in _STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`; arrays may come as anything that numpy reads."""
        self.sim.restore(state["sim"])
        self.port.restore(state["port"])
        self.random.restore(state["random"])
        self.sim.diverged = state["diverged"]
        self._disturbances.restore(state["disturbances"])
        if self._goals:
            self._goals.restore(state["goals"])
        self._motion.action[:] = np.asarray(state["action"])
        for name in _STATE:
            getattr(self, name)[:] = np.asarray(
                state.get(name, 0.0)
            )  # older checkpoints have no previous reward

    def _streams(self, seed: int, robots: int) -> RowRandom:
        return RowRandom([seed, 7, self._stream, SPLITS.index(self.split)], robots)

    def _bind_fields(self) -> None:
        """Has all engine fields read once that are read: one that is asked for later is zero until the next step.

        What a family's own functions return is looked at besides: other shapes would mix simulations silently.
        """
        family, each = self.family, (self.robots,)
        observe = getattr(family.interface, "observe", None)
        with np.errstate(all="ignore"):  # the motion is none yet
            family.reward(self._motion)
            for name, function, shape in (
                ("terminal", family.terminal, each),
                ("success", family.success, each),
                ("observe", observe, (*each, family.observation_size)),
            ):
                if function is not None:
                    _check_shape(f"{family.name}: {name}", np.shape(function(self._motion)), shape)

    def _judge(self, reward: np.ndarray, diverged: np.ndarray) -> tuple[np.ndarray, ...]:
        """The reward of this step; which episodes are truncated and terminated with it, and which trials done."""
        terminated = (
            diverged if self.family.terminal is None else self.family.terminal(self._motion) | diverged
        )
        truncated = (self.episode_step >= self.episode_steps) & ~terminated
        last = self.episode == self.episodes - 1
        done = ((terminated | truncated) & last) | diverged
        if diverged.any():  # the state that the reward was computed from is no state of the robot
            reward = np.where(diverged, 0.0, reward)
        return reward, truncated, terminated, done

    def _hear(self, reward: np.ndarray, diverged: np.ndarray) -> np.ndarray:
        """What policies hear of a step's reward, from the frame that they are about to see. Shape (N,), float32."""
        family, motion = self.family, self._motion
        if not family.on_robot:
            return reward.astype(np.float32)
        if family.measured_reward is None:
            return np.zeros(self.robots, np.float32)
        before = motion.previous_action.astype(np.float32)  # as a controller keeps it
        told = heard(family.measured_reward(self.port.frame, motion.goal, self.previous_action, before))
        return np.where(diverged, np.float32(0.0), told) if diverged.any() else told

    def _next_episode(self, ids: np.ndarray) -> None:
        self.episode[ids] += 1
        self._begin_episode(ids)

    def _begin_episode(self, ids: np.ndarray) -> None:
        random = self.random.rows(ids)
        self.sim.begin(ids, self._start, random)
        self.episode_step[ids] = 0
        self.previous_action[ids] = 0.0
        motion = self._motion
        motion.action[ids] = 0.0
        motion.before[ids] = self.sim.qpos[ids]
        if self._goals:
            self._goals.redraw(ids, random)
        self.port.restart(ids, motion, random)

    def _disturb(self) -> None:
        changed, values = self._disturbances.new_physics(self.elapsed, self.random)
        if len(changed):
            self._set_task(changed, values)
        self._disturbances.push(self.elapsed, self.random)

    def _set_task(self, ids: np.ndarray, values: np.ndarray) -> None:
        self.sim.set_parameters(ids, values)
        self.context[ids] = self.family.normalise(values)


def _check_shape(what: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        raise TaskError(f"{what}: shape {shape}; expected {expected}")
