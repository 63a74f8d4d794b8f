"""The page of a campaign: structure, words and harmlessness, without a browser."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ros_bridge.errors import RecordingError
from ros_bridge.hil.pages import payload
from ros_bridge.hil.pages.campaign import read_campaign
from ros_bridge.hil.pages.motion import motion_of
from ros_bridge.hil.pages.thinning import LEVELS
from ros_bridge.hil.pages.words import verdict
from ros_bridge.hil.pages.write import write_report
from tests.ros_bridge.hil.pages.campaign_folder import ATTACK, SPIKE_AT, make_campaign, make_trace

VOID = {"meta", "input", "br", "hr", "img", "link"}


class Elements(HTMLParser):
    """All elements, and whether each that was opened was closed in its place."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and self.found[-1][1].get("id") == "content":
            self.texts["content"] = data

    def of(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [has for name, has in self.found if name == tag and wanted.items() <= has.items()]


@pytest.fixture(scope="module")
def text(campaign_report: Path) -> str:
    return campaign_report.read_text("utf-8")


@pytest.fixture(scope="module")
def elements(text: str) -> Elements:
    return Elements(text)


def _drawn(report: Path, anchor: str) -> dict[str, Any]:
    elements = Elements(report.read_text("utf-8"))
    return payload.unpack(json.loads(elements.texts["content"])["runs"][anchor])


def test_elements_are_closed_and_names_are_once(elements: Elements) -> None:
    assert elements.open == []
    names = [has["id"] for _, has in elements.found if "id" in has]
    assert len(names) == len(set(names))


def test_page_loads_nothing(text: str, elements: Elements) -> None:
    assert "default-src 'none'" in text
    assert not re.search(r"<(script|img|iframe)[^>]*\ssrc=|<link|@import|url\(", text)
    hrefs = [has["href"] for has in elements.of("a")]
    assert hrefs
    assert all(href.startswith(("#", "./runs/")) for href in hrefs)


def test_verdict_leaves_out_what_has_to_fail(campaign_report: Path, text: str) -> None:
    campaign = read_campaign(campaign_report.parent)
    assert verdict(campaign) == (
        "4 of 9 runs passed; 1 failed; 1 invalid; 2 ended in error; 1 not finished; "
        "1 of 2 runs without their protection were seen to fail"
    )
    assert "nothing is known of the node" in text
    assert "The campaign has not come to its end." in text


def test_every_cell_leads_to_its_run(elements: Elements) -> None:
    cells = [has for has in elements.of("a") if has.get("class", "").startswith("cell ")]
    cards = {has["id"]: has for has in elements.of("details") if "run" in has.get("class", "").split()}
    assert len(cells) == 9
    assert len(cards) == 11
    for cell in cells:
        assert cards[cell["href"][1:]]["data-outcome"] == cell["class"].split()[1]
    assert "#run-weak-leg-rma-0" in [cell["href"] for cell in cells]


def test_text_from_files_is_harmless(text: str) -> None:
    assert ATTACK not in text
    assert "&lt;script&gt;document.documentElement.dataset.pwned" in text
    assert "<b>x</b>" not in text


def test_links_lead_to_what_is_there(campaign_report: Path, elements: Elements) -> None:
    links = [
        has["href"] for has in elements.of("a") if has["href"].startswith("./runs/nan_in_one_joint/rma-0/")
    ]
    assert {Path(link).name for link in links} == {"bag", "scenario.yaml", "result.json", "node.log"}
    for link in links:
        assert (campaign_report.parent / link).exists()
    assert "adapt replay runs/nan_in_one_joint/rma-0/bag bundles/pendulum/rma" in campaign_report.read_text(
        "utf-8"
    )


@pytest.mark.parametrize("bag", ["../../../../../etc", "/etc", "javascript:alert(1)"])
def test_no_link_leaves_the_folder(tmp_path: Path, bag: str) -> None:
    at = tmp_path / "runs/x/y-0"
    at.mkdir(parents=True)
    (at / "result.json").write_text(json.dumps({"outcome": "passed", "bag": bag}))
    links = Elements(write_report(tmp_path).read_text("utf-8")).of("a")
    assert [link["href"] for link in links] == ["#run-x-y-0", "./runs/x/y-0/result.json"]


def test_damaged_and_empty_traces_are_said_and_lose_nothing(campaign_report: Path, text: str) -> None:
    assert "trace.npz is damaged" in text
    assert "the trace is empty" in text
    assert "it has left no result" in text
    assert len(_drawn(campaign_report, "run-weak-leg-rma-0")["charts"]) > 8


def test_a_spike_is_drawn_and_garbage_is_named(campaign_report: Path) -> None:
    charts = _drawn(campaign_report, "run-nan-in-one-joint-rma-0")["charts"]
    position = next(chart for chart in charts if chart["title"] == "Position")
    own, seen = position["panels"][0]["lines"]
    times = np.cumsum(position["lines"][1]["times"]) / 1e4
    placed = np.array([np.nan if step is None else step for step in seen["y"]])
    placed = np.where(np.isnan(placed), np.nan, np.nancumsum(placed))
    # 2.5 rad beyond a joint that swings by 0.25: above the axis, and so is 1e300.
    assert times[placed > LEVELS] == pytest.approx([SPIKE_AT + 0.001, 5.001])
    assert seen["beyond"]["text"] == "1e+300"
    assert seen["broken"] == [pytest.approx([2.001, 2.501], abs=1e-3)]
    assert own["broken"] == []


def test_lanes_are_what_the_filter_said(campaign_report: Path) -> None:
    lanes = {lane["name"]: lane["spans"] for lane in _drawn(campaign_report, "run-weak-leg-rma-0")["lanes"]}
    assert set(lanes) == {"on target", "safe mode", "soft start", "sensor not finite", "unfamiliar robot"}
    assert lanes["safe mode"] == [pytest.approx([2.002, 3.002])]
    faults = _drawn(campaign_report, "run-weak-leg-rma-0")["faults"]
    assert [(fault["begin"], fault["end"], fault["met"]) for fault in faults] == [(3.01, 5.0, True)]


def test_the_robot_moves_also_without_qpos(campaign_report: Path) -> None:
    run = read_campaign(campaign_report.parent).runs[2]
    trace = make_trace("go2", 2.0)
    motion = motion_of(run, trace)
    # Samples to 1.98 s: 0 to 1.96 at 25 Hz.
    assert motion["frames"] == 50
    # The base and 12 limbs, 7 numbers each.
    assert np.array(motion["poses"]).shape == (50, 13 * 7)
    base = np.cumsum(np.array(motion["poses"])[:, :3], axis=0) / 1e4
    np.testing.assert_allclose(base[-1], [0.4 * 1.96, 0.0, 0.3], atol=1e-3)
    trace.qpos = np.zeros(0)
    assert len(motion_of(run, trace)["moving"]) == 12
    trace.position = np.zeros(0)
    with pytest.raises(RecordingError, match="it was not recorded where the robot was"):
        motion_of(run, trace)
    with pytest.raises(RecordingError, match="1 positions were recorded, the model of 'go2' has 19"):
        motion_of(run, make_trace("pendulum", 2.0))


def test_detail_gives_way_to_room(campaign_report: Path) -> None:
    campaign = replace(campaign := read_campaign(campaign_report.parent), runs=campaign.runs[:1])
    assert payload.pack_runs(campaign).detail == payload.DETAILS[0]
    assert payload.pack_runs(campaign, room=1).detail == payload.DETAILS[-1]


def test_a_campaign_that_was_interrupted_has_its_report(tmp_path: Path) -> None:
    make_campaign(tmp_path)
    (tmp_path / "campaign.json").unlink()
    campaign = read_campaign(tmp_path)
    assert not campaign.finished
    assert len(campaign.runs) == 11
    assert "4 of 9 runs passed" in write_report(tmp_path).read_text("utf-8")


def test_a_damaged_campaign_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs/x/y-0").mkdir(parents=True)
    (tmp_path / "campaign.json").write_text('{"runs": [')
    assert "campaign.json cannot be read" in write_report(tmp_path).read_text("utf-8")


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"outcome": "splendid"},
        {
            "outcome": "passed",
            "findings": [3, {"name": "x", "value": "many"}],
            "faults": None,
            "seconds": "long",
        },
        {"outcome": "failed", "events": ["odd", {"at": None}], "violations": [7], "limits": [], "task": "?"},
    ],
)
def test_damaged_results_are_said(tmp_path: Path, result: dict[str, Any]) -> None:
    at = tmp_path / "runs/x/y-0"
    at.mkdir(parents=True)
    (at / "result.json").write_text(json.dumps(result))
    make_trace("pendulum", 1.0).save(at / "trace.npz")
    assert Elements(write_report(tmp_path).read_text("utf-8")).open == []


def test_arrays_that_do_not_belong_together_are_said(tmp_path: Path) -> None:
    at = tmp_path / "runs/x/y-0"
    at.mkdir(parents=True)
    (at / "result.json").write_text(json.dumps({"outcome": "passed", "robot": "pendulum"}))
    trace = make_trace("pendulum", 1.0)
    trace.seen_position, trace.belief_std = trace.seen_position[:-3], trace.belief_std[:, :1]
    trace.save(at / "trace.npz")
    report = write_report(tmp_path)
    titles = [chart["title"] for chart in _drawn(report, "run-x-y-0")["charts"]]
    assert "Position" in titles
    text = report.read_text("utf-8")
    assert "seen_position has 47 rows, seen_time 50" in text
    assert "Belief" not in "".join(titles)
    assert "np.float64" not in text


def test_comparison_says_what_adaptation_buys(text: str) -> None:
    shown = text[text.index('<section id="comparison">') : text.index('<section id="proof">')]
    assert "0.140<small>0.100 to 0.180, of 3/4</small>" in shown
    # Of rl2 0 is not in the interval, of the other it is.
    assert '<td class="num apart">−0.160<small>' in shown
    assert '<td class="num">−0.0200<small>' in shown
    assert "<b>rl2</b> in weak_leg: 0.160 rad" in shown
    assert shown.count("<h3>") == 1, "one family is all there is"


def test_a_comparison_of_another_kind_is_said(tmp_path: Path) -> None:
    (tmp_path / "campaign.json").write_text('{"runs": [], "comparison": {"groups": 3}, "seconds": 1}')
    assert "The comparison cannot be read" in write_report(tmp_path).read_text("utf-8")


def test_proofs_folder_is_one_page_of_both_campaigns(tmp_path: Path) -> None:
    def results(place: str, outcome: str, off: str | None) -> list[dict[str, Any]]:
        made = []
        for scenario in ("stale", "limits", "odd"):
            at = tmp_path / place / f"runs/{scenario}/rma-0"
            at.mkdir(parents=True)
            result = {
                "scenario": scenario,
                "label": "rma",
                "seed": 0,
                "outcome": outcome,
                "switched_off": off,
            }
            (at / "result.json").write_text(json.dumps(result))
            made.append(result)
        return made

    for place, outcome, off in (("with", "passed", None), ("without", "failed", "stale_after")):
        runs = results(place, outcome, off)
        facts = {"runs": runs, "seconds": 20.0, "stopped_early": False}
        (tmp_path / place / "campaign.json").write_text(json.dumps(facts))
    proof = {"label": "rma", "seed": 0, "protection": "stale_after"}
    proofs = [
        proof | {"scenario": "stale", "proven": True, "problem": "", "seen_by": ["to_safe: 9, at most 2"]},
        proof
        | {"scenario": "limits", "proven": False, "problem": "by nothing that it expects", "seen_by": []},
    ]
    (tmp_path / "prove.json").write_text(
        json.dumps({"proofs": proofs, "unproven": {"tilt": "falls are seen"}})
    )
    text = write_report(tmp_path).read_text("utf-8")
    assert "All 3 runs passed; 2 of 3 runs without their protection were seen to fail" in text
    assert "to_safe: 9, at most 2" in text
    assert "by nothing that it expects" in text
    assert "<b>tilt</b>: falls are seen" in text
    assert "The campaign has not come to its end." not in text
    assert (tmp_path / "junit.xml").read_text("utf-8").count("not_proven") == 1
    links = [has["href"] for has in Elements(text).of("a") if has["href"].startswith("./")]
    assert len(links) == 6
    assert all((tmp_path / link).is_file() for link in links)


def test_a_folder_that_is_no_campaign_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no campaign"):
        write_report(tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_random_bits_are_drawn(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    at = tmp_path / "runs/x/y-0"
    at.mkdir(parents=True)
    bad = float("nan")
    faults = [{"kind": "nan", "target": "joints", "begin": bad, "duration": 1.0, "magnitude": float("inf")}]
    result = {
        "outcome": "passed",
        "robot": "pendulum",
        "faults": faults,
        "events": [{"at": bad, "what": "x"}],
    }
    result |= {
        "truth": {"payload_mass": bad},
        "findings": [{"name": "x", "value": bad, "margin": bad, "limit": bad}],
    }
    (at / "result.json").write_text(json.dumps(result))
    trace = make_trace("pendulum", 1.0)
    for field in fields(trace):
        values = getattr(trace, field.name)
        if values.dtype == np.float64 and values.size:
            if field.name.endswith("time"):
                values[random.integers(len(values))] = np.nan
                continue
            bits = random.integers(2**64, size=values.shape, dtype=np.uint64).view(np.float64)
            setattr(trace, field.name, np.where(random.random(values.shape) < 0.3, bits, values))
    trace.save(at / "trace.npz")
    assert len(_drawn(write_report(tmp_path), "run-x-y-0")["charts"]) >= 8


def test_names_that_look_alike_keep_their_own_places(tmp_path: Path) -> None:
    for name in ("a_b", "a-b", "a.b"):
        (tmp_path / f"runs/{name}/rma-0").mkdir(parents=True)
    anchors = [run.anchor for run in read_campaign(tmp_path).runs]
    assert anchors == ["run-a-b-rma-0", "run-a-b-rma-0--2", "run-a-b-rma-0--3"]
