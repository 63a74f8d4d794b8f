"""`RobotSpec`: what is read is what stands there, what is wrong is named, and the pendulum is the published one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from robots import RobotSpecError, UnknownRobotError, load_robot, robot_names
from robots.errors import RobotError, UserError
from robots.loading import ROOT
from tests.robots.two_joints import MODEL, two_joints, write_robot

Robot = dict[str, Any]


def delete(*keys: Any) -> Callable[[Robot], None]:
    def change(data: Any) -> None:
        for key in keys[:-1]:
            data = data[key]
        del data[keys[-1]]

    return change


def put(value: Any, *keys: Any) -> Callable[[Robot], None]:
    def change(data: Any) -> None:
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    return change


def test_reads_what_stands_there(tmp_path):
    spec = two_joints(tmp_path)
    assert (spec.name, spec.period, spec.interface) == ("two_joints", 0.02, "effort")
    assert spec.joint_names == ("shoulder", "elbow")
    assert spec.model == tmp_path / "arm.xml"
    assert spec.position_limits.tolist() == [[-2.0, -1.0], [1.5, 2.5]]
    assert spec.velocity_limit.tolist() == [4.0, 6.0]
    assert spec.command_rate.tolist() == [20.0, 30.0]
    assert [joint.default_position for joint in spec.joints] == [0.25, 0.5]
    assert (spec.safety.soft_start, spec.safety.stale_after) == (0.08, 0.06)
    assert spec.safety.damping == (0.4, 0.2)
    assert (spec.ros.joint_states, spec.ros.commands, spec.ros.frame) == (
        "joint_states",
        "commands",
        "base_link",
    )


@pytest.mark.parametrize(
    ("interface", "limits"),
    [
        ("effort", [[-3.0, -1.5], [3.0, 1.5]]),
        ("velocity", [[-4.0, -6.0], [4.0, 6.0]]),
        ("position", [[-2.0, -1.0], [1.5, 2.5]]),
    ],
)
def test_command_limits_are_those_of_the_interface(tmp_path, interface, limits):
    assert two_joints(tmp_path, interface).command_limits.tolist() == limits


def test_a_folder_or_a_path_will_do(tmp_path):
    path = write_robot(tmp_path)
    assert load_robot(tmp_path) == load_robot(path) == load_robot(str(path))


@pytest.mark.parametrize(
    "change",
    [
        put("other", "name"),
        put(0.01, "control", "period"),
        put("velocity", "control", "interface"),
        put([-2.0, 1.4], "joints", 0, "position"),
        put(5.0, "joints", 0, "velocity"),
        put(1.6, "joints", 1, "effort"),
        put(31.0, "joints", 1, "command_rate"),
        lambda data: data["joints"].reverse(),
    ],
)
def test_the_digest_follows_everything_a_bundle_must_agree_with(tmp_path, change):
    before = load_robot(write_robot(tmp_path)).digest
    assert load_robot(write_robot(tmp_path, change)).digest != before


def test_the_digest_ignores_words_and_topics(tmp_path):
    spec = two_joints(tmp_path)
    reworded = replace(spec, description="x", ros=replace(spec.ros, commands="elsewhere"))
    assert reworded.digest == spec.digest


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        (put(1, "colour"), "top level", "unknown key 'colour'; valid: name, description, model"),
        (put(1, "joints", 1, "torque"), "joints[1]", "unknown key 'torque'; valid: name, position, velocity"),
        (put(1, "ros", "topic"), "ros", "unknown key 'topic'; valid: joint_states, commands"),
        (delete("safety"), "top level", "missing key 'safety'; needed: name,"),
        (delete("joints", 0, "effort"), "joints[0]", "missing key 'effort'; needed: name, position"),
        (delete("joints", 1, "position"), "joints[1]", "missing key 'position'"),
        (delete("joints", 1, "command_rate"), "joints[1]", "missing key 'command_rate'"),
        (put("wrist", "joints", 1, "name"), "joints[1].name", "not a joint of arm.xml; valid: shoulder, elbow"),
        (put("shoulder", "joints", 1, "name"), "joints", "'shoulder' stands there twice"),
        (put([1.5, -2.0], "joints", 0, "position"), "joints[0].position", "not inside [1.5, -2.0]"),
        (put([0.25, 0.25], "joints", 0, "position"), "joints[0].position", "not inside [0.25, 0.25]"),
        (put(1.6, "joints", 0, "default_position"), "joints[0].position", "1.6 (default_position) is not inside"),
        (put([-2.0], "joints", 0, "position"), "joints[0].position", "expected [lowest, highest] in rad, got [-2.0]"),
        (put([-2.0, float("inf")], "joints", 0, "position"), "joints[0].position", "finite number, got inf"),
        (put(float("nan"), "joints", 0, "velocity"), "joints[0].velocity", "finite number, got nan"),
        (put(-4.0, "joints", 0, "velocity"), "joints[0].velocity", "above 0, got -4.0"),
        (put(0, "joints", 1, "effort"), "joints[1].effort", "above 0, got 0.0"),
        (put("fast", "joints", 1, "velocity"), "joints[1].velocity", "finite number, got 'fast'"),
        (put(True, "joints", 1, "velocity"), "joints[1].velocity", "finite number, got True"),
        (put(None, "joints", 1, "name"), "joints[1].name", "expected text, got None"),
        (put([], "joints"), "joints", "at least one joint, got []"),
        (put({}, "joints"), "joints", "at least one joint, got {}"),
        (put("knee", "joints", 0), "joints[0]", "expected a mapping with the keys name,"),
        (put("torque", "control", "interface"), "control.interface", "got 'torque'; valid: position, velocity, effort"),
        (put(0.0, "control", "period"), "control.period", "above 0, got 0.0"),
        (put([0.4], "safety", "damping"), "safety.damping", "expected a list with 2 number(s), got [0.4]"),
        (put([0.4, -0.1], "safety", "damping"), "safety.damping", "above 0, got -0.1"),
        (put(-0.1, "safety", "recovery"), "safety.recovery", "expected a number from 0, got -0.1"),
        (put(1.0, "safety", "tilt"), "safety.tilt", "the robot has no imu to measure it"),
        (
            put(0, "joints", 1, "command_acceleration"),
            "joints[1].command_acceleration",
            "expected a number above 0, got 0.0",
        ),
        (put(0.0, "safety", "soft_start"), "safety.soft_start", "above 0, got 0.0"),
        (put("Joy", "ros", "command_type"), "ros.command_type", "got 'Joy'; valid: std_msgs/Float64MultiArray"),
        (put("/joint_states", "ros", "joint_states"), "ros.joint_states", "expected a relative topic"),
        (put("two words", "ros", "commands"), "ros.commands", "expected a relative topic"),
        (put(["elbow"], "ros", "command_joints"), "ros.command_joints", "joint 'shoulder' is missing"),
        (put(["elbow", "elbow"], "ros", "command_joints"), "ros.command_joints", "stands there twice"),
        (put(["knee"], "ros", "command_joints"), "ros.command_joints", "got 'knee'; valid: shoulder, elbow"),
        (put("elbow", "ros", "command_joints"), "ros.command_joints", "expected a list of joints"),
        (put(" ", "ros", "frame"), "ros.frame", "expected text, got ' '"),
        (put("leg.xml", "model"), "model", "no such file:"),
    ],
)  # fmt: skip
def test_an_error_names_file_key_and_what_would_be_valid(tmp_path, change, key, says):
    path = write_robot(tmp_path, change)
    with pytest.raises(RobotSpecError) as caught:
        load_robot(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {key}: ")
    assert says in message


@pytest.mark.parametrize("text", ["name: [unclosed", "joints: {a: 1}}", "\tname: x"])
def test_malformed_yaml_names_the_file_and_the_line(tmp_path, text):
    path = write_robot(tmp_path)
    path.write_text(text)
    with pytest.raises(RobotSpecError, match="not valid YAML") as caught:
        load_robot(path)
    assert str(path) in str(caught.value)
    assert "line 1" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"- a list\n", b"only text"])
def test_yaml_that_is_no_mapping_is_refused(tmp_path, content):
    path = write_robot(tmp_path)
    path.write_bytes(content)
    with pytest.raises(RobotSpecError, match="top level: expected a mapping with the keys name, description"):
        load_robot(path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = write_robot(tmp_path)
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(RobotSpecError, match="not valid YAML"):
        load_robot(path)


def test_a_malformed_model_is_named(tmp_path):
    path = write_robot(tmp_path)
    (tmp_path / "arm.xml").write_text(MODEL.replace("</mujoco>", ""))
    with pytest.raises(RobotSpecError, match=r"arm\.xml: not valid MJCF"):
        load_robot(path)


@pytest.mark.parametrize(
    "name", ["pendulun", "", "pendulum/robot.json", "/nowhere/robot.yaml", "../pendulum"]
)
def test_an_unknown_robot_names_the_valid_ones(name):
    with pytest.raises(UnknownRobotError) as caught:
        load_robot(name)
    assert f"unknown robot {name!r}: expected one of" in str(caught.value)
    assert all(valid in str(caught.value) for valid in robot_names())


def test_a_missing_file_is_an_unknown_robot(tmp_path):
    for path in (tmp_path, tmp_path / "robot.yaml", tmp_path / "robot.txt"):
        with pytest.raises(
            UnknownRobotError, match=r"expected one of .*pendulum.*or the path of a robot\.yaml"
        ):
            load_robot(path)


def test_one_base_for_what_a_user_can_mend():
    assert issubclass(RobotSpecError, RobotError)
    assert issubclass(UnknownRobotError, RobotError)
    assert issubclass(RobotError, UserError)


@pytest.mark.parametrize("name", robot_names())
def test_every_registered_robot_agrees_with_its_model(name):
    spec = load_robot(name)
    model = mujoco.MjModel.from_xml_path(str(spec.model))
    driven = {model.joint(joint).name for joint in model.actuator_trnid[:, 0]}
    assert spec.name == name
    assert spec == load_robot(Path(ROOT) / name)
    assert driven == set(spec.joint_names)
    period = spec.period / model.opt.timestep
    assert period == pytest.approx(round(period), abs=1e-9)
    for joint in spec.joints:
        actuator = model.actuator(joint.name)
        # The working limit may not ask for more than the simulated drive can give.
        assert joint.effort <= (actuator.ctrlrange if spec.interface == "effort" else actuator.forcerange)[1]
        if joint.gains:
            assert (joint.gains.kp, joint.gains.kd) == (actuator.gainprm[0], -actuator.biasprm[2])


@pytest.mark.parametrize("name", robot_names())
def test_every_registered_robot_is_used_within_its_limits(name):
    spec = load_robot(name)
    low, high = spec.action_range
    assert (low >= spec.command_limits[0]).all()
    assert (high <= spec.command_limits[1]).all()
    if spec.interface == "position":
        # Action 0 is the pose at rest.
        np.testing.assert_allclose((low + high) / 2, spec.default_position, atol=1e-12)
    assert load_robot(name).digest == spec.digest


@pytest.fixture
def pendulum() -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = mujoco.MjModel.from_xml_path(str(load_robot("pendulum").model))
    return model, mujoco.MjData(model)


def test_the_pendulum_has_the_published_masses(pendulum):
    # DFKI RIC: point mass 0.546 kg at 0.5 m, 0.676 kg in all, centre of mass 0.45 m from the pivot.
    model, data = pendulum
    mujoco.mj_forward(model, data)
    assert model.body("payload").mass[0] == 0.546
    assert data.body("payload").xpos.tolist() == [0.0, 0.0, -0.5]
    assert model.body("rod").subtreemass[0] == pytest.approx(0.676, abs=1e-12)
    # (0.130 * 0.240 + 0.546 * 0.500) / 0.676 = (0.0312 + 0.2730) / 0.676 = 0.4500
    assert data.body("rod").subtree_com[2] == pytest.approx(-0.45, abs=1e-12)


def test_the_pendulum_has_the_published_inertia(pendulum):
    model, data = pendulum
    mujoco.mj_forward(model, data)
    # Rotor 6.07e-5 kg m^2 behind 6:1: 36 * 6.07e-5 = 2.1852e-3.
    assert model.joint("pivot").armature[0] == pytest.approx(2.1852e-3, rel=2e-4)
    # Point mass 0.546 * 0.5^2 = 0.13650; rod 0.130 * 0.24^2 + 0.130 * 0.5^2 / 12 = 0.007488 + 0.002708;
    # rotor 0.002185. Together 0.148881 kg m^2.
    unit = np.zeros(1)
    mujoco.mj_solveM(model, data, unit, np.ones(1))
    assert 1 / unit[0] == pytest.approx(0.148881, abs=2e-5)


def test_the_pendulum_hangs_at_zero_and_stands_at_pi(pendulum):
    model, data = pendulum
    for angle, place in ((0.0, [0, 0, -0.5]), (np.pi / 2, [0.5, 0, 0]), (np.pi, [0, 0, 0.5])):
        data.qpos[0] = angle
        mujoco.mj_forward(model, data)
        np.testing.assert_allclose(data.body("payload").xpos, place, atol=1e-12)
        # m g l = 9.81 * 0.676 * 0.45 = 9.81 * 0.3042 = 2.9842 N m at the horizontal.
        assert data.qfrc_bias[0] == pytest.approx(2.9842 * np.sin(angle), abs=1e-4)


def test_the_pendulums_limits_fit_its_drive():
    joint = load_robot("pendulum").joints[0]
    # T-Motor AK80-6: rated 6 N m, 38.2 rad/s without load. m g l = 2.98 N m is more: it must swing to get up.
    assert joint.effort < 2.98 < 6.0
    # A free fall from upright ends at sqrt(4 m g l / I) = sqrt(4 * 2.984 / 0.1489) = 8.95 rad/s.
    assert 8.95 < joint.velocity < 38.2
    # The balance at +-pi needs a full turn either way inside the limits.
    assert joint.position[0] < -2 * np.pi
    assert joint.position[1] > 2 * np.pi
