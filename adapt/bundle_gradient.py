"""What a bundle that adapts by gradients holds besides its graph. O observation, A action, P parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy

WEIGHTS = "weights.safetensors"
META_PARAMS, META_STATE = "meta_params.", "meta_state."
"""How the names of an inner step's own arrays begin in that file, and of its memory where it goes on."""
MAX_WINDOW = 2**24
"""Numbers of the experience that one step is computed from: 64 MiB, of which there are two."""
MAX_META = 10**6
"""Numbers of an inner step's own parameters; and of its memory."""


def size_problem(adapter: Mapping[str, Any], observation: int, action: int) -> str | None:
    """What is wrong with the sizes in a manifest's `adapter`, in words: layers without those parameters, too much
    experience, an inner step that is too large."""
    widths = itertools.pairwise((observation, *adapter["layers"], action))
    size = sum(inputs * outputs + outputs for inputs, outputs in widths) + action
    if adapter["parameters"] != size:
        return f"adapter.parameters: {adapter['parameters']}; the layers have {size}"
    window = adapter["rollouts"] * adapter["episode_steps"] * (2 * observation + 4 * action + 3)
    if window > MAX_WINDOW:
        steps = f"{adapter['rollouts']} times {adapter['episode_steps']}"
        return f"adapter.episode_steps: {steps} make {window} numbers of experience; expected at most {MAX_WINDOW}"
    for field in ("meta_params", "meta_state"):
        count = sum(math.prod(shape) for shape in adapter.get(field, {}).values())
        if count > MAX_META:
            return f"adapter.{field}: {count} numbers; expected at most {MAX_META}"
    return None


def read_weights(content: bytes, adapter: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays in a file's content, float32: `parameters`, and by prefix those of the inner step.

    Raises:
        ValueError: they are not those that the manifest's `adapter` announces; says why.
    """
    try:
        arrays = safetensors.numpy.load(content)
    except Exception as error:  # SafetensorError, and what numpy makes of strange types
        raise ValueError(f"cannot be read: {' '.join(str(error).split()):.200}") from error
    shapes = {"parameters": [adapter["parameters"]]}
    shapes |= {prefix + name: shape for prefix, field in ((META_PARAMS, "meta_params"), (META_STATE, "meta_state"))
               for name, shape in adapter.get(field, {}).items()}  # fmt: skip
    wrong = [name for name, shape in shapes.items() if not _is_of(arrays.get(name), shape)]
    if wrong or len(arrays) != len(shapes):
        shown = {
            name: f"{array.dtype} {array.shape}"
            for name, array in arrays.items()
            if _odd(name, wrong, shapes)
        }
        expected = ", ".join(f"{name}: float32 {tuple(shapes[name])}" for name in wrong or shapes)
        raise ValueError(f"{shown!s:.200}; expected {expected:.200}")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: not all numbers are finite")
    return arrays


def prefixed(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same by longer names."""
    return {prefix + name: array for name, array in arrays.items()}


def without_prefix(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Inverse of `prefixed`, of those that have it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _is_of(array: np.ndarray | None, shape: list[int]) -> bool:
    return array is not None and array.dtype == np.float32 and array.shape == tuple(shape)


def _odd(name: str, wrong: list[str], shapes: Mapping[str, list[int]]) -> bool:
    return name in wrong or name not in shapes
