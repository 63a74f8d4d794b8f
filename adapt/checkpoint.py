"""Checkpoints as one safetensors file: arrays as tensors, the rest as JSON. No pickle, written atomically."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from adapt.errors import RunError

_SEPARATOR = "/"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a nested dict of tensors, arrays, numbers, strings and JSON-like lists; old or new, never half."""
    tensors: dict[str, torch.Tensor] = {}
    rest: dict[str, Any] = {}
    _flatten("", state, tensors, rest)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        save_file(tensors, temporary, metadata={"state": json.dumps(rest)})
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads what `save_checkpoint` wrote; all arrays come back as tensors.

    Raises:
        RunError: the file is missing or damaged.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            rest = json.loads((file.metadata() or {})["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError, OSError) as error:
        raise RunError(f"{path}: damaged checkpoint: {error}") from error
    state: dict[str, Any] = {}
    for flat, value in (rest | tensors).items():
        *parents, name = flat.split(_SEPARATOR)
        place = state
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return state


def flat(state: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A part of a state whose names have slashes in them, which loading takes for nesting, as it was saved."""
    found: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}{_SEPARATOR}")
        else:
            found[prefix + name] = value
    return found


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """An optimizer's state with string keys, for a checkpoint."""
    return {str(index): dict(slot) for index, slot in optimizer.state_dict()["state"].items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Inverse of `optimizer_state`; the learning rate is the schedule's business."""
    slots = {int(index): slot for index, slot in state.items()}
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})


def _flatten(prefix: str, value: Any, tensors: dict[str, torch.Tensor], rest: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            _flatten(f"{prefix}{_SEPARATOR}{name}" if prefix else str(name), item, tensors, rest)
    elif isinstance(value, torch.Tensor):
        tensors[prefix] = value.detach().contiguous().clone()
    elif isinstance(value, np.ndarray):
        tensors[prefix] = torch.from_numpy(np.ascontiguousarray(value)).reshape(value.shape)
    else:
        rest[prefix] = value
