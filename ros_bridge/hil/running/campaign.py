"""`run_campaign`: scenarios with their seeds and bundles, some side by side, each judged, and the reports of all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapt import provenance
from adapt.files import write_json
from ros_bridge.errors import BridgeError
from ros_bridge.hil.judging.compare import compare
from ros_bridge.hil.judging.finding import Outcome
from ros_bridge.hil.pages.write import write_report
from ros_bridge.hil.running.run import ScenarioRun
from ros_bridge.hil.running.warden import Warden
from ros_bridge.hil.scenario.bundles import bundle_folder
from ros_bridge.hil.scenario.scenario import Scenario
from ros_bridge.lifetime import StopFlag

OWN = "own"
"""In place of a protection's name: each scenario's own."""
TURN = 0.02
"""How often runs are looked after, in [s]."""
START_UP = 90.0
"""Time that the processes of a round have to be ready, in [s]."""

Progress = Callable[[str, int, int], None]
"""Called with what ended, how many have ended, and how many there are."""


@dataclass(frozen=True)
class Job:
    """One run that is to be done."""

    scenario: Scenario
    label: str
    """Of the bundle: its column."""
    bundle: str
    """Folder."""
    seed: int
    switched_off: str | None = None
    """Protection that the run is without."""

    @property
    def name(self) -> str:
        return f"{self.scenario.name} {self.label}-{self.seed}"

    @property
    def folder(self) -> Path:
        """Within the campaign's."""
        without = f"-without-{self.switched_off}" if self.switched_off else ""
        return Path("runs") / self.scenario.name / f"{self.label}-{self.seed}{without}"


def run_campaign(
    scenarios: Sequence[Scenario],
    out: Path,
    *,
    bundles: dict[str, str] | None = None,
    parallel: int | None = None,
    pace: str | None = None,
    at_the_emergency_stop: bool = False,
    switched_off: str | None = None,
    namespaces: tuple[str, str] | None = None,
    reference: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Runs everything; writes campaign.json whenever a run ends, junit.xml and report.html at the end of all.

    A run that was late is invalid; it is tried once more, by itself, when all others are done.

    Args:
        scenarios: names are unique.
        out: folder of the campaign.
        bundles: folders by label, in place of the scenarios' own; every scenario is run with each of them.
        parallel: so many runs at a time; None: one per core. Real hardware runs by itself.
        pace: `real_time` or `lock_step`, in place of the scenarios' own.
        at_the_emergency_stop: somebody is: real hardware may be driven.
        switched_off: a protection that all runs are without, or `OWN`; None: nothing is switched off.
        namespaces: of the robot and of the node; None: those of a simulated robot's run.
        reference: label that others are compared with; None: the first of several.
        progress: called whenever a run ends.

    Returns:
        The content of campaign.json: `runs`, results in the order of the jobs; `config`, `commit`, `versions`,
        `machine`, `parallel`, `seconds`, `interrupted`; with several labels `comparison`.

    Raises:
        BridgeError: no scenario, two of the same name, no such bundle, or real hardware with nobody at the stop.
    """
    jobs = jobs_of(scenarios, bundles, pace, switched_off)
    real = any(job.scenario.robot == "real" for job in jobs)
    if real and not at_the_emergency_stop:
        raise BridgeError("robot: real: somebody has to be at the emergency stop (--i-am-at-the-emergency-stop)")
    if parallel is not None and parallel < 1:
        raise BridgeError(f"parallel {parallel}: expected at least 1")
    at_once = 1 if real else parallel or os.cpu_count() or 1
    options = {"at_the_emergency_stop": at_the_emergency_stop, "namespaces": namespaces}
    campaign = _Campaign(jobs, out, at_once, options, progress, reference)
    with StopFlag() as stop, Warden() as warden:
        try:
            campaign.play(stop, warden)
        finally:
            content = campaign.write()
            write_report(out)
    return content


def jobs_of(
    scenarios: Sequence[Scenario],
    bundles: dict[str, str] | None = None,
    pace: str | None = None,
    switched_off: str | None = None,
) -> list[Job]:
    """What `run_campaign` is to run, in its order.

    Raises:
        BridgeError: as for `run_campaign`.
    """
    if not scenarios:
        raise BridgeError("no scenario to run")
    names = [scenario.name for scenario in scenarios]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BridgeError(f"scenario {twice[0]!r} is there {names.count(twice[0])} times; names have to be unique")
    jobs = []
    for scenario in scenarios:
        paced = scenario if pace is None else replace(scenario, pace=pace)  # type: ignore[arg-type]
        near = None if scenario.source is None else scenario.source.parent
        own = {Path(scenario.bundle).name: scenario.bundle}
        off = scenario.protects or None if switched_off == OWN else switched_off
        for label, name in (bundles or own).items():
            folder = str(bundle_folder(name, None if bundles else near))
            jobs += [Job(paced, label, folder, seed, off) for seed in scenario.seeds]
    return jobs


class _Campaign:
    """Rounds of runs: processes of one start together, so that no start disturbs a run's schedule."""

    def __init__(
        self,
        jobs: list[Job],
        out: Path,
        at_once: int,
        options: dict[str, Any],
        progress: Progress | None,
        reference: str | None,
    ):
        self.jobs, self.out, self.at_once = jobs, out, at_once
        self.results: dict[Job, dict[str, Any]] = {}
        self.interrupted = False
        self._options, self._progress, self._reference = options, progress, reference
        self._began = time.monotonic()

    def play(self, stop: StopFlag, warden: Warden) -> None:
        """All jobs, then once more and one by one those that were late."""
        self.out.mkdir(parents=True, exist_ok=True)
        for first in range(0, len(self.jobs), self.at_once):
            self._round(self.jobs[first : first + self.at_once], stop, warden)
        late = [job for job, result in self.results.items() if result["outcome"] == Outcome.INVALID.value]
        for job in late if self.at_once > 1 else ():
            self._round([job], stop, warden)

    def write(self) -> dict[str, Any]:
        """campaign.json, of what there is so far."""
        runs = [self.results[job] for job in self.jobs if job in self.results]
        labels = list(dict.fromkeys(run["label"] for run in runs))
        content = {
            "runs": runs,
            "planned": [str(job.folder) for job in self.jobs],
            "config": {
                "scenarios": [str(job.scenario.source or job.scenario.name) for job in self.jobs],
                "at_the_emergency_stop": self._options["at_the_emergency_stop"],
            },
            "parallel": self.at_once,
            "seconds": time.monotonic() - self._began,
            "interrupted": self.interrupted,
            "commit": provenance.commit(),
            "versions": provenance.versions(),
            "machine": provenance.machine(),
        }
        if len(labels) > 1:
            content["comparison"] = compare(runs, self._reference or labels[0])
        write_json(self.out / "campaign.json", content, indent=1)
        return content

    def _round(self, jobs: list[Job], stop: StopFlag, warden: Warden) -> None:
        if stop.raised:
            self.interrupted = True
            return
        runs = {job: self._run(job, warden) for job in jobs}
        try:
            for run in runs.values():
                run.prepare()
            deadline = time.monotonic() + START_UP
            going = dict(runs)
            while going and not all(run.ready for run in going.values()) and not stop.raised:
                if time.monotonic() > deadline:
                    break
                going = _turned(going)
            for run in going.values():
                run.begin()
            while going and not stop.raised:
                going = _turned(going)
        finally:
            self.interrupted |= stop.raised
            for job, run in runs.items():
                result = run.close()
                if not stop.raised:
                    self._keep(job, result)

    def _run(self, job: Job, warden: Warden) -> ScenarioRun:
        folder = self.out / job.folder
        shutil.rmtree(folder, ignore_errors=True)  # of a campaign before
        return ScenarioRun(
            job.scenario,
            bundle=job.bundle,
            label=job.label,
            seed=job.seed,
            folder=folder,
            warden=warden,
            switched_off=job.switched_off,
            **self._options,
        )

    def _keep(self, job: Job, result: dict[str, Any]) -> None:
        again = job in self.results
        self.results[job] = {**result, "folder": str(job.folder), "tries": 2 if again else 1}
        self.write()
        if self._progress is not None:
            self._progress(f"{job.name}: {result['outcome']}", len(self.results), len(self.jobs))


def _turned(runs: dict[Job, ScenarioRun]) -> dict[Job, ScenarioRun]:
    """Looks after all runs once; those that go on."""
    time.sleep(TURN)
    return {job: run for job, run in runs.items() if run.turn()}
