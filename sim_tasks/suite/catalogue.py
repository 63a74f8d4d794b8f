"""Which tasks the suite has, how one is loaded, and which of them are batched."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import mujoco

from sim_tasks.errors import TaskError
from sim_tasks.suite import quadruped, walker
from sim_tasks.suite.cartpole import Cartpole
from sim_tasks.suite.cheetah import Cheetah
from sim_tasks.suite.finger import Spin, Turn
from sim_tasks.suite.task import SuiteTask

_MODEL_SEED = 0
"""Of the tasks whose model itself is drawn at random (lqr)."""
_SKY = "./common/skybox.xml"
_BATCHED: dict[str, Callable[[mujoco.MjModel], SuiteTask]] = {
    "cheetah/run": Cheetah,
    **{f"walker/{task}": partial(walker.Walker, speed=v) for task, v in walker.SPEEDS.items()},
    **{f"quadruped/{task}": partial(quadruped.Quadruped, speed=v) for task, v in quadruped.SPEEDS.items()},
    "finger/spin": Spin,
    "finger/turn_easy": Turn,
    "finger/turn_hard": Turn,
    "cartpole/balance": partial(Cartpole, swing_up=False, sparse=False),
    "cartpole/balance_sparse": partial(Cartpole, swing_up=False, sparse=True),
    "cartpole/swingup": partial(Cartpole, swing_up=True, sparse=False),
    "cartpole/swingup_sparse": partial(Cartpole, swing_up=True, sparse=True),
    "cartpole/two_poles": partial(Cartpole, swing_up=True, sparse=False),
    "cartpole/three_poles": partial(Cartpole, swing_up=True, sparse=False),
}
BATCHED = tuple(_BATCHED)
"""Tasks of which many simulations are stepped together; all others are stepped one at a time."""


def task_names() -> tuple[str, ...]:
    """All tasks of the suite, as `domain/task`."""
    return tuple(f"{domain}/{task}" for domain, task in _suite().ALL_TASKS)


def check_name(name: str) -> None:
    """Raises TaskError, with the valid ones, if the suite has no such `domain/task`."""
    domain, _, task = name.partition("/")
    tasks = _suite().TASKS_BY_DOMAIN
    if domain not in tasks:
        raise TaskError(f"unknown domain {domain!r} of dm_control; valid: {', '.join(tasks)}")
    if task not in tasks[domain]:
        raise TaskError(f"unknown task {task!r} of dm_control's {domain}; valid: {', '.join(tasks[domain])}")


def load_environment(name: str) -> Any:
    """dm_control's own environment of `domain/task`, reset once; it never asks for a screen.

    Raises:
        TaskError: there is no such task.
    """
    check_name(name)
    domain, _, task = name.partition("/")
    with _quiet(), _small_sky():
        environment = _suite().load(domain, task, task_kwargs={"random": _MODEL_SEED})
    _without_screen(environment.physics)
    environment.reset()
    return environment


def task_model(environment: Any) -> mujoco.MjModel:
    """A copy of the environment's model, with what the task itself has set in it."""
    return copy.copy(environment.physics.model.ptr)


def batched_task(name: str, model: mujoco.MjModel) -> SuiteTask:
    """Observation, reward and start of a task for many simulations at a time.

    Raises:
        TaskError: the task is none of `BATCHED`.
    """
    if name not in _BATCHED:
        raise TaskError(f"dm_control's {name} is not batched; batched: {', '.join(BATCHED)}")
    return _BATCHED[name](model)


def control_steps(environment: Any) -> tuple[int, int | None]:
    """Physics steps of one control step, and control steps of an episode; None where it has no time limit."""
    substeps = round(environment.control_timestep() / environment.physics.timestep())
    limit = environment._step_limit  # dm_control does not publish it
    return substeps, None if limit == float("inf") else math.ceil(limit)


def _without_screen(physics: Any) -> None:
    """The physics of a task that would draw on its screen at each start (quadruped/escape) say they have none."""
    kind = type(physics)
    physics.__class__ = type(kind.__name__, (kind,), {"contexts": None})


@contextmanager
def _small_sky() -> Iterator[None]:
    """Loads a sky of 8 pixels in place of 800: its picture would be 11.5 MB in each copy of a model."""
    from dm_control.suite import common

    sky = common.ASSETS[_SKY]
    common.ASSETS[_SKY] = sky.replace(b'"800"', b'"8"')
    try:
        yield
    finally:
        common.ASSETS[_SKY] = sky


@cache
def _suite() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glfw warns that a headless machine has no display
        from dm_control import suite
    return suite


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps from the user that the suite's files use settings which MuJoCo is going to drop."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
