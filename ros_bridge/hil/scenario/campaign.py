"""`find`: the scenarios of files and folders; a campaign is a folder of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ros_bridge.hil.scenario.mistakes import ScenarioError, valid_names
from ros_bridge.hil.scenario.reading import read_scenario
from ros_bridge.hil.scenario.scenario import Scenario
from ros_bridge.hil.scenario.vocabulary import Vocabulary

CAMPAIGNS = "campaigns"
PACKAGE = Path(__file__).parents[1]
"""`campaigns/NAME` is looked for here when the working directory has none."""
ENDINGS = (".yaml", ".yml")


def find(
    paths: Iterable[str | Path], vocabulary: Vocabulary, tag: str | None = None, package: Path = PACKAGE
) -> list[Scenario]:
    """All scenarios of files and folders, in the order of the arguments and of their names; each file once.

    Args:
        paths: files, and folders, which are searched with all folders in them.
        vocabulary: what files are held against.
        tag: only those that have it.
        package: where campaigns are that come with this package.

    Raises:
        ScenarioError: a path is unknown, a file cannot be used, two scenarios have one name, or none is left; a line
            for each mistake of all files.
    """
    mistakes, files = list[str](), dict[Path, Path]()
    for path in paths:
        try:
            files.update((file.resolve(), file) for file in scenario_files(Path(path), package))
        except ScenarioError as error:
            mistakes += error.lines
    scenarios = list[Scenario]()
    for file in files.values():
        try:
            scenarios.append(read_scenario(file, vocabulary))
        except ScenarioError as error:
            mistakes += error.lines
    if not files and not mistakes:
        mistakes.append(f"no scenario given; a file, a folder, or {CAMPAIGNS}/NAME of this package")
    mistakes += _same_names(scenarios)
    if mistakes:
        raise ScenarioError(mistakes)
    return _tagged(scenarios, tag)


def scenario_files(path: Path, package: Path = PACKAGE) -> list[Path]:
    """The files that a path stands for.

    Raises:
        ScenarioError: there is none.
    """
    place = path
    if not path.exists() and path.parts[:1] == (CAMPAIGNS,):
        place = package / path
    if place.is_file():
        return [place]
    found = sorted(file for file in place.rglob("*") if file.suffix in ENDINGS and file.is_file())
    if found:
        return found
    if place.is_dir():
        raise ScenarioError(
            [f"{path}: no scenarios in this folder (files that end in {' or '.join(ENDINGS)})"]
        )
    raise ScenarioError(
        [f"{path}: no such file or folder; {valid_names(path, sorted(_near(path, package)))}"]
    )


def _near(path: Path, package: Path) -> Iterator[str]:
    """What could have been meant: what lies beside it, and the campaigns that come with this package."""
    parent = path.parent
    for each in parent.iterdir() if parent.is_dir() else ():
        if each.suffix in ENDINGS or (each.is_dir() and not each.name.startswith(".")):
            yield str(each)
    for campaign in (package / CAMPAIGNS).glob("*/"):
        yield f"{CAMPAIGNS}/{campaign.name}"
        if parent.parts == (CAMPAIGNS, campaign.name):
            yield from (str(file.relative_to(package)) for file in scenario_files(campaign))


def _same_names(scenarios: list[Scenario]) -> Iterator[str]:
    """Results of runs are kept by their scenario's name."""
    first = dict[str, Scenario]()
    for scenario in scenarios:
        other = first.setdefault(scenario.name, scenario)
        if other is not scenario:
            yield f"{scenario.source}:1: name: {scenario.name!r} is the name of {other.source} already"


def _tagged(scenarios: list[Scenario], tag: str | None) -> list[Scenario]:
    if tag is None:
        return scenarios
    tags = sorted({each for scenario in scenarios for each in scenario.tags})
    found = [scenario for scenario in scenarios if tag in scenario.tags]
    if not found:
        raise ScenarioError([f"tag {tag!r}: no scenario has it; {valid_names(tag, tags)}"])
    return found
