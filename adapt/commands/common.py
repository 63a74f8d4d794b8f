"""What several commands share."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tyro

Positional = tyro.conf.Positional


def print_json(row: dict[str, Any]) -> None:
    """One line of JSON on standard output."""
    print(json.dumps(row), flush=True)


def print_report(lines: Iterable[str], file: Path) -> None:
    """A result as text on standard output, and where all of it is."""
    from adapt.console import say

    for line in lines:
        print(line)
    say(f"{file}")
