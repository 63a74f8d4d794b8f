"""Forward kinematics, by hand for small chains and against MuJoCo for every robot with a tool."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from robots import load_robot, robot_names
from robots.kinematics import Chain, ChainStep, ForwardKinematics, rotation

ORIGIN = (0.0, 0.0, 0.0)
Z = (0.0, 0.0, 1.0)
ELBOW = Chain(
    (ChainStep("first", ORIGIN, ORIGIN, Z), ChainStep("second", (0.4, 0.0, 0.0), ORIGIN, Z)), (0.3, 0.0, 0.1)
)
WITH_FEET = [name for name in robot_names() if load_robot(name).feet]
WITH_TOOL = [name for name in robot_names() if load_robot(name).tool]


def test_a_planar_arm_by_hand():
    kinematics = ForwardKinematics(ELBOW, ("first", "second"))
    tool = kinematics(np.array([[0.0, 0.0], [np.pi / 2, 0.0], [np.pi / 2, -np.pi / 2], [0.0, np.pi]]))
    # Links of 0.4 and 0.3 m in a plane, the tool 0.1 m above it.
    expected = [[0.7, 0.0, 0.1], [0.0, 0.7, 0.1], [0.3, 0.4, 0.1], [0.1, 0.0, 0.1]]
    np.testing.assert_allclose(tool, expected, atol=1e-12)


def test_joints_are_found_by_name():
    tool = ForwardKinematics(ELBOW, ("other", "second", "first"))(np.array([[9.0, -np.pi / 2, np.pi / 2]]))
    np.testing.assert_allclose(tool, [[0.3, 0.4, 0.1]], atol=1e-12)


def test_roll_pitch_yaw_is_that_of_urdf():
    # Roll about x, then pitch about the fixed y, then yaw about the fixed z: x -> x -> -z -> -z.
    quarter = np.pi / 2
    np.testing.assert_allclose(rotation((quarter, quarter, quarter)) @ [1, 0, 0], [0, 0, -1], atol=1e-12)
    # y -> z -> x -> y
    np.testing.assert_allclose(rotation((quarter, quarter, quarter)) @ [0, 1, 0], [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize("name", WITH_TOOL)
def test_the_tool_is_where_mujoco_has_it(name):
    spec = load_robot(name)
    model = mujoco.MjModel.from_xml_path(str(spec.model))
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    low, high = spec.position_limits
    positions = rng.uniform(low, high, (500, len(spec.joints)))
    assert spec.tool is not None
    tools = ForwardKinematics(spec.tool, spec.joint_names)(positions)
    for position, tool in zip(positions, tools, strict=True):
        for joint, value in zip(spec.joint_names, position, strict=True):
            data.joint(joint).qpos[0] = value
        mujoco.mj_kinematics(model, data)
        np.testing.assert_allclose(tool, data.site("tool").xpos, atol=1e-9)


@pytest.mark.parametrize("name", WITH_TOOL)
def test_one_robot_is_the_same_as_among_many(name):
    spec = load_robot(name)
    assert spec.tool is not None
    kinematics = ForwardKinematics(spec.tool, spec.joint_names)
    low, high = spec.position_limits
    positions = np.random.default_rng(0).uniform(low, high, (100, len(spec.joints)))
    alone = np.concatenate([kinematics(position[None]) for position in positions])
    np.testing.assert_array_equal(kinematics(positions), alone)


@pytest.mark.parametrize("name", WITH_FEET)
def test_the_feet_are_where_mujoco_has_them(name):
    spec = load_robot(name)
    model = mujoco.MjModel.from_xml_path(str(spec.model))
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    low, high = spec.position_limits
    positions = rng.uniform(low, high, (500, len(spec.joints)))
    feet = np.stack(
        [ForwardKinematics(foot.chain, spec.joint_names)(positions) for foot in spec.feet], axis=1
    )
    data.qpos[:7] = (0, 0, 0, 1, 0, 0, 0)
    for position, places in zip(positions, feet, strict=True):
        data.qpos[7:] = position
        mujoco.mj_kinematics(model, data)
        for leg, place in zip(("FL", "FR", "RL", "RR"), places, strict=True):
            np.testing.assert_allclose(place, data.geom(leg).xpos, atol=1e-9)
    assert [foot.radius for foot in spec.feet] == [
        model.geom(leg).size[0] for leg in ("FL", "FR", "RL", "RR")
    ]


def test_the_arm_stretched_out_reaches_as_far_as_its_links():
    spec = load_robot("ur5e")
    assert spec.tool is not None
    tool = ForwardKinematics(spec.tool, spec.joint_names)(np.zeros((1, 6)))
    # Along -x: a2 + a3 = 0.8172. Along -y: d4 + d6 = 0.2329. Up: d1 - d5 = 0.0628 m.
    np.testing.assert_allclose(tool, [[-0.8172, -0.2329, 0.0628]], atol=1e-12)
