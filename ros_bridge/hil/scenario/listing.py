"""What `adapt hil list` shows: scenarios, kinds of faults, expectations; as rows for JSON and as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from ros_bridge.hil.judging.kinds import ExpectationKind
from ros_bridge.hil.kinds import KINDS, PER_SECOND, SCALES, SHARE
from ros_bridge.hil.scenario.fault_entries import magnitude_range, magnitude_unit
from ros_bridge.hil.scenario.scenario import Scenario


def scenario_row(scenario: Scenario) -> dict[str, Any]:
    """One scenario, in plain values."""
    return {
        "name": scenario.name,
        "about": scenario.about,
        "robot": scenario.robot,
        "family": scenario.family,
        "bundle": scenario.bundle,
        "duration_s": scenario.duration,
        "seeds": list(scenario.seeds),
        "pace": scenario.pace,
        "faults": [fault.label for fault in scenario.faults],
        "expect": [expectation.name for expectation in scenario.expect],
        "protects": scenario.protects,
        "tags": list(scenario.tags),
        "file": str(scenario.source),
    }


def kind_rows() -> list[dict[str, Any]]:
    """Kinds of faults, one row each; of what is added to a message's numbers the ranges by field."""
    rows = list[dict[str, Any]]()
    for name, kind in KINDS.items():
        fields = dict.fromkeys(field for target in kind.targets for field in kind.fields(target))
        by_field = kind.unit in (SHARE, PER_SECOND)
        rows.append(
            {
                "kind": name,
                "about": kind.about,
                "targets": list(kind.targets),
                "fields": list(fields),
                "joints": any(kind.names_joints(target) for target in kind.targets),
                "magnitudes": [
                    {
                        "field": field,
                        "unit": magnitude_unit(kind, field),
                        "usual": [end * SCALES.get(field, 1.0) for end in (kind.low, kind.high)],
                        "valid": list(magnitude_range(kind, field)),
                    }
                    for field in (fields if by_field else [""])
                    if kind.unit
                ],
                "ramps": kind.ramps,
                "sim_only": kind.sim_only,
            }
        )
    return rows


def expectation_rows(expectations: Mapping[str, ExpectationKind]) -> list[dict[str, Any]]:
    """Expectations, one row each."""
    return [
        {
            "expectation": name,
            "about": kind.about,
            "limit": "at_most" if kind.at_most else "at_least",
            "unit": kind.unit,
            "needs": list(kind.needs),
            "options": [option for option in kind.options if option not in kind.needs],
        }
        for name, kind in expectations.items()
    ]


def magnitude_words(row: dict[str, Any]) -> str:
    """The magnitudes of a row of `kind_rows`: its range, by field where they differ."""
    parts = []
    for magnitude in row["magnitudes"]:
        low, high = magnitude["valid"]
        unit = "" if magnitude["unit"] == "1" else f" {magnitude['unit']}"
        parts.append(f"{magnitude['field'] + ' ' if magnitude['field'] else ''}{low:g} to {high:g}{unit}")
    return "; ".join(parts)


def scenario_table(scenarios: Iterable[Scenario]) -> Table:
    """One row for each: what a terminal of 80 columns has room for; the rest is in `scenario_row`."""
    table = Table(box=SIMPLE)
    for column in ("scenario", "length", "protects"):
        table.add_column(column, no_wrap=True)
    table.add_column("about (faults)", ratio=1)
    for scenario in scenarios:
        runs = f" x {len(scenario.seeds)}" if len(scenario.seeds) > 1 else ""
        table.add_row(
            scenario.name,
            f"{scenario.duration:g} s{runs}{', real' if scenario.robot == 'real' else ''}",
            scenario.protects,
            scenario.about + (f" ({faults})" if (faults := _faults(scenario)) else ""),
        )
    return table


def _faults(scenario: Scenario) -> str:
    return ", ".join(fault.label for fault in scenario.faults)


def kind_table() -> Table:
    """One row for each kind of fault."""
    table = _table("kind", "targets", "magnitude", "fields", "about")
    for row in kind_rows():
        about = row["about"] + (" (simulated robots alone)" if row["sim_only"] else "")
        fields = ", ".join([*row["fields"], *(["joints"] if row["joints"] else [])])
        table.add_row(row["kind"], ", ".join(row["targets"]), magnitude_words(row), fields, about)
    return table


def expectation_table(expectations: Mapping[str, ExpectationKind]) -> Table:
    """One row for each expectation; what it needs is marked by *."""
    table = _table("expectation", "limit", "unit", "options", "about")
    for row in expectation_rows(expectations):
        options = [f"{option}*" for option in row["needs"]] + row["options"]
        table.add_row(row["expectation"], row["limit"], row["unit"], ", ".join(options), row["about"])
    return table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE)
    for column in columns:
        table.add_column(column, no_wrap=column == columns[0], overflow="fold")
    return table
