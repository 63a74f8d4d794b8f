"""Which files a path stands for, and what is said where none is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ros_bridge.hil.scenario.campaign import find
from ros_bridge.hil.scenario.mistakes import ScenarioError
from tests.ros_bridge.hil.scenario.written import UNCHECKED, write


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one campaign, `standard`; the working directory is an empty folder beside it."""
    folder = tmp_path / "package/campaigns/standard/go2"
    folder.mkdir(parents=True)
    write(folder.parent, "tags: [quick]\n", name="one")
    write(folder, name="two")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "package"


def names(package: Path, *paths: str, tag: str | None = None) -> list[str]:
    return [scenario.name for scenario in find(paths, UNCHECKED, tag, package)]


def said(package: Path, *paths: str, tag: str | None = None) -> str:
    with pytest.raises(ScenarioError) as caught:
        find(paths, UNCHECKED, tag, package)
    return str(caught.value)


def test_campaigns_come_with_the_package(package):
    assert names(package, "campaigns/standard") == ["two", "one"]
    assert names(package, "campaigns/standard/one.yaml", "campaigns/standard") == ["one", "two"]
    assert names(package, "campaigns/standard", tag="quick") == ["one"]


def test_those_of_the_working_directory_go_before(package):
    own = Path("campaigns/standard")
    own.mkdir(parents=True)
    write(own, name="mine")
    assert names(package, "campaigns/standard") == ["mine"]


def test_unknown_paths_are_answered_with_near_ones(package):
    write(Path(), name="pendulum")
    told = said(package, "pendulun.yaml")
    valid = "campaigns/standard, pendulum.yaml (did you mean pendulum.yaml?)"
    assert told == f"pendulun.yaml: no such file or folder; valid: {valid}"
    assert "(did you mean campaigns/standard?)" in said(package, "campaigns/standad")
    assert "(did you mean campaigns/standard/one.yaml?)" in said(package, "campaigns/standard/on.yaml")


def test_empty_folders_tags_and_commands(package):
    Path("empty").mkdir()
    assert said(package, "empty").startswith("empty: no scenarios in this folder")
    assert said(package, "campaigns/standard", tag="quik").endswith("valid: quick (did you mean quick?)")
    assert said(package).startswith("no scenario given")


def test_names_are_their_own(package):
    write(Path(), "name: one\n", name="other")
    told = said(package, "campaigns/standard", "other.yaml")
    assert told.startswith(
        f"{Path('other.yaml').resolve()}:1: name: 'one' is the name of {package.resolve()}"
    )


def test_mistakes_of_all_files_are_told_at_once(package):
    write(Path(), "seeds: 1\nname: a b\n", name="other")
    write(Path(), "faults: 3\n", name="third")
    lines = said(package, "third.yaml", "nowhere", "other.yaml").splitlines()
    assert lines[0] == "4 mistakes:"
    starts = (
        "nowhere: no such file",
        "third.yaml:5: faults: ",
        "other.yaml:5: seeds: ",
        "other.yaml:6: name: ",
    )
    assert all(line.startswith(start) for line, start in zip(lines[1:], starts, strict=True))
