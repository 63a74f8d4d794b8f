"""The hidden robots that were driven over ROS 2: what the page's scripts draw of them, and the table of all."""

from __future__ import annotations

from typing import Any

import numpy as np

from adapt.report.data import compact, thin
from adapt.report.text import NOTHING, count, escape, label, number, unit_label

SAMPLES = 1200
"""More samples of a robot than this are thinned out."""


def robots_payload(ros: dict[str, Any]) -> dict[str, Any]:
    """All that `robots.js` and `pendulum.js` draw, rounded; beliefs as one row per quantity."""
    return {
        "robots": [_robot_payload(robot) for robot in ros["robots"]],
        "ranges": compact(_belief_ranges(ros["robots"])),
        "largest": {name: _largest(ros["robots"], name) for name in ("payload_mass", "payload_distance")},
    }


def truth_at(robot: dict[str, Any], time: float) -> dict[str, float]:
    """The true quantities at a time; a piece of truth names what it changes."""
    values: dict[str, float] = {}
    for piece in sorted(robot["truth"], key=lambda piece: piece["time"]):
        if piece["time"] <= time:
            values |= piece["values"]
    return values


def _robot_payload(robot: dict[str, Any]) -> dict[str, Any]:
    series = {
        key: thin(robot[key], SAMPLES) for key in ("time", "angle", "measured", "requested", "certified")
    }
    belief = robot["belief"]
    rows = {key: _held(np.array(thin(belief[key], SAMPLES), float)).T.tolist() for key in ("mean", "std")}
    payload = {
        "name": robot["name"],
        "change": robot.get("change_time"),
        "upright": robot["upright_first"],
        "recovered": robot["recovered"],
        "limit": robot["effort_limit"],
        "names": belief["names"],
        "labels": [label(name) for name in belief["names"]],
        "units": [unit_label(unit) for unit in belief["units"]],
        "truth": [
            {"time": piece["time"], "values": truth_at(robot, piece["time"])}
            for piece in sorted(robot["truth"], key=lambda piece: piece["time"])
        ],
        "mean": compact(rows["mean"], 4),
        "std": compact(rows["std"], 3),
        **series,
    }
    return compact(payload)


def _held(rows: np.ndarray) -> np.ndarray:
    """Rows, shape (T, Q), with those that are missing as they were last known: a belief lasts until the next one."""
    known = ~np.isnan(rows).any(axis=-1)
    return rows[np.maximum.accumulate(np.where(known, np.arange(len(rows)), 0))]


def _belief_ranges(robots: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Per quantity one axis for all robots: the truths, and nearly all of the bands."""
    ranges = {}
    for q, name in enumerate(robots[0]["belief"]["names"]):
        bounds: list[float] = []
        for robot in robots:
            bounds.extend(_band_bounds(robot["belief"], name, q))
            bounds.extend(piece["values"][name] for piece in robot["truth"] if name in piece["values"])
        if bounds:
            margin = 0.06 * (max(bounds) - min(bounds)) or 0.1
            ranges[name] = [min(bounds) - margin, max(bounds) + margin]
    return ranges


def _band_bounds(belief: dict[str, Any], name: str, q: int) -> list[float]:
    """Second and 98th percentile of the 2 sigma band's edges over time."""
    if q >= len(belief["names"]) or belief["names"][q] != name or not belief["mean"]:
        return []
    mean, std = (np.array([row[q] for row in belief[key]], float) for key in ("mean", "std"))
    edges = np.concatenate([mean - 2 * std, mean + 2 * std])
    edges = edges[np.isfinite(edges)]
    return np.percentile(edges, (2, 98)).tolist() if edges.size else []


def _largest(robots: list[dict[str, Any]], name: str) -> float | None:
    values = [
        piece["values"][name] for robot in robots for piece in robot["truth"] if name in piece["values"]
    ]
    return max(values, default=None)


def robots_table(robots: list[dict[str, Any]]) -> str:
    """One row per robot: verdicts, interventions of the safety filter, hidden physics and what it changed to."""
    names = list(dict.fromkeys(name for robot in robots for name in truth_at(robot, float("inf"))))
    units = {
        name: unit
        for robot in robots
        for name, unit in zip(robot["belief"]["names"], robot["belief"]["units"], strict=True)
    }
    heads = "".join(
        f"<th scope=col>{escape(label(name))}<small>{escape(unit_label(units.get(name, '')))}</small></th>"
        for name in names
    )
    rows = "".join(_table_row(index, robot, names) for index, robot in enumerate(robots, 1))
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="All hidden robots"><table class="robots">'
        "<thead><tr><th scope=col>Robot</th><th scope=col>Upright, first episode</th>"
        "<th scope=col>Recovered after the change</th><th scope=col>Safety filter<small>interventions</small></th>"
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _table_row(index: int, robot: dict[str, Any], names: list[str]) -> str:
    start, end = truth_at(robot, 0.0), truth_at(robot, float("inf"))
    cells = "".join(f"<td class=num>{_changed(start.get(name), end.get(name))}</td>" for name in names)
    changed = robot.get("change_time") is not None
    return (
        f'<tr data-row="{index}"><th scope=row><a href="#robot={index}">{escape(robot["name"])}</a></th>'
        f"<td>{_verdict(robot['upright_first'])}</td>"
        f"<td>{_verdict(robot['recovered']) if changed else 'no change'}</td>"
        f"<td class=reasons>{_reasons(robot['reasons'])}</td>{cells}</tr>"
    )


def _changed(start: float | None, end: float | None) -> str:
    if start == end or start is None:
        return number(end)
    return f'{number(start)} <span class="became">→ {number(end)}</span>'


def _verdict(good: bool) -> str:
    return '<span class="yes">✓ yes</span>' if good else '<span class="no">✗ no</span>'


def _reasons(reasons: dict[str, Any]) -> str:
    """Reasons that occurred, the most frequent first."""
    shown = sorted(((times, name) for name, times in reasons.items() if times), reverse=True)
    lines = (f"<span>{escape(label(name).lower())} {count(times)}</span>" for times, name in shown)
    return "".join(lines) or NOTHING
