"""A learner's configuration: its defaults, then the family's preset, then the user's YAML file, then the command line.

A YAML file has the fields of the configuration; those of a nested one are nested:

    frames: 13_000_000
    ppo:
      learning_rate: 7.0e-4
"""

from __future__ import annotations

import dataclasses
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml

from adapt.errors import AdaptError
from adapt.learners import learner_kind
from sim_tasks.families.ranges import split_ranges

Config = TypeVar("Config")
_CORES = 2
"""Of the machine that all defaults and presets were chosen on."""


def learner_config(
    learner: str, family: str, file: Path | None = None, recorded: dict[str, Any] | None = None
) -> Any:
    """The configuration that a learner has on a family, with the user's file on top.

    What is recorded of a run that goes on stands in the place of the presets.

    Raises:
        AdaptError: unknown learner, unreadable file, or a field or value that the configuration cannot have.
    """
    config = learner_kind(learner).config
    begun = _presets(learner, family) if recorded is None else [("the run's config.json", recorded)]
    for where, values in (*begun, *([_read(file)] if file else [])):
        config = overlay(config, values, where)
    return config


def for_cores(config: Config, learner: str, family: str, cores: int) -> Config:
    """A configuration whose `robots` are 0 with as many per core as the learner has on this family on two.

    What is learnt depends on the number of simulations: a number is what one seed reproduces on every machine, and 0
    what keeps all cores of a larger one busy. Batches grow with it, as they are parts of what all simulations gave.
    """
    if getattr(config, "robots", None) != 0:
        return config
    usual = learner_config(learner, family).robots
    return dataclasses.replace(config, robots=max(1, usual * cores // _CORES))  # type: ignore[type-var]


def overlay(config: Config, values: Any, where: str) -> Config:
    """A configuration with some fields changed; `where` stands in error messages.

    Raises:
        AdaptError: an unknown field, or a value of another type; names it and the valid ones.
    """
    if not isinstance(values, dict):
        raise AdaptError(f"{where}: expected fields with values, got {values!r:.80}")
    names = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]
    changes = {}
    for name, value in values.items():
        if name not in names:
            raise AdaptError(f"{where}: unknown field {name!r}; valid: {', '.join(names)}")
        changes[name] = _converted(getattr(config, name), value, f"{where}: {name}")
    return dataclasses.replace(config, **changes)  # type: ignore[type-var]


def _converted(default: Any, value: Any, where: str) -> Any:
    """A YAML value as the type of the field's default."""
    if dataclasses.is_dataclass(default):
        return overlay(default, value, where)
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(_converted(default[0], item, where) for item in value)
    if isinstance(default, dict) and isinstance(value, dict):
        return {str(name): _converted(1.0, item, where) for name, item in value.items()}
    if isinstance(default, bool) or isinstance(value, bool):
        if isinstance(default, bool) and isinstance(value, bool):
            return value
    elif isinstance(default, float | int):
        number = _number(value)
        if number is not None and (isinstance(default, float) or number == int(number)):
            return type(default)(number)
    elif isinstance(default, str) and isinstance(value, str):
        return value
    raise AdaptError(f"{where}: {value!r:.80}; expected {type(default).__name__}, such as {default!r}")


def _number(value: Any) -> float | int | None:
    """Numbers, also those that YAML 1.1 takes for text, such as 1e-3; finite ones only."""
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < float("inf") else None


def _presets(learner: str, family: str) -> list[tuple[str, dict[str, Any]]]:
    """What is shipped for a family, whatever its ranges, and for one of its protocols (`family@protocol`) on top; for
    environments with a colon in their name, what is shipped for their kind."""
    family, _ = split_ranges(family)
    kind, base = family.split(":")[0], family.split("@")[0]
    found = []
    for name in dict.fromkeys((kind, base, family)):
        if not name.replace("_", "").replace("@", "").isalnum():
            continue  # a family of the user's own, or dm_control's
        place = resources.files("adapt") / "presets" / learner / f"{name}.yaml"
        if place.is_file():
            found.append((f"presets/{learner}/{name}.yaml", yaml.safe_load(place.read_text("utf-8"))))
    return found


def _read(file: Path) -> tuple[str, Any]:
    try:
        return str(file), yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise AdaptError(f"{file}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise AdaptError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from error
