"""What stands in the fenced blocks of a page: files, commands, and what the commands print.

A block of yaml, xml or python whose first line is a file name in a comment is that file. A block `sh` is run as it
stands. A block `text` right after it is what it prints. A block without a language is not looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:#|<!--) ([\w/.-]+\.\w+)(?: -->)?\n")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is, relative to the reader's folder; None if it is none."""
        named = _FILE.match(self.text) if self.language in ("yaml", "xml", "python") else None
        return named and named[1]


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page of `docs`, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [Block(language, body) for language, body in _FENCE.findall(text)]


def links(path: Path) -> list[str]:
    """Where the relative links of a page lead, without those within it."""
    found = _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8")))
    return [link for link in found if "://" not in link]
