"""What `compare` found, as tables that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table

SHOWN = ("on_target", "tracking_error", "time_to_target", "time_to_recover")
"""Figures of the tables."""
_MOST = 10
"""Lines of what adaptation buys, and of where it hurts."""


def compare_table(compared: Mapping[str, Any], by: str = "on_target") -> Group:
    """Scenarios, means with intervals, and where adaptation buys and hurts `by` a figure."""
    groups = {name: group for name, group in compared["groups"].items() if group["means"]}
    if len(groups) == 2:  # one family is all there is
        groups.pop("all")
    means = (_means(compared, name, group) for name, group in groups.items())
    return Group(_scenarios(compared), *means, _gains(compared, by))


def _scenarios(compared: Mapping[str, Any]) -> Table:
    table = Table(box=SIMPLE, title="Scenarios: how many passed, and means over seeds")
    for column in ("scenario", "label", "passed"):
        table.add_column(column, no_wrap=True)
    _add_figures(table, compared)
    for scenario, labels in compared["scenarios"].items():
        for index, (label, row) in enumerate(labels.items()):
            outcomes = list(row["outcomes"].values())
            figures = (_number(row["figures"][name]) for name in SHOWN)
            passed = f"{outcomes.count('passed')}/{len(outcomes)}"
            table.add_row("" if index else scenario, label, passed, *figures)
    return table


def _means(compared: Mapping[str, Any], name: str, group: Mapping[str, Any]) -> Table:
    title = f"{name}: means with 95 % intervals; in brackets the difference to {compared['reference']}"
    table = Table(box=SIMPLE, title=title)
    table.add_column("label", no_wrap=True)
    table.add_column("passed", justify="right")
    _add_figures(table, compared)
    for label, row in group["means"].items():
        differences = group["differences"].get(label, {})
        cells = (_cell(row.get(each), differences.get(each)) for each in SHOWN)
        table.add_row(label, _cell(row["passed"], None), *cells)
    return table


def _gains(compared: Mapping[str, Any], by: str) -> Table:
    figure = compared["figures"][by]
    table = Table(box=SIMPLE, title=f"By {by}: {figure['about']}")
    for column in ("where adaptation", "scenario", "label"):
        table.add_column(column, no_wrap=True)
    table.add_column(_heading("gain", figure["unit"]), justify="right")
    for word in ("buys", "hurts"):
        for row in compared[word][by][:_MOST]:
            table.add_row(word, row["scenario"], row["label"], f"{row['gain']:+.3g}")
    return table


def _add_figures(table: Table, compared: Mapping[str, Any]) -> None:
    for name in SHOWN:
        table.add_column(_heading(name, compared["figures"][name]["unit"]), justify="right")


def _heading(name: str, unit: str) -> str:
    return f"{name}\n({unit})" if unit not in ("", "1") else name


def _cell(mean: Mapping[str, Any] | None, difference: Mapping[str, Any] | None) -> str:
    """A mean with its interval, how often it was known where not always, and the difference below it."""
    if mean is None:  # in another unit in each family
        return ""
    known = "" if mean["known"] == mean["runs"] else f" of {mean['known']}/{mean['runs']}"
    lines = [f"{_number(mean['mean'])}{_interval(mean['interval'])}{known}"]
    if difference is not None and difference["mean"] is not None:
        lines.append(f"({difference['mean']:+.3g}{_interval(difference['interval'])})")
    return "\n".join(lines)


def _interval(interval: list[float] | None) -> str:
    return "" if interval is None else f" {interval[0]:.3g}..{interval[1]:.3g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
