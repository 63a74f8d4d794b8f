"""The literature's protocols: which options of a family stand for which paper, read in the papers' own code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FULL = {"torso_position": True}
"""MAML, PEARL, VariBAD and RoML show where a cheetah's torso is, ProMP does not."""

_SHORT = {"episode_steps": 100}
"""ProMP's run scripts: `max_path_length`."""

PROTOCOLS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "half_cheetah_vel": {
        "maml": {"high": 2.0, **_FULL},
        "pearl": {"high": 3.0, **_FULL},
        "promp": {"high": 3.0, **_SHORT},
        "varibad": {"high": 3.0, **_FULL},
        "roml": {"high": 7.0, **_FULL},
    },
    "half_cheetah_dir": {"maml": _FULL, "pearl": _FULL, "promp": _SHORT, "varibad": _FULL},
    "half_cheetah_mass": {"roml": {"as_published": True, **_FULL}},
    "half_cheetah_body": {"roml": {"as_published": True, **_FULL}},
    "ant_dir": {
        "pearl": {"directions": "circle"},
        "varibad": {"directions": "forward_backward"},
        "promp": {"directions": "circle", "lowest": 0.0, "forces_observed": True, **_SHORT},
    },
    "ant_goal": {
        "pearl": {"radius": 3.0},
        "varibad": {"radius": 3.0},
        "promp": {"radius": 3.0, **_SHORT},
        "roml": {"radius": 5.0},
    },
    "walker2d_rand_params": {"pearl": {}, "varibad": {}},
    "hopper_rand_params": {"pearl": {}, "varibad": {}},
    "point_robot": {
        "varibad": {},
        "sparse": {"sparse": True},
        "pearl": {"goals": "square", "random_start": True, "episode_steps": 20},
        "pearl_sparse": {"sparse": True, "episode_steps": 20},
    },
}
"""By family and protocol, the keyword arguments of the family's function."""
