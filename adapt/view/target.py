"""The place that a task wants reached, for the viewer's mark, told from the names that families give it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NAMES = (
    ("target_x", "target_y", "target_z"),
    ("target_x", "target_y"),
    ("goal_x", "goal_y"),
    ("goal_radius", "goal_angle"),
    ("goal_angle",),
)
"""Coordinates in the world in [m]; or a distance from the origin [m] and an angle from the x axis [rad], where a family
without a distance means the unit circle."""


def target_of(names: Sequence[str], values: np.ndarray) -> np.ndarray | None:
    """Where the target is, or None where the names say of none.

    Args:
        names: of the family's goals and parameters. Length K.
        values: theirs, in SI units. Shape (T, N, K).

    Returns:
        In [m] in the world, on the ground where only a plane is spoken of. Shape (T, N, 3).
    """
    found = next((known for known in NAMES if set(known) <= set(names)), None)
    if found is None:
        return None
    columns = [values[..., list(names).index(name)] for name in found]
    if found[-1] == "goal_angle":
        radius = columns[0] if len(columns) == 2 else np.ones(values.shape[:2])
        columns = [radius * np.cos(columns[-1]), radius * np.sin(columns[-1])]
    return np.stack([*columns, *[np.zeros(values.shape[:2])] * (3 - len(columns))], axis=-1)
