"""What a bundle that adapts by gradients holds besides its graph. O observation, A action, P parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy

from adapt.schema import Check, flag, items, number, pattern, record, table, text, variants, whole

WEIGHTS = "weights.safetensors"
META_PARAMS, META_STATE = "meta_params.", "meta_state."
"""How the names of an inner step's own arrays begin in that file, and of its memory where it goes on."""
MAX_WINDOW = 2**24
"""Numbers of the experience that one step is computed from: 64 MiB, of which there are two."""
MAX_META = 10**6
"""Numbers of an inner step's own parameters; and of its memory."""
MAX_TENSORS = 32
"""Arrays of the one and of the other."""
MAX_PARAMETERS = 10**6
"""Of the policy."""

_STEP = {"name": text(100)}
INNER_STEPS: dict[str, Check] = {
    "policy_gradient": record(_STEP),
    "low_variance_curvature": record(_STEP),
    "clipped_adam": record({**_STEP, "epochs": whole(1, 100), "clip": number(above=0.0)}),
    "learned": record({**_STEP, "steps": whole(1, 100), "hidden": whole(1, 64), "memory": whole(1, 64)}),
}
GRADIENT_FIELDS: dict[str, Check] = {
    "parameters": whole(1, MAX_PARAMETERS),
    "layers": items(whole(1, 1024), 0, 8),
    "rule": variants("name", INNER_STEPS),
    "rates": items(number(above=0.0), 1, 100),
    "rollouts": whole(1, 100),
    "episode_steps": whole(2, 100_000),
    "gamma": number(0.0, 1.0),
    "gae_lambda": number(0.0, 1.0),
    "reward_free": flag,
}
"""Of `adapter` in the manifest, besides its kind."""
_TENSORS = table(
    pattern(r"[a-z]\w{0,31}(\.[a-z]\w{0,31})?", "a plain name of an array"),
    items(whole(1, 10**6), 1, 3),
    MAX_TENSORS,
)
LEARNED_FIELDS: dict[str, Check] = {"meta_params": _TENSORS, "meta_state": _TENSORS}
"""Shapes of what an inner step has learned, and remembers, where it does."""


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
