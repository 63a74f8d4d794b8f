"""The families that the suites are run over."""

from __future__ import annotations

import numpy as np

from sim_tasks.families import family_names, load_family
from sim_tasks.family import TaskFamily
from sim_tasks.randomisation import Parameter
from sim_tasks.trial_env import TrialVecEnv
from tests.sim_tasks.everything import everything

SUITE = ("dm_control:cartpole/swingup", "dm_control:pendulum/swingup")
"""Of dm_control's suite, one that is stepped in a batch and one that is not."""
FAMILIES = {name: load_family(name) for name in (*family_names(), *SUITE)} | {"everything": everything()}
LOADABLE = [name for name in FAMILIES if name != "everything"]


def units(family: TaskFamily, values: np.ndarray) -> np.ndarray:
    """Where values lie in their distributions, 0 to 1 inside. Shape (n, P)."""
    columns = enumerate(family.parameters)
    return np.stack([p.to_unit(values[:, i], *family.bounds[:, i]) for i, p in columns], axis=1)


def at(family: TaskFamily, unit: np.ndarray) -> np.ndarray:
    """Inverse of `units`."""
    columns = enumerate(family.parameters)
    return np.stack([p.from_unit(unit[:, i], *family.bounds[:, i]) for i, p in columns], axis=1)


def continuous(family: TaskFamily) -> np.ndarray:
    """Which parameters are no choices. Shape (P,), bool."""
    return np.array([parameter.distribution != "choice" for parameter in family.parameters])


def can_leave(parameter: Parameter) -> bool:
    """Whether it has values out of distribution."""
    return parameter.ood != "none"


def environment(family: TaskFamily, robots: int = 3, seed: int = 0, **options: object) -> TrialVecEnv:
    return TrialVecEnv(family, robots, seed, threads=1, **options)  # type: ignore[arg-type]
