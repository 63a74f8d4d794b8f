"""The tables of docs/hil_scenarios.md. `python -m tests.hil_tables` writes them anew from the code."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml

from ros_bridge.hil.judging.expectations import EXPECTATIONS
from ros_bridge.hil.protections import PROTECTIONS
from ros_bridge.hil.scenario import listing
from ros_bridge.hil.scenario.campaign import CAMPAIGNS, PACKAGE
from ros_bridge.hil.scenario.fields import UNITS

PAGE = Path(__file__).parents[1] / "docs" / "hil_scenarios.md"
STANDARD = PACKAGE / CAMPAIGNS / "standard"
BEGIN, END = "<!-- {}, written by python -m tests.hil_tables -->", "<!-- end of {} -->"


def tables() -> dict[str, str]:
    """By the name that stands in the page's marks."""
    return {
        "units": "\n".join(_units()),
        "faults": "\n".join(_faults()),
        "expectations": "\n".join(_expectations()),
        "protections": "\n".join(_protections()),
    }


def page_with(contents: dict[str, str], text: str) -> str:
    """The page's text with other content between its marks."""
    for name, content in contents.items():
        before, rest = text.split(BEGIN.format(name))
        _, after = rest.split(END.format(name))
        text = f"{before}{BEGIN.format(name)}\n{content}\n{END.format(name)}{after}"
    return text


def _units() -> list[str]:
    rows = ["| expected | may be written in |", "|---|---|"]
    for unit, valid in UNITS.items():
        known = {"1": "a share, a factor", "of the time": "a share of the time"}.get(unit, unit)
        rows.append(f"| {known} | {', '.join(name for name in valid if name != unit)} |")
    return rows


def _faults() -> list[str]:
    rows = [
        "| kind | what it does | targets | magnitude | field | joints | ramp |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in listing.kind_rows():
        about = row["about"] + ("; simulated robots alone" if row["sim_only"] else "")
        cells = [f"`{row['kind']}`", about, ", ".join(row["targets"]), listing.magnitude_words(row)]
        cells += [", ".join(row["fields"]), "x" if row["joints"] else "", "x" if row["ramps"] else ""]
        rows.append(_row(cells))
    return rows


def _expectations() -> list[str]:
    rows = [
        "| expectation | what is measured | limit | unit | needs | may have |",
        "|---|---|---|---|---|---|",
    ]
    for row in listing.expectation_rows(EXPECTATIONS):
        cells = [f"`{row['expectation']}`", row["about"], row["limit"], row["unit"]]
        rows.append(_row([*cells, ", ".join(row["needs"]), ", ".join(row["options"])]))
    return rows


def _protections() -> list[str]:
    """With how many scenarios of the standard campaign test each."""
    rows = ["| `protects` | protects from | where | scenarios |", "|---|---|---|---|"]
    tested = Counter(
        yaml.safe_load(file.read_text(encoding="utf-8"))["protects"] for file in STANDARD.glob("*.yaml")
    )
    for name, each in PROTECTIONS.items():
        rows.append(_row([f"`{name}`", each.about, f"`{each.where}`", str(tested[name] or "-")]))
    return rows


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page_with(tables(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
