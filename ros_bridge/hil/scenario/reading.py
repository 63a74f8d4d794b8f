"""`read_scenario`: a scenario file, checked against its family and robot; docs/hil_scenarios.md has what it may say."""

from __future__ import annotations

import math
import re
from pathlib import Path

from robots.errors import UserError
from ros_bridge.hil.scenario import fields
from ros_bridge.hil.scenario.bundles import bundle_folder, check_bundle
from ros_bridge.hil.scenario.expectation_entries import Context, read_expectations
from ros_bridge.hil.scenario.families import deployable_names, family_named, is_own
from ros_bridge.hil.scenario.fault_entries import Run, read_faults
from ros_bridge.hil.scenario.fields import Fields
from ros_bridge.hil.scenario.goal_entries import read_goal
from ros_bridge.hil.scenario.lines import Item, read_lines
from ros_bridge.hil.scenario.mistakes import Mistake, ScenarioError, valid_names
from ros_bridge.hil.scenario.run_entries import read_limits, read_node, read_seeds, read_task
from ros_bridge.hil.scenario.scenario import GoalStep, Limits, NodeOptions, Scenario, TaskChoice
from ros_bridge.hil.scenario.vocabulary import Vocabulary
from sim_tasks.family import TaskFamily

NEEDED = ("about", "family", "bundle", "duration")
OPTIONAL = (
    "name", "protects", "robot", "task", "seeds", "repetitions", "goal", "faults", "expect", "limits", "node",
    "pace", "tags",
)  # fmt: skip
ROBOTS, PACES = ("simulated", "real"), ("real_time", "lock_step")
MOST_REPETITIONS = 1000
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)


def read_scenario(path: Path, vocabulary: Vocabulary) -> Scenario:
    """What a file says. Nothing of it is run.

    Raises:
        ScenarioError: it cannot be used; has a line for each mistake.
    """
    mistakes = list[Mistake]()
    scenario = fields.attempt(mistakes, lambda: _Reading(path, vocabulary, mistakes).scenario(), None)
    if mistakes or scenario is None:
        mistakes.sort(key=lambda mistake: mistake.line)
        raise ScenarioError(dict.fromkeys(mistake.told(path) for mistake in mistakes))
    return scenario


class _Reading:
    """One file."""

    def __init__(self, path: Path, vocabulary: Vocabulary, mistakes: list[Mistake]):
        self._path, self._vocabulary, self._mistakes = path, vocabulary, mistakes
        self._entry = Fields(read_lines(path), NEEDED, OPTIONAL, mistakes)
        self._duration = self._entry.take("duration", lambda each: fields.above_zero(each, "s"), math.inf)
        self._family_name = self._entry.take("family", fields.text, "")
        self._family = self._entry.take("family", self._load_family, None) if self._family_name else None

    def scenario(self) -> Scenario | None:
        """None: the family is not known, and with it nothing that is held against it."""
        take, mistakes, family = self._entry.take, self._mistakes, self._family
        robot = take("robot", lambda each: fields.choice(each, ROBOTS), "simulated")
        pace = take("pace", lambda each: _pace(each, robot), "real_time")
        name = take("name", _word, _WORD.fullmatch(self._path.stem) and self._path.stem)
        if name is None:
            mistakes.append(Mistake(1, "name", f"is missing, and the file's, {self._path.stem!r}, is none"))
        protects = take("protects", lambda each: fields.choice(each, self._vocabulary.protections), "")
        tags = take("tags", lambda each: tuple(_word(one) for one in fields.entries(each, "words")), ())
        about = take("about", fields.text, "")
        seeds = self._seeds()
        if family is None:
            return None
        spec, duration = family.robot, self._duration
        run = Run(spec, duration, robot == "real", family.goal.kind if family.goal else "")
        faults, names = take("faults", lambda each: read_faults(each, run, mistakes), ((), []))
        context = Context(self._vocabulary.expectations, names, family.belief_names, duration)
        return Scenario(
            name=name or "",
            about=about,
            family=self._family_name,
            bundle=take("bundle", self._bundle, ""),
            duration=duration,
            robot=robot,  # type: ignore[arg-type]
            task=take("task", lambda each: read_task(each, family, mistakes), TaskChoice()),
            goal=take("goal", lambda each: self._goal(each, protects), ()),
            faults=faults,
            expect=take("expect", lambda each: read_expectations(each, context, mistakes), ()),
            limits=take("limits", lambda each: read_limits(each, spec, mistakes), Limits()),
            node=take("node", lambda each: read_node(each, self._bundle, mistakes), NodeOptions()),
            seeds=seeds,
            pace=pace,  # type: ignore[arg-type]
            protects=protects,
            tags=tags,
            source=self._path.resolve(),
        )

    def _load_family(self, item: Item) -> TaskFamily:
        name = self._family_name
        if is_own(name) and not self._vocabulary.own_families:
            raise item.wrong(
                f"loading {name!r} would run code, which needs --own-families; without it {self._valid(name)}"
            )
        try:
            family = family_named(name)
        except UserError as error:
            raise item.wrong(f"{error}; {self._valid(name)}") from error
        if not family.on_robot:
            raise item.wrong(f"{name} is about a body that no node drives; {self._valid(name)}")
        return family

    def _valid(self, name: str) -> str:
        return valid_names(name, deployable_names())

    def _bundle(self, item: Item) -> str:
        """Its folder, absolute, also of a shipped one; where it is not looked for, as the file has it."""
        name, shipped = fields.text(item), self._vocabulary.bundles
        if not self._vocabulary.check_bundles:
            return name
        try:
            folder = bundle_folder(name, self._path.parent, shipped)
            if self._family is not None:
                check_bundle(folder, self._family)
        except UserError as error:
            raise item.wrong(str(error)) from error
        return str(folder)

    def _goal(self, item: Item, protects: str) -> tuple[GoalStep, ...]:
        """What tests that the node cuts goals needs one that is beyond what it can be told."""
        beyond = protects == "goal_limits"
        return read_goal(item, self._family_name, self._duration, self._mistakes, beyond)

    def _seeds(self) -> tuple[int, ...]:
        items = self._entry.items
        if "seeds" in items and "repetitions" in items:
            self._mistakes.append(items["repetitions"].wrong("stands beside seeds; give one of the two"))
        count = self._entry.take("repetitions", lambda each: fields.whole(each, 1, MOST_REPETITIONS), 1)
        return self._entry.take("seeds", read_seeds, tuple(range(count)))


def _word(item: Item) -> str:
    """Part of a path: runs are kept in folders of that name."""
    if not isinstance(item.value, str) or not _WORD.fullmatch(item.value):
        raise item.unexpected("a word of letters, digits, _ . and -")
    return item.value


def _pace(item: Item, robot: str) -> str:
    pace = fields.choice(item, PACES)
    if pace == "lock_step" and robot == "real":
        raise item.wrong("a real robot waits for nobody, got lock_step; valid: real_time")
    return pace
