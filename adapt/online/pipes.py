"""Named arrays through a pipe: 8 bytes of length, then safetensors. Reading them runs no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

import numpy as np
import safetensors.numpy

MAX_BYTES = 2**30
"""Nobody sends more."""


def write_arrays(pipe: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    """Sends arrays.

    Raises:
        OSError: nobody reads any more.
    """
    content = safetensors.numpy.save(dict(arrays))
    pipe.write(len(content).to_bytes(8, "little"))
    pipe.write(content)
    pipe.flush()


def read_arrays(pipe: IO[bytes]) -> dict[str, np.ndarray]:
    """The next arrays.

    Raises:
        EOFError: nobody writes any more.
        OSError: what was written are no arrays.
    """
    size = int.from_bytes(_read(pipe, 8), "little")
    if size > MAX_BYTES:
        raise OSError(f"{size} bytes announced; expected at most {MAX_BYTES}")
    content = _read(pipe, size)
    try:
        return safetensors.numpy.load(content)
    except Exception as error:  # SafetensorError, and what numpy makes of strange types
        raise OSError(f"no arrays: {error!s:.200}") from error


def _read(pipe: IO[bytes], size: int) -> bytes:
    content = pipe.read(size)
    if len(content) < size:
        raise EOFError("the other side has closed its end")
    return content
