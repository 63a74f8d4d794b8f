"""`page`: a campaign as one HTML page that loads nothing."""

from __future__ import annotations

import json
from pathlib import Path

from adapt import view
from adapt.report.document import asset, document
from adapt.report.sections import section
from adapt.report.text import escape
from ros_bridge.hil.pages.campaign import Campaign
from ros_bridge.hil.pages.comparison import comparison
from ros_bridge.hil.pages.overview import head, matrix
from ros_bridge.hil.pages.payload import Packed, pack_runs
from ros_bridge.hil.pages.proof import proof
from ros_bridge.hil.pages.run_card import ASSETS, run_card
from ros_bridge.hil.pages.tested import tested
from ros_bridge.hil.pages.words import verdict

_VIEW = Path(view.__file__).parent / "assets"
_VIEW_SCRIPTS = ("algebra.js", "shapes.js", "shaders.js", "stage.js", "painter.js", "clip.js", "orbit.js")
_SCRIPTS = ("unpack.js", "plot.js", "strip.js", "robot.js", "run.js", "filter.js")
"""In the order in which they need each other."""


def page(campaign: Campaign) -> str:
    """The page as text. The fragment `#run-NAME&t=2.5` opens it at a run, 2.5 s after its first command."""
    packed = pack_runs(campaign)
    cards = "".join(
        run_card(campaign, run, packed.notes[run.anchor], run.anchor in packed.runs) for run in campaign.runs
    )
    body = "\n".join(
        (
            head(campaign),
            "<main>",
            matrix(campaign),
            tested(campaign),
            comparison(campaign.facts),
            proof(campaign),
            section("runs", "Runs", _lead(packed), cards or "<p>There are none.</p>"),
            _config(campaign),
            "</main>",
        )
    )
    content = {"runs": packed.runs, "scenes": packed.scenes}
    scripts = [asset(name, _VIEW) for name in _VIEW_SCRIPTS] + [asset(name, ASSETS) for name in _SCRIPTS]
    return document(verdict(campaign), [asset("hil.css", ASSETS)], body, content, scripts)


def _lead(packed: Packed) -> str:
    samples, rate = 2 * packed.detail.buckets, packed.detail.rate
    return (
        f"Times are seconds from the node's first command. Lines have at most {samples} points: where there were more, "
        "the least and the greatest of each few samples are drawn, so that no peak is hidden. "
        f"Robots move at {rate:g} pictures per second."
    )


def _config(campaign: Campaign) -> str:
    config = campaign.facts.get("config")
    if not config:
        return ""
    text = json.dumps(config, indent=2, ensure_ascii=False)
    return f'<details class="card config"><summary>Configuration</summary><pre>{escape(text)}</pre></details>'
