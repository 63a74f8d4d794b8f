"""`result_of`: what a run came to, as `result.json` has it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

import robots
from adapt import provenance
from robots import RobotSpec
from ros_bridge.hil.judging import verdict
from ros_bridge.hil.judging.expectations import findings
from ros_bridge.hil.judging.facts import FaultCourse, RunFacts
from ros_bridge.hil.judging.figures import figures
from ros_bridge.hil.judging.finding import Outcome
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.running.run import ScenarioRun
from ros_bridge.hil.scenario.bundles import SHIPPED
from ros_bridge.hil.soak_report import known
from ros_bridge.latency import quantiles
from sim_tasks.family import TaskFamily


def result_of(run: ScenarioRun, family: TaskFamily, out: Path, readable: bool = True) -> dict[str, Any]:
    """Judges a run that was closed, and keeps its trace beside it.

    Args:
        run: the run.
        family: of its scenario.
        out: folder of the campaign: the run's own is told from there.
        readable: what it left can be read; else nothing of it is looked at, and `run.error` says why.
    """
    part, judge, spec = run.part, run.judge, run.spec
    record, trace = (run.record, run.trace()) if readable else ({}, Trace())
    scenario = part.scenario
    trace.save(run.folder / "trace.npz")
    lateness = 1e3 * trace.lateness
    limit = 1e3 * (spec.period if scenario.limits.lateness is None else scenario.limits.lateness)
    late = bool(len(lateness) and lateness.max() > limit)
    facts = None if run.error else _facts(run, family, trace, record)
    found = [] if facts is None else findings(scenario, spec, trace, facts)
    worst = float(lateness.max(initial=0.0))
    if run.real is not None and run.real.stopped:
        outcome, reason = Outcome.FAILED, f"stopped: {run.real.stopped}"
    elif late and not run.error:
        outcome, reason = (
            Outcome.INVALID,
            f"the simulated robot was {worst:.1f} ms late; limit {limit:.1f} ms",
        )
    else:
        outcome, reason = verdict.outcome(found, True, run.error)
    low, high = spec.position_limits
    least, most = spec.command_limits
    return known(
        {
            "scenario": scenario.name,
            "about": scenario.about,
            "folder": str(run.folder.relative_to(out)),
            "label": part.label,
            "bundle": told_bundle(part.bundle),
            "seed": part.seed,
            "robot": spec.name,
            "family": family.name,
            "task": {"kind": scenario.task.kind, "index": part.task},
            "truth": _truth(record),
            "outcome": outcome.value,
            "reason": reason,
            "findings": [finding.to_json() for finding in found],
            "figures": {} if facts is None else figures(scenario, spec, trace, facts),
            "stopped": "" if run.real is None else run.real.stopped,
            "faults": [_fault(course, judge.zero) for course in judge.courses],
            "events": _events(run, trace, record),
            "violations": judge.violations,
            "seconds": run.seconds,
            "real_time": {
                "slips": record.get("slips", 0),
                "lost_s": record.get("lost_s", 0.0),
                "lateness_ms": quantiles(lateness),
                "limit_ms": limit,
            },
            "latency_ms": quantiles(1e3 * trace.latency),
            "relay_latency_ms": {
                "sensors": quantiles(1e3 * np.array(run.listener.latencies)),
                "commands": quantiles(1e3 * np.array(run.listener.command_latencies)),
            },
            "diagnostics": run.listener.diagnostics,
            "processes_left": run.left,
            "protects": scenario.protects,
            "switched_off": part.switched_off or None,
            "joint_names": list(spec.joint_names),
            "period": spec.period,
            "limits": {
                "position": np.stack([low, high], axis=1).tolist(),
                "velocity": np.broadcast_to(spec.velocity_limit, low.shape).tolist(),
                "command": np.stack([least, most], axis=1).tolist(),
            },
            "units": {
                "command": {"effort": "N m", "velocity": "rad/s"}.get(spec.interface, "rad"),
                "error": family.error_unit,
            },
            "goal_names": [] if family.goal is None else list(family.goal.names),
            "parameter_units": dict(zip(family.belief_names, family.belief_units, strict=True)),
            "bag": _bag(run.folder),
            "model": _model(spec),
            "pace": "lock_step" if part.lock_step else "real_time",
            "commit": provenance.commit(),
            "versions": provenance.versions(),
        }
    )


def told_bundle(bundle: str) -> str:
    """A shipped bundle by its name, another one by its folder."""
    folder = Path(bundle)
    return folder.name if folder.parent == SHIPPED.resolve() else bundle


def _facts(run: ScenarioRun, family: TaskFamily, trace: Trace, record: dict[str, Any]) -> RunFacts:
    judge, zero = run.judge, run.judge.zero
    low, high = family.bounds
    names = [parameter.name for parameter in family.parameters]
    courses = judge.courses[: len(run.part.scenario.faults)]  # not that a real robot is eased in
    return RunFacts(
        faults=[
            FaultCourse(each.fault, each.begun - zero, each.ended - zero, each.messages, each.touched - zero)
            for each in courses
        ],
        violations=judge.violations,
        truth=_truth(record),
        ranges=dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True)),
        fell_at=record.get("fell_at"),
        processes_left=run.left,
        rejected_commands=record.get("rejected_commands", 0),
        drive_timeouts=judge.drive_timeouts,
        restarts=[(died - zero, _back(trace, died - zero)) for died, _ in run.restarts],
        bag_messages=_bag_messages(run.folder) if run.part.scenario.node.record else None,
        periods_to_safe={
            each.index: each.periods_to_safe for each in courses if each.periods_to_safe is not None
        },
        recoveries={each.index: each.recovery for each in courses if each.recovery is not None},
        error_unit=family.error_unit,
    )


def _truth(record: dict[str, Any]) -> dict[str, float]:
    return record["truth"][0]["values"] if record else {}


def _back(trace: Trace, died: float) -> float:
    """When the next node's first command came, more than `DEAD` after the death, in [s].

    Its first words may be missed by who does not know it yet; the relay, which passes them on, is known.
    """
    from ros_bridge.hil.judge import DEAD

    said = np.concatenate([trace.command_time, trace.applied_time])
    later = said[said > died + DEAD]
    return float(later.min()) if len(later) else math.nan


def _fault(course: Any, zero: float) -> dict[str, Any]:
    fault = course.fault
    names = ("kind", "target", "field", "magnitude", "begin", "duration", "label")
    told = {name: getattr(fault, name) for name in names}
    return told | {
        "joints": list(fault.joints),
        "begun": course.begun - zero,
        "ended": course.ended - zero,
        "messages": course.messages,
    }


def _events(run: ScenarioRun, trace: Trace, record: dict[str, Any]) -> list[dict[str, Any]]:
    told = [(at - run.judge.zero, what) for at, what in run.events]
    if record.get("fell_at") is not None:
        told.append((record["fell_at"], "robot fell"))
    if trace.goal.ndim == 2 and trace.goal.shape[1]:
        jumps = np.flatnonzero((np.abs(np.diff(trace.goal, axis=0)) > 1e-9).any(axis=1)) + 1
        if len(jumps) < len(trace.goal) / 2:  # else it moves all the time
            told += [(float(trace.truth_time[row]), "goal changed") for row in jumps]
    return [{"at": at, "what": what} for at, what in sorted(told)]


def _bag(folder: Path) -> str | None:
    """The newest bag, from the run's folder."""
    found = sorted((folder / "bag").glob("*/*.mcap"))
    return str(found[-1].parent.relative_to(folder)) if found else None


def _bag_messages(folder: Path) -> int | None:
    """Messages in all bags of a run, read back as far as they can be; None without a bag."""
    from mcap.exceptions import McapError
    from mcap.stream_reader import StreamReader

    bags = sorted((folder / "bag").glob("*/*.mcap"))
    if not bags:
        return None
    count = 0
    for bag in bags:
        with bag.open("rb") as file:
            try:
                for entry in StreamReader(file).records:
                    count += type(entry).__name__ == "Message"
            except (McapError, EOFError, ValueError, KeyError):
                continue  # a node that was killed leaves a bag that ends somewhere: what came before counts
    return count


def _model(spec: RobotSpec) -> str:
    """Its file, from the folder of the packages on where it is there."""
    root, model = Path(robots.__file__).parents[1], spec.model
    return (
        str(model.relative_to(root)) if isinstance(model, Path) and model.is_relative_to(root) else str(model)
    )
