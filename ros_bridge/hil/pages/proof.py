"""The test of the tests: which scenarios were seen to fail when the protection that they test was off. HTML."""

from __future__ import annotations

from adapt.report.sections import section
from adapt.report.text import escape
from ros_bridge.hil.pages.campaign import Campaign, Run
from ros_bridge.hil.pages.overview import sign
from ros_bridge.hil.pages.words import not_proven


def proof(campaign: Campaign) -> str:
    """By protection; empty where nothing was switched off."""
    runs = [run for run in campaign.runs if run.result["switched_off"]]
    if not runs:
        return ""
    runs.sort(key=lambda run: (str(run.result["switched_off"]), run.name))
    before = ""
    rows = []
    for run in runs:
        off = str(run.result["switched_off"])
        rows.append(
            f'<tr><th scope="row">{escape(off) if off != before else ""}</th>'
            f'<td><a href="#{run.anchor}">{escape(run.name)}</a></td><td>{_seen(run)}</td>'
            f"<td>{escape(_how(run))}</td></tr>"
        )
        before = off
    table = (
        '<div class="scroll card" tabindex="0" role="region" aria-label="Proof"><table class="proof"><thead><tr>'
        '<th scope="col">Switched off</th><th scope="col">Run</th><th scope="col">Seen to fail</th>'
        f'<th scope="col">How</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )
    lead = (
        "A scenario that passes without the protection that it tests shows nothing. Each was run with its "
        "protection switched off, and has to fail."
    )
    return section("proof", "Would the tests notice?", lead, table + _unproven(campaign))


def _seen(run: Run) -> str:
    if not not_proven(run):
        return '<span class="yes">✓ yes</span>'
    if run.outcome in ("passed", "failed"):
        return '<span class="no">✗ no</span>'
    return f"{sign(run.outcome)} not known"


def _how(run: Run) -> str:
    """What saw it, or why nothing is proven."""
    proof = run.result.get("proof")
    seen = proof.get("seen_by") if isinstance(proof, dict) else None
    return not_proven(run) or "; ".join(map(str, seen or ())) or run.result["reason"]


def _unproven(campaign: Campaign) -> str:
    """Protections of which no scenario proves anything."""
    found = campaign.facts.get("unproven")
    if not isinstance(found, dict) or not found:
        return ""
    items = "".join(f"<li><b>{escape(name)}</b>: {escape(about)}</li>" for name, about in found.items())
    return f'<div class="card"><h3>Proven by no scenario</h3><ul>{items}</ul></div>'
