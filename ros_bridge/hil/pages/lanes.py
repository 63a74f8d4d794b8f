"""`lanes_of`: what held when, as bars: faults, what the safety filter said, whether the robot was on target."""

from __future__ import annotations

from typing import Any

import numpy as np

from adapt.report.text import label
from robots.safety import SAFE_MODE, Reason
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.pages.campaign import Run
from ros_bridge.hil.pages.thinning import spans
from ros_bridge.hil.pages.trace_times import time_range
from ros_bridge.hil.pages.words import event_words, fault_words


def faults_of(run: Run, end: float) -> list[dict[str, Any]]:
    """When each fault was at work; `met` is whether it was: one that was not stands where it was meant to be.

    Args:
        run: the run.
        end: of it, in [s]: of faults that did not end.
    """
    found = []
    for fault in run.result["faults"]:
        begun, ended = (_time(fault.get(name)) for name in ("begun", "ended"))
        planned = fault["begin"] + fault["duration"]
        found.append(
            {
                "name": fault["label"] or f"{fault['target']} {fault['kind']}",
                "words": fault_words(fault),
                "met": begun is not None,
                "begin": fault["begin"] if begun is None else begun,
                "end": (planned if begun is None else end) if ended is None else ended,
            }
        )
    return found


def events_of(run: Run) -> list[dict[str, Any]]:
    """Events that have a time, and violations as such."""
    rows = [(*event_words(event), False) for event in run.result["events"]]
    rows += [(*violation_words(violation), True) for violation in run.result["violations"]]
    return [{"at": at, "what": what, "bad": bad} for at, what, bad in rows if at is not None]


def violation_words(violation: Any) -> tuple[float | None, str]:
    """When and what, of a violation as the judge notes it."""
    if not isinstance(violation, dict):
        return None, str(violation)
    time = _time(violation.get("time", violation.get("at")))
    said = [
        f"{violation.get('what', 'violation')} on the {violation.get('side', 'node')}'s side",
        *(
            f"{name} {violation[name]}"
            for name in ("joint", "value", "limit")
            if violation.get(name) is not None
        ),
        *(f"under {kind}" for kind in violation.get("kinds") or ()),
    ]
    return time, ", ".join(said)


def lanes_of(run: Run, trace: Trace) -> list[dict[str, Any]]:
    """Rows of bars: name, kind (a class of the style sheet) and spans in [s]."""
    start, end = time_range(trace)
    gap = (end - start) / 1000
    lanes = []
    if len(trace.on_target) == len(trace.truth_time):
        lanes.append(("on target", "good", spans(trace.truth_time, trace.on_target.astype(bool), gap)))
    reasons, times = trace.reasons.astype(np.int64), trace.requested_time
    if len(reasons) == len(times):
        lanes.append(("safe mode", "bad", spans(times, (reasons & int(SAFE_MODE)) != 0, gap)))
        for reason in Reason:
            if reason:
                kind = "bad" if reason & SAFE_MODE else "some"
                name = label(reason.name or "").lower()
                lanes.append((name, kind, spans(times, (reasons & int(reason)) != 0, gap)))
    if len(trace.unfamiliar) == len(trace.familiarity_time):
        lanes.append(
            ("unfamiliar robot", "some", spans(trace.familiarity_time, trace.unfamiliar.astype(bool), gap))
        )
    return [
        {"name": name, "kind": kind, "spans": [[round(at, 4) for at in span] for span in found]}
        for name, kind, found in lanes
        if found
    ]


def _time(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else None
