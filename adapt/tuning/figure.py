"""Eta over a lifetime, and regret of controllers, as pictures: `python -m adapt.tuning.figure RESULT.json OUT.png`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from adapt.errors import AdaptError
from adapt.report.screenshot import screenshot
from adapt.report.theme import BLUE, MUTED, ORANGE, SLATE, axis, faded, layout, line

_PANEL, _COLUMNS = (330, 240), 3
"""Width and height of a panel in [px]."""


def eta(result: dict[str, Any], candidate: str = "self_tuning") -> go.Figure:
    """Medians over held-out tasks, with the middle 80 %, of hyperparameters; and mean returns."""
    found = result["candidates"]
    moved = {name: ends for name, ends in found[candidate]["hyperparameters"].items() if ends[0] != ends[-1]}
    rows = -(-(len(moved) + 1) // _COLUMNS)
    titles = ("return", *moved)
    figure = make_subplots(rows, _COLUMNS, subplot_titles=titles, vertical_spacing=0.3 / rows)
    colours = {"default": SLATE, "searched": ORANGE, candidate: BLUE}
    for name, colour in colours.items():
        curve = found[name]["curve"]
        figure.add_scatter(x=_shares(len(curve)), y=curve, line=line(colour), name=name, row=1, col=1)
    for index, (name, ends) in enumerate(moved.items(), start=1):
        row, column = index // _COLUMNS + 1, index % _COLUMNS + 1
        low, middle, high = zip(*ends, strict=True)
        x = _shares(len(ends))
        outline = {
            "x": x + x[::-1],
            "y": (*high, *low[::-1]),
            "fill": "toself",
            "fillcolor": faded(BLUE, 0.18),
        }
        figure.add_scatter(**outline, line={"width": 0}, showlegend=False, row=row, col=column)
        figure.add_scatter(x=x, y=middle, line=line(BLUE), showlegend=False, row=row, col=column)
        if "weight" in name or "/" in name:
            figure.update_yaxes(type="log", row=row, col=column)
    return _dressed(figure, rows, "share of the lifetime")


def regrets(result: dict[str, Any]) -> go.Figure:
    """Mean regret of controllers in every family, with 95 % of them, and that of the best single rule."""
    families = result["families"]
    rows = -(-len(families) // _COLUMNS)
    figure = make_subplots(rows, _COLUMNS, subplot_titles=tuple(families), vertical_spacing=0.3 / rows)
    for index, family in enumerate(families.values()):
        place = {"row": index // _COLUMNS + 1, "col": index % _COLUMNS + 1, "showlegend": index == 0}
        pulls = list(range(1, len(family["regret"]) + 1))
        low, high = family["regret_interval"]
        band = {"x": pulls + pulls[::-1], "y": high + low[::-1], "fill": "toself", "line": {"width": 0}}
        figure.add_scatter(**band, fillcolor=faded(BLUE, 0.18), **{**place, "showlegend": False})
        figure.add_scatter(x=pulls, y=family["regret"], line=line(BLUE), name="controller", **place)
        alone = f"always {result['single_rule']}"
        figure.add_scatter(x=pulls, y=family["regret_of_single"], line=line(ORANGE), name=alone, **place)
    return _dressed(figure, rows, "pulls (lifetimes)")


def draw(source: Path, picture: Path) -> Path:
    """A picture of what `adapt tune` or `adapt choose` wrote; needs Chromium.

    Raises:
        AdaptError: the file is of neither, or there is no browser.
    """
    result = json.loads(source.read_text(encoding="utf-8"))
    if "families" not in result and "candidates" not in result:
        raise AdaptError(f"{source}: not a result of `adapt tune` or `adapt choose`")
    figure = regrets(result) if "families" in result else eta(result)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figure.html"
        figure.write_html(page, include_plotlyjs=True, config={"staticPlot": True})
        shape = figure.to_dict()["layout"]
        return screenshot(page, picture, width=shape["width"] + 16, height=shape["height"] + 16)


def _shares(count: int) -> list[float]:
    return [(index + 0.5) / count for index in range(count)]


def _dressed(figure: go.Figure, rows: int, x_title: str) -> go.Figure:
    figure.update_layout(**layout(width=_PANEL[0] * _COLUMNS, height=_PANEL[1] * rows + 60))
    figure.update_layout(paper_bgcolor="white", plot_bgcolor="white", margin={"t": 70})
    figure.update_xaxes(**axis(""))
    figure.update_yaxes(**axis(""))
    figure.update_xaxes(title={"text": x_title, "font": {"size": 11, "color": MUTED}}, row=rows)
    return figure


if __name__ == "__main__":
    print(draw(Path(sys.argv[1]), Path(sys.argv[2])))
