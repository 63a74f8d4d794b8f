"""What the spaces of all doors are made from: sizes and bounds of a family's observations and actions."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box

from sim_tasks.family import TaskFamily


def observation_bound(family: TaskFamily) -> np.ndarray:
    """Largest magnitude of each observation, dimensionless. Shape (O,), float32.

    On robots where the terms are clipped; infinite for a benchmark's body, whose observations are in SI units.
    """
    if not family.on_robot:
        return np.full(family.observation_size, np.inf, np.float32)
    layout = family.observation
    clips = [
        np.full(size * term.history, term.clip) for term, size in zip(layout.terms, layout.sizes, strict=True)
    ]
    return np.concatenate(clips).astype(np.float32)


def observation_space(family: TaskFamily) -> Box:
    """Observations of one simulation. Shape (O,), float32."""
    bound = observation_bound(family)
    return Box(-bound, bound, dtype=np.float32)


def action_space(family: TaskFamily) -> Box:
    """Actions of one simulation, -1 to 1 over the range of the command. Shape (A,), float32."""
    return Box(-1.0, 1.0, (family.action_size,), np.float32)
