"""What an endurance run comes to: `report.json`, and a table that people read."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ros_bridge.drive import COMMAND_TIMEOUT
from ros_bridge.hil.course import Course
from ros_bridge.hil.crew import Crew
from ros_bridge.hil.judge import Judge
from ros_bridge.hil.listener import Listener
from ros_bridge.latency import quantiles


def report(
    judge: Judge, heard: Listener, crew: Crew, lasted: float, config: dict[str, Any]
) -> dict[str, Any]:
    """All of it, as JSON has it: numbers that nobody knows are null.

    `ok` needs a node that drove: one that is never out of safe mode has no fault to bear.
    """
    steps = sum(robot["steps"] for robot in crew.robots)
    return known(
        {
            "config": config,
            "seconds": lasted,
            "ok": not judge.violation_count and judge.driven > 0.0,
            "judge": judge.figures(),
            "faults": by_kind(judge.courses),
            "relay_latency_ms": {
                "sensors": quantiles(1e3 * np.array(heard.latencies)),
                "commands": quantiles(1e3 * np.array(heard.command_latencies)),
            },
            "robots": {
                "count": len(crew.robots),
                "steps": steps,
                "simulated_s": steps * judge.spec.period,
                **{
                    name: sum(robot[name] for robot in crew.robots)
                    for name in ("slips", "rejected_commands", "command_timeouts")
                },
                "fell": sum(robot["fell_at"] is not None for robot in crew.robots),
            },
            "node_kills": crew.kills,
            "diagnostics": heard.diagnostics,
            "unreadable": heard.problems[:10],
            "violations": judge.violations,
            "courses": [_course(course) for course in judge.courses if math.isfinite(course.begun)],
        }
    )


def by_kind(courses: Iterable[Course]) -> dict[str, dict[str, Any]]:
    """Figures of each kind of fault that began."""
    groups = defaultdict[str, list[Course]](list)
    for course in courses:
        if math.isfinite(course.begun):
            groups[course.fault.label].append(course)
    return {label: _figures(group) for label, group in sorted(groups.items())}


def _figures(group: list[Course]) -> dict[str, Any]:
    recovered = np.array([course.recovery for course in group if course.recovery is not None])
    periods = [course.periods_to_safe for course in group if course.periods_to_safe is not None]
    return {
        "count": len(group),
        "met": sum(course.messages > 0 for course in group),
        "violations": sum(course.violations for course in group),
        "safe_s": sum(course.safe_time for course in group),
        "recovered": len(recovered),
        "recovery_s": quantiles(recovered),
        "most_periods_to_safe": max(periods, default=None),
        "periods_to_safe_seen": len(periods),
    }


def _course(course: Course) -> dict[str, Any]:
    fault = course.fault
    return {
        "index": course.index,
        "fault": fault.label,
        "begin": fault.begin,
        "duration": fault.duration,
        "magnitude": fault.magnitude,
        "field": fault.field,
        "joints": list(fault.joints),
        "messages": course.messages,
        "safe_s": course.safe_time,
        "recovery_s": course.recovery,
        "periods_to_safe": course.periods_to_safe,
        "violations": course.violations,
    }


def known(value: Any) -> Any:
    """With null in place of what JSON has no number for."""
    if isinstance(value, dict):
        return {key: known(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [known(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def table(result: dict[str, Any]) -> Table:
    """A line for every kind of fault; `bad` are violations, `back` the time to drive again, `seen` how
    often that was known."""
    shown = Table(box=SIMPLE)
    shown.add_column("fault", no_wrap=True)
    for column in ("count", "bad", "safe\n[s]", "back\np50 [s]", "max\n[s]", "seen", "periods\nto safe"):
        shown.add_column(column, justify="right", no_wrap=True)
    for label, row in result["faults"].items():
        recovery = row["recovery_s"]
        shown.add_row(
            label,
            str(row["count"]),
            str(row["violations"]),
            f"{row['safe_s']:.1f}",
            _number(recovery["p50"], ".2f"),
            _number(recovery["max"], ".2f"),
            f"{row['recovered']}/{row['count']}",
            _number(row["most_periods_to_safe"], "d"),
        )
    return shown


def show(result: dict[str, Any]) -> None:
    """Prints it."""
    console = Console(highlight=False)
    console.print(table(result))
    for line in summary(result):
        console.print(line, markup=False, soft_wrap=True)


def summary(result: dict[str, Any]) -> list[str]:
    """The rest, in lines."""
    judge, robots, latency = result["judge"], result["robots"], result["relay_latency_ms"]
    node, share = judge["node"], judge["driven_s"] / max(result["seconds"], 1e-9)
    lines = [
        f"{result['seconds']:.0f} s, {node['commands']} commands of the node, {judge['robot']['commands']} reached the "
        f"robot; {judge['violations']} violations",
        f"driven {judge['driven_s']:.0f} s ({share:.0%}), safe mode {judge['safe_s']:.0f} s, of which without a fault "
        f"{judge['safe_without_fault_s']:.0f} s; longest silence {node['longest_silence_s']:.3f} s, over "
        f"{COMMAND_TIMEOUT} s {judge['drive_timeouts']} times; {result['node_kills']} times killed",
        f"robots {robots['count']}, fell {robots['fell']}, {robots['simulated_s']:.0f} s simulated, "
        f"{robots['slips']} times late; drives rejected {robots['rejected_commands']}",
        f"relay adds {_number(latency['sensors']['p50'])} ms to readings (p50; p99 "
        f"{_number(latency['sensors']['p99'])}), {_number(latency['commands']['p50'])} ms to commands",
    ]
    for violation in result["violations"][:10]:
        lines.append(
            f"violation at {_number(violation['time'])} s, {violation['side']}: {violation['what']} "
            f"{violation['joint']} {violation['value']} (limit {violation['limit']}) {violation['detail']} "
            f"under {', '.join(violation['kinds']) or 'no fault'}"
        )
    return lines


def _number(value: float | None, form: str = ".3g") -> str:
    return "-" if value is None else f"{value:{form}}"
