"""Between schedules of faults and JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ros_bridge.errors import BridgeError
from ros_bridge.hil.fault import Fault


def to_json(schedule: Iterable[Fault]) -> list[dict[str, Any]]:
    """For a file."""
    return [asdict(fault) for fault in schedule]


def from_json(rows: list[dict[str, Any]], source: str = "schedule") -> list[Fault]:
    """Inverse of `to_json`; keys that have a default may be missing.

    Raises:
        BridgeError: a row is no fault; names source, row (from 0) and key, the value and the valid ones.
    """
    if not isinstance(rows, list):
        raise BridgeError(f"{source}: {type(rows).__name__}; expected a list of faults")
    return [_fault(row, f"{source}: row {number}") for number, row in enumerate(rows)]


def read_schedule(path: Path) -> list[Fault]:
    """The faults of a JSON file, in its order: their numbers there are the indices of a relay's events.

    Raises:
        BridgeError: it cannot be read, or is no schedule; names file, row and key.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BridgeError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BridgeError(f"{path}: no JSON: {error}") from error
    return from_json(rows, str(path))


_TYPES: dict[str, tuple[type, ...]] = {
    name: (str,) if name in ("kind", "target", "field") else (int,) if name == "seed" else (int, float)
    for name in Fault.__dataclass_fields__
    if name != "joints"
}
_NEEDED = ("kind", "target", "begin", "duration")


def _fault(row: Any, where: str) -> Fault:
    valid = ", ".join(Fault.__dataclass_fields__)
    if not isinstance(row, dict):
        raise BridgeError(f"{where}: {row!r}; expected an object with {valid}")
    for key, value in row.items():
        if key != "joints" and key not in _TYPES:
            raise BridgeError(f"{where}: {key}: unknown key; valid: {valid}")
        if key == "joints":
            fits = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
        else:
            fits = isinstance(value, _TYPES[key]) and not isinstance(value, bool)
        if not fits:
            expected = (
                "list of str" if key == "joints" else " or ".join(each.__name__ for each in _TYPES[key])
            )
            raise BridgeError(f"{where}: {key}: {value!r}; expected {expected}")
    for key in _NEEDED:
        if key not in row:
            raise BridgeError(f"{where}: {key}: missing")
    try:
        return Fault(**{**row, "joints": tuple(row.get("joints", ()))})
    except BridgeError as error:
        raise BridgeError(f"{where}: {error}") from error
