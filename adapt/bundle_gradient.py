"""What a bundle that adapts by gradients holds besides its graph. O observation, A action, P parameters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy

WEIGHTS = "weights.safetensors"
MAX_WINDOW = 2**24
"""Numbers of the experience that one step is computed from: 64 MiB, of which there are two."""


def size_problem(adapter: Mapping[str, Any], observation: int, action: int) -> str | None:
    """What is wrong with the sizes in a manifest's `adapter`, in words: layers without those parameters, too much
    experience."""
    widths = itertools.pairwise((observation, *adapter["layers"], action))
    size = sum(inputs * outputs + outputs for inputs, outputs in widths) + action
    if adapter["parameters"] != size:
        return f"adapter.parameters: {adapter['parameters']}; the layers have {size}"
    window = adapter["rollouts"] * adapter["episode_steps"] * (2 * observation + 4 * action + 2)
    if window > MAX_WINDOW:
        steps = f"{adapter['rollouts']} times {adapter['episode_steps']}"
        return f"adapter.episode_steps: {steps} make {window} numbers of experience; expected at most {MAX_WINDOW}"
    return None


def read_parameters(content: bytes, size: int) -> np.ndarray:
    """The start parameters, shape (P,), float32, from a file's content.

    Raises:
        ValueError: they are not those that the manifest announces; says why.
    """
    try:
        arrays = safetensors.numpy.load(content)
    except Exception as error:  # SafetensorError, and what numpy makes of strange types
        raise ValueError(f"cannot be read: {' '.join(str(error).split()):.200}") from error
    found = arrays.get("parameters")
    if len(arrays) != 1 or found is None or found.dtype != np.float32 or found.shape != (size,):
        shown = {name: f"{array.dtype} {array.shape}" for name, array in arrays.items()}
        raise ValueError(f"{shown!s:.200}; expected parameters: float32 {(size,)}")
    if not np.isfinite(found).all():
        raise ValueError("parameters: not all numbers are finite")
    return found
