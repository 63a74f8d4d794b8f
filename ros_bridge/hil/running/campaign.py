"""`run_campaign`: many scenarios, with all seeds and bundles, some at a time; what came of each is written at once."""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapt import provenance
from adapt.bundle import open_bundle
from adapt.files import write_json
from robots import RobotSpec
from robots.errors import UserError
from ros_bridge.errors import BridgeError
from ros_bridge.hil.judging.compare import compare
from ros_bridge.hil.judging.finding import Outcome
from ros_bridge.hil.running.cast import Part
from ros_bridge.hil.running.domains import DomainLock, UsersDomain, in_environment
from ros_bridge.hil.running.real_robot import RAMP_IN, too_early
from ros_bridge.hil.running.result import result_of, told_bundle
from ros_bridge.hil.running.run import ScenarioRun
from ros_bridge.hil.running.warden import Warden
from ros_bridge.hil.scenario.scenario import Scenario
from ros_bridge.hil.schedule import KINDS
from ros_bridge.hil.soak_report import known
from ros_bridge.lifetime import StopFlag
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.hidden_task import TASKS

OWN = "own"
"""For `switched_off`: of each scenario the protection that it protects."""
TRIES = 2
"""How often an invalid run is tried again, alone."""
LISTEN = 0.02
"""How often runs are listened to, in [s]."""
REAL = "", "hil"
"""Namespaces of a real robot, which speaks as it always does, and of its node."""
Progress = Callable[[str, int, int], object]
"""Called with what ended and how, how many have ended, and how many there are."""


class Campaign:
    """Runs parts in rounds: all of a round start together and wait for each other, so that no start, which takes
    seconds of processor time, disturbs a schedule that is being kept.
    """

    def __init__(
        self,
        out: Path,
        parallel: int,
        warden: Warden,
        progress: Progress | None,
        total: int,
        write: Callable[[list[dict[str, Any]]], object],
    ):
        """`write` is called with all results so far, whenever there is one more."""
        self._out, self._parallel, self._warden, self._total = out, parallel, warden, total
        self._progress, self._write, self._done = progress, write, 0
        self._by_part: dict[int, dict[str, Any]] = {}
        self.halted = ""
        """Why a real robot was stopped, after which nothing goes on by itself; empty: none was."""
        self._families: dict[str, TaskFamily] = {}

    @property
    def results(self) -> list[dict[str, Any]]:
        """Of the runs so far, in the order in which they were asked for."""
        return [self._by_part[index] for index in sorted(self._by_part)]

    def run(self, parts: Sequence[Part], stop: StopFlag) -> None:
        """All of them, the long ones first, until told to stop. What was invalid is tried again, alone."""
        order, again = sorted(parts, key=lambda part: -part.scenario.duration), list[Part]()
        for first in range(0, len(order), self._parallel):
            for part, result in self._round(order[first : first + self._parallel], stop):
                late = result["outcome"] == Outcome.INVALID.value
                again += [part] if late else []
                self._keep(parts.index(part), result, told=not late)
                self.halted = self.halted or result["stopped"]
            if stop.raised or self.halted:
                break
        for part in again:
            index = parts.index(part)
            for _ in range(TRIES):
                if stop.raised or self._by_part[index]["outcome"] != Outcome.INVALID.value:
                    break
                for _, result in self._round([part], stop):
                    self._keep(index, result, told=False)
            self._tell(self._by_part[index])

    def _round(self, parts: Sequence[Part], stop: StopFlag) -> list[tuple[Part, dict[str, Any]]]:
        runs: list[ScenarioRun] = []
        try:
            for part in parts:
                runs.append(self._start(part))
            play(runs, stop)
        finally:
            with ExitStack() as closing:  # all of them, whatever becomes of one
                for run in runs:
                    closing.callback(run.close)
        # What was stopped before its end is no result.
        return [(run.part, self._finish(run)) for run in runs if not stop.raised or run.complete]

    def _start(self, part: Part) -> ScenarioRun:
        folder = self._out / "runs" / part.scenario.name / f"{part.label}-{part.seed}"
        family = self._family(part.scenario.family)
        lock = UsersDomain() if part.scenario.robot == "real" else DomainLock()
        try:
            return ScenarioRun(part, family.robot, _emptied(folder), self._warden, lock)
        except BaseException:
            lock.release()
            raise

    def _finish(self, run: ScenarioRun) -> dict[str, Any]:
        family = self._family(run.part.scenario.family)
        try:
            result = result_of(run, family, self._out)
        except Exception as error:  # of one run: the others go on
            run.error = f"not judged: {type(error).__name__}: {error}"
            (run.folder / "judging.log").write_text(traceback.format_exc(), encoding="utf-8")
            result = result_of(run, family, self._out, readable=False)
        write_json(run.folder / "result.json", result, indent=1)
        return result

    def _family(self, name: str) -> TaskFamily:
        if name not in self._families:
            self._families[name] = load_family(name)
        return self._families[name]

    def _keep(self, index: int, result: dict[str, Any], told: bool) -> None:
        tries = self._by_part[index]["tries"] + 1 if index in self._by_part else 1
        self._by_part[index] = {**result, "tries": tries}
        self._write(self.results)
        if told:
            self._tell(result)

    def _tell(self, result: dict[str, Any]) -> None:
        if self._progress is not None:
            words = f"{result['scenario']} {result['label']}-{result['seed']}: {result['outcome']}"
            self._done += 1
            self._progress(words, self._done, self._total)


def play(runs: Sequence[ScenarioRun], stop: StopFlag) -> None:
    """Turns runs until all have ended, or until told to stop. They begin together, when all are ready."""
    while not stop.raised and any(run.state != "ended" for run in runs):
        began = time.monotonic()
        for run in runs:
            try:
                run.turn()
            except Exception as error:  # of one run: the others go on
                run.fail(error)
        if not any(run.state == "starting" for run in runs):
            for run in runs:
                if run.state == "ready":
                    run.go()
        time.sleep(max(LISTEN - (time.monotonic() - began), 0.001))


def run_campaign(
    scenarios: Sequence[Scenario],
    out: Path,
    *,
    bundles: Mapping[str, str] | None = None,
    parallel: int | None = None,
    pace: str | None = None,
    at_the_emergency_stop: bool = False,
    switched_off: str | None = None,
    namespaces: tuple[str, str] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Runs all scenarios with all their seeds, and writes `campaign.json`, also when told to stop.

    Args:
        scenarios: what is run.
        out: folder.
        bundles: folders by short name, each for all scenarios; None: the scenarios' own.
        parallel: runs at a time; None: see `fitting`.
        pace: `real_time` or `lock_step`, in place of the scenarios' own.
        at_the_emergency_stop: somebody is, without whom no real robot is driven.
        switched_off: protection that is left out of every run; `OWN`: of each scenario the one that it protects.
        namespaces: of the robot and of the node; None: `REAL` of a real robot, and those of simulated ones.
        progress: is told of every run that ended.

    Returns:
        What `campaign.json` says: `runs`, `config`, `commit`, `versions`, `machine`, `seconds`, `parallel`,
        `stopped_early`; `halted`, why a real robot was stopped, with which the campaign ends; of several bundles
        `comparison`, with the first one.

    Raises:
        UserError: a bundle cannot be used, or a scenario cannot be run like this; nothing was started then.
        ProcessError: no ROS domain is free.
    """
    began = time.monotonic()
    parts = parts_of(scenarios, bundles, pace, switched_off, namespaces)
    _require_safe(parts, at_the_emergency_stop, parallel)
    count = parallel or fitting(parts)
    if count < 1:
        raise BridgeError(f"parallel {parallel}: expected 1 or more")
    out.mkdir(parents=True, exist_ok=True)
    warden, labels = Warden(), list(dict.fromkeys(part.label for part in parts))
    result: dict[str, Any] = {}

    def write(runs: list[dict[str, Any]], stopped_early: bool = True) -> None:
        result.update(
            {
                "runs": runs,
                "config": {
                    "scenarios": [scenario.name for scenario in scenarios],
                    "bundles": bundles and {label: told_bundle(bundle) for label, bundle in bundles.items()},
                    "pace": pace,
                    "switched_off": switched_off,
                },
                "commit": provenance.commit(),
                "versions": provenance.versions(),
                "machine": provenance.machine(),
                "seconds": time.monotonic() - began,
                "parallel": count,
                "stopped_early": stopped_early,
                "halted": campaign.halted,
            }
        )
        if bundles is not None and len(labels) > 1 and any(run["label"] == labels[0] for run in runs):
            result["comparison"] = known(compare(runs, labels[0]))
        write_json(out / "campaign.json", result, indent=1)

    campaign = Campaign(out, count, warden, progress, len(parts), write)
    # ROS of this process, too, speaks on this machine alone, unless it has to reach a robot.
    reach = {} if any(part.scenario.robot == "real" for part in parts) else _LOCAL
    ended = False
    with StopFlag() as stop, in_environment(reach):
        try:
            campaign.run(parts, stop)
            ended = not stop.raised
        finally:
            write(campaign.results, not ended)
            warden.close()
    return result


_LOCAL = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def parts_of(
    scenarios: Sequence[Scenario],
    bundles: Mapping[str, str] | None = None,
    pace: str | None = None,
    switched_off: str | None = None,
    namespaces: tuple[str, str] | None = None,
) -> list[Part]:
    """Every scenario with every bundle and seed.

    Raises:
        UserError: a bundle cannot be used, or does not fit a scenario's robot; two runs would have one folder.
    """
    parts, specs = list[Part](), dict[str, RobotSpec]()
    if namespaces is not None:
        robot, node = (name.strip("/") for name in namespaces)
        namespaces = robot, node
    for scenario in scenarios:
        spec = load_family(scenario.family).robot
        for label, bundle in (bundles or {Path(scenario.bundle).name: scenario.bundle}).items():
            if bundle not in specs:
                specs[bundle] = open_bundle(bundle)[1]
            own = specs[bundle]
            if own.digest != spec.digest:
                raise BridgeError(
                    f"{bundle}: drives {own.name}; {scenario.family} has {spec.name}, with other numbers"
                )
            off = scenario.protects if switched_off == OWN else (switched_off or "")
            for number, seed in enumerate(scenario.seeds):
                drawn = number if scenario.task.index is None else scenario.task.index
                part = Part(
                    scenario,
                    label,
                    str(Path(bundle).resolve()),
                    seed,
                    spec.name,
                    lock_step=(pace or scenario.pace) == "lock_step",
                    switched_off=off,
                    task=drawn % TASKS,
                )
                usual = REAL if scenario.robot == "real" else part.namespaces
                parts.append(replace(part, namespaces=namespaces or usual))
    keys = [(part.scenario.name, part.label, part.seed) for part in parts]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise BridgeError(
            f"twice: {', '.join(map(str, sorted(twice)))}; expected one scenario of each name and seed"
        )
    return parts


def fitting(parts: Sequence[Part]) -> int:
    """How many runs at a time this machine can bear: one for every core that it may use; of real robots one."""
    if any(part.scenario.robot == "real" for part in parts):
        return 1
    return max(1, min(len(os.sched_getaffinity(0)), len(parts)))


def _require_safe(parts: Sequence[Part], at_the_emergency_stop: bool, parallel: int | None) -> None:
    """Nothing that endangers somebody beside a real robot.

    Raises:
        UserError: says what.
    """
    for part in parts:
        scenario = part.scenario
        if scenario.robot != "real":
            continue
        only = [fault.label for fault in scenario.faults if KINDS[fault.kind].sim_only]
        if not at_the_emergency_stop:
            raise UnsafeError(f"{scenario.name}: drives a real robot; expected --i-am-at-the-emergency-stop")
        if only:
            raise UnsafeError(f"{scenario.name}: {', '.join(only)}: nobody can do that to a real robot")
        if early := too_early(scenario):
            raise UnsafeError(
                f"{scenario.name}: {early[0].label} begins at {early[0].begin} s; expected {RAMP_IN} s or later: until "
                "then a real robot's commands are eased in"
            )
        if part.switched_off or part.lock_step:
            raise UnsafeError(f"{scenario.name}: a real robot keeps its protections and real time")
        if parallel is not None and parallel > 1:
            raise UnsafeError(
                f"{scenario.name}: drives a real robot, of which there is one; got parallel {parallel}"
            )
        if scenario.goal:
            raise UnsafeError(
                f"{scenario.name}: goals of a real robot are told by its own planner; expected no goal"
            )


class UnsafeError(UserError):
    """What must not be done with a real robot."""


def _emptied(folder: Path) -> Path:
    """Without what another run left there: its node's belief would be taken up, its bag for the new one's."""
    for name in ("robot.json", "truth.npz", "result.json", "trace.npz", "belief.npz"):
        (folder / name).unlink(missing_ok=True)
    for name in ("bag", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return folder
