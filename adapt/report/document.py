"""The frame of a self-contained HTML page: its policy, styles, scripts and data, all inside one file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapt.report.text import escape

_ASSETS = Path(__file__).parent / "assets"
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""The browser itself refuses everything that the page could try to load."""


def document(title: str, styles: Iterable[str], body: str, content: Any, scripts: Iterable[str]) -> str:
    """A whole page as text.

    Args:
        title: plain text.
        styles: further style sheets after the house's own.
        body: HTML.
        content: JSON-able data, which the scripts find in the element `content`.
        scripts: JavaScript, in the order in which they need each other.
    """
    css = "\n".join((asset("page.css"), *styles))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>{css}</style>\n<script>{asset('trouble.js')}</script>\n</head>\n"
        f'<body>\n<p id="trouble" role="alert" hidden></p>\n{body}\n'
        f'<script type="application/json" id="content">{_inline_json(content)}</script>\n'
        + "\n".join(f"<script>{script}</script>" for script in (*scripts, asset("measures.js")))
        + "\n</body>\n</html>\n"
    )


def asset(name: str, folder: Path = _ASSETS) -> str:
    """A style sheet, script or piece of HTML that ships with the package."""
    return (folder / name).read_text(encoding="utf-8").strip()


def _inline_json(content: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
