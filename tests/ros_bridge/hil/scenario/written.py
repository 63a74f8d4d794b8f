"""Scenario files for tests: a sound one, and what is said of one that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ros_bridge.hil.scenario.mistakes import ScenarioError
from ros_bridge.hil.scenario.reading import read_scenario
from ros_bridge.hil.scenario.scenario import Scenario
from ros_bridge.hil.scenario.vocabulary import Vocabulary

HEAD = {
    "about": "A test.",
    "family": "pendulum_swingup",
    "bundle": "some",
    "duration": "10 s",
}
"""What every file needs; four lines, so that what a test adds begins in the fifth."""
UNCHECKED = Vocabulary(check_bundles=False)


def write(folder: Path, more: str = "", name: str = "trial", **head: str) -> Path:
    """A file with `HEAD`, other values of some of its keys, and more lines."""
    path = folder / f"{name}.yaml"
    lines = "".join(f"{key}: {value}\n" for key, value in (HEAD | head).items())
    path.write_text(lines + more, encoding="utf-8")
    return path


def read(folder: Path, more: str = "", **head: str) -> Scenario:
    """What the file says; its bundle is not looked for."""
    return read_scenario(write(folder, more, **head), UNCHECKED)


def mistakes(folder: Path, more: str = "", **head: str) -> list[str]:
    """What is said of it, without the folder: `LINE: key: what`."""
    path = write(folder, more, **head)
    with pytest.raises(ScenarioError) as caught:
        read_scenario(path, UNCHECKED)
    assert all(line.startswith(f"{path}:") and "\n" not in line for line in caught.value.lines)
    return [line.removeprefix(f"{path}:") for line in caught.value.lines]
