"""One run on the page: what can be read of it without a script, and the place where its plots are drawn. HTML."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adapt.report.document import asset
from adapt.report.text import NOTHING, duration, escape, number
from ros_bridge.hil.pages.campaign import Campaign, Run
from ros_bridge.hil.pages.lanes import violation_words
from ros_bridge.hil.pages.overview import sign
from ros_bridge.hil.pages.words import (
    MEANINGS,
    amount,
    event_words,
    expectation,
    fault_words,
    percent,
    share,
    tightest,
)

ASSETS = Path(__file__).parent / "assets"
_MOST = 200
"""Violations and events that are listed; the rest is counted."""


def run_card(campaign: Campaign, run: Run, notes: list[str], drawn: bool) -> str:
    """A run, closed until it is asked for.

    Args:
        campaign: what it belongs to.
        run: the run.
        notes: what cannot be shown of it, in words.
        drawn: whether there is anything to plot.
    """
    result, tight = run.result, tightest(run)
    said = result["reason"] or (f"smallest margin {percent(share(tight))}, {tight['name']}" if tight else "")
    said = "; ".join(filter(None, (said, *notes)))
    words = [run.name, result["robot"], result["family"], result["about"], result["protects"], run.outcome]
    words += [fault_words(fault) for fault in result["faults"]]
    return (
        f'<details class="card run" id="{run.anchor}" data-outcome="{run.outcome}" '
        f'data-words="{escape(" ".join(words).lower())}"><summary>{sign(run.outcome)} <span class="name">'
        f'{escape(run.name)}</span> <span class="said">{escape(said)}</span></summary>'
        f"{_notes(notes)}{_about(run)}{_findings(run)}{_plots(run) if drawn else ''}{_violations(run)}"
        f"{_events(run)}{_links(campaign, run)}</details>"
    )


def _notes(notes: list[str]) -> str:
    return "".join(f'<p class="trouble">{escape(note)}</p>' for note in notes)


def _about(run: Run) -> str:
    result = run.result
    task = ", ".join(f"{name} {value}" for name, value in result["task"].items() if value is not None)
    late = result["real_time"]
    rows = (
        ("Outcome", f"<b>{run.outcome}</b>: {escape(result['reason'] or MEANINGS[run.outcome])}"),
        ("Shows", escape(result["about"])),
        ("Protection", escape(result["protects"])),
        ("Switched off", escape(result["switched_off"] or "")),
        ("Robot", escape(", ".join(filter(None, (result["robot"], result["family"], task))))),
        ("Bundle", escape(result["bundle"])),
        ("Lasted", duration(result["seconds"]) if result["seconds"] else ""),
        ("Faults", "<br>".join(map(_fault, result["faults"]))),
        ("Left behind", escape(", ".join(map(str, result.get("processes_left") or ())))),
        ("Latency", _quantiles(result["latency_ms"])),
        ("Schedule", _schedule(late) if late else ""),
    )
    shown = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows if value)
    return f'<dl class="about">{shown}</dl>'


def _fault(fault: dict[str, Any]) -> str:
    if fault.get("begun") is None:
        return f"{escape(fault_words(fault))}; <b>met nothing</b>"
    met = fault.get("messages")
    return escape(fault_words(fault)) + (f"; met {met} messages" if isinstance(met, int) and met else "")


def _quantiles(values: Any) -> str:
    if not isinstance(values, dict):
        return ""
    known = [(name, value) for name, value in values.items() if isinstance(value, (int, float))]
    return escape(", ".join(f"{name} {number(value)} ms" for name, value in known))


def _schedule(late: dict[str, Any]) -> str:
    limit = late.get("limit_ms")
    parts = [f"{late.get('slips', NOTHING)} slips", _quantiles(late.get("lateness_ms"))]
    if isinstance(limit, (int, float)):
        parts.append(f"invalid beyond {number(limit)} ms")
    return "; ".join(filter(None, map(str, parts)))


def _findings(run: Run) -> str:
    findings = run.result["findings"]
    if not findings:
        return ""
    heads = "".join(
        f'<th scope="col">{name}</th>' for name in ("", "Expectation", "Limit", "Measured", "Margin", "")
    )
    ordered = sorted(findings, key=lambda finding: finding["passed"])
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Findings"><table class="findings"><thead><tr>'
        f"{heads}</tr></thead><tbody>{''.join(map(_finding, ordered))}</tbody></table></div>"
    )


def _finding(finding: dict[str, Any]) -> str:
    detail = f"<small>{escape(finding['detail'])}</small>" if finding["detail"] else ""
    return (
        f"<tr><td>{sign('passed' if finding['passed'] else 'failed')}</td>"
        f'<th scope="row">{escape(finding["about"] or finding["name"])}{detail}</th>'
        f"<td class=num>{escape(expectation(finding))}</td>"
        f"<td class=num>{escape(amount(finding['value'], finding['unit']))}</td>"
        f"<td class=num>{escape(amount(finding['margin'], finding['unit']))}</td>"
        f"<td>{_bar(share(finding))}</td></tr>"
    )


def _bar(margin: float | None) -> str:
    """The margin as a share of the limit: to the right what is left, to the left what was missing."""
    if margin is None:
        return ""
    length = 50 * min(abs(margin), 1.0)
    place = f"left:{50 - length:.1f}%" if margin < 0 else "left:50%"
    kind = "missing" if margin < 0 else "left"
    return (
        f'<span class="bar" role="img" aria-label="{percent(margin)} of the limit"><i class="{kind}" '
        f'style="{place};width:{length:.1f}%"></i></span> <small>{percent(margin)}</small>'
    )


def _plots(run: Run) -> str:
    return asset("run.html", ASSETS).replace("{anchor}", run.anchor)


def _violations(run: Run) -> str:
    return _listed("Violations", (violation_words(row) for row in run.result["violations"]))


def _events(run: Run) -> str:
    return _listed("Events", (event_words(row) for row in run.result["events"]))


def _listed(title: str, rows: Iterable[tuple[float | None, str]]) -> str:
    rows = list(rows)
    if not rows:
        return ""
    items = "".join(
        f"<li><b>{number(at, 4) + ' s' if at is not None else NOTHING}</b> {escape(what)}</li>"
        for at, what in rows[:_MOST]
    )
    more = f"<li>and {len(rows) - _MOST} more</li>" if len(rows) > _MOST else ""
    head = f"{title} <small>{len(rows)}</small>"
    return f'<details class="list"><summary>{head}</summary><ul>{items}{more}</ul></details>'


def _links(campaign: Campaign, run: Run) -> str:
    names = ("scenario.yaml", "schedule.json", "result.json")
    files = [path for name in names if (path := run.folder / name).is_file()]
    files += sorted(run.folder.glob("logs/*.log"))
    bag = _bag(campaign, run)
    links = [_link(campaign, path) for path in ([bag] if bag else []) + files]
    replay = ""
    if bag:
        command = shlex.join(["adapt", "replay", str(_relative(campaign, bag)), str(run.result["bundle"])])
        replay = f"<p>Replay, from the campaign's folder: <code>{escape(command)}</code></p>"
    elif run.result["bag"]:
        replay = f"<p>The bag is not there: <code>{escape(run.result['bag'])}</code></p>"
    return f'<div class="links"><p>{" · ".join(filter(None, links))}</p>{replay}</div>'


def _bag(campaign: Campaign, run: Run) -> Path | None:
    """The bag, where it is inside of the campaign's folder."""
    name = run.result["bag"]
    if not isinstance(name, str) or not name:
        return None
    places = (run.folder / name, campaign.folder / name)
    return next((place for place in places if place.exists() and _relative(campaign, place)), None)


def _relative(campaign: Campaign, path: Path) -> Path | None:
    """From the page; None for what is not inside of the campaign's folder."""
    try:
        return path.resolve().relative_to(campaign.folder.resolve())
    except ValueError:
        return None


def _link(campaign: Campaign, path: Path) -> str:
    relative = _relative(campaign, path)
    return f'<a href="./{escape(quote(relative.as_posix()))}">{escape(path.name)}</a>' if relative else ""
