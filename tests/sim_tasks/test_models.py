"""Models: from MJCF, URDF and the Menagerie, with the actuators that are missing and room for delayed commands."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from robots import RobotSpec, load_robot, robot_names
from robots.spec import Gains, Imu
from sim_tasks.errors import TaskError
from sim_tasks.models import actuator_of, load_model
from tests.robots.two_joints import MODEL, two_joints

BARE = MODEL[: MODEL.index("  <actuator>")] + "</mujoco>\n"
URDF = """<robot name="two_joints">
  <link name="base"/>
  <link name="upper">
    <inertial><origin xyz="0 0 -0.1"/><mass value="0.5"/>
      <inertia ixx="2e-3" iyy="2e-3" izz="1e-4" ixy="0" ixz="0" iyz="0"/></inertial>
  </link>
  <link name="lower">
    <inertial><origin xyz="0 0 -0.1"/><mass value="0.3"/>
      <inertia ixx="1e-3" iyy="1e-3" izz="1e-4" ixy="0" ixz="0" iyz="0"/></inertial>
  </link>
  <link name="imu_link"/>
  <joint name="shoulder" type="revolute">
    <parent link="base"/><child link="upper"/><axis xyz="0 1 0"/>
    <limit lower="-2.0" upper="1.5" effort="3" velocity="4"/>
  </joint>
  <joint name="elbow" type="revolute">
    <parent link="upper"/><child link="lower"/><origin xyz="0 0 -0.2"/><axis xyz="0 1 0"/>
    <limit lower="-1.0" upper="2.5" effort="1.5" velocity="6"/>
  </joint>
  <joint name="imu_joint" type="fixed">
    <parent link="upper"/><child link="imu_link"/><origin xyz="0 0 -0.05"/>
  </joint>
</robot>
"""


def arm(folder: Path, interface: str, model: str = BARE, file: str = "arm.xml") -> RobotSpec:
    """The two-joint arm on another model file, without gains."""
    spec = two_joints(folder, interface)
    (folder / file).write_text(model)
    return replace(spec, model=folder / file)


def with_gains(spec: RobotSpec, kp: float, kd: float) -> RobotSpec:
    return replace(spec, joints=tuple(replace(joint, gains=Gains(kp, kd)) for joint in spec.joints))


def driven(model: mujoco.MjModel, joint: str, position: float, speed: float, command: float) -> float:
    """Torque in [N m] of a joint's actuator in one state and at one command."""
    data = mujoco.MjData(model)
    data.joint(joint).qpos[0], data.joint(joint).qvel[0] = position, speed
    data.ctrl[actuator_of(model, joint)] = command
    mujoco.mj_forward(model, data)
    return data.qfrc_actuator[model.joint(joint).dofadr[0]]


def test_a_missing_motor_gives_the_command_up_to_its_limit(tmp_path):
    model = load_model(arm(tmp_path, "effort"))
    assert model.nu == 2
    assert driven(model, "shoulder", 0.3, 1.0, 2.0) == pytest.approx(2.0)
    # shoulder 3 N m, elbow 1.5 N m
    assert driven(model, "shoulder", 0.3, 1.0, 9.0) == pytest.approx(3.0)
    assert driven(model, "elbow", 0.3, 1.0, -9.0) == pytest.approx(-1.5)


def test_a_missing_servo_has_the_gains_of_the_robot(tmp_path):
    model = load_model(with_gains(arm(tmp_path, "position"), kp=4.0, kd=0.5))
    # kp (command - position) - kd speed = 4 (0.7 - 0.3) - 0.5 * 1 = 1.1 N m
    assert driven(model, "shoulder", 0.3, 1.0, 0.7) == pytest.approx(1.1)
    # 4 (1.5 - 0.3) - 0.5 = 4.3 is beyond the effort of 3 N m; the command is first limited to 1.5 rad
    assert driven(model, "shoulder", 0.3, 1.0, 90.0) == pytest.approx(3.0)
    # 4 (2.5 - 2.3) - 0.5 * 0.2 = 0.7: the command of 90 rad counts as 2.5, the elbow's end
    assert driven(model, "elbow", 2.3, 0.2, 90.0) == pytest.approx(0.7)


def test_actuators_that_are_there_stay_as_they_are(tmp_path):
    spec = two_joints(tmp_path)
    model = load_model(spec)
    assert [model.actuator(index).name for index in range(model.nu)] == ["elbow", "shoulder"]
    assert driven(model, "shoulder", 0.0, 0.0, 9.0) == 0.0, "the model's own delay of 0.01 s stays"


@pytest.mark.parametrize(
    ("interface", "add"), [("position", "kp and kd in robot.yaml"), ("velocity", "<velocity> actuator")]
)
def test_a_joint_that_nothing_drives_says_what_to_add(tmp_path, interface, add):
    with pytest.raises(TaskError, match=f"joint 'shoulder' has no actuator; add .*{add}"):
        load_model(arm(tmp_path, interface))


@pytest.mark.parametrize("steps", [0, 1, 3, 8])
def test_a_command_arrives_after_its_delay(tmp_path, steps):
    """A time step of 5 ms, room for 40 ms: a delay of n steps shows in the torque of step n and not before."""
    model = load_model(arm(tmp_path, "effort"), max_delay=0.04)
    model.actuator_delay[:] = steps * 0.005
    data = mujoco.MjData(model)
    seen = []
    for _ in range(12):
        data.ctrl[:] = 1.0
        mujoco.mj_step(model, data)
        seen.append(data.qfrc_actuator[0])
    np.testing.assert_allclose(seen, [0.0] * steps + [1.0] * (12 - steps), atol=1e-9)


def test_without_a_delay_no_buffer_is_kept(tmp_path):
    assert load_model(arm(tmp_path, "effort")).nhistory == 0


def test_a_longer_buffer_of_the_model_is_kept(tmp_path):
    # The model's 8 samples are enough for 7 steps of 5 ms = 35 ms; 50 ms need 11.
    spec = two_joints(tmp_path)
    assert load_model(spec, max_delay=0.02).actuator_history[:, 0].tolist() == [8, 8]
    assert load_model(spec, max_delay=0.05).actuator_history[:, 0].tolist() == [11, 11]


def test_a_urdf_drives_like_the_mjcf(tmp_path):
    robot = arm(tmp_path, "effort", URDF, "arm.urdf")
    urdf, mjcf = load_model(robot), load_model(arm(tmp_path, "effort"))
    for model in (urdf, mjcf):
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_LIMIT)
        model.dof_damping[:], model.dof_frictionloss[:], model.dof_armature[:] = 0.3, 0.0, 0.01
    acceleration = []
    for model in (urdf, mjcf):
        data = mujoco.MjData(model)
        data.joint("shoulder").qpos[0], data.joint("elbow").qpos[0] = 0.4, -0.7
        data.ctrl[[actuator_of(model, name) for name in ("shoulder", "elbow")]] = 0.5, -0.2
        mujoco.mj_forward(model, data)
        acceleration.append([data.joint(name).qacc[0] for name in ("shoulder", "elbow")])
    np.testing.assert_allclose(acceleration[0], acceleration[1], rtol=1e-9)


def test_a_urdf_link_may_be_the_imu(tmp_path):
    robot = replace(arm(tmp_path, "effort", URDF, "arm.urdf"), imu=Imu("imu_link", "imu", "imu"))
    model = load_model(robot)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.site("imu_link").xpos, [0, 0, -0.05], atol=1e-12)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<mujoco><nonsense/></mujoco>", "MuJoCo cannot read it"),
        (BARE.replace('mass="0.3"', 'mass="-1"'), "cannot"),
    ],
)
def test_a_model_that_does_not_compile_is_named(tmp_path, text, says):
    spec = arm(tmp_path, "effort", text)
    with pytest.raises(TaskError, match=says) as caught:
        load_model(spec)
    assert "arm.xml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def menagerie(tmp_path, monkeypatch) -> Path:
    """The folder of a Menagerie on this machine, which its package is told to use."""
    pytest.importorskip("mujoco_menagerie")
    folder = tmp_path / "menagerie" / "unitree_go2"
    folder.mkdir(parents=True)
    (folder / "arm.xml").write_text(BARE)
    monkeypatch.setenv("MENAGERIE_ROOT", str(folder.parent))
    return folder


def test_a_model_of_the_menagerie(tmp_path, menagerie):
    spec = replace(two_joints(tmp_path), model="menagerie:unitree_go2/arm.xml")
    assert load_model(spec).nu == 2
    with pytest.raises(TaskError, match=r"no file 'go2\.xml' in .*unitree_go2; valid: arm\.xml"):
        load_model(replace(spec, model="menagerie:unitree_go2/go2.xml"))


def test_offline_names_the_cache_and_the_command(tmp_path, monkeypatch):
    pytest.importorskip("mujoco_menagerie")
    monkeypatch.delenv("MENAGERIE_ROOT", raising=False)
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MENAGERIE_BASE_URL", (tmp_path / "nowhere").as_uri())
    spec = replace(two_joints(tmp_path), model="menagerie:unitree_go2/go2.xml")
    with pytest.raises(TaskError, match="mujoco-menagerie prefetch unitree_go2") as caught:
        load_model(spec)
    assert str(tmp_path / "cache") in str(caught.value)


def test_without_the_package_the_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", None)
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", "/somewhere/cache")
    spec = replace(two_joints(tmp_path), model="menagerie:unitree_go2/go2.xml")
    with pytest.raises(TaskError, match="downloads into /somewhere/cache: pip install mujoco-menagerie"):
        load_model(spec)


@pytest.mark.parametrize("name", robot_names())
def test_every_registered_robot_loads(name):
    spec = load_robot(name)
    model = load_model(spec, max_delay=2 * spec.period)
    assert {actuator_of(model, joint) for joint in spec.joint_names} == set(range(model.nu))
    assert (model.actuator_history[:, 0] * model.opt.timestep > 2 * spec.period).all()
