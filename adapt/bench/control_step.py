"""How long one control step of a robot takes, from sensor frame to certified command."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from adapt.bench.clock import rate
from adapt.export import make_bundle
from adapt.learners.bounds import BoundConfig, BoundLearner
from adapt.learners.rma import RMAConfig, RMALearner
from adapt.online.adapters import make_adapter
from adapt.online.controller import AdaptiveController
from robots import SensorFrame
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv

FAMILY = "pendulum_swingup"


def measure_control_step(seconds: float) -> dict[str, Any]:
    """Median and 99th percentile of `AdaptiveController.step` for one robot, in [us]."""
    family = load_family(FAMILY)
    env = TrialVecEnv(family, RMAConfig().robots, seed=0)
    teacher = BoundLearner(env, 0, told_task=True, config=BoundConfig())
    learner = RMALearner(env, 0, (teacher.policy, teacher.critic))
    bundle = make_bundle(learner, {}, "bench")
    controller = AdaptiveController(family.robot, bundle.observation, make_adapter(bundle))
    frame = SensorFrame(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1)))
    times: list[float] = []

    def step() -> int:
        begin = time.perf_counter()
        controller.step(frame)
        times.append(time.perf_counter() - begin)
        return 1

    rate(step, seconds)
    p50, p99 = np.percentile(1e6 * np.array(times), [50, 99])
    return {"p50": float(p50), "p99": float(p99)}
