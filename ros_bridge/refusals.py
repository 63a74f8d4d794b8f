"""`Refusals`: why something cannot be now, told when it changes, however often somebody asks."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
"""How old a reading is, or where a joint stands, is different every time: not the digits of a joint's name."""


class Refusals:
    """Remembers the last refusal."""

    def __init__(self) -> None:
        self._last: str | None = None

    def new(self, refusal: str | None) -> bool:
        """Whether it is another one than the last, by more than a number. None: nothing is refused any more."""
        words = refusal and _NUMBER.sub("#", refusal)
        new, self._last = words is not None and words != self._last, words
        return new
