"""`pack_runs`: everything that the page draws of each run, packed, in as much detail as there is room for."""

from __future__ import annotations

import base64
import gzip
import json
import math
from dataclasses import dataclass
from typing import Any

from adapt.report.data import compact
from ros_bridge.errors import RecordingError
from ros_bridge.hil.pages.campaign import Campaign, Run
from ros_bridge.hil.pages.charts import charts_of
from ros_bridge.hil.pages.lanes import events_of, faults_of, lanes_of
from ros_bridge.hil.pages.motion import MOST_RATE, motion_of, scene_of
from ros_bridge.hil.pages.trace_times import mismatches, time_range

ROOM = 8_000_000
"""Of all runs together, in characters: a page that still can be mailed, and opens at once."""


@dataclass(frozen=True)
class Detail:
    """How closely runs are drawn."""

    buckets: int
    """Of samples, of which each line keeps the least and the greatest."""
    rate: float
    """Of pictures of the robot, in [Hz]."""


DETAILS = (Detail(600, MOST_RATE), Detail(300, 15.0), Detail(150, 10.0), Detail(60, 5.0))


@dataclass(frozen=True)
class Packed:
    """What is drawn of the runs."""

    runs: dict[str, str]
    """By anchor: JSON, compressed, in base64."""
    notes: dict[str, list[str]]
    """By anchor: what cannot be drawn, in words."""
    scenes: dict[str, Any]
    """By robot: its geoms, as `adapt.view.scene.describe`."""
    detail: Detail


def pack_runs(campaign: Campaign, room: int = ROOM) -> Packed:
    """In the greatest detail that there is room for; in the least where there is none for any."""
    for detail in DETAILS[:-1]:
        if packed := _packed(campaign, detail, room):
            return packed
    packed = _packed(campaign, DETAILS[-1], math.inf)
    assert packed is not None
    return packed


def _packed(campaign: Campaign, detail: Detail, room: float) -> Packed | None:
    """None as soon as there is no room."""
    runs, notes, scenes = dict[str, str](), dict[str, list[str]](), dict[str, Any]()
    for run in campaign.runs:
        notes[run.anchor] = list(run.trouble)
        content = _content(run, detail, notes[run.anchor])
        if content is None:
            continue
        runs[run.anchor] = pack(content)
        room -= len(runs[run.anchor])
        if room < 0:
            return None
        robot = run.result["robot"]
        if content["motion"] and robot not in scenes:
            scenes[robot] = scene_of(robot)
    return Packed(runs, notes, scenes, detail)


def _content(run: Run, detail: Detail, notes: list[str]) -> dict[str, Any] | None:
    """What `run.js` draws; None without a trace. Says in `notes` what cannot be drawn."""
    try:
        trace = run.trace()
    except RecordingError as error:
        if run.outcome != "unfinished":
            notes.append(str(error))
        return None
    notes += mismatches(trace)
    start, end = time_range(trace)
    content: dict[str, Any] = {"start": start, "end": end, "robot": run.result["robot"], "motion": None}
    try:
        content |= {
            "faults": compact(faults_of(run, end), 7),
            "events": compact(events_of(run), 7),
            "lanes": lanes_of(run, trace),
            "charts": charts_of(run, trace, detail.buckets),
        }
    except (ValueError, IndexError, TypeError) as error:  # arrays that do not belong together
        notes.append(f"trace.npz cannot be drawn: {error}")
        return None
    if not content["charts"] and not content["lanes"]:
        notes.append("the trace is empty")
    try:
        content["motion"] = motion_of(run, trace, detail.rate)
    except RecordingError as error:
        notes.append(str(error))
    return content


def pack(content: Any) -> str:
    """JSON, compressed, in base64; the same for the same."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def unpack(text: str) -> Any:
    """Inverse of `pack`."""
    return json.loads(gzip.decompress(base64.b64decode(text)))
