"""The report: one page, nothing loaded from elsewhere, every number from the run's files, and it draws."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapt.errors import AdaptError, RunError
from adapt.report import write_report
from adapt.report.data import compact, thin
from adapt.report.screenshot import dump_dom, find_browser, screenshot
from adapt.report.text import count, duration, number

PERIOD = 0.02
CHANGE = 6.0
ATTACK = '<img src=x onerror="document.documentElement.dataset.pwned=1"></script><script>alert(1)</script>'
QUANTITIES = {
    "payload_mass": ("kg", 0.33, 0.71),
    "payload_distance": ("m", 0.4, 0.55),
    "viscous_friction": ("N m s/rad", 0.01, 0.12),
    "coulomb_friction": ("N m", 0.03, 0.2),
    "motor_gain": ("1", 0.65, 1.2),
    "action_delay": ("s", 0.005, 0.045),
    "encoder_offset": ("rad", -0.3, 0.3),
    "position_noise": ("rad", 0.0015, 0.01),
    "velocity_noise": ("rad/s", 0.05, 0.4),
    "gravity_stiffness": ("1/s^2", 17.0, 21.0),
    "drive_authority": ("rad/s^2 per N m", 3.5, 10.0),
    "damping_rate": ("1/s", 0.05, 0.7),
    "stiction": ("rad/s^2", 0.2, 1.4),
}
NAMES = list(QUANTITIES)
UNITS = [unit for unit, _, _ in QUANTITIES.values()]
LOW, HIGH = (np.array([q[i] for q in QUANTITIES.values()]) for i in (1, 2))
KNOWN = np.array([0.25, 0.55, 0.4, 0.35, 0.2, 0.3, 0.08, 0.85, 0.3, 0.12, 0.1, 0.4, 0.25])
"""How much of the prior's standard deviation stays, per quantity, in the made-up runs."""


def _belief(rng: np.random.Generator, time: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """A belief that closes in on the truth, shape (T, Q), and opens again at its jump."""
    prior = (HIGH - LOW) / np.sqrt(12)
    since = np.where(time < CHANGE, time, time - CHANGE + 0.6)[:, None]
    share = KNOWN + (1 - KNOWN) * np.exp(-since / 0.8)
    drift = np.cumsum(rng.normal(0, 0.02, truth.shape), axis=0)
    mean = truth + (share - KNOWN) * ((LOW + HIGH) / 2 - truth) + 0.5 * share * prior * np.tanh(drift)
    return {"names": NAMES, "units": UNITS, "mean": mean.tolist(), "std": (share * prior).tolist()}


def _swing_up(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """Angles of a swing that grows, a capture at upright, a fall at the change and a second capture."""
    swing = np.where(time < CHANGE, time, (time - CHANGE) * 1.3 + 0.6)
    rise = 1 / (1 + np.exp(-6 * (swing - rng.uniform(1.6, 2.6))))
    return np.pi * rise + (1 - rise) * np.minimum(0.9 * swing, 2.2) * np.sin(4.4 * swing)


def _robot(rng: np.random.Generator, name: str, samples: int) -> dict[str, Any]:
    time = np.arange(samples) * PERIOD
    first = rng.uniform(LOW, HIGH)
    second = first.copy()
    second[0] = rng.uniform(LOW[0], HIGH[0])
    truth = np.where(time[:, None] < CHANGE, first, second)
    angle = _swing_up(rng, time)
    swing = np.where(np.abs(angle - np.pi) < 0.3, 0.3, 2.2) * np.cos(4.4 * time)
    requested = swing + rng.normal(0, 0.1, samples)
    velocity = np.gradient(angle, time)
    return {
        "name": name,
        "change_time": CHANGE,
        "truth": [
            {"time": 0.0, "values": dict(zip(NAMES, first.tolist(), strict=True))},
            {"time": CHANGE, "values": dict(zip(NAMES, second.tolist(), strict=True))},
        ],
        "upright_first": True,
        "recovered": bool(rng.random() < 0.8),
        "time": time.tolist(),
        "angle": angle.tolist(),
        "measured": (angle + first[6] + rng.normal(0, 0.005, samples)).tolist(),
        "velocity": velocity.tolist(),
        "requested": (1.4 * requested).tolist(),
        "certified": np.clip(1.4 * requested, -2.5, 2.5).tolist(),
        "effort_limit": 2.5,
        "reasons": {"soft_start": 10, "command_limit": int(rng.integers(0, 90)), "velocity_limit": 0},
        "belief": _belief(rng, time, truth),
    }


def _policy(rng: np.random.Generator, time: np.ndarray, height: float, delay: float) -> dict[str, Any]:
    curve = 0.05 + height / (1 + np.exp(-3 * (time - delay)))
    returns = len(time) * np.clip(
        height * 0.7 + rng.normal(0, 0.1, 200) - rng.exponential(0.08, 200), 0.02, 1
    )
    return {
        "curve": curve.tolist(),
        "curve_low": (curve - 0.03).tolist(),
        "curve_high": (curve + 0.03).tolist(),
        "returns": returns.tolist(),
        "mean": float(returns.mean()),
        "interval": [float(returns.mean() - 4), float(returns.mean() + 4)],
        "cvar5": float(np.sort(returns)[:10].mean()),
    }


def _evaluation(rng: np.random.Generator) -> dict[str, Any]:
    time = np.arange(600) * PERIOD
    rmse = KNOWN + (1 - KNOWN) * np.exp(-time[:, None] / rng.uniform(0.5, 2, len(NAMES)))
    policies = {"dr": (0.45, 2.8), "learner": (0.82, 2.2), "oracle": (0.88, 2.0)}
    return {
        "family": "pendulum_swingup",
        "period": PERIOD,
        "n_tasks": 200,
        "policies": {name: _policy(rng, time, *shape) for name, shape in policies.items()},
        "score": {"mean": 0.873, "interval": [0.841, 0.902]},
        "belief": {"names": NAMES, "units": UNITS, "time": time.tolist(), "rmse": rmse.tolist()},
    }


def _summary() -> dict[str, Any]:
    return {
        "seed": 7301,
        "commit": "4f1c9d27ab",
        "versions": {"mujoco": "3.17.0", "torch": "2.13.0"},
        "config": {"learner": "belief_ppo", "robots": 1024, "note": ATTACK},
        "train": {"steps": 12_583_000, "seconds": 1372.4, "steps_per_s": 9168.5},
        "evaluate": {
            "dr": 231.0, "oracle": 411.0, "learner": 389.0, "score": 0.873, "score_interval": [0.841, 0.902],
            "cvar5": 0.41, "n_tasks": 200,
        },
        "ros": {
            "robots": 12, "upright_first_episode": 11, "recovered_after_change": 9,
            "latency_ms": {"p50": 0.912, "p99": 1.734}, "echo_latency_ms": {"p50": 0.644, "p99": 1.211},
        },
        "replay": {"files": 3, "prior_error": 0.21, "adapted_error": 0.12},
    }  # fmt: skip


def _ros(rng: np.random.Generator, robots: int, samples: int) -> dict[str, Any]:
    names = [f"hidden-{index:02d}" for index in range(1, robots + 1)]
    names[1] = ATTACK
    return {
        "robots": [_robot(rng, name, samples) for name in names],
        "latency_ms": rng.lognormal(np.log(0.92), 0.22, 6000).tolist(),
        "echo_latency_ms": rng.lognormal(np.log(0.64), 0.2, 6000).tolist(),
    }


def _recording(rng: np.random.Generator, name: str, rate: float, better: float) -> dict[str, Any]:
    time = np.arange(0, 12, 1 / rate)
    prior = np.abs(rng.normal(0.2, 0.06, len(time)))
    adapted = prior * (better + (1 - better) * np.exp(-time))
    truth = np.tile((LOW + HIGH) / 2, (len(time), 1))
    return {
        "name": name, "seconds": 12.0, "rate_hz": rate, "prior_error": float(prior.mean()),
        "adapted_error": float(adapted.mean()), "time": time.tolist(), "prior_error_curve": prior.tolist(),
        "adapted_error_curve": adapted.tolist(), "belief": _belief(rng, time, truth),
    }  # fmt: skip


def make_run(folder: Path, robots: int = 3, samples: int = 600) -> Path:
    """A run folder with made-up but plausible content."""
    rng = np.random.default_rng(0)
    kinds = (
        ("swing_up_lqr.csv", 100.0, 0.5),
        ("free_fall_<b>.csv", 50.0, 0.8),
        ("gravity_comp.csv", 100.0, 0.7),
    )
    replay = {"files": [_recording(rng, *kind) for kind in kinds], "error_unit": "rad/s"}
    content = {"summary": _summary(), "evaluation": _evaluation(rng), "ros": _ros(rng, robots, samples)}
    for name, value in {**content, "replay": replay}.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


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
    assert "adapt train belief_ppo pendulum_swingup --seed 7301" in text


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
