"""`adapt hil`: scenarios with faults between robot and node, and endurance runs."""

from __future__ import annotations

import os
import webbrowser
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from adapt.commands.common import Positional, print_json, print_report
from robots.errors import UserError

if TYPE_CHECKING:
    from ros_bridge.hil.scenario.scenario import Scenario

INTERRUPTED = 130
"""Exit code of what was told to stop before its end."""
FAILED, NOT_JUDGED = 1, 2
"""Exit codes: a run has failed; a run is invalid or came to no run, and none has failed."""
STANDARD = "campaigns/standard"


@dataclass
class Run:
    """Run scenarios and campaigns; writes campaign.json, junit.xml and report.html, and keeps what was heard.

    The exit code is 0 if all runs have passed, 1 if one has failed, 2 if one is invalid or came to no run and none has
    failed, 130 if it was interrupted.
    """

    scenarios: Annotated[Positional[tuple[str, ...]], tyro.conf.arg(metavar="SCENARIO [SCENARIO ...]")]
    """Scenario files (docs/hil_scenarios.md), or folders of them; campaigns/standard comes with this package."""
    out: Path = Path("runs/hil")
    """Folder for reports, and for each run's trace, bag and logs."""
    tag: str | None = None
    """Only scenarios that have this tag."""
    bundle: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="LABEL=FOLDER")] = ()
    """A bundle in place of the scenario's own, a folder or the name of a shipped one; every label is a column of the
    report. May be given several times."""
    seed: Annotated[tuple[int, ...], tyro.conf.UseAppendAction] = ()
    """A seed in place of the scenario's own. May be given several times."""
    parallel: int | None = None
    """So many runs at a time, each in a ROS domain of its own. Default: as many as the cores can bear."""
    lock_step: bool = False
    """As fast as the machine can, by /clock, whatever the scenarios say. Default: as they say."""
    i_am_at_the_emergency_stop: bool = False
    """Needed by scenarios with `robot: real`: the robot moves, and things go wrong on purpose."""
    robot_namespace: str | None = None
    """Of a real robot's topics. Default: none; of simulated robots: robot."""
    node_namespace: str | None = None
    """Of the node behind the relay. Default: hil; with simulated robots: node."""
    own_families: bool = False
    """Scenarios may name families of files and modules, file.py:function; loading them runs their code."""
    json: bool = False
    """The content of campaign.json on standard output, in place of lines."""
    open: bool = False
    """Show the report in a browser, if there is a screen."""

    def run(self) -> int:
        scenarios, bundles = self.checked()
        from adapt.console import StepProgress
        from ros_bridge.hil.pages.write import write_report
        from ros_bridge.hil.running.campaign import run_campaign

        with StepProgress("run") as progress:
            result = run_campaign(
                scenarios,
                self.out,
                bundles=bundles,
                parallel=self.parallel,
                pace="lock_step" if self.lock_step else None,
                at_the_emergency_stop=self.i_am_at_the_emergency_stop,
                namespaces=self.namespaces(),
                progress=progress,
            )
        write_report(self.out)
        if self.json:
            print_json(result)
        else:
            show_tables(result)
            print_report(outcome_lines(result), self.out / "report.html")
        if self.open and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            webbrowser.open((self.out / "report.html").resolve().as_uri())
        return exit_code(result)

    def namespaces(self) -> tuple[str, str] | None:
        """Of robot and node; None: the usual ones.

        Raises:
            UserError: one of the two was given alone.
        """
        given = self.robot_namespace, self.node_namespace
        if given == (None, None):
            return None
        robot, node = given
        if robot is None or node is None:
            raise UserError("--robot-namespace and --node-namespace: expected both, or none")
        return robot, node

    def checked(self) -> tuple[list[Scenario], dict[str, str] | None]:
        """The scenarios, and folders of bundles by label; None: each scenario's own.

        Raises:
            UserError: a scenario, bundle or option cannot be used.
        """
        from ros_bridge.hil.scenario.campaign import find
        from ros_bridge.hil.scenario.checks import bundles_by_label, check_run, in_lock_step, with_seeds
        from ros_bridge.hil.scenario.vocabulary import Vocabulary

        words = Vocabulary(check_bundles=not self.bundle, own_families=self.own_families)
        scenarios = with_seeds(find(self.scenarios, words, self.tag), self.seed)
        scenarios = in_lock_step(scenarios) if self.lock_step else scenarios
        check_run(scenarios, self.parallel, self.i_am_at_the_emergency_stop)
        return scenarios, bundles_by_label(self.bundle, scenarios) if self.bundle else None


def exit_code(result: dict[str, Any]) -> int:
    """Of a campaign: see `Run`."""
    outcomes = {run["outcome"] for run in result["runs"]}
    if result["stopped_early"]:
        return INTERRUPTED
    if "failed" in outcomes:
        return FAILED
    return 0 if outcomes == {"passed"} else NOT_JUDGED


def outcome_lines(result: dict[str, Any]) -> list[str]:
    """What has not passed and why, then how many runs came out how."""
    runs, counts = result["runs"], Counter(run["outcome"] for run in result["runs"])
    lines = [
        f"{run['outcome']}: {run['scenario']} {run['label']}-{run['seed']}: {run['reason']}"
        for run in runs
        if run["outcome"] != "passed"
    ]
    return [*lines, f"{len(runs)} runs: {', '.join(f'{count} {name}' for name, count in counts.items())}"]


def show_tables(result: dict[str, Any]) -> None:
    """What came out, scenario by scenario, and what several bundles came to."""
    from rich.console import Console

    from ros_bridge.hil.judging.compare_table import compare_table
    from ros_bridge.hil.judging.verdict import result_table

    console = Console(highlight=False, stderr=True)
    console.print(result_table(result["runs"]))
    if "comparison" in result:
        console.print(compare_table(result["comparison"]))


@dataclass
class ProveRun:
    """Run every scenario as it is and once more without the protection that it tests: it has to fail then.

    The exit code is 1 if one does not pass as it is, or passes without its protection.
    """

    scenarios: Annotated[Positional[tuple[str, ...]], tyro.conf.arg(metavar="SCENARIO [SCENARIO ...]")] = (
        STANDARD,
    )
    """Scenario files, or folders of them."""
    out: Path = Path("runs/prove")
    """Folder for prove.json, report.html and both campaigns: with and without."""
    tag: str | None = None
    """Only scenarios that have this tag."""
    parallel: int | None = None
    """So many runs at a time. Default: as many as the cores can bear."""
    lock_step: bool = False
    """As fast as the machine can, by /clock. Default: as the scenarios say."""
    json: bool = False
    """The content of prove.json on standard output, in place of lines."""

    def run(self) -> int:
        from adapt.console import StepProgress, say
        from ros_bridge.hil.pages.write import write_report
        from ros_bridge.hil.prove import prove, table
        from ros_bridge.hil.scenario.campaign import find
        from ros_bridge.hil.scenario.checks import check_run, in_lock_step
        from ros_bridge.hil.scenario.vocabulary import Vocabulary

        scenarios = find(self.scenarios, Vocabulary(), self.tag)
        scenarios = in_lock_step(scenarios) if self.lock_step else scenarios
        check_run(scenarios, self.parallel, at_the_emergency_stop=False)
        with StepProgress("run") as progress:
            report = prove(scenarios, self.out, words=say, parallel=self.parallel, progress=progress)
        page = write_report(self.out)
        if self.json:
            print_json(report)
        else:
            print_report(table(report).splitlines(), page)
        if report["stopped_early"]:
            return INTERRUPTED
        return 0 if report["ok"] else FAILED


@dataclass
class ReportPage:
    """Write junit.xml and report.html anew from what a campaign's folder holds, also of one that was killed."""

    folder: Positional[Path]
    """Of a campaign, or of `adapt hil prove`."""

    def run(self) -> int:
        from ros_bridge.hil.pages.write import write_report

        print_report([], write_report(self.folder))
        return 0


@dataclass
class ListScenarios:
    """Show scenarios; or with --kinds or --expectations what their files can say."""

    paths: Positional[tuple[str, ...]] = (STANDARD,)
    """Scenario files, or folders of them."""
    tag: str | None = None
    """Only scenarios that have this tag."""
    kinds: bool = False
    """Kinds of faults: where they can be, with which magnitudes and units."""
    expectations: bool = False
    """What can be expected of a run: limits, units and options; what has to be given is marked by *."""
    own_families: bool = False
    """Scenarios may name families of files and modules, file.py:function; loading them runs their code."""
    json: bool = False

    def run(self) -> int:
        from rich.console import Console

        from ros_bridge.hil.scenario import listing
        from ros_bridge.hil.scenario.campaign import find
        from ros_bridge.hil.scenario.vocabulary import Vocabulary

        words = Vocabulary(own_families=self.own_families)
        shown, tables = dict[str, Any](), list[Any]()
        if self.kinds:
            shown["kinds"] = listing.kind_rows()
            tables.append(listing.kind_table())
        if self.expectations:
            shown["expectations"] = listing.expectation_rows(words.expectations)
            tables.append(listing.expectation_table(words.expectations))
        if not tables:
            scenarios = find(self.paths, words, self.tag)
            shown["scenarios"] = [listing.scenario_row(scenario) for scenario in scenarios]
            tables.append(listing.scenario_table(scenarios))
        if self.json:
            print_json(shown)
        else:
            Console(highlight=False).print(*tables)
        return 0


@dataclass
class New:
    """Write a scenario to begin with, in which every key stands with a line on what it is for."""

    name: Positional[str]
    """Of the scenario, and of the folder of its results."""
    family: str
    """Task family of the robot, such as pendulum_swingup."""
    bundle: str | None = None
    """Folder of a bundle, or the name of a shipped one. Default: the first shipped one that fits."""
    out: Path | None = None
    """File. Default: <name>.yaml. One that is there is never written over."""
    own_families: bool = False
    """The family may be one of a file or module, file.py:function; loading it runs its code."""

    def run(self) -> int:
        from adapt.console import say
        from ros_bridge.hil.scenario.template import new_scenario
        from ros_bridge.hil.scenario.vocabulary import Vocabulary

        words = Vocabulary(own_families=self.own_families)
        out = self.out or Path(f"{self.name}.yaml")
        say(str(new_scenario(self.name, self.family, self.bundle, out, words)))
        return 0


@dataclass
class SoakRun:
    """Drive simulated robots for hours with random faults, and judge every command: an endurance run."""

    family: Positional[str]
    """Task family of the simulated robots, such as pendulum_swingup."""
    bundle: Positional[Path]
    """Folder of the bundle."""
    minutes: float = 60.0
    """Length, in min."""
    robot: str | None = None
    """Robot name or path of a robot.yaml. Default: the robot named in the bundle."""
    seed: int = 0
    """Of the faults and of the robots."""
    kills: bool = True
    """The node is killed as well, and started again."""
    out: Path = Path("runs/soak")
    """Folder for report.json, the schedule of faults and logs."""
    json: bool = False

    def run(self) -> int:
        from ros_bridge.hil.soak import Soak, soak
        from ros_bridge.hil.soak_report import show

        run = Soak(self.family, str(self.bundle), self.minutes, self.robot, self.seed, self.kills)
        result = soak(run, self.out)
        if self.json:
            print_json(result)
        else:
            show(result)
        if not result["ok"]:
            return 1
        return INTERRUPTED if result["stopped_early"] else 0


@dataclass
class Hil:
    """Break what robot and node say to each other, and judge what the node does: hardware in the loop."""

    what: Annotated[
        Annotated[Run, tyro.conf.subcommand("run", prefix_name=False)]
        | Annotated[ListScenarios, tyro.conf.subcommand("list", prefix_name=False)]
        | Annotated[New, tyro.conf.subcommand("new", prefix_name=False)]
        | Annotated[ProveRun, tyro.conf.subcommand("prove", prefix_name=False)]
        | Annotated[ReportPage, tyro.conf.subcommand("report", prefix_name=False)]
        | Annotated[SoakRun, tyro.conf.subcommand("soak", prefix_name=False)],
        tyro.conf.arg(name=""),
    ]

    def run(self) -> int:
        return self.what.run()
