"""Meta-parameters in numpy's .npz: read as data, never as code, and known by their hash."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import torch

from adapt.errors import AdaptError
from adapt.update_rules.rule import Tensors


def save_weights(path: Path, meta_params: Tensors) -> None:
    """Old or new, never half."""
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npz")
    np.savez(temporary, **{name: value.detach().numpy() for name, value in meta_params.items()})  # type: ignore[arg-type]
    os.replace(temporary, path)


def read_weights(path: Path, sha256: str | None = None, hint: str = "") -> Tensors:
    """All arrays of a file, float32.

    Args:
        path: of the file.
        sha256: that it has to have.
        hint: where there are files that will do; ends the messages.

    Raises:
        AdaptError: no such file, another hash, no .npz, or other numbers than float32.
    """
    end = f"; {hint}" if hint else ""
    content = file_content(path, hint)
    if sha256 is not None and (found := digest(content)) != sha256:
        raise AdaptError(f"{path}: sha256 {found}; expected {sha256}{end}")
    try:
        # What was hashed, not what lies there by now.
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise AdaptError(f"{path}: not a readable .npz file: {error}{end}") from error
    if other := [name for name, array in arrays.items() if array.dtype != np.float32]:
        raise AdaptError(f"{path}: {other[0]}: {arrays[other[0]].dtype}; expected float32{end}")
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def check_weights(
    path: Path, arrays: Tensors, expected: dict[str, tuple[int, ...]], what: str, hint: str = ""
) -> None:
    """Refuses arrays of other names or shapes than expected, and numbers that are not finite.

    Raises:
        AdaptError: says which array has which shape, and `what` they are to be.
    """
    end = f"; {hint}" if hint else ""
    if wrong := [
        f"{name}: {_shown(arrays.get(name))}, expected {expected.get(name, 'none')}"
        for name in sorted(expected.keys() | arrays.keys())
        if name not in expected or name not in arrays or tuple(arrays[name].shape) != expected[name]
    ]:
        raise AdaptError(f"{path}: not {what}: {'; '.join(wrong[:4])}{end}")
    if bad := [name for name, array in arrays.items() if not torch.isfinite(array).all()]:
        raise AdaptError(f"{path}: {bad[0]}: not all numbers are finite{end}")


def file_content(path: Path, hint: str = "") -> bytes:
    """Raises AdaptError where there is no such file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise AdaptError(f"{path}: {error.strerror or error}{f'; {hint}' if hint else ''}") from error


def digest(content: bytes) -> str:
    """Its sha256."""
    return hashlib.sha256(content).hexdigest()


def _shown(array: torch.Tensor | None) -> str:
    return "missing" if array is None else str(tuple(array.shape))
