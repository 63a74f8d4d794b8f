"""`write_report`: puts data, figures, sections, styles and scripts together into one HTML file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from adapt.report import figures, sections
from adapt.report.data import RunData, compact, read_run
from adapt.report.robots import robots_payload
from adapt.report.text import escape
from adapt.report.theme import page_theme

_ASSETS = Path(__file__).parent / "assets"
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""The browser itself refuses everything that the page could try to load."""
_ROBOT_SCRIPTS = ("recording.js", "pendulum.js", "charts.js", "robots.js")
"""In the order in which they need each other."""


def write_report(run: Path) -> Path:
    """Writes `report.html` into a run's folder, from the JSON files in it, and returns its path.

    Needed are summary.json and evaluation.json; without ros.json or replay.json the page says that these were
    not run. The fragment `#robot=3&t=2.5` opens the page at the third hidden robot, 2.5 s into its trial.

    Raises:
        RunError: a file or field is missing or of another kind; names the file and the field.
    """
    path = Path(run) / "report.html"
    path.write_text(_page(read_run(Path(run))), encoding="utf-8")
    return path


def _page(data: RunData) -> str:
    body = "\n".join(
        (
            sections.hero(data),
            "<main>",
            sections.adaptation_section(data),
            sections.belief_section(data),
            sections.robots_section(data, _asset("viewer.html")),
            sections.latency_section(data),
            sections.replay_section(data),
            sections.provenance_section(data),
            "</main>",
        )
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(data.evaluation['family'])}: adaptation report</title>\n"
        f"<style>{_asset('page.css')}</style>\n<script>{_asset('trouble.js')}</script>\n</head>\n"
        f'<body>\n<p id="trouble" role="alert" hidden></p>\n{body}\n{_scripts(data)}\n</body>\n</html>\n'
    )


def _scripts(data: RunData) -> str:
    """Plotly once, the data, and the scripts that draw."""
    names = ("page.js", *_ROBOT_SCRIPTS) if data.ros else ("page.js",)
    content = {
        "theme": page_theme(),
        "figures": {name: _figure_json(figure) for name, figure in _figures(data).items()},
        "ros": robots_payload(data.ros) if data.ros else None,
    }
    return (
        f"<script>{get_plotlyjs()}</script>\n"
        f'<script type="application/json" id="content">{_inline_json(content)}</script>\n'
        + "\n".join(f"<script>{_asset(name)}</script>" for name in names)
    )


def _figures(data: RunData) -> dict[str, go.Figure]:
    """Every chart that does not depend on the picked robot, by the name of its place on the page."""
    evaluation, ros, replay = data.evaluation, data.ros, data.replay
    drawn = {
        "adaptation": figures.adaptation(evaluation),
        "returns": figures.returns(evaluation),
        "belief": figures.belief_error(evaluation["belief"]),
    }
    if ros and ros["latency_ms"]:
        drawn["latency"] = figures.latency(ros["latency_ms"], ros["echo_latency_ms"], evaluation["period"])
    if replay:
        drawn["replay"] = figures.replay_errors(replay)
        common = figures.belief_range(replay)
        for index, file in enumerate(replay["files"]):
            drawn[f"replay-{index}"] = figures.replay_course(file, replay["error_unit"], common)
    return drawn


def _figure_json(figure: go.Figure) -> dict[str, Any]:
    """A figure as plain JSON, rounded."""
    return compact(json.loads(str(figure.to_json(validate=False))))


def _inline_json(content: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8").strip()
