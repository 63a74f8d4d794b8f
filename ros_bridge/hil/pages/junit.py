"""`junit`: a campaign as CI systems read it, by the rules of Jenkins' junit-10.xsd.

A run that is invalid, or has left no result, is an `error`: nothing is known, and that must not look like a pass.
Of `adapt hil prove` a run has to fail: one that passes without its protection is a `failure`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from ros_bridge.hil.pages.campaign import Campaign, Run
from ros_bridge.hil.pages.words import MEANINGS, amount, expectation, fault_words, not_proven, percent, share

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write: https://www.w3.org/TR/xml/#charsets."""


def junit(campaign: Campaign) -> str:
    """XML, a suite for each robot."""
    root = ET.Element("testsuites", {"name": "adapt hil"})
    for robot in dict.fromkeys(run.result["robot"] for run in campaign.runs):
        _suite(root, campaign, robot)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in root):.3f}")
    ET.indent(root)
    return "<?xml version='1.0' encoding='UTF-8'?>\n" + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, campaign: Campaign, robot: str) -> None:
    runs = [run for run in campaign.runs if run.result["robot"] == robot]
    suite = ET.SubElement(root, "testsuite", {"name": _clean(robot or "unknown robot")})
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(campaign, runs):
        ET.SubElement(properties, "property", {"name": _clean(name), "value": _clean(value)})
    for run in runs:
        _case(suite, run)
    suite.attrib |= {
        "tests": str(len(runs)),
        "failures": str(len(suite.findall("testcase/failure"))),
        "errors": str(len(suite.findall("testcase/error"))),
        "skipped": "0",
        "time": f"{sum(_seconds(run) for run in runs):.3f}",
    }


def _seconds(run: Run) -> float:
    return max(run.result["seconds"], 0.0)


def _properties(campaign: Campaign, runs: Iterable[Run]) -> Iterable[tuple[str, str]]:
    yield "commit", str(campaign.facts.get("commit", ""))
    versions = campaign.facts.get("versions")
    if isinstance(versions, dict):
        yield from ((f"version.{name}", str(version)) for name, version in versions.items())
    yield from ((f"seed.{run.name}", str(run.result["seed"])) for run in runs)


def _case(suite: ET.Element, run: Run) -> None:
    classname = ".".join(part for part in (run.result["robot"], run.result["family"]) if part)
    case = ET.SubElement(
        suite,
        "testcase",
        {"name": _clean(run.name), "classname": _clean(classname), "time": f"{_seconds(run):.3f}"},
    )
    kind, message = _trouble(run)
    if kind:
        tag = "failure" if kind in ("failed", "not_proven") else "error"
        made = ET.SubElement(case, tag, {"type": kind, "message": _clean(message)})
        made.text = _clean("\n".join(_lines(run, missed=True)) or message)
    ET.SubElement(case, "system-out").text = _clean("\n".join(_lines(run)))


def _trouble(run: Run) -> tuple[str, str]:
    """Kind, empty for what is as it has to be, and words."""
    judged = run.outcome in ("passed", "failed")
    if run.result["switched_off"] and judged:
        problem = not_proven(run)
        return ("not_proven", problem) if problem else ("", "")
    if run.outcome == "passed":
        return "", ""
    return run.outcome, run.result["reason"] or MEANINGS[run.outcome]


def _lines(run: Run, missed: bool = False) -> Iterable[str]:
    """Findings with their margins; `missed`: of those alone."""
    result = run.result
    if not missed:
        yield f"{run.outcome}: {result['reason'] or MEANINGS[run.outcome]}"
        yield f"bundle {result['bundle']}, seed {result['seed']}"
        yield from (f"fault {fault_words(fault)}" for fault in result["faults"])
    for finding in result["findings"]:
        if not (missed and finding["passed"]):
            kept = "kept" if finding["passed"] else "MISSED"
            yield (
                f"{kept} {finding['name']}: {amount(finding['value'], finding['unit'])}, {expectation(finding)}, "
                f"margin {amount(finding['margin'], finding['unit'])} ({percent(share(finding))}) {finding['detail']}"
            ).rstrip()
    yield from (f"violation {violation}" for violation in result["violations"])
    yield from run.trouble


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
