"""Bundles side by side, where a campaign has compared them, as `judging.compare` says it. HTML."""

from __future__ import annotations

from typing import Any

from adapt.report.sections import section
from adapt.report.text import NOTHING, escape, label, number
from ros_bridge.hil.pages.campaign import OUTCOMES
from ros_bridge.hil.pages.overview import sign


def comparison(campaign_facts: dict[str, Any]) -> str:
    """Means, differences to the reference and every scenario; empty without a comparison."""
    found = campaign_facts.get("comparison")
    if not isinstance(found, dict):
        return ""
    labels = [str(name) for name in found.get("labels") or found.get("means") or ()]
    means, differences = _tables(found.get("means")), _tables(found.get("differences"))
    reference = str(found.get("reference") or (labels[0] if labels else ""))
    figures = list(dict.fromkeys(name for row in (*means.values(), *differences.values()) for name in row))
    parts = [
        _said("What adaptation buys", found.get("buys")),
        _said("What it costs", found.get("hurts")),
        "".join(_figure(name, labels, means, differences, reference) for name in figures),
        _rows(found.get("rows"), labels),
    ]
    lead = (
        "The same scenarios, robots and seeds with each bundle; bars are intervals. Differences are to "
        f"{escape(reference)}, pair by pair: an interval that does not hold 0 is marked."
    )
    return section("comparison", "Adaptive and not", lead, "".join(parts))


def _tables(value: Any) -> dict[str, dict[str, Any]]:
    return (
        {str(name): row for name, row in value.items() if isinstance(row, dict)}
        if isinstance(value, dict)
        else {}
    )


def _said(title: str, rows: Any) -> str:
    if not isinstance(rows, list) or not rows:
        return ""
    items = "".join(f"<li>{escape(_words(row))}</li>" for row in rows)
    return f'<div class="card"><h3>{title}</h3><ul>{items}</ul></div>'


def _words(row: Any) -> str:
    if isinstance(row, dict):
        return ", ".join(f"{label(str(name)).lower()} {_words(value)}" for name, value in row.items())
    return number(row) if isinstance(row, float) else str(row)


def _interval(value: Any) -> tuple[float, float, float] | None:
    """Mean, low and high; None where they are not known."""
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        return None
    mean, low, high = value
    if not all(isinstance(end, (int, float)) for end in value):
        return None
    return float(mean), float(low), float(high)


def _figure(
    name: str, labels: list[str], means: dict[str, Any], differences: dict[str, Any], reference: str
) -> str:
    shown = {of: _interval(means.get(of, {}).get(name)) for of in labels}
    apart = {of: _interval(differences.get(of, {}).get(name)) for of in labels if of != reference}
    scale, centred = _scale(list(shown.values()), False), _scale(list(apart.values()), True)
    rows = "".join(
        f'<tr><th scope="row">{escape(of)}</th>{_cells(shown[of], scale, False)}'
        f"{_cells(apart.get(of), centred, True)}</tr>"
        for of in labels
    )
    return (
        f'<div class="scroll card" tabindex="0" role="region" aria-label="{escape(label(name))}"><table class="forest">'
        f'<caption>{escape(label(name))}</caption><thead><tr><th scope="col">Bundle</th>'
        f'<th scope="col" colspan="2">Mean</th><th scope="col" colspan="2">Difference to {escape(reference)}</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _scale(intervals: list[tuple[float, float, float] | None], zero: bool) -> tuple[float, float]:
    ends = [end for interval in intervals if interval for end in interval] + ([0.0] if zero else [])
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _cells(interval: tuple[float, float, float] | None, scale: tuple[float, float], zero: bool) -> str:
    if interval is None:
        return f"<td class=num>{NOTHING}</td><td></td>"
    mean, low, high = interval
    marked = " apart" if zero and (low > 0 or high < 0) else ""

    def place(value: float) -> float:
        return 100 * (value - scale[0]) / (scale[1] - scale[0])

    line = f'<u style="left:{place(0.0):.1f}%"></u>' if zero else ""
    return (
        f'<td class="num{marked}">{_signed(mean)}<small>{_signed(low)} to {_signed(high)}</small></td>'
        f'<td class="forest-bar"><span class="interval{marked}">{line}<i style="left:{place(low):.1f}%;'
        f'width:{place(high) - place(low):.1f}%"></i><b style="left:{place(mean):.1f}%"></b></span></td>'
    )


def _signed(value: float) -> str:
    return f"−{number(-value)}" if value < 0 else number(value)


def _rows(rows: Any, labels: list[str]) -> str:
    """Every scenario and bundle with its figures."""
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    if not rows:
        return ""
    figures = list(dict.fromkeys(name for row in rows for name in row.get("figures") or ()))
    heads = "".join(f"<th scope=col class=num>{escape(label(str(name)))}</th>" for name in figures)
    order = {name: at for at, name in enumerate(labels)}
    scenarios = list(dict.fromkeys(str(row.get("scenario", "")) for row in rows))
    rows.sort(
        key=lambda row: (
            scenarios.index(str(row.get("scenario", ""))),
            order.get(str(row.get("label")), len(order)),
        )
    )
    body = "".join(_row(row, figures) for row in rows)
    return (
        f'<details class="card"><summary>By scenario</summary><div class="scroll" tabindex="0" role="region" '
        f'aria-label="By scenario"><table><thead><tr><th scope=col>Scenario</th><th scope=col>Bundle</th>'
        f"<th scope=col>Outcome</th>{heads}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _row(row: dict[str, Any], figures: list[str]) -> str:
    values = row.get("figures") or {}
    outcome = row.get("outcome")
    cells = "".join(
        f"<td class=num>{_signed(value) if isinstance(value := values.get(name), (int, float)) else NOTHING}</td>"
        for name in figures
    )
    return (
        f'<tr><th scope="row">{escape(row.get("scenario", ""))}</th><td>{escape(row.get("label", ""))}</td>'
        f"<td>{sign(outcome) if outcome in OUTCOMES else escape(outcome or NOTHING)}</td>{cells}</tr>"
    )
