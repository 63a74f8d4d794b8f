"""The page of a campaign in headless Chromium: it draws, moves, filters, and says nothing on the console."""

from __future__ import annotations

import html
import json
import re
import time
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
TOOLS = """
const until = async (what) => { for (let i = 0; i < 200 && !what(); i++) await new Promise((done) => setTimeout(done, 20)); };
const tell = (facts) => { document.documentElement.dataset.facts = JSON.stringify({ ...facts, said, trouble: document.documentElement.dataset.trouble ?? "" }); };
const card = (id) => document.getElementById(id);
const drawn = (id) => until(() => card(id).dataset.drawn);
"""
READER = """(async () => {
  const facts = { pwned: document.documentElement.dataset.pwned ?? "" };
  // A click on a cell opens its run, and draws it.
  document.querySelector("a.cell[href='#run-weak-leg-rma-0']").click();
  await drawn("run-weak-leg-rma-0");
  const run = card("run-weak-leg-rma-0");
  facts.open = run.open;
  facts.closed = document.querySelectorAll("details.run:not([open])").length;
  facts.plots = run.querySelectorAll(".chart svg").length;
  facts.lines = [...run.querySelectorAll("path.line")].filter((path) => path.getAttribute("d").length > 500).length;
  facts.shaded = run.querySelectorAll("rect.fault").length;
  facts.joint = run.querySelector(".joint").selectedOptions[0].textContent;
  // The slider moves the robot, and the lines on all plots.
  const range = run.querySelector("input[type=range]");
  const canvas = run.querySelector("canvas");
  const at = async (moment) => {
    range.value = moment;
    range.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => setTimeout(done, 100));
    return { picture: canvas.toDataURL(), cursors: [...new Set([...run.querySelectorAll(".cursor")].map((line) => line.getAttribute("transform")))] };
  };
  const [one, two, again] = [await at(1), await at(1.7), await at(1)];
  facts.moves = one.picture !== two.picture;
  facts.returns = one.picture === again.picture;
  facts.together = [one.cursors.length, two.cursors.length, one.cursors[0] !== two.cursors[0]];
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  facts.seen = new Set(Array.from({ length: pixels.length / 4 }, (_, i) => pixels[4 * i] >> 3)).size;
  // Playing takes it along.
  run.querySelector(".play").click();
  await new Promise((done) => setTimeout(done, 500));
  facts.played = Number(range.value) > 1.2;
  run.querySelector(".play").click();
  // All joints, small.
  const select = run.querySelector(".joint");
  select.value = "all";
  select.dispatchEvent(new Event("change"));
  await new Promise((done) => setTimeout(done, 100));
  facts.small = run.querySelectorAll(".several .chart path.line").length;
  // By words, and by outcome.
  const search = document.getElementById("search");
  const count = () => [document.querySelectorAll("details.run:not([hidden])").length, document.querySelectorAll(".matrix tbody tr:not(.group):not([hidden])").length];
  const say = (words) => { search.value = words; search.dispatchEvent(new Event("input", { bubbles: true })); return count(); };
  facts.search = [say("go2"), say("go2 fr_calf"), say("no such thing"), say("")];
  const box = document.querySelector("[data-outcome=passed]");
  box.click();
  facts.without = count();
  tell(facts);
})();"""
FRESH = """(async () => {
  await drawn("run-nan-in-one-joint-rma-0");
  const run = card("run-nan-in-one-joint-rma-0");
  tell({ time: run.querySelector("output").textContent, broken: run.querySelectorAll("rect.broken").length,
    beyond: run.querySelectorAll("path.beyond.seen").length, fits: document.documentElement.scrollWidth <= window.innerWidth,
    words: run.querySelector(".now").textContent, renderer: document.documentElement.dataset.renderer });
})();"""


def _facts(report: Path, script: str, name: str, **options: Any) -> dict[str, Any]:
    """What a script tells that runs at the end of a copy of the page."""
    text = report.read_text("utf-8").replace("<head>", f"<head>{LISTEN}", 1)
    before, _, after = text.rpartition("</body>")
    page = report.parent / f"{name}.html"
    page.write_text(f"{before}<script>{TOOLS}{script}</script></body>{after}", encoding="utf-8")
    dom = dump_dom(page, **options)
    found = re.search(r'<html[^>]*data-facts="([^"]*)"', dom)
    assert found, dom[:300]
    facts = json.loads(html.unescape(found[1]))
    assert facts["said"] == []
    assert facts["trouble"] == ""
    return facts


def test_a_reader_opens_plays_and_filters(campaign_report: Path) -> None:
    facts = _facts(campaign_report, READER, "reader")
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
    assert facts["played"]
    assert facts["small"] == 12 * 7
    # Runs and rows of the matrix: three of go2, one of them with a fault in that joint; nothing; all 11 and 8.
    assert facts["search"] == [[3, 3], [1, 1], [0, 0], [11, 8]]
    # Of those without their protection, the one that passed is hidden, too: 4 + 1 of 11; rows: 3 of 8.
    assert facts["without"] == [6, 5]


def test_an_address_leads_to_a_moment_also_on_a_phone_without_webgl(campaign_report: Path) -> None:
    facts = _facts(
        campaign_report,
        FRESH,
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
def test_forty_five_runs_stay_small_and_open_at_once(tmp_path: Path) -> None:
    report = write_report(make_campaign(tmp_path, more=35, seconds=10.0))
    # 5.4 MB; the limit is 10.
    assert report.stat().st_size < 10e6
    begun = time.monotonic()
    facts = _facts(report, "until(() => document.readyState === 'complete').then(() => "
                   "tell({ ready: performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd }))", "many")  # fmt: skip
    # With the start of the browser; the page itself was ready in 0.3 s on two busy cores.
    assert time.monotonic() - begun < 60
    assert facts["ready"] < 2000
