"""Where the hyperparameters of `self_tuning` start, as a file: what meta-training writes and trainings begin with."""

from __future__ import annotations

from pathlib import Path

import torch

from adapt.update_rules.rule import Tensors
from adapt.update_rules.self_tuning import SelfTuning
from adapt.update_rules.weights_file import check_weights, digest, file_content, read_weights

_HINT = "`adapt tune` writes such files"


def start_sha256(path: Path) -> str:
    """Of a file. Raises AdaptError where there is none."""
    return digest(file_content(path, _HINT))


def load_start(path: Path, rule: SelfTuning, sha256: str | None = None) -> Tensors:
    """Meta-parameters of the rule, shapes ().

    Args:
        path: of an .npz.
        rule: whose they are.
        sha256: that the file has to have.

    Raises:
        AdaptError: no such file, another hash, other names or shapes, or numbers that are not finite.
    """
    arrays = read_weights(path, sha256, _HINT)
    expected = {name: tuple(x.shape) for name, x in rule.initial_meta_params(torch.Generator()).items()}
    check_weights(path, arrays, expected, f"hyperparameters of {rule.name!r}", _HINT)
    return {name: value.to(torch.get_default_dtype()) for name, value in arrays.items()}
