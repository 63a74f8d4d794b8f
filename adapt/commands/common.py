"""What several commands share."""

from __future__ import annotations

import json
from typing import Any

import tyro

Positional = tyro.conf.Positional


def print_json(row: dict[str, Any]) -> None:
    """One line of JSON on standard output."""
    print(json.dumps(row), flush=True)
