"""Other simulators of HalfCheetah, as they are used, each with identical robots and no adaptation to speak of."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from adapt.bench.clock import rate
from adapt.console import say

ENV = "HalfCheetah-v5"
PROCESSES = 8
"""Environments of the simulators that start a process each."""


def measure_peers(num_envs: int, seconds: float) -> dict[str, float]:
    """Control steps per second by name: Gymnasium's and stable-baselines3's vector environments; envpool if installed.

    Those that start a process per environment get `PROCESSES` of them, the others `num_envs`.
    """
    found = {}
    makers: dict[str, tuple[Callable[[int], Any], int]] = {
        "gymnasium_sync": (_gymnasium("sync"), num_envs),
        "gymnasium_async": (_gymnasium("async"), PROCESSES),
        "sb3_dummy": (_sb3("DummyVecEnv"), num_envs),
        "sb3_subproc": (_sb3("SubprocVecEnv"), PROCESSES),
    }
    if importlib.util.find_spec("envpool") is not None:
        makers["envpool"] = (_envpool, num_envs)
    for name, (make, count) in makers.items():
        try:
            env = make(count)
        except ImportError as error:  # installed in part: the other figures are not lost for it
            say(f"  {name} cannot be measured: {error}")
            continue
        try:
            found[name] = rate(_stepper(env, count), seconds)
        finally:
            env.close()
    return found


def _stepper(env: Any, count: int) -> Callable[[], int]:
    actions = np.random.default_rng(0).uniform(-1, 1, (count, 6)).astype(np.float32)
    env.reset()

    def step() -> int:
        env.step(actions)
        return count

    return step


def _gymnasium(mode: str) -> Callable[[int], Any]:
    def make(count: int) -> Any:
        import gymnasium

        return gymnasium.make_vec(ENV, num_envs=count, vectorization_mode=mode)

    return make


def _sb3(kind: str) -> Callable[[int], Any]:
    def make(count: int) -> Any:
        from stable_baselines3.common import vec_env
        from stable_baselines3.common.env_util import make_vec_env

        return make_vec_env(ENV, n_envs=count, vec_env_cls=getattr(vec_env, kind))

    return make


def _envpool(count: int) -> Any:
    import envpool  # pyright: ignore[reportMissingImports]

    return envpool.make("HalfCheetah-v4", env_type="gymnasium", num_envs=count)
