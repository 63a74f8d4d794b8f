"""The tables of docs/families.md. `python -m tests.family_table` writes them anew from what is registered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapt.registry import listed
from sim_tasks.suite.catalogue import BATCHED, task_names

PAGE = Path(__file__).parents[1] / "docs" / "families.md"
BEGIN, END = "<!-- written by python -m tests.family_table -->", "<!-- end -->"
_NAMED = 3
"""Families with more parameters are described by their number."""


def tables() -> str:
    """Both tables: registered families, and the suite's tasks that are stepped together."""
    families = listed("families")
    suite = listed("families", [f"dm_control:{name}" for name in BATCHED])
    others = [f"`{name}`" for name in task_names() if name not in BATCHED]
    return "\n".join(
        [
            "| family | body | O | A | episode | not told | told | protocols |",
            "|---|---|---|---|---|---|---|---|",
            *(_family(name, entry) for name, entry in families.items()),
            "",
            "| of dm_control, stepped together | O | A | episode | parameters |",
            "|---|---|---|---|---|",
            *(_task(name, entry) for name, entry in suite.items()),
            "",
            f"One simulation at a time: {', '.join(others)}.",
        ]
    )


def page_with(content: str, text: str) -> str:
    """The page's text with other content between its two marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{content}\n{END}{after}"


def _family(name: str, entry: dict) -> str:
    cells = [f"`{name}`", entry["body"] + ("" if entry["deployable"] else " (benchmark)")]
    cells += [*_sizes(entry), ", ".join(_hidden(entry)), ", ".join(entry["goal"]) or "nothing"]
    return _row([*cells, ", ".join(f"`@{protocol}`" for protocol in entry["protocols"])])


def _task(name: str, entry: dict) -> str:
    return _row([f"`{name}`", *_sizes(entry), str(len(entry["parameters"]))])


def _sizes(entry: dict) -> Iterator[str]:
    yield str(entry["observation_size"])
    yield str(entry["action_size"])
    yield f"{entry['episode_steps']} x {entry['control_period_s']:g} s"


def _hidden(entry: dict) -> Iterator[str]:
    names = [parameter["name"] for parameter in entry["parameters"]]
    if len(names) > _NAMED:
        yield f"{len(names)} parameters of the {'robot' if entry['deployable'] else 'body'}"
    else:
        yield from names
    if not entry["held_out_tasks_disjoint"]:
        yield "the same in training and test"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page_with(tables(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
