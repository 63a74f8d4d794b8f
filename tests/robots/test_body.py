"""`Body`: the same from a robot as from its identity in a bundle, and damaged identities are named."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from robots import RobotError, load_robot, robot_names
from robots.body import Body


@pytest.mark.parametrize("name", robot_names())
def test_an_identity_gives_the_body_of_its_robot(name):
    spec = load_robot(name)
    assert Body.from_identity(json.loads(json.dumps(spec.identity()))) == Body.of(spec)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("joint_names", [], "joint_names: expected a list of names, got []"),
        ("joint_names", [1], "joint_names: expected a list of names"),
        ("default_position", [0.0], "default_position: expected 6 finite number(s), got [0.0]"),
        ("default_position", [float("nan")] * 6, "default_position: expected 6 finite number(s)"),
        ("default_position", None, "default_position: expected 6 finite number(s), got None"),
        ("passive", None, "passive: expected 6 times true or false, got None"),
        ("passive", [False] * 5, "passive: expected 6 times true or false"),
        ("passive", [0] * 6, "passive: expected 6 times true or false"),
        ("imu", "yes", "imu: expected true or false, got 'yes'"),
        ("tool", [], "tool: expected steps and offset, got []"),
        (
            "tool",
            {"steps": [{}], "offset": [0, 0, 0]},
            "tool.steps[0]: expected a step of a joint of shoulder_pan",
        ),
        ("tool", {"steps": [], "offset": [0, 0, "a"]}, "tool.offset: expected 3 finite number(s)"),
    ],
)
def test_a_damaged_identity_names_its_field(field, value, says):
    identity: dict[str, Any] = copy.deepcopy(load_robot("ur5e").identity())
    identity[field] = value
    with pytest.raises(RobotError) as caught:
        Body.from_identity(identity)
    assert str(caught.value).startswith(says)


def test_a_damaged_step_names_its_part():
    identity = copy.deepcopy(load_robot("ur5e").identity())
    identity["tool"]["steps"][2]["rpy"] = [0.0, 0.0]
    with pytest.raises(RobotError, match=r"tool\.steps\[2\]\.rpy: expected 3 finite number"):
        Body.from_identity(identity)
