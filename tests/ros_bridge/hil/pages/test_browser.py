"""The page of a campaign in headless Chromium: it draws, moves, filters, and says nothing on the console."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapt.report.screenshot import dump_dom, find_browser
from ros_bridge.hil.pages.write import write_report
from tests.ros_bridge.hil.pages.campaign_folder import make_campaign

pytestmark = pytest.mark.skipif(find_browser() is None, reason="no Chromium on PATH")

LISTEN = """<script>
window.said = [];
for (const kind of ["error", "warn"]) console[kind] = (...words) => said.push(words.join(" "));
</script>"""


def _script(name: str) -> str:
    return (Path(__file__).parent / f"{name}.js").read_text("utf-8")


def _facts(report: Path, name: str, **options: Any) -> dict[str, Any]:
    """What a script of this folder tells that runs at the end of a copy of the page."""
    text = report.read_text("utf-8").replace("<head>", f"<head>{LISTEN}", 1)
    before, _, after = text.rpartition("</body>")
    page = report.parent / f"{name}.html"
    page.write_text(
        f"{before}<script>{_script('tools')}{_script(name)}</script></body>{after}", encoding="utf-8"
    )
    dom = dump_dom(page, **options)
    found = re.search(r'<html[^>]*data-facts="([^"]*)"', dom)
    assert found, dom[:300]
    facts = json.loads(html.unescape(found[1]))
    assert facts["said"] == []
    assert facts["trouble"] == ""
    return facts


def test_a_reader_opens_plays_and_filters(campaign_report: Path) -> None:
    facts = _facts(campaign_report, "reader")
    assert facts["pwned"] == ""
    assert facts["open"]
    assert facts["closed"] == 10, "only the run that was asked for is open"
    # Strip, error, goal, upright, position, speed, command, 2 beliefs, latency, lateness.
    assert facts["plots"] == 11
    # Error, upright, 2 of positions, 2 of speed, 3 of commands, 2 beliefs, latency, lateness; the goal is flat.
    assert facts["lines"] >= 13
    assert facts["shaded"] == 11
    assert facts["joint"] == "RR_calf_joint (worst)"
    assert facts["moves"]
    assert facts["returns"]
    assert facts["together"] == [1, 1, True]
    assert facts["seen"] > 8, "shades of the picture"
    assert facts["small"] == 12 * 7
    # Runs and rows of the matrix: three of go2, one of them with a fault in that joint; nothing; all 11 and 8.
    assert facts["search"] == [[3, 3], [1, 1], [0, 0], [11, 8]]
    # Of those without their protection, the one that passed is hidden, too: 4 + 1 of 11; rows: 3 of 8.
    assert facts["without"] == [6, 5]


def test_an_address_leads_to_a_moment_also_on_a_phone_without_webgl(campaign_report: Path) -> None:
    facts = _facts(
        campaign_report,
        "fresh",
        width=400,
        fragment="run-nan-in-one-joint-rma-0&t=2.25&renderer=canvas",
    )
    assert facts["time"] == "2.25 s"
    assert facts["words"] == "joints nan"
    assert facts["broken"] == 1
    assert facts["beyond"] == 2
    assert facts["fits"]
    assert facts["renderer"] == "canvas"


@pytest.mark.slow
def test_it_plays_on_from_where_it_went_wrong(campaign_report: Path) -> None:
    facts = _facts(campaign_report, "player")
    # The fault begins at 3.01 s, the violation is at 3.2 s.
    assert facts["begun"] == pytest.approx(3.01)
    assert facts["says"] == "Pause"
    assert facts["on"] > 3.15
    assert facts["moved"]


@pytest.mark.slow
def test_forty_five_runs_stay_small_and_open_at_once(tmp_path: Path) -> None:
    report = write_report(make_campaign(tmp_path, more=35, seconds=10.0))
    # Seen: 2.9 MB.
    assert report.stat().st_size < 5e6
    facts = _facts(report, "ready")
    # Seen: 0.33 to 0.52 s on two cores under a load of 11.
    assert facts["ready"] < 2000
