"""`read_lines`: a YAML file as `Item`s that know their line. Only data: no tag is followed, no code is run.

Scalars are those of YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema): `off` is a word here, which
PyYAML's YAML 1.1 takes for false, `1e-3` a number, which it takes for a word, and `1:30` no number of seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ros_bridge.hil.scenario.mistakes import Mistake

MAX_BYTES = 2**20
"""A file may not have more."""
MAX_ITEMS = 20_000
"""Nor more values, those behind its aliases counted each time."""
MAX_DEPTH = 16
"""Lists and mappings in one another."""
_KINDS = ("str", "int", "float", "bool", "null", "map", "seq", "merge", "timestamp", "value")
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in _KINDS}
"""Of plain values."""
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(sign + "inf") for sign in ("", "-", "+") for word in (".inf", ".Inf", ".INF")},
}


@dataclass(frozen=True)
class Item:
    """One value of a file."""

    key: str
    """Its path, such as `faults[2].kind`; empty: the whole file."""
    line: int
    """Where the value begins, from 1; behind an alias that is where its anchor is."""
    value: Any
    """Text, number, truth, None, `dict[str, Item]` or `list[Item]`."""
    key_line: int
    """Where its key is; of what is in a list, where the value begins."""

    def wrong(self, what: str) -> Mistake:
        """A mistake in this value."""
        nested = isinstance(self.value, dict | list)
        return Mistake(self.key_line if nested else self.line, self.key, what)

    def unexpected(self, expected: str) -> Mistake:
        """The value is not what was expected."""
        return self.wrong(f"expected {expected}, got {self.shown}")

    @property
    def shown(self) -> str:
        """The value in a few words."""
        if isinstance(self.value, dict):
            return f"a mapping with {', '.join(self.value) or 'nothing in it'}"[:80]
        if isinstance(self.value, list):
            return f"a list of {len(self.value)}"
        return "nothing" if self.value is None else f"{self.value!r}"[:80]


def read_lines(path: Path) -> Item:
    """A file's content.

    Raises:
        Mistake: it cannot be read, is no YAML, has a key twice, a tag, several documents, or is too large.
    """
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Mistake(
            line, "", f"not valid YAML: character {error.character!r} may not stand here"
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise Mistake(mark.line + 1 if mark else 1, "", f"not valid YAML: {said}") from error
    except RecursionError as error:
        raise Mistake(1, "", f"more than {MAX_DEPTH} lists and mappings in one another") from error
    if node is None:
        raise Mistake(1, "", "an empty file")
    return _Builder().item(node, "", 1, 0)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Mistake(1, "", f"cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise Mistake(1, "", f"more than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Mistake(content.count(b"\n", 0, error.start) + 1, "", "not UTF-8 text") from error


class _Builder:
    """Items of nodes."""

    def __init__(self) -> None:
        self._count = 0

    def item(self, node: yaml.Node, key: str, key_line: int, depth: int) -> Item:
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > MAX_ITEMS:
            raise Mistake(line, key, f"more than {MAX_ITEMS} values, those behind aliases counted each time")
        if depth > MAX_DEPTH:
            raise Mistake(line, key, f"more than {MAX_DEPTH} lists and mappings in one another")
        if node.tag not in _TAGS:
            raise Mistake(line, key, f"no tags here, got {node.tag!r}; write plain values")
        if isinstance(node, yaml.MappingNode):
            return Item(key, line, self._mapping(node, key, depth), key_line)
        if isinstance(node, yaml.SequenceNode):
            lines = [each.start_mark.line + 1 for each in node.value]
            parts = [self.item(each, f"{key}[{i}]", lines[i], depth + 1) for i, each in enumerate(node.value)]
            return Item(key, line, parts, key_line)
        return Item(key, line, _scalar(node), key_line)

    def _mapping(self, node: yaml.MappingNode, key: str, depth: int) -> dict[str, Item]:
        """Own keys go before those that `<<` brings."""
        own, merged = dict[str, Item](), dict[str, Item]()
        for name_node, value in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise Mistake(line, key, "expected a word as key, got a list or mapping")
            if name_node.tag.endswith(":merge"):
                for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if not isinstance(part, yaml.MappingNode):
                        raise Mistake(line, key, "`<<` needs a mapping, or a list of them")
                    self._count += 1
                    if depth > MAX_DEPTH:
                        raise Mistake(line, key, f"more than {MAX_DEPTH} lists and mappings in one another")
                    merged = self._mapping(part, key, depth + 1) | merged
                continue
            name = name_node.value
            path = f"{key}.{name}" if key else name
            if name in own:
                first = own[name].key_line
                raise Mistake(line, path, f"stands there twice, first in line {first}; remove one")
            own[name] = self.item(value, path, line, depth + 1)
        return merged | own


def _scalar(node: yaml.Node) -> Any:
    """Only what stands there without quotes can be something else than text."""
    text = node.value
    if node.style is not None:  # type: ignore[attr-defined]
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) and len(text) < 20:
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
