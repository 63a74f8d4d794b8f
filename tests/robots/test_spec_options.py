"""Optional parts of a robot's description: gains, action ranges, passive joints, IMU, tool, models elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robots import RobotSpecError, load_robot, with_passive
from robots.action import ActionLayout
from robots.safety import SafetyFilter
from robots.spec import EffortSensor, Gains
from tests.robots.arm import moving
from tests.robots.two_joints import MODEL, two_joints, write_robot

IMU = {"site": "imu", "topic": "imu", "frame": "imu_link"}
STEP = {"joint": "elbow", "translation": [0, 0, -0.2], "rpy": [0, 0, 0], "axis": [0, 1, 0]}


FOOT = {"steps": [STEP], "offset": [0, 0, -0.1], "radius": 0.02}
SAFETY = {"soft_start": 0.08, "stale_after": 0.06, "damping": [0.4, 0.2]}


def loaded(folder, interface: str = "effort", joint: dict[str, Any] | None = None, **top: Any):
    """The robot with another interface, changes to its shoulder and further keys at the top."""

    def change(data: dict[str, Any]) -> None:
        data["control"]["interface"] = interface
        data["joints"][0].update(joint or {})
        data.update(top)

    return load_robot(write_robot(folder, change))


def test_gains_belong_to_a_position_command(tmp_path):
    spec = loaded(tmp_path, "position", {"kp": 40.0, "kd": 0.5})
    assert [joint.gains for joint in spec.joints] == [Gains(40.0, 0.5), None]


def test_actions_map_onto_their_own_range(tmp_path):
    layout = ActionLayout(loaded(tmp_path, "position", {"action": [0.0, 0.5]}))
    # shoulder 0 to 0.5: centre 0.25; elbow its limits -1 to 2.5: centre 0.75, half 1.75
    command = layout.to_command(np.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 0.4]]))
    np.testing.assert_allclose(command, [[0.0, -1.0], [0.25, 0.75], [0.5, 1.45]], atol=1e-12)
    # A command outside the range asks for more than 1: (1.5 - 0.25) / 0.25 = 5.
    np.testing.assert_allclose(layout.to_action(np.array([[1.5, 0.75]])), [[5.0, 0.0]], atol=1e-12)


def test_a_passive_joint_has_no_action_and_no_torque(tmp_path):
    spec = with_passive(two_joints(tmp_path), "shoulder")
    layout = ActionLayout(spec)
    assert layout.size == 1
    assert layout.to_command(np.array([[0.5], [-1.0]])).tolist() == [[0.0, 0.75], [0.0, -1.5]]
    assert layout.to_action(np.array([[2.0, 0.75]])).tolist() == [[0.5]]
    # In safe mode, too: damping of 0.4 and 0.2 N m s/rad at 2 rad/s would be -0.8 and -0.4 N m.
    filter_, broken = SafetyFilter(spec), np.array([[0.0, np.nan]])
    safe = [filter_.certify(broken, moving(step, (2.0, 2.0))) for step in range(3)][-1]
    assert safe.command.tolist() == [[0.0, -0.4]]


def test_a_passive_joint_in_the_file_is_the_same(tmp_path):
    spec = loaded(tmp_path, joint={"passive": True})
    assert spec == with_passive(two_joints(tmp_path), "shoulder")
    assert spec.digest != two_joints(tmp_path).digest


def test_acrobot_and_pendubot_are_one_robot():
    robot = load_robot("double_pendulum")
    acrobot, pendubot = with_passive(robot, "shoulder"), with_passive(robot, "elbow")
    assert [ActionLayout(spec).size for spec in (robot, acrobot, pendubot)] == [2, 1, 1]
    assert ActionLayout(acrobot).to_command(np.array([[1.0]])).tolist() == [[0.0, 10.0]]
    assert ActionLayout(pendubot).to_command(np.array([[1.0]])).tolist() == [[10.0, 0.0]]
    assert len({spec.digest for spec in (robot, acrobot, pendubot)}) == 3


@pytest.mark.parametrize(
    ("joints", "interface", "says"),
    [
        (("wrist",), "effort", "no joint 'wrist'; valid: shoulder, elbow"),
        (("shoulder", "elbow"), "effort", "all joints are passive"),
        (("elbow",), "position", "'elbow' is passive, which needs the interface effort, not position"),
    ],
)
def test_what_may_not_be_passive(tmp_path, joints, interface, says):
    with pytest.raises(RobotSpecError, match=says):
        with_passive(two_joints(tmp_path, interface), *joints)


def test_an_imu_and_a_tool_are_read(tmp_path):
    (tmp_path / "more").mkdir()
    model = MODEL.replace('<body name="upper">', '<body name="upper"><site name="imu"/>')
    path = write_robot(
        tmp_path, lambda data: data.update(imu=IMU, tool={"steps": [STEP], "offset": [0, 0, 1]})
    )
    (tmp_path / "arm.xml").write_text(model)
    spec = load_robot(path)
    assert spec.imu is not None
    assert (spec.imu.site, spec.imu.topic, spec.imu.frame) == ("imu", "imu", "imu_link")
    assert spec.tool is not None
    assert spec.tool.steps[0].translation == (0.0, 0.0, -0.2)
    assert spec.tool.offset == (0.0, 0.0, 1.0)


def test_feet_and_torque_sensors_are_read(tmp_path):
    spec = loaded(tmp_path, feet=[FOOT, FOOT | {"radius": 0}], effort_sensor={"sustained": 0.1})
    assert [foot.radius for foot in spec.feet] == [0.02, 0.0]
    assert spec.feet[0].chain.offset == (0.0, 0.0, -0.1)
    assert spec.effort_sensor == EffortSensor(sustained=0.1, margin=1.0)
    assert loaded(tmp_path, effort_sensor={"sustained": 0, "margin": 1.5}).effort_sensor == EffortSensor(
        0.0, 1.5
    )


def test_an_identity_names_only_the_options_that_are_there(tmp_path):
    """Bundles from before there were such options are still those of robots without them."""
    later = {"feet", "effort_sensor", "base_height", "servo_effort"}
    assert not later & loaded(tmp_path).identity().keys()
    assert later & loaded(tmp_path, feet=[FOOT]).identity().keys() == {"feet"}
    assert later & load_robot("go2").identity().keys() == {"feet", "base_height"}


def test_a_model_of_the_menagerie_is_not_looked_for(tmp_path):
    assert loaded(tmp_path, model="menagerie:unitree_go2/go2.xml").model == "menagerie:unitree_go2/go2.xml"


@pytest.mark.parametrize(
    "change",
    [
        {"joint": {"action": [-1.0, 1.0]}},
        {"joint": {"default_position": 0.3}},
        {"joint": {"kp": 40.0, "kd": 0.5}},
        {"tool": {"steps": [STEP], "offset": [0, 0, 1]}},
        {"feet": [FOOT]},
        {"effort_sensor": {"sustained": 0.1}},
        {"joint": {"kp": 40.0, "kd": 0.5}, "safety": SAFETY | {"servo_effort": 1.0}},
    ],
)
def test_the_digest_follows_the_options(tmp_path, change):
    before = two_joints(tmp_path, "position").digest
    assert loaded(tmp_path, "position", **change).digest != before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"joint": {"kp": 40.0}}, "joints[0]: kp without kd; give both or neither"),
        ({"joint": {"kp": 0.0, "kd": 1.0}}, "joints[0].kp: expected a number above 0, got 0.0"),
        ({"joint": {"kp": 1.0, "kd": -1.0}}, "joints[0].kd: expected a number from 0, got -1.0"),
        ({"interface": "effort", "joint": {"kp": 1.0, "kd": 1.0}}, "joints[0].kp: only for control.interface position"),
        ({"joint": {"action": [1.0, 1.0]}}, "joints[0].action: expected [lowest, highest], got [1.0, 1.0]"),
        ({"joint": {"action": 1.0}}, "joints[0].action: expected [lowest, highest] in rad, got 1.0"),
        ({"joint": {"passive": 1}}, "joints[0].passive: expected true or false, got 1"),
        ({"joint": {"passive": True}}, "joints: joint 'shoulder' is passive, which needs the interface effort"),
        (
            {"interface": "effort", "joint": {"passive": True, "action": [-1.0, 1.0]}},
            "joints[0].action: a passive joint has no action; remove one of the two",
        ),
        ({"imu": {"site": "imu"}}, "imu: missing key 'topic'; needed: site, topic, frame"),
        ({"imu": IMU}, "imu.site: 'imu' is not a site of arm.xml; valid: none, the model has no sites"),
        ({"tool": {"steps": [], "offset": [0, 0, 0]}}, "tool.steps: expected a list with at least one step, got []"),
        ({"tool": {"steps": [STEP], "offset": [0, 0]}}, "tool.offset: expected three numbers [x, y, z], got [0, 0]"),
        (
            {"tool": {"steps": [STEP | {"joint": "wrist"}], "offset": [0, 0, 0]}},
            "tool.steps[0].joint: got 'wrist'; valid: shoulder, elbow",
        ),
        (
            {"tool": {"steps": [STEP | {"axis": [0, 2, 0]}], "offset": [0, 0, 0]}},
            "tool.steps[0].axis: expected a unit vector, got [0.0, 2.0, 0.0]",
        ),
        ({"feet": []}, "feet: expected a list with at least one foot, got []"),
        ({"feet": [FOOT | {"radius": -1}]}, "feet[0].radius: expected a number from 0, got -1.0"),
        ({"feet": [FOOT, {"steps": [STEP]}]}, "feet[1]: missing key 'offset'; needed: steps, offset, radius"),
        (
            {"feet": [FOOT | {"steps": [STEP | {"joint": "wrist"}]}]},
            "feet[0].steps[0].joint: got 'wrist'; valid: shoulder, elbow",
        ),
        ({"effort_sensor": {}}, "effort_sensor: missing key 'sustained'; needed: sustained"),
        ({"effort_sensor": {"sustained": -1}}, "effort_sensor.sustained: expected a number from 0, got -1.0"),
        (
            {"effort_sensor": {"sustained": 0, "margin": 0.9}},
            "effort_sensor.margin: expected at least 1, of the joints' effort, got 0.9",
        ),
        (
            {"safety": SAFETY | {"servo_effort": 1.0}},
            "safety.servo_effort: no joint has kp and kd; remove it or give those of the servos",
        ),
        (
            {"joint": {"kp": 1.0, "kd": 0.0}, "safety": SAFETY | {"servo_effort": 0}},
            "safety.servo_effort: expected a number above 0, got 0.0",
        ),
        (
            {"safety": SAFETY | {"base_height": 0.1}},
            "safety.base_height: the robot has no feet to measure it from; remove one or add the other",
        ),
        (
            {"feet": [FOOT], "safety": SAFETY | {"base_height": 0.1}},
            "safety.base_height: the robot has no imu to tell what is below; remove one or add the other",
        ),
        (
            {"feet": [FOOT], "imu": IMU, "safety": SAFETY | {"base_height": 0}},
            "safety.base_height: expected a number above 0, got 0.0",
        ),
        ({"model": "menagerie:go2"}, "model: expected menagerie:<model>/<file>.xml, got 'menagerie:go2'"),
        ({"model": "menagerie:go2/../x.xml"}, "model: expected menagerie:<model>/<file>.xml"),
    ],
)  # fmt: skip
def test_an_error_names_the_key_and_what_would_be_valid(tmp_path, change, says):
    with pytest.raises(RobotSpecError) as caught:
        loaded(tmp_path, **({"interface": "position"} | change))
    assert f"{tmp_path / 'robot.yaml'}: {says}" in str(caught.value)
