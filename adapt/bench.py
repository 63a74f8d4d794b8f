"""`adapt bench`: speed of simulation, training and control step on this machine, each beside what it stands on."""

# pyright: reportAttributeAccessIssue=false
# (mujoco ships compiled modules without stubs)
from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import torch

from adapt import provenance
from adapt.console import say
from adapt.export import export_belief
from adapt.learners import LEARNERS
from adapt.learners.belief import BeliefConfig, BeliefLearner
from adapt.learners.bounds import BoundLearner
from adapt.learners.ppo import PPOConfig
from adapt.online.adapters import make_adapter
from adapt.online.controller import AdaptiveController
from robots import SensorFrame
from sim_tasks.batch_sim import BatchSim
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv

FAMILY = "pendulum_swingup"
SIMULATIONS = 1024


def bench(what: str, seconds: float) -> dict[str, Any]:
    """Measures `sim`, `train`, `node` or `all` of them, for `seconds` each.

    Returns:
        `sim`, control steps per second on all cores: `raw` (`mj_step` in a thread per core, one model), `batch_sim`,
        `trial_env`. `train`, the same for one learner alone with its updates, by learner. `node`, in [us]: `p50` and
        `p99` of `AdaptiveController.step` for one robot.
    """
    measures = {"sim": _sim, "train": _train, "node": _node}
    chosen = measures if what == "all" else {what: measures[what]}
    result: dict[str, Any] = {
        "family": FAMILY,
        "versions": provenance.versions(),
        "commit": provenance.commit(),
    }
    result["machine"] = provenance.machine()
    for name, measure in chosen.items():
        say(f"measuring {name}")
        result[name] = measure(seconds)
        for key, value in result[name].items():
            say(f"  {key:<12} {value:,.0f}{' us' if name == 'node' else ' control steps/s'}")
    return result


def _rate(step: Callable[[], int], seconds: float) -> float:
    """Units of work per second of `step`, which returns how much it did; the first call warms up."""
    step()
    begin, done = time.perf_counter(), 0
    while (now := time.perf_counter()) - begin < seconds:
        done += step()
    return done / (now - begin)


def _sim(seconds: float) -> dict[str, float]:
    family = load_family(FAMILY)
    sim = BatchSim(family.plant, family.parameters, SIMULATIONS)
    sim.set_parameters(np.arange(SIMULATIONS), family.sample("train", SIMULATIONS, seed=0))
    env = TrialVecEnv(family, SIMULATIONS, seed=0)
    rng = np.random.default_rng(0)
    action = rng.uniform(-1, 1, (SIMULATIONS, 1))

    def batch() -> int:
        sim.step(2 * action)
        return SIMULATIONS

    def trials() -> int:
        done = np.flatnonzero(env.step(action).done)
        if len(done):
            env.reset(done)
        return SIMULATIONS

    raw = _raw(family.model, family.plant.substeps, seconds)
    return {"raw": raw, "batch_sim": _rate(batch, seconds), "trial_env": _rate(trials, seconds)}


def _raw(model: mujoco.MjModel, substeps: int, seconds: float) -> float:
    """Control steps per second of `mj_step` alone, in a thread per core; `mj_step` releases the interpreter."""
    chunk, counts = 2000, [0] * (os.cpu_count() or 1)
    end = time.perf_counter() + seconds

    def work(index: int) -> None:
        data = mujoco.MjData(model)
        data.qpos[:], data.ctrl[:] = 1.0, 1.0
        while time.perf_counter() < end:
            mujoco.mj_step(model, data, chunk * substeps)
            counts[index] += chunk

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(counts))]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begin)


def _train(seconds: float) -> dict[str, float]:
    torch.set_num_threads(1)  # as `train` does
    family = load_family(FAMILY)
    oracle = LEARNERS["oracle"].build(family, 0, 0, None)
    assert isinstance(oracle, BoundLearner)
    belief = LEARNERS["belief"].build(family, 0, 0, (oracle.policy, oracle.critic))
    rates = {}
    for name, learner in (("oracle", oracle), ("belief", belief)):

        def step() -> int:
            steps = learner.collect()  # noqa: B023
            learner.update()  # noqa: B023
            return steps

        rates[name] = _rate(step, seconds)
    return rates


def _node(seconds: float) -> dict[str, float]:
    family = load_family(FAMILY)
    env = TrialVecEnv(family, BeliefConfig().robots, seed=0)
    teacher = BoundLearner(env, 0, told_task=True, config=PPOConfig())
    learner = BeliefLearner(env, 0, (teacher.policy, teacher.critic))
    with tempfile.TemporaryDirectory() as folder:
        bundle = export_belief(
            Path(folder), family, learner.encoder, learner.motion_model, learner.policy, {}, "bench"
        )
    controller = AdaptiveController(family.robot, bundle.observation, make_adapter(bundle))
    frame = SensorFrame(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1)))
    times: list[float] = []

    def step() -> int:
        begin = time.perf_counter()
        controller.step(frame)
        times.append(time.perf_counter() - begin)
        return 1

    _rate(step, seconds)
    p50, p99 = np.percentile(1e6 * np.array(times), [50, 99])
    return {"p50": float(p50), "p99": float(p99)}
