"""The published parameters of a discovered rule, as numpy's .npz: Disco103 (google-deepmind/disco_rl).

They are the authors' and not part of this package, see `ATTRIBUTION`.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import torch

from adapt.errors import AdaptError
from adapt.update_rules import disco_network
from adapt.update_rules.disco import Disco
from adapt.update_rules.rule import Tensors

DISCO103 = "disco_103.npz"
SHA256 = "dac840a15b81e8805326363458c33979626172618f620d9e6e170315388530aa"
URL = f"https://raw.githubusercontent.com/google-deepmind/disco_rl/main/disco_rl/update_rules/weights/{DISCO103}"
ATTRIBUTION = (
    "Disco103 is (c) 2025 Google LLC, of `google-deepmind/disco_rl`: code under Apache-2.0, everything else, "
    "these weights too, under CC-BY 4.0. Who passes them on, or results by them, names the source: Oh et al., "
    "Discovering state-of-the-art reinforcement learning algorithms, Nature (2025)."
)
_FETCH = "`adapt fetch disco103` downloads the published ones"
_LARGEST = 2**26
"""Bytes of a file of weights; Disco103 has 3 MB."""


def weights_folder() -> Path:
    """Where fetched weights are kept: `$ADAPT_CACHE`, else `adapt` in the user's cache folder."""
    cache = os.environ.get("ADAPT_CACHE")
    if cache:
        return Path(cache)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adapt"


def fetch_disco103(url: str = URL, sha256: str = SHA256) -> Path:
    """Downloads the authors' weights, unless they are there; where they are.

    Raises:
        AdaptError: there is no connection, what came is not the published file, or it cannot be kept.
    """
    path = weights_folder() / DISCO103
    if path.is_file() and _digest(path.read_bytes()) == sha256:
        return path
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            content = answer.read(_LARGEST)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise AdaptError(f"{url}: {error}; with the file at hand, give its path instead") from error
    if (found := _digest(content)) != sha256:
        raise AdaptError(f"{url}: sha256 {found}, {len(content)} bytes; expected {sha256}. Nothing was kept")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise AdaptError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


def weights_sha256(path: Path | None = None) -> str:
    """Of a file of weights; None for the fetched Disco103.

    Raises:
        AdaptError: no such file.
    """
    return _digest(_content(weights_folder() / DISCO103 if path is None else path))


def load_disco(path: Path | None = None, sha256: str | None = None) -> tuple[Disco, Tensors]:
    """The rule with the meta-parameters of a file, of any size that its network can have.

    Args:
        path: None for the fetched Disco103, whose hash is then checked.
        sha256: that the file has to have.

    Raises:
        AdaptError: no such file, another hash, or not a network's parameters; says which array has which shape.
    """
    if path is None:
        path, sha256 = weights_folder() / DISCO103, SHA256
    arrays = _arrays(path, sha256)
    try:
        sizes = disco_network.sizes_of(arrays)
    except (KeyError, IndexError):
        sizes = disco_network.Sizes()
    expected = sizes.shapes()
    if wrong := [
        f"{name}: {_shown(arrays.get(name))}, expected {expected.get(name, 'none')}"
        for name in sorted(expected.keys() | arrays.keys())
        if name not in expected or name not in arrays or tuple(arrays[name].shape) != expected[name]
    ]:
        raise AdaptError(f"{path}: not the weights of a discovered rule: {'; '.join(wrong[:4])}; {_FETCH}")
    if bad := [name for name, array in arrays.items() if not torch.isfinite(array).all()]:
        raise AdaptError(f"{path}: {bad[0]}: not all numbers are finite; {_FETCH}")
    return Disco(sizes), arrays


def _arrays(path: Path, sha256: str | None) -> Tensors:
    content = _content(path)
    if sha256 is not None and (found := _digest(content)) != sha256:
        raise AdaptError(f"{path}: sha256 {found}; expected {sha256}; {_FETCH}")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise AdaptError(f"{path}: not a readable .npz file: {error}; {_FETCH}") from error
    if other := [name for name, array in arrays.items() if array.dtype != np.float32]:
        raise AdaptError(f"{path}: {other[0]}: {arrays[other[0]].dtype}; expected float32; {_FETCH}")
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AdaptError(f"{path}: {error.strerror or error}; {_FETCH}") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _shown(array: torch.Tensor | None) -> str:
    return "missing" if array is None else str(tuple(array.shape))
