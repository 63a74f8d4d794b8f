"""The full text of a message's definition, with those that it is made of, as bags carry it (encoding `ros2msg`)."""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from pathlib import Path

from ros_bridge.errors import BridgeError

_BUILT_IN = {
    "bool", "byte", "char", "float32", "float64", "string", "wstring",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}  # fmt: skip
_FIELD = re.compile(r"^\s*([a-zA-Z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[a-zA-Z]\w*")
_RULE = "=" * 80


def type_name(kind: type) -> str:
    """A message class as ROS names its type: `sensor_msgs/msg/JointState`."""
    return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"


@cache
def definition(name: str) -> str:
    """The text of a message type, `sensor_msgs/msg/JointState`, followed by all that it needs.

    Raises:
        BridgeError: a definition is not installed; names it and where it was looked for.
    """
    texts = {name: _text(name)}
    waiting = [name]
    while waiting:
        package = waiting[0].split("/")[0]
        for needed in _needs(texts[waiting.pop(0)], package):
            if needed not in texts:
                texts[needed] = _text(needed)
                waiting.append(needed)
    first, *others = texts.items()
    parts = [f"{_RULE}\nMSG: {other.replace('/msg/', '/')}\n{text}" for other, text in others]
    return "\n".join([first[1], *parts])


def _needs(text: str, package: str) -> list[str]:
    """The types that a definition's fields have, each in full."""
    fields = (_FIELD.match(line) for line in text.splitlines())
    found = [field[1] for field in fields if field and field[1] not in _BUILT_IN]
    return [f"{package}/msg/{kind}" if "/" not in kind else kind.replace("/", "/msg/") for kind in found]


def _text(name: str) -> str:
    package, _, kind = name.split("/")
    for prefix in _prefixes():
        path = prefix / "share" / package / "msg" / f"{kind}.msg"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    places = ", ".join(str(prefix / "share") for prefix in _prefixes())
    raise BridgeError(f"{name}: its definition is not installed; looked for in {places}")


def _prefixes() -> list[Path]:
    """Where ROS packages are installed: those of a ROS installation, then those of this Python."""
    named = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return [Path(prefix) for prefix in (*named, sys.prefix) if prefix]
