"""How fast a family is simulated, beside the engine's own limit and beside other simulators of the same body.

The limit is MuJoCo's C loop over `mj_step` alone, one thread, on the family's own randomised models, starts and
uniformly random controls, times the number of cores. It is measured in turn with the environment, as machines drift.
"""

# pyright: reportAttributeAccessIssue=false
# (mujoco ships compiled modules without stubs)
from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout

from adapt.bench.clock import rate
from adapt.bench.peers import measure_peers
from adapt.errors import AdaptError
from adapt.parallel import cores
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv

ROUNDS = 3
"""Limit and environment are measured in turn so many times; the medians count."""
_LIMIT_MODELS = 8
_ACTIONS = 64


def measure_simulation(family_name: str, num_envs: int, seconds: float, peers: bool = True) -> dict[str, Any]:
    """Control steps per second of the whole environment: physics, randomisation, sensing, reward, resets.

    Returns:
        `family`, `num_envs`, `cores`, `steps_per_s`, `limit_steps_per_s`, `ratio`, `peers` (steps/s by name, empty but
        for HalfCheetah), `peak_rss_mib` of this process before the peers.

    Raises:
        AdaptError: fewer than one environment, or no time.
        TaskError: the family is not known.
    """
    if num_envs < 1:
        raise AdaptError(f"num-envs: {num_envs}; at least 1")
    if not seconds > 0:
        raise AdaptError(f"seconds: {seconds}; more than 0 is needed")
    family = load_family(family_name)
    env = TrialVecEnv(family, num_envs, seed=0)
    env.stagger()
    all_cores = cores()
    whole, limit = _whole(env), engine_limit(env)
    rates = [(rate(limit, seconds / ROUNDS), rate(whole, seconds / ROUNDS)) for _ in range(ROUNDS)]
    limit_rate, steps_rate = (float(np.median(values)) for values in zip(*rates, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cheetah = family.plant.name == "half_cheetah"
    return {
        "family": family_name,
        "num_envs": num_envs,
        "cores": all_cores,
        "steps_per_s": steps_rate,
        "limit_steps_per_s": all_cores * limit_rate,
        "ratio": steps_rate / (all_cores * limit_rate),
        "diverged": env.sim.diverged,
        "peers": measure_peers(num_envs, seconds) if peers and cheetah else {},
        "peak_rss_mib": peak,
    }


def _whole(env: TrialVecEnv) -> Callable[[], int]:
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (_ACTIONS, env.robots, env.family.action_size))
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        done = env.step(actions[count % _ACTIONS]).done
        if done.any():
            env.reset(np.flatnonzero(done))
        return env.robots

    return step


def engine_limit(env: TrialVecEnv) -> Callable[[], int]:
    """An episode of several of the family's simulations in C, one thread, nothing but `mj_step` and the controls."""
    family, substeps = env.family, env.family.plant.substeps
    fresh = TrialVecEnv(family, _LIMIT_MODELS, seed=1, threads=1)
    models = [fresh.sim.get_model(index) for index in range(_LIMIT_MODELS)]
    full = mujoco.mjtState.mjSTATE_FULLPHYSICS
    states = np.zeros((_LIMIT_MODELS, mujoco.mj_stateSize(family.model, full)))
    for index, state in enumerate(states):
        mujoco.mj_getState(models[index], fresh.sim.get_data(index), state, full)
    # An episode, or as much of it as takes a tenth of a second.
    steps = min(family.episode_steps, max(1, round(0.1 / _seconds_per_step(models[0], states[0], substeps))))
    low, high = family.plant.control_range
    controls = np.zeros((_LIMIT_MODELS, steps, family.model.nu))
    controls[:, :, family.plant.ctrl] = np.random.default_rng(1).uniform(
        low, high, (_LIMIT_MODELS, steps, len(low))
    )
    controls = np.repeat(controls, substeps, axis=1)
    out = np.empty((_LIMIT_MODELS, steps * substeps, states.shape[1]))
    data = mujoco.MjData(models[0])

    def run() -> int:
        rollout.rollout(models, data, states, controls, nstep=steps * substeps, state=out)
        return _LIMIT_MODELS * steps

    return run


def _seconds_per_step(model: mujoco.MjModel, state: np.ndarray, substeps: int) -> float:
    data = mujoco.MjData(model)
    mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_FULLPHYSICS)
    mujoco.mj_step(model, data, substeps)
    begin = time.perf_counter()
    mujoco.mj_step(model, data, 8 * substeps)
    return (time.perf_counter() - begin) / 8
