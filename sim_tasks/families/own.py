"""A family of the user's own: `my_families.py:my_family` or `my_package.my_module:my_family`.

Naming a Python file runs it, as `python my_families.py` would; nothing that is loaded as data ever does.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sim_tasks.errors import TaskError
from sim_tasks.family import TaskFamily


def own_family(reference: str) -> Callable[..., TaskFamily]:
    """The function behind a reference, file or module and function, with a colon between.

    Raises:
        TaskError: there is no such file, module or function.
    """
    place, _, name = reference.rpartition(":")
    module = _from_file(Path(place)) if place.endswith(".py") else _imported(place)
    build = getattr(module, name, None)
    if not callable(build):
        own = (
            key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
        )
        functions = [key for key in own if not key.startswith("_")]
        raise TaskError(f"{place} has no function {name!r}; it defines: {', '.join(functions) or 'none'}")
    return _checked(build, reference)


def _checked(build: Callable[..., Any], reference: str) -> Callable[..., TaskFamily]:
    def checked(**options: Any) -> TaskFamily:
        family = build(**options)
        if not isinstance(family, TaskFamily):
            raise TaskError(f"{reference} returned {type(family).__name__}, expected a TaskFamily")
        return family

    return checked


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and not name.startswith(error.name):
            raise
        raise TaskError(
            f"no module {name!r}: a family of your own is file.py:function or module:function"
        ) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise TaskError(f"{path}: no such file")
    name = f"own_family_{path.resolve().stem}_{abs(hash(path.resolve())):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
