"""`write_report`: puts data, figures, sections, styles and scripts together into one HTML file."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from adapt.report import figures, sections
from adapt.report.data import RunData, read_run
from adapt.report.document import asset, document
from adapt.report.robots import robots_payload
from adapt.report.theme import page_theme

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
            sections.robots_section(data, asset("viewer.html")),
            sections.latency_section(data),
            sections.replay_section(data),
            sections.provenance_section(data),
            "</main>",
        )
    )
    names = ("page.js", *_ROBOT_SCRIPTS) if data.ros else ("page.js",)
    content = {
        "theme": page_theme(),
        "figures": {name: figures.figure_json(figure) for name, figure in _figures(data).items()},
        "ros": robots_payload(data.ros) if data.ros else None,
    }
    title = f"{data.evaluation['family']}: adaptation report"
    return document(title, (), body, content, (get_plotlyjs(), *map(asset, names)))


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


def chart_page(title: str, body: str, charts: dict[str, go.Figure]) -> str:
    """A whole page of charts, each in the place that has its name."""
    drawn = {name: figures.figure_json(figure) for name, figure in charts.items()}
    content = {"theme": page_theme(), "figures": drawn, "ros": None}
    return document(title, (), body, content, (get_plotlyjs(), asset("page.js")))
