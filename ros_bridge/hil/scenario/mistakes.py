"""`Mistake`: what is wrong in a scenario file, and where; `ScenarioError`: all that is wrong in one or more of them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ros_bridge.errors import BridgeError


class ScenarioError(BridgeError):
    """Scenario files that cannot be used: a line `FILE:LINE: key: what is wrong` for each mistake."""

    def __init__(self, lines: Iterable[str]):
        self.lines = tuple(lines)
        """One of each mistake."""
        many = len(self.lines) > 1
        super().__init__("\n".join([f"{len(self.lines)} mistakes:", *self.lines] if many else self.lines))


@dataclass(eq=False)
class Mistake(Exception):
    """One thing that is wrong; raised where it is found and collected by who reads on."""

    line: int
    """Of the file, from 1."""
    key: str
    """Path of the key, such as `faults[2].kind`; empty: the file as a whole."""
    what: str

    def __str__(self) -> str:
        return self.told(None)

    def told(self, file: Path | None) -> str:
        """In one line."""
        place = f"{file}:{self.line}" if file else f"line {self.line}"
        return " ".join(f"{place}: {self.key + ': ' if self.key else ''}{self.what}".split())


def valid_names(given: object, valid: Collection[str]) -> str:
    """What the valid names are, and which of them was probably meant."""
    near = difflib.get_close_matches(str(given), valid, n=1, cutoff=0.6)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return f"valid: {', '.join(valid) or 'none'}{meant}"
