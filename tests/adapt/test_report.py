"""The report: one page, nothing loaded from elsewhere, every number from the run's files, and it draws."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import AdaptError, RunError
from adapt.report.data import compact, thin
from adapt.report.page import write_report
from adapt.report.screenshot import dump_dom, find_browser, screenshot
from adapt.report.text import count, duration, number
from tests.adapt.report_run import NAMES, make_run


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(make_run(tmp_path_factory.mktemp("run")))


def _without_plotly(page: Path) -> str:
    """The page but for plotly's own code."""
    scripts = re.split(
        r"(<script>/\*\*\n\* plotly\.js.*?</script>)", page.read_text("utf-8"), flags=re.DOTALL
    )
    assert len(scripts) == 3, "plotly's code is on the page exactly once"
    return scripts[0] + scripts[2]


def test_page_loads_nothing(page: Path) -> None:
    text = _without_plotly(page)
    assert "http://" not in text
    assert "https://" not in text
    assert not re.search(r"<(script|img|iframe)[^>]*\ssrc=|<link|@import|url\(", text)
    assert "default-src 'none'" in text


def test_every_section_is_there(page: Path) -> None:
    text = _without_plotly(page)
    for name in ("adaptation", "belief", "robots", "latency", "replay", "provenance"):
        assert f'<section id="{name}">' in text
    assert "Not run" not in text


def test_numbers_come_from_the_files(page: Path) -> None:
    text = _without_plotly(page)
    assert ">0.873<" in text
    assert "0.841 to 0.902" in text
    assert "11<small>/12" in text
    assert "9<small>/12" in text
    assert "23 min" in text
    assert "12.6 million steps" in text
    assert "0.912<small> ms" in text
    assert "p99 1.73 ms" in text
    assert "0.644 ms, p99 1.21 ms" in text
    assert "7301" in text
    assert "4f1c9d27ab" in text
    assert "3.17.0" in text
    assert "adapt train rma pendulum_swingup --seed 7301" in text


def test_page_is_small_enough_for_a_mail(tmp_path: Path) -> None:
    assert write_report(make_run(tmp_path, robots=12)).stat().st_size < 9e6


def test_text_from_files_is_escaped(page: Path) -> None:
    text = _without_plotly(page)
    assert "alert(1)" in text, "the robot's name is shown"
    assert "<img" not in text
    assert "<script>alert" not in text
    assert "free_fall_<b>" not in text


@pytest.mark.parametrize("absent", ["missing", "null"])
def test_what_was_not_run_is_said_plainly(tmp_path: Path, absent: str) -> None:
    run = make_run(tmp_path)
    summary = json.loads((run / "summary.json").read_text())
    for name in ("ros", "replay"):
        if absent == "missing":
            (run / f"{name}.json").unlink()
            del summary[name]
        else:
            (run / f"{name}.json").write_text("null")
            summary[name] = None
    (run / "summary.json").write_text(json.dumps(summary))
    text = _without_plotly(write_report(run))
    assert text.count("Not run:") == 3  # robots, latency, recordings
    assert text.count("not run<") == 3  # tiles: upright, recovered, latency


@pytest.mark.parametrize(
    ("name", "field", "value", "message"),
    [
        ("summary", "seed", None, "summary.json: seed expected a whole number, got None"),
        ("evaluation", "period", "fast", "evaluation.json: period expected a number, got 'fast'"),
        ("evaluation", "policies", {}, "evaluation.json: policies dr is missing"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, name: str, field: str, value: Any, message: str) -> None:
    path = make_run(tmp_path) / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(RunError, match=re.escape(message)):
        write_report(tmp_path)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"summary\.json: cannot be read"):
        write_report(tmp_path)
    make_run(tmp_path)
    (tmp_path / "ros.json").write_text("{")
    with pytest.raises(RunError, match=r"ros\.json: not valid JSON"):
        write_report(tmp_path)


def test_series_of_unequal_length_are_refused(tmp_path: Path) -> None:
    path = make_run(tmp_path) / "ros.json"
    ros = json.loads(path.read_text())
    ros["robots"][0]["angle"].pop()
    path.write_text(json.dumps(ros))
    with pytest.raises(RunError, match="hidden-01: angle has 599 samples, time has 600"):
        write_report(tmp_path)


def test_numbers_are_written_for_readers() -> None:
    assert [number(x) for x in (0.04123, 1234.5, -2.0, 0, float("nan"))] == [
        "0.0412",
        "1\u202f234",
        "-2.00",
        "0",
        "\u2013",
    ]
    assert [duration(x) for x in (42.4, 1372.4, 3900)] == ["42 s", "23 min", "1 h 5 min"]
    assert [count(x) for x in (950, 12_583_000)] == ["950", "12.6 million"]


def test_compact_and_thin() -> None:
    assert compact({"a": [1.234567, float("nan"), 3, True]}, 4) == {"a": [1.235, None, 3, True]}
    assert thin(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert thin([1, 2, 3], 5) == [1, 2, 3]


def test_screenshot_without_a_browser_says_what_to_install(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AdaptError, match="no browser on PATH: install Chromium"):
        screenshot(page, page.with_suffix(".png"))


needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium on PATH")


def _facts(dom: str) -> dict[str, str]:
    """What the page has noted in the attributes of its root element."""
    root = re.search(r"<html[^>]*>", dom)
    assert root
    return dict(re.findall(r'data-([\w-]+)="([^"]*)"', root[0]))


@needs_browser
def test_page_draws_without_trouble(page: Path) -> None:
    dom = dump_dom(page)
    facts = _facts(dom)
    assert "trouble" not in facts
    assert "pwned" not in facts
    plots = len(re.findall(r'class="plot[ "]', dom))
    # Reward and returns, the belief's error, angle and torque, each quantity, latency, replay's errors and 3 files.
    assert plots == 2 + 1 + 2 + len(NAMES) + 1 + 1 + 3
    assert dom.count('class="main-svg"') >= plots
    assert int(facts["height"]) > 2000


@needs_browser
def test_the_picked_robot_is_the_one_shown(page: Path) -> None:
    robots = json.loads((page.parent / "ros.json").read_text())["robots"]
    for index in (1, 3):
        dom = dump_dom(page, fragment=f"robot={index}&t=2")
        mass = robots[index - 1]["truth"][0]["values"]["payload_mass"]
        readout = re.search(r'<tbody id="readout">.*?</tbody>', dom, re.DOTALL)
        assert f'data-robot="{index}"' in dom
        assert readout
        assert f">{mass:.3f}</td>" in readout[0]
        assert re.search(r'<output id="clock"[^>]*>2.0 s<', dom)


@needs_browser
@pytest.mark.parametrize("width", [400, 1440])
def test_nothing_overflows_sideways(page: Path, width: int) -> None:
    facts = _facts(dump_dom(page, width=width))
    assert int(facts["width"]) == width
    assert int(facts["content-width"]) <= width
    assert "trouble" not in facts


@needs_browser
def test_page_without_robots_draws(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for name in ("ros", "replay"):
        (run / f"{name}.json").unlink()
    assert "trouble" not in _facts(dump_dom(write_report(run)))


@needs_browser
def test_screenshot_is_a_picture_of_the_asked_size(page: Path, tmp_path: Path) -> None:
    png = screenshot(
        page, tmp_path / "report.png", width=400, height=700, fragment="robot=2&t=7"
    ).read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(png[i : i + 4], "big") for i in (16, 20)] == [400, 700]
