"""What stands between a policy and a simulation: a robot's own sensing and safety code, or nothing at all.

`RobotInterface` runs what the robot runs. `StateInterface` is the literature's: ideal observations of the true state,
actions that go straight to the actuators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from robots import RobotSpec, SensorFrame
from robots.action import ActionLayout
from robots.observation import ObservationLayout, ObservationTerm
from robots.observer import Observer
from robots.safety import SafetyFilter
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.motion import Motion
from sim_tasks.row_random import Rows
from sim_tasks.sensors import SensorModel


class Port(Protocol):
    """One policy's end of N simulations."""

    observation: np.ndarray
    """Live. Shape (N, O), float32."""
    invalid_actions: int
    """How many actions were not finite."""
    reasons: np.ndarray | None
    """Why the last commands were not what was asked for, as bits of `Reason`. Shape (N,), int; None: nobody checks."""

    @property
    def frame(self) -> SensorFrame: ...

    def command(self, action: np.ndarray) -> np.ndarray:
        """Actions, shape (N, A), to what is sent to the actuators, shape (N, U)."""
        ...

    def sent(self, command: np.ndarray) -> np.ndarray:
        """What was sent, shape (N, U), in action units, shape (N, A)."""
        ...

    def observe(self, motion: Motion, random: Rows) -> None:
        """Brings `observation` up to date after a control step."""
        ...

    def restart(self, ids: np.ndarray, motion: Motion, random: Rows) -> None:
        """Simulations `ids`, shape (n,), were put elsewhere: their part of `observation` begins anew."""
        ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class RobotInterface:
    """A robot of ours: sensor model, observation layout, action layout and safety filter."""

    robot: RobotSpec
    terms: tuple[ObservationTerm, ...]
    goal: int = 0
    """How many numbers a goal has."""

    @property
    def layout(self) -> ObservationLayout:
        return ObservationLayout(self.terms, self.robot, self.goal)

    @property
    def observation_size(self) -> int:
        return self.layout.size

    @property
    def action_size(self) -> int:
        return ActionLayout(self.robot).size

    def connect(self, sim: BatchSim) -> Port:
        return _RobotPort(self, sim)


@dataclass(frozen=True)
class StateInterface:
    """A benchmark body: the policy sees the true state and drives the actuators directly, -1 to 1 over their range."""

    observe: Callable[[Motion], np.ndarray]
    """To observations. Shape (N, O)."""
    observation_size: int
    action_size: int

    def connect(self, sim: BatchSim) -> Port:
        return _StatePort(self, sim)


class _RobotPort:
    def __init__(self, interface: RobotInterface, sim: BatchSim):
        self.safety = SafetyFilter(interface.robot, sim.robots)
        self.action = ActionLayout(interface.robot)
        self.sensors = SensorModel(interface.robot, sim)
        self.observer = Observer(interface.layout, sim.robots)
        self.observation = np.zeros((sim.robots, interface.observation_size), np.float32)
        self.invalid_actions = 0
        self.reasons: np.ndarray | None = np.zeros(sim.robots, dtype=np.int64)

    @property
    def frame(self) -> SensorFrame:
        return self.sensors.frame

    def command(self, action: np.ndarray) -> np.ndarray:
        if not np.isfinite(action).all():  # the safety filter answers it; here it is only counted
            self.invalid_actions += int((~np.isfinite(action).all(axis=1)).sum())
        certified = self.safety.certify(self.action.to_command(action), self.frame)
        self.reasons = certified.reasons
        return certified.command

    def sent(self, command: np.ndarray) -> np.ndarray:
        return self.action.to_action(command)

    def observe(self, motion: Motion, random: Rows) -> None:
        self.observation[:] = self.observer.observe(self.sensors.sense(random), motion.goal)

    def restart(self, ids: np.ndarray, motion: Motion, random: Rows) -> None:
        frame = self.sensors.restart(ids, random)
        self.safety.reset(ids, frame.position)
        goal = None if motion.goal is None else motion.goal[ids]
        self.observation[ids] = self.observer.restart(ids, frame, goal)

    def state(self) -> dict[str, Any]:
        return {
            "safety": self.safety.state(),
            "sensors": self.sensors.state(),
            "observer": self.observer.state(),
            "observation": self.observation.copy(),
            "invalid_actions": self.invalid_actions,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.safety.restore({name: np.asarray(array) for name, array in state["safety"].items()})
        self.sensors.restore(state["sensors"])
        self.observer.restore({name: np.asarray(array) for name, array in state["observer"].items()})
        self.observation[:] = np.asarray(state["observation"])
        self.invalid_actions = int(state["invalid_actions"])


class _StatePort:
    def __init__(self, interface: StateInterface, sim: BatchSim):
        self._observe = interface.observe
        low, high = sim.plant.control_range
        self._centre, self._half_range = (high + low) / 2, (high - low) / 2
        self.observation = np.zeros((sim.robots, interface.observation_size), np.float32)
        self.invalid_actions = 0
        self.reasons: np.ndarray | None = None

    @property
    def frame(self) -> SensorFrame:
        raise TaskError("a benchmark's body has no sensors of its own: only families on robots have frames")

    def command(self, action: np.ndarray) -> np.ndarray:
        if not np.isfinite(action).all():
            bad = ~np.isfinite(action)
            self.invalid_actions += int(bad.any(axis=1).sum())
            action = np.where(bad, 0.0, action)
        return self._centre + np.clip(action, -1.0, 1.0) * self._half_range

    def sent(self, command: np.ndarray) -> np.ndarray:
        return (command - self._centre) / self._half_range

    def observe(self, motion: Motion, random: Rows) -> None:
        self.observation[:] = self._observe(motion)

    def restart(self, ids: np.ndarray, motion: Motion, random: Rows) -> None:
        self.observation[ids] = self._observe(motion)[ids]

    def state(self) -> dict[str, Any]:
        return {"observation": self.observation.copy(), "invalid_actions": self.invalid_actions}

    def restore(self, state: dict[str, Any]) -> None:
        self.observation[:] = np.asarray(state["observation"])
        self.invalid_actions = int(state["invalid_actions"])
