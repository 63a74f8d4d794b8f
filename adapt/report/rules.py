"""Pictures of update rules: how agents learn by them, and what their discovery costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

from adapt.report.figures import band
from adapt.report.screenshot import screenshot
from adapt.report.theme import BLUE, INK, MUTED, ORANGE, SLATE, axis, layout, line

COLOURS = (BLUE, "#7a4fa3", MUTED, ORANGE, SLATE)
_HIDDEN = 150
"""Of a window's height, in [px], what a browser may keep for itself, and more."""
_COLUMNS, _CELL = 3, (420, 270)
"""Pictures side by side, and the size of each in [px]."""


def lives_figure(result: dict[str, Any]) -> go.Figure:
    """A picture per environment of `adapt lives`: reward per control step over updates, a colour per rule that
    sees rewards."""
    names = list(result["environments"])
    rows = -(-len(names) // _COLUMNS)
    figure = _grid(rows, min(_COLUMNS, len(names)), names)
    for index, name in enumerate(names):
        place = {"row": index // _COLUMNS + 1, "col": index % _COLUMNS + 1}
        seeing = {rule: each for rule, each in result["environments"][name].items() if "blind" not in rule}
        for colour, (rule, found) in zip(COLOURS, seeing.items(), strict=False):
            band(figure, found["updates"], found["low"], found["high"], colour, rule, **place)
            figure.add_scatter(
                x=found["updates"], y=found["curve"], line=line(colour), name=rule, legendgroup=rule,
                mode="lines", showlegend=index == 0, **place,
            )  # fmt: skip
        figure.update_xaxes(axis("Updates"), row=place["row"], col=place["col"])
        title = "Reward per step" if index % _COLUMNS == 0 else ""
        figure.update_yaxes(axis(title), row=place["row"], col=place["col"])
    return figure


def scaling_figure(result: dict[str, Any]) -> go.Figure:
    """`adapt scaling`: scores over the number of training environments, their mean and environment by environment."""
    sizes = result["sizes"]
    counts = [float(count) for count in sizes]
    names = list(next(iter(sizes.values()))["environments"])
    titles = ["mean of all held-out ones", *names]
    rows = -(-len(titles) // 2)
    figure = _grid(rows, 2, titles)
    for index, name in enumerate(["", *names]):
        place = {"row": index // 2 + 1, "col": index % 2 + 1}
        found = [each["environments"][name] if name else each for each in sizes.values()]
        low, high = ([each["interval"][end] for each in found] for end in (0, 1))
        band(figure, counts, low, high, BLUE, "discovered", **place)
        figure.add_scatter(
            x=counts, y=[each["score"] for each in found], line=line(BLUE), name="discovered", mode="lines+markers",
            showlegend=not index, **place,
        )  # fmt: skip
        if not name:
            points = [
                (float(count), value) for count, each in sizes.items() for value in each["runs"].values()
            ]
            figure.add_scatter(
                x=[x for x, _ in points], y=[y for _, y in points], mode="markers", name="one discovery",
                marker={"color": MUTED, "size": 7, "symbol": "circle-open"}, **place,
            )  # fmt: skip
        figure.update_xaxes(
            axis("Training environments", type="log", tickvals=counts, ticktext=list(sizes)),
            row=place["row"], col=place["col"],
        )  # fmt: skip
        figure.update_yaxes(axis("Score" if index % 2 == 0 else ""), row=place["row"], col=place["col"])
    return figure


def costs_figure(result: dict[str, Any], both: tuple[int, int]) -> go.Figure:
    """Time and peak memory of `adapt bench meta`, over inner updates and over agents."""
    figure = _grid(1, 4, [""] * 4)
    updates, agents = both
    axes = (("updates", "agents", agents, "Inner updates"), ("agents", "updates", updates, "Agents"))
    column = 0
    for what, title in (("seconds", "Time [s]"), ("peak_mib", "Peak memory [MiB]")):
        for grows, fixed, value, label in axes:
            column += 1
            rows = sorted((r for r in result["rows"] if r[fixed] == value), key=lambda r, g=grows: r[g])
            for colour, method in ((BLUE, "checkpointed"), (ORANGE, "plain")):
                figure.add_scatter(
                    x=[row[grows] for row in rows], y=[row[method][what] for row in rows], name=method,
                    line=line(colour), mode="lines+markers", showlegend=column == 1, row=1, col=column,
                )  # fmt: skip
            figure.update_xaxes(axis(f"{label} ({fixed}: {value})"), row=1, col=column)
            figure.update_yaxes(axis(title, rangemode="tozero"), row=1, col=column)
    return figure


def write_picture(figure: go.Figure, png: Path) -> Path:
    """A figure as a PNG; needs a browser, see `screenshot`."""
    page = png.with_suffix(".html")
    figure.write_html(page, config={"staticPlot": True})
    width, height = (int(figure.layout[side]) for side in ("width", "height"))  # type: ignore[index]
    try:
        screenshot(page, png, width, height + _HIDDEN)
    finally:
        page.unlink()
    with Image.open(png) as picture:
        picture.crop((0, 0, width, height)).quantize(256).save(png, optimize=True)
    return png


def _grid(rows: int, columns: int, titles: list[str]) -> go.Figure:
    figure = make_subplots(rows, columns, subplot_titles=titles, vertical_spacing=0.16 if rows > 1 else 0)
    figure.update_layout(
        layout(
            template="none", paper_bgcolor="white", width=columns * _CELL[0], height=60 + rows * _CELL[1],
            margin={"l": 64, "r": 16, "t": 76, "b": 50},
        )
    )  # fmt: skip
    figure.update_annotations(font={"size": 13.5, "color": INK})
    return figure
