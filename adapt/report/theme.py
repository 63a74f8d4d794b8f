"""Colours and the look shared by every chart, whether drawn from Python or on the page."""

from __future__ import annotations

from typing import Any

INK, MUTED, GRID = "#1d2733", "#5b6876", "#e6eaee"
BLUE, ORANGE, SLATE = "#1769aa", "#d9772b", "#44515f"
"""What adapts and what it believes; what does not adapt, or is fooled; the truth and who is told it."""
FONT = '-apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
BELIEF_SCALE = ((0.0, "#0d3f6e"), (0.25, "#2f77b3"), (0.5, "#7db0d8"), (0.75, "#c3dbed"), (1.0, "#f1f4f7"))
"""From known (dark) to as unknown as before (pale)."""


def faded(colour: str, opacity: float) -> str:
    """A hex colour with an opacity in [0, 1]."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def axis(title: str, **more: Any) -> dict[str, Any]:
    """A quiet axis. Its zoom is off, so that a finger on a phone scrolls the page."""
    return {
        "title": {"text": title, "standoff": 8, "font": {"size": 12.5, "color": MUTED}},
        "gridcolor": GRID,
        "linecolor": "#c9d1d8",
        "tickfont": {"size": 12, "color": MUTED},
        "zeroline": False,
        "ticks": "",
        "fixedrange": True,
    } | more


def layout(**more: Any) -> dict[str, Any]:
    """The layout that every chart starts from."""
    return {
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 58, "r": 16, "t": 40, "b": 50},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "font": {"size": 13},
        },
        "hoverlabel": {"bgcolor": "white", "bordercolor": GRID, "font": {"size": 12.5, "color": INK}},
        "hovermode": "x unified",
        "dragmode": False,
    } | more


def line(colour: str, width: float = 2.0, dash: str = "solid") -> dict[str, Any]:
    """A plotly line style."""
    return {"color": colour, "width": width, "dash": dash}


def page_theme() -> dict[str, Any]:
    """What the page's own scripts need to draw in the same look."""
    return {
        "layout": layout(),
        "axis": axis(""),
        "colours": {"ink": INK, "muted": MUTED, "grid": GRID, "blue": BLUE, "orange": ORANGE, "slate": SLATE},
    }
