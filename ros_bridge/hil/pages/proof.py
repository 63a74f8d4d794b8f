"""The test of the tests: which scenarios were seen to fail when the protection that they test was off. HTML."""

from __future__ import annotations

from adapt.report.sections import section
from adapt.report.text import escape
from ros_bridge.hil.pages.campaign import Campaign, Run
from ros_bridge.hil.pages.overview import sign


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
            f"<td>{escape(run.result['reason'])}</td></tr>"
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
    return section("proof", "Would the tests notice?", lead, table)


def _seen(run: Run) -> str:
    if run.outcome == "failed":
        return '<span class="yes">✓ yes</span>'
    if run.outcome == "passed":
        return '<span class="no">✗ no: it passed all the same</span>'
    return f"{sign(run.outcome)} not known: {run.outcome}"
