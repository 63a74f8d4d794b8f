"""Bundles side by side, where a campaign has compared them: what `judging.compare.compare` has found. HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapt.report.sections import section
from adapt.report.text import NOTHING, escape, label, number, unit_label
from ros_bridge.hil.pages.campaign import OUTCOMES
from ros_bridge.hil.pages.overview import sign
from ros_bridge.hil.pages.words import percent

_MOST = 10
"""Lines of what adaptation buys of a figure, and of what it costs."""


def comparison(facts: Mapping[str, Any]) -> str:
    """Means by family, differences to the reference, what adaptation buys and costs, every scenario; may be empty."""
    found = facts.get("comparison")
    if not isinstance(found, dict):
        return ""
    try:
        body = _groups(found) + _gains(found) + _scenarios(found)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        body = f'<p class="card trouble">The comparison cannot be read: {escape(repr(error))}</p>'
    lead = (
        "The same scenarios, robots and seeds with each bundle. Lines are 95&nbsp;% intervals, dots are means; "
        f"differences are to {escape(found.get('reference'))}, pair by pair, and marked where 0 is not in the interval."
    )
    return section("comparison", "Adaptive and not", lead, body)


def _groups(found: Mapping[str, Any]) -> str:
    groups = {name: group for name, group in found["groups"].items() if group["means"]}
    if len(groups) == 2:  # one family is all there is
        groups.pop("all", None)
    parts = []
    for name, group in groups.items():
        figures = dict.fromkeys(figure for row in group["means"].values() for figure in row)
        tables = (_figure(figure, found, group) for figure in figures)
        parts.append(f'<h3>{escape(label(name))}</h3><div class="pair">{"".join(tables)}</div>')
    return "".join(parts)


def _about(name: str, found: Mapping[str, Any]) -> tuple[str, str]:
    """What a figure is, and its unit."""
    told = found["figures"].get(name) or {"about": "share of the runs that passed", "unit": "1"}
    return str(told["about"]), "" if told["unit"] in ("", "1") else unit_label(str(told["unit"]))


def _figure(name: str, found: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    about, unit = _about(name, found)
    means = {of: row.get(name) or {} for of, row in group["means"].items()}
    apart = {of: row.get(name) or {} for of, row in group["differences"].items()}
    if all(row.get("mean") is None for row in means.values()):
        return ""
    scale, centred = _scale(means, False), _scale(apart, True)
    compared = any(row.get("mean") is not None for row in apart.values())
    rows = "".join(
        f'<tr><th scope="row">{escape(of)}</th>{_cells(mean, scale, False)}'
        f"{_cells(apart.get(of, {}), centred, True) if compared else ''}</tr>"
        for of, mean in means.items()
    )
    difference = (
        f'<th scope="col" colspan="2">Difference to {escape(found["reference"])}</th>' if compared else ""
    )
    return (
        f'<div class="scroll card" tabindex="0" role="region" aria-label="{escape(label(name))}"><table class="forest">'
        f"<caption>{escape(label(name))} <small>{escape(about)}{', ' if unit else ''}{escape(unit)}</small></caption>"
        f'<thead><tr><th scope="col">Bundle</th><th scope="col" colspan="2">Mean</th>{difference}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _scale(rows: Mapping[str, Mapping[str, Any]], zero: bool) -> tuple[float, float]:
    """Low and high end of the lines."""
    ends = [
        end
        for row in rows.values()
        for end in [row.get("mean"), *(row.get("interval") or ())]
        if end is not None
    ]
    ends += [0.0] if zero else []
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _cells(row: Mapping[str, Any], scale: tuple[float, float], zero: bool) -> str:
    """A mean with its interval, in numbers and as a line."""
    mean = row.get("mean")
    if mean is None:
        return f"<td class=num>{NOTHING}</td><td></td>"
    low, high = row.get("interval") or (mean, mean)
    marked = " apart" if zero and row.get("interval") and (low > 0 or high < 0) else ""
    ends = f"{signed(low)} to {signed(high)}" if row.get("interval") else "no interval"
    known, runs = row.get("known"), row.get("runs")
    few = f", of {known}/{runs}" if known != runs else ""

    def place(value: float) -> float:
        return 100 * (value - scale[0]) / (scale[1] - scale[0])

    line = f'<u style="left:{place(0.0):.1f}%"></u>' if zero else ""
    return (
        f'<td class="num{marked}">{signed(mean)}<small>{ends}{escape(few)}</small></td>'
        f'<td class="forest-bar"><span class="interval{marked}">{line}<i style="left:{place(low):.1f}%;'
        f'width:{place(high) - place(low):.1f}%"></i><b style="left:{place(mean):.1f}%"></b></span></td>'
    )


def signed(value: float) -> str:
    """A number with a minus sign where it has one."""
    return f"−{number(-value)}" if value < 0 else number(value)


def _gains(found: Mapping[str, Any]) -> str:
    """Where adaptation buys most, and where it costs most, by figure."""
    parts = []
    for name in found["figures"]:
        bought, lost = found["buys"].get(name) or [], found["hurts"].get(name) or []
        if bought or lost:
            unit = _about(name, found)[1]
            columns = (_gained(title, rows, unit) for title, rows in (("Buys", bought), ("Costs", lost)))
            parts.append(
                '<details class="card"><summary>Where adaptation buys and costs: '
                f"{escape(label(name).lower())}</summary>"
                f'<div class="pair">{"".join(columns)}</div></details>'
            )
    return "".join(parts)


def _gained(title: str, rows: list[dict[str, Any]], unit: str) -> str:
    items = "".join(
        f"<li><b>{escape(row['label'])}</b> in {escape(row['scenario'])}: {signed(row['gain'])} {escape(unit)} "
        f"<small>{percent(row.get('relative'))} of the reference</small></li>"
        for row in rows[:_MOST]
    )
    more = f"<li>and {len(rows) - _MOST} more</li>" if len(rows) > _MOST else ""
    return f"<div><h4>{title}</h4><ul>{items or '<li>nowhere</li>'}{more}</ul></div>"


def _scenarios(found: Mapping[str, Any]) -> str:
    """Every scenario and bundle: outcomes by seed, and figures as means over seeds."""
    heads = "".join(f"<th scope=col class=num>{escape(label(name))}</th>" for name in found["figures"])
    rows = "".join(
        f'<tr><th scope="row">{"" if at else escape(scenario)}</th><td>{escape(of)}</td><td>{_outcomes(row)}</td>'
        + "".join(f"<td class=num>{_mean(row['figures'].get(name))}</td>" for name in found["figures"])
        + "</tr>"
        for scenario, labels in found["scenarios"].items()
        for at, (of, row) in enumerate(labels.items())
    )
    return (
        '<details class="card"><summary>By scenario</summary><div class="scroll" tabindex="0" role="region" '
        'aria-label="By scenario"><table><thead><tr><th scope=col>Scenario</th><th scope=col>Bundle</th>'
        f"<th scope=col>Outcomes</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _outcomes(row: Mapping[str, Any]) -> str:
    return "".join(sign(outcome) for outcome in row["outcomes"].values() if outcome in OUTCOMES)


def _mean(value: float | None) -> str:
    return NOTHING if value is None else signed(value)
