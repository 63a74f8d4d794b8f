"""Files that are either whole or not there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_json(path: Path, data: Any, indent: int | None = None) -> None:
    """Writes JSON beside its place, then moves it there. Numbers that are not finite are errors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(data, indent=indent, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def common_folder(paths: Iterable[Path]) -> Path:
    """The innermost folder that holds all of some files or folders."""
    return Path(os.path.commonpath([path.resolve().parent for path in paths]))


def folder_name(name: str) -> str:
    """A name, such as that of a family, as one that a folder can have: `dm_control:cheetah/run` with dashes."""
    return re.sub(r"[^\w@.-]+", "-", name).strip("-.")
