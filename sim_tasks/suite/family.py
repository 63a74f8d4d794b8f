"""`suite_family`: a family out of any task of the dm_control suite, with the suite's own reward and length."""

from __future__ import annotations

from functools import partial
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch

from sim_tasks.family import Start, TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.plant import Plant, model_plant
from sim_tasks.ports import StateInterface
from sim_tasks.reward import Reward
from sim_tasks.row_random import Rows
from sim_tasks.suite.catalogue import BATCHED, batched_task, control_steps, load_environment, task_model
from sim_tasks.suite.serial import OBSERVATION, REWARD, TERMINATED, SerialBatch
from sim_tasks.suite.sim import SEEDS, SerialSim, SuiteSim
from sim_tasks.suite.task import SuiteTask, begin_episodes
from sim_tasks.suite.terms import suite_parameters

PREFIX = "dm_control:"
"""Before the names of suite tasks, to tell them from other families."""
_NO_LIMIT = 1000
"""Control steps of an episode where the suite has no time limit (lqr): as many as its other tasks."""
_SINGLE = (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE))


def suite_family(name: str) -> TaskFamily:
    """The family of a suite task, such as `cheetah/run`.

    Observation, reward, start and length are the suite's; `sim_tasks.suite.terms` says what is randomised. Tasks in
    `BATCHED` are stepped together, all others one simulation after the other.

    Args:
        name: `domain/task`.

    Raises:
        TaskError: no such domain or task; the message lists the valid ones.
    """
    environment = load_environment(name)
    model = _with_control_range(task_model(environment))
    substeps, steps = control_steps(environment)
    plant = model_plant(name, model, substeps, _single_joints(model), stage=int(mujoco.mjtStage.mjSTAGE_VEL))
    build = _batched if name in BATCHED else _serial
    return build(name, plant, environment, (steps or _NO_LIMIT) * plant.period)


def _batched(name: str, plant: Plant, environment: Any, seconds: float) -> TaskFamily:
    task = batched_task(name, plant.model)
    size = len(_flat(environment))
    return TaskFamily(
        name=PREFIX + name,
        plant=plant,
        interface=StateInterface(task.observation, size, plant.model.nu),
        parameters=suite_parameters(plant.model),
        reward=Reward.sum(suite=task.reward),
        start=_batched_start(plant, task),
        episode_seconds=seconds,
        simulate=partial(SuiteSim, task),
        about=f"{name} of the dm_control suite, batched",
    )


def _serial(name: str, plant: Plant, environment: Any, seconds: float) -> TaskFamily:
    return TaskFamily(
        name=PREFIX + name,
        plant=plant,
        interface=StateInterface(_observation, len(_flat(environment)), plant.model.nu),
        parameters=suite_parameters(plant.model),
        reward=Reward.sum(suite=_reward),
        start=_serial_start(plant, environment),
        terminal=_terminal,
        episode_seconds=seconds,
        simulate=partial(SerialSim, environment),
        batched=False,
        about=f"{name} of the dm_control suite, one simulation at a time",
    )


def _observation(motion: Motion) -> np.ndarray:
    return motion[OBSERVATION]


def _reward(motion: Motion) -> np.ndarray:
    return motion[REWARD]


def _terminal(motion: Motion) -> np.ndarray:
    return motion[TERMINATED]


def _batched_start(plant: Plant, task: SuiteTask) -> Start:
    """Starts of the suite on unchanged physics, for who has no simulation to begin an episode in."""

    def draw(random: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
        batch = Batch(plant.model, count, 1)
        begin_episodes(batch, task, np.arange(count), random)
        return batch.bind("qpos").copy(), batch.bind("qvel").copy()

    return draw


def _serial_start(plant: Plant, environment: Any) -> Start:
    def draw(random: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
        batch = SerialBatch(environment, plant.model, count)
        batch.begin(np.arange(count), random.integers(0, SEEDS, count))
        return batch.bind("qpos").copy(), batch.bind("qvel").copy()

    return draw


def _flat(environment: Any) -> np.ndarray:
    observation = environment.task.get_observation(environment.physics)
    return np.concatenate([np.ravel(value) for value in observation.values()])


def _single_joints(model: mujoco.MjModel) -> tuple[str, ...]:
    """Named joints of one degree of freedom."""
    joints = [model.joint(index) for index in range(model.njnt)]
    return tuple(joint.name for joint in joints if joint.type[0] in _SINGLE and joint.name)


def _with_control_range(model: mujoco.MjModel) -> mujoco.MjModel:
    """Actuators without limit (lqr) get a range for actions to be mapped to: -1 to 1, which the engine ignores."""
    model.actuator_ctrlrange[model.actuator_ctrllimited == 0] = -1.0, 1.0
    return model
