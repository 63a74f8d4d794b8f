"""Holds the discovered rule against recorded calls of the authors' code.

    python -m adapt.update_rules.check_fixtures FIXTURES WEIGHTS

A file of fixtures has consecutive calls of one lifetime: `call<n>/in/<agent, behaviour or target>/<output>` (T + 1, B,
...), `call<n>/in/<actions, rewards, is_terminal>`, and `call<n>/out/<name>`, what came out.
"""

from __future__ import annotations

import itertools
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch

from adapt.errors import AdaptError
from adapt.update_rules.disco import Disco
from adapt.update_rules.disco_weights import load_disco
from adapt.update_rules.rule import Rollout, Tensors, check_said

TOLERANCE, RELATIVE = 1e-4, 1e-5
"""An output may be off by the first, or by the second times its largest entry, whichever is more: the reference is
float32, in which the last bit of a value head's sum moves a value of 500 by 1e-3 to 3e-3. By that much the authors'
code differs from itself, compiled or not."""


def check(fixtures: Path, weights: Path) -> tuple[dict[str, float], bool]:
    """Largest absolute error of every output of every call, by the file's names; whether all are tolerable.

    Raises:
        AdaptError: a file cannot be read, or lacks something; names it.
    """
    rule, meta_params = load_disco(weights)
    try:
        with np.load(fixtures, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise AdaptError(f"{fixtures}: not a readable .npz file: {error}") from error
    errors: dict[str, float] = {}
    passed = True
    meta_state = rule.initial_meta_state({})
    for call in itertools.count():
        if not any(name.startswith(f"call{call}/") for name in arrays):
            break
        try:
            made, meta_state = _call(rule, meta_params, meta_state, arrays, call)
        except KeyError as error:
            raise AdaptError(f"{fixtures}: lacks {error}") from error
        for name, reference in arrays.items():
            if name.startswith(prefix := f"call{call}/out/"):
                found = made.get(name.removeprefix(prefix))
                if found is None or tuple(found.shape) != reference.shape:
                    valid = "no such output" if found is None else tuple(found.shape)
                    raise AdaptError(f"{fixtures}: {name}: {reference.shape}; expected {valid}")
                errors[name] = float(np.abs(found.numpy() - reference).max())
                passed &= errors[name] <= max(TOLERANCE, RELATIVE * float(np.abs(reference).max()))
    if not errors:
        raise AdaptError(f"{fixtures}: no recorded calls; expected call0/in/..., call0/out/...")
    return errors, passed


@torch.no_grad()
def _call(
    rule: Disco, meta_params: Tensors, meta_state: Tensors, arrays: dict[str, np.ndarray], call: int
) -> tuple[Tensors, Tensors]:
    def given(name: str) -> torch.Tensor:
        return torch.from_numpy(arrays[f"call{call}/in/{name}"])

    actions = given("agent/logits").shape[-1]
    names = rule.outputs(actions).shapes(actions)
    said, behaviour, target = (
        {name: given(f"{who}/{name}") for name in names} for who in ("agent", "behaviour", "target")
    )
    terminal = given("is_terminal").float()
    rollout = Rollout(
        observation=torch.empty(0),
        action=given("actions").long(),
        reward=given("rewards"),
        terminal=terminal,
        counts=torch.ones_like(terminal),
        behaviour=behaviour,
    )
    check_said(rule, said, rollout)
    targets, meta_state = rule.targets(meta_params, meta_state, {}, rollout, said, lambda _: target)
    losses = {
        "loss": rule.target_loss(rollout, said, targets),
        "value_loss": rule.value_loss(rollout, said, targets),
    }
    return targets | losses, meta_state


def main() -> int:
    """Prints the errors as one line of JSON; 0 where all are tolerable."""
    if len(sys.argv) != 3:
        print("usage: python -m adapt.update_rules.check_fixtures FIXTURES WEIGHTS", file=sys.stderr)
        return 2
    try:
        errors, passed = check(Path(sys.argv[1]), Path(sys.argv[2]))
    except AdaptError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(errors))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
