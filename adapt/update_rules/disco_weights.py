"""The published parameters of a discovered rule, as numpy's .npz: Disco103 (google-deepmind/disco_rl).

They are the authors' and not part of this package, see `ATTRIBUTION`.
"""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from adapt.errors import AdaptError
from adapt.update_rules import disco_network
from adapt.update_rules.disco import Disco
from adapt.update_rules.rule import Tensors
from adapt.update_rules.weights_file import check_weights, digest, file_content, read_weights

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
    if path.is_file() and digest(path.read_bytes()) == sha256:
        return path
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            content = answer.read(_LARGEST)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise AdaptError(f"{url}: {error}; with the file at hand, give its path instead") from error
    if (found := digest(content)) != sha256:
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
    return digest(file_content(weights_folder() / DISCO103 if path is None else path, _FETCH))


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
    arrays = read_weights(path, sha256, _FETCH)
    try:
        sizes = disco_network.sizes_of(arrays)
    except (KeyError, IndexError):
        sizes = disco_network.Sizes()
    check_weights(path, arrays, sizes.shapes(), "the weights of a discovered rule", _FETCH)
    return Disco(sizes), arrays
