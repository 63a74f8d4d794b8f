"""How fast a learner trains on a family, updates included, and where its time goes.

Beside it, in turn, what the simulator alone could do: MuJoCo's C loop over `mj_step`, one thread, times the cores.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from adapt.bench.clock import rate
from adapt.bench.simulation import engine_limit
from adapt.errors import AdaptError
from adapt.learners import Learner, Setup, learner_kind
from adapt.learners.bounds import BoundLearner
from adapt.options import learner_config
from adapt.parallel import cores
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily

ROUNDS = 3
"""Limit and learner are measured in turn so many times; the medians count."""
_WARM_UP = 20.0
"""At most so long in [s] until a learner does all that it does later, such as learning from whole trials."""


def measure_training(learner_name: str, family_name: str, seconds: float) -> dict[str, Any]:
    """Control steps per second of a whole training: simulation, inference and updates.

    Returns:
        `learner`, `family`, `num_envs`, `cores`, `frames_per_s`, `sim_limit_steps_per_s`, `ratio`, `share` of the time
        in `sim`, `inference` (all else of collecting) and `update`, `peak_rss_mib` of this process.

    Raises:
        AdaptError: no time, or the learner is not known.
        TaskError: the family is not known.
    """
    if not seconds > 0:
        raise AdaptError(f"seconds: {seconds}; more than 0 is needed")
    torch.set_num_threads(1)  # as `train` does
    family = load_family(family_name)
    learner = _built(learner_name, family_name, family)
    clock = _Clock(learner)
    _warm_up(learner, seconds)
    limit, all_cores = engine_limit(learner.env), cores()
    clock.reset()
    rates = [(rate(limit, seconds / ROUNDS), _rate(clock.iteration, seconds / ROUNDS)) for _ in range(ROUNDS)]
    limit_rate, frames = (float(np.median(values)) for values in zip(*rates, strict=True))
    return {
        "learner": learner_name,
        "family": family_name,
        "num_envs": learner.env.robots,
        "cores": all_cores,
        "frames_per_s": frames,
        "sim_limit_steps_per_s": all_cores * limit_rate,
        "ratio": frames / (all_cores * limit_rate),
        "share": clock.shares(),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


class _Clock:
    """Takes a learner's time, and that of its simulations within it."""

    def __init__(self, learner: Learner):
        self._learner = learner
        self._seconds = {"sim": 0.0, "collect": 0.0, "update": 0.0}
        env = learner.env
        for name in ("step", "reset"):
            setattr(env, name, self._timed("sim", getattr(env, name)))

    def reset(self) -> None:
        self._seconds = dict.fromkeys(self._seconds, 0.0)

    def iteration(self) -> int:
        """One iteration of the learner; returns its control steps."""
        steps = self._timed("collect", self._learner.collect)()
        self._timed("update", self._learner.update)()
        return steps

    def shares(self) -> dict[str, float]:
        sim, collect, update = self._seconds.values()
        whole = collect + update
        return {"sim": sim / whole, "inference": (collect - sim) / whole, "update": update / whole}

    def _timed(self, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begin = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self._seconds[what] += time.perf_counter() - begin

        return timed


def _built(name: str, family_name: str, family: TaskFamily) -> Learner:
    kind, teacher = learner_kind(name), None
    if kind.needs_teacher:  # an untrained one: it is as fast as any
        oracle = learner_kind("oracle").build(Setup(family, learner_config("oracle", family_name)))
        assert isinstance(oracle, BoundLearner)
        teacher = (oracle.policy, oracle.critic)
    return kind.build(Setup(family, learner_config(name, family_name), teacher=teacher))


def _warm_up(learner: Learner, seconds: float) -> None:
    """Until every simulation has ended a trial, as far as there is time."""
    begin, steps = time.perf_counter(), 0
    enough = learner.env.robots * learner.env.trial_steps
    while steps < enough and time.perf_counter() - begin < min(_WARM_UP, 4 * seconds):
        steps += learner.collect()
        learner.update()


def _rate(step: Callable[[], int], seconds: float) -> float:
    """As `rate`, without a first call that does not count: an iteration may take longer than there is time."""
    begin, done = time.perf_counter(), 0
    while (now := time.perf_counter()) - begin < seconds or not done:
        done += step()
    return done / (now - begin)
