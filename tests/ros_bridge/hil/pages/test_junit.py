"""junit.xml: by the rules of junit-10.xsd, and nothing that is not known looks like a pass."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ros_bridge.hil.pages.campaign import Campaign, Run, read_campaign
from ros_bridge.hil.pages.junit import junit
from tests.ros_bridge.hil.pages.campaign_folder import ATTACK

ALLOWED = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package",
         "file", "log", "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "time", "classname", "group"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}  # fmt: skip
"""Attributes and children of each element, of what this project writes, by
https://github.com/jenkinsci/xunit-plugin (types/model/xsd/junit-10.xsd)."""
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors"},
    "testcase": {"name"},
    "property": {"name", "value"},
}
TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")


@pytest.fixture(scope="module")
def root(campaign_report: Path) -> ET.Element:
    return ET.fromstring((campaign_report.parent / "junit.xml").read_bytes())


def _case(root: ET.Element, name: str) -> ET.Element:
    found = [case for case in root.iter("testcase") if case.get("name") == name]
    assert len(found) == 1, name
    return found[0]


def test_structure_is_the_schemas(root: ET.Element) -> None:
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = ALLOWED[element.tag]
        assert set(element.attrib) <= attributes, element.tag
        assert {child.tag for child in element} <= children, element.tag
        assert REQUIRED.get(element.tag, set()) <= set(element.attrib)
        assert TIME.fullmatch(element.get("time", "0"))


def test_counts_are_of_what_is_there(root: ET.Element) -> None:
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    # 10 runs and one without a result. weak_leg failed, staleness was not seen to fail; busy_computer is invalid,
    # no_node and empty are errors, never_ran is unfinished.
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("11", "2", "4")


@pytest.mark.parametrize(
    ("name", "tag", "kind"),
    [
        ("nan_in_one_joint[rma-0]", None, None),
        ("weak_leg[rma-0]", "failure", "failed"),
        ("busy_computer[rl2-0]", "error", "invalid"),
        ("no_node[rl2-0]", "error", "error"),
        ("never_ran[rma-0]", "error", "unfinished"),
        ("limits[rma-0, without command_limit]", None, None),
        ("staleness[rma-0, without stale_after]", "failure", "not_proven"),
    ],
)
def test_outcomes(root: ET.Element, name: str, tag: str | None, kind: str | None) -> None:
    case = _case(root, name)
    bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
    assert [child.tag for child in bad] == ([tag] if tag else [])
    assert [child.get("type") for child in bad] == ([kind] if kind else [])


def test_findings_are_told_with_their_margins(root: ET.Element) -> None:
    case = _case(root, "weak_leg[rma-0]")
    assert case.get("classname") == "go2.go2_family"
    told = (case.findtext("system-out") or "").replace("\xa0", " ")
    assert "kept safe_within: 1.00 periods, at most 2.00 periods, margin 1.00 periods (50 %)" in told
    assert "MISSED tracking: 0.310 rad, at most 0.200 rad, margin −0.110 rad (−55 %)" in told
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "RR_calf_joint: tracking error 0.31 rad"
    assert "kept" not in (failure.text or "")


def test_properties(root: ET.Element) -> None:
    found = {each.get("name"): each.get("value") for each in root[0].iter("property")}
    assert found["commit"] == "4f1c9d27ab"
    assert found["version.mujoco"] == "3.4.0"
    assert found["seed.nan_in_one_joint[rma-1]"] == "1"


def test_what_xml_cannot_say_is_replaced(tmp_path: Path) -> None:
    result = {"scenario": f"a\x00\x1b{ATTACK}", "outcome": "failed", "reason": "\ud800 & <b> ]]> \ufffe"}
    (tmp_path / "runs/x/y-0").mkdir(parents=True)
    run = read_campaign(tmp_path).runs[0]
    campaign = Campaign(tmp_path, (Run(run.result | result, run.folder),), {"commit": "\x07"})
    root = ET.fromstring(junit(campaign).encode())
    failure = _case(root, f"a\ufffd\ufffd{ATTACK}[y-0]").find("failure")
    assert failure is not None
    assert failure.get("message") == "\ufffd & <b> ]]> \ufffd"
