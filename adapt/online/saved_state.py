"""What an adapter has understood of a robot, kept in a file over restarts: for one bundle."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.types import HasState

MAX_BYTES = 2**23
"""No state is larger: a memory has a few hundred numbers, a policy at most a million."""


def save_state(path: Path, adapter: HasState, bundle: PolicyBundle) -> None:
    """Writes the adapter's state; old or new, never half.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        state = adapter.state()
        save_file(state, temporary, metadata={"graph": _graph(bundle), "sha256": _digest(state)})
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def restore_state(path: Path, adapter: HasState, bundle: PolicyBundle) -> None:
    """Gives the adapter the state in a file.

    Raises:
        AdaptError: the file is missing, damaged, too large, of another bundle, or not of this adapter; the adapter is
            as it was.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise AdaptError(f"{path}: {size} bytes; a saved state has at most {MAX_BYTES}")
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise AdaptError(f"{path}: no saved state can be read: {error}") from error
    if metadata.get("graph") != _graph(bundle):
        raise AdaptError(f"{path}: saved with another bundle than {bundle.path}")
    if metadata.get("sha256") != _digest(arrays):
        raise AdaptError(f"{path}: sha256 differs: the file was changed or damaged")
    try:
        adapter.restore(arrays)
    except AdaptError as error:
        raise AdaptError(f"{path}: {error}") from error


def _graph(bundle: PolicyBundle) -> str:
    """What the state means nothing without: the digest of the step graph."""
    return str(bundle.manifest["files"]["step.onnx"])


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + arrays[name].tobytes())
    return digest.hexdigest()
