"""Robots outside their family, in simulation: parameters beyond their range, and faults in the middle of a trial.

n tasks, P parameters, J joints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from robots import SensorFrame
from sim_tasks.family import TaskFamily
from sim_tasks.randomisation.actuator import actuators, weaken
from sim_tasks.randomisation.joint import joint_dofs
from sim_tasks.trial_env import TrialVecEnv

DISTANCES = (0.25, 0.5, 1.0)
"""How far beyond its range a parameter lies, in ranges; of what is spread in ratio, on a logarithmic scale."""
FAULT_TIME = 1.0
"""When faults begin, in [s]."""
ENCODER_JUMP = 0.5
"""By how much a joint's reading jumps, in [rad]."""
_LOCK = 10.0
"""Dry friction of a locked joint, in effort limits of its motor: at full effort the pendulum's creeps by 0.03 rad/s."""

Fault = Callable[[TrialVecEnv], None]
"""Breaks something in all simulations of an environment."""


@dataclass(frozen=True)
class Outside:
    """One way of being outside the family."""

    name: str
    values: np.ndarray
    """Of the tasks, in SI units. Shape (n, P)."""
    fault: Fault | None = None
    """What breaks after `FAULT_TIME`."""
    jump: float = 0.0
    """What the reading of one joint is off by after `FAULT_TIME`, in [rad]."""

    @property
    def onset(self) -> float:
        """When the robot begins to be outside, in [s] of the trial."""
        return FAULT_TIME if self.fault or self.jump else 0.0

    def sense(self, frame: SensorFrame, time: float) -> SensorFrame:
        """What the controller is told of a reading."""
        if not self.jump or time < FAULT_TIME:
            return frame
        position = frame.position.copy()
        rows = np.arange(len(position))
        position[rows, rows % position.shape[1]] += self.jump
        return replace(frame, position=position)


def outside_cases(
    family: TaskFamily, values: np.ndarray, distances: Sequence[float] = DISTANCES
) -> list[Outside]:
    """All that there is of tasks inside a family, shape (n, P): what physics or the model do not allow is left out."""
    beyond = (
        _beyond(family, values, column, side, distance)
        for column, parameter in enumerate(family.parameters)
        for side in ("low", "high")
        if parameter.ood in ("both", side)
        for distance in distances
    )
    return [*(case for case in beyond if case is not None), *_faults(values)]


def _beyond(
    family: TaskFamily, values: np.ndarray, column: int, side: str, distance: float
) -> Outside | None:
    """One parameter so far beyond that end of its range; None where it cannot be."""
    parameter = family.parameters[column]
    place = 1 + distance if side == "high" else -distance
    value = float(parameter.from_unit(np.array([place]), *family.bounds[:, column])[0])
    low, high = parameter.valid(family.model)
    if not low <= value <= high:
        return None
    moved = values.copy()
    moved[:, column] = value
    return Outside(f"{parameter.name} {value:.3g} {parameter.unit}, {distance:.0%} beyond {side}", moved)


def _faults(values: np.ndarray) -> list[Outside]:
    """Each robot another joint's, where there are several."""
    return [
        Outside("motor at half its strength", values, lambda env: _weaken(env, 0.5)),
        Outside("motor dead", values, lambda env: _weaken(env, 0.0)),
        Outside("joint locked", values, _lock),
        Outside(f"encoder jumps by {ENCODER_JUMP} rad", values, jump=ENCODER_JUMP),
    ]


def _weaken(env: TrialVecEnv, factor: float) -> None:
    motors = actuators(env.sim.model, ())
    rows = np.arange(env.robots)
    weaken(env.sim, rows, motors[rows % len(motors)], np.full((env.robots, 1), factor))


def _lock(env: TrialVecEnv) -> None:
    joints = env.family.robot.joints
    driven = [joint for joint in joints if not joint.passive]
    dofs = joint_dofs(env.sim.model, tuple(joint.name for joint in driven))
    rows = np.arange(env.robots)
    efforts = np.array([joint.effort for joint in driven])
    env.sim.field("dof_frictionloss")[rows, dofs[rows % len(dofs)]] += _LOCK * efforts[rows % len(dofs)]
