"""`check_robot`: one deliberately broken robot per check, and what is said about it; our own robots pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from robots import robot_names
from sim_tasks.robot_check import Finding, check_robot, findings_table
from tests.robots.two_joints import ROBOT
from tests.sim_tasks.test_models import URDF

MODEL = """<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <body name="upper">
      <joint name="shoulder" axis="0 1 0" range="-2 1.5" armature="0.01"/>
      <inertial pos="0 0 -0.1" mass="0.5" diaginertia="2e-3 2e-3 1e-4"/>
      <site name="imu" pos="0 0 -0.1"/>
      <body name="lower" pos="0 0 -0.2">
        <joint name="elbow" axis="0 1 0" range="-1 2.5" armature="0.01"/>
        <inertial pos="0 0 -0.1" mass="0.3" diaginertia="1e-3 1e-3 1e-4"/>
        <site name="tool" pos="0 0 -0.2"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position name="shoulder" joint="shoulder" kp="40" kv="2" forcerange="-3 3"/>
    <position name="elbow" joint="elbow" kp="20" kv="1" forcerange="-1.5 1.5"/>
  </actuator>
</mujoco>
"""
MOTORS = MODEL.replace(' kp="40" kv="2"', "").replace(' kp="20" kv="1"', "").replace("<position", "<motor")
BOX = """<mujoco>
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <geom type="plane" size="0 0 1"/>
    <body name="base" pos="0 0 2">
      <freejoint/>
      <geom type="box" size="0.1 0.1 0.05" mass="2"/>
      <body name="leg">
        <joint name="shoulder" axis="0 1 0" armature="0.01"/>
        <geom type="capsule" fromto="0 0 0 0 0 0.3" size="0.02" mass="0.5"/>
      </body>
    </body>
  </worldbody>
  <actuator><position name="shoulder" joint="shoulder" kp="40" kv="2" forcerange="-3 3"/></actuator>
</mujoco>
"""
TOOL = {
    "steps": [
        {"joint": "shoulder", "translation": [0, 0, 0], "rpy": [0, 0, 0], "axis": [0, 1, 0]},
        {"joint": "elbow", "translation": [0, 0, -0.2], "rpy": [0, 0, 0], "axis": [0, 1, 0]},
    ],
    "offset": [0, 0, -0.2],
}
Robot = dict[str, Any]


def checked(
    folder: Path,
    change: Callable[[Robot], Any] | None = None,
    model: str = MODEL,
    interface: str = "position",
    file: str = "arm.xml",
) -> list[Finding]:
    """Findings about the two-joint arm with servos, after `change` was made to its description."""
    data = copy.deepcopy(ROBOT)
    data["control"]["interface"] = interface
    data["model"] = file
    if change is not None:
        change(data)
    (folder / file).write_text(model)
    (folder / "robot.yaml").write_text(yaml.safe_dump(data))
    return check_robot(folder)


def wrong(findings: list[Finding]) -> Finding:
    """The one finding that is not in order, but for what was not tried because of it."""
    bad = [finding for finding in findings if not finding.ok and finding.text != "not tried"]
    assert len(bad) == 1, findings_table(findings)
    return bad[0]


def joint(index: int, **values: Any) -> Callable[[Robot], None]:
    return lambda data: data["joints"][index].update(values)


@pytest.mark.parametrize("name", robot_names())
def test_our_robots_have_nothing_to_mend(name):
    findings = check_robot(name)
    assert all(finding.ok for finding in findings), findings_table(findings)
    assert findings[-1].check in ("hold test", "damping test")


@pytest.mark.parametrize(("model", "interface"), [(MODEL, "position"), (MOTORS, "effort")])
def test_a_sound_robot_passes_every_check(tmp_path, model, interface):
    findings = checked(tmp_path, model=model, interface=interface)
    assert all(finding.ok for finding in findings), findings_table(findings)
    assert findings_table(findings).endswith("nothing to mend")


def test_a_urdf_passes_with_gains_of_its_own(tmp_path):
    def with_gains(data: Robot) -> None:
        data["joints"][0].update(kp=40.0, kd=2.0)
        data["joints"][1].update(kp=20.0, kd=1.0)
        data["imu"] = {"site": "imu_link", "topic": "imu", "frame": "imu"}

    findings = checked(tmp_path, with_gains, URDF, file="arm.urdf")
    assert all(finding.ok for finding in findings), findings_table(findings)


BROKEN = {
    "unknown key": (
        "description", {"change": lambda data: data.update(colour=1)}, "unknown key 'colour'", "robot.yaml",
    ),
    "not a model": (
        "model", {"model": "<mujoco><joint name='shoulder'/><joint name='elbow'/></mujoco>"}, "cannot", "mend",
    ),
    "no actuator": (
        "drives",
        {"model": MODEL.replace("<position name=\"elbow\"", "<!--").replace('-1.5 1.5"/>', '" -->')},
        "'elbow' has no actuator",
        '<position name="elbow" joint="elbow" .../> to the model, or kp and kd to joints[1]',
    ),
    "two actuators": (
        "drives",
        {"model": MODEL.replace("</actuator>", '<motor joint="elbow"/></actuator>')},
        "'elbow' has 2 actuators", "leave one",
    ),
    "negative mass": ("inertias", {"model": MODEL.replace('"0.3"', '"-0.3"')}, "'lower' has mass -0.3 kg", "above 0"),
    # 1e-3 + 1e-4 = 1.1e-3 is less than 5e-3.
    "triangle": (
        "inertias",
        {"model": MODEL.replace("1e-3 1e-3 1e-4", "1e-3 5e-3 1e-4")},
        "0.0001, 0.001, 0.005", "lower the largest to 0.0011",
    ),
    # xx 1e-3, yy 1e-3, xy 2e-3: principal -1e-3 and 3e-3.
    "indefinite": (
        "inertias",
        {"model": MODEL.replace('diaginertia="1e-3 1e-3 1e-4"', 'fullinertia="1e-3 1e-3 1e-4 2e-3 0 0"')},
        "-0.001, 0.0001, 0.003", "signs and the order",
    ),
    "order": ("joints", {"change": lambda data: data["joints"].reverse()}, "another order", "list shoulder, elbow"),
    "slide": (
        "joints",
        {"model": MODEL.replace('name="elbow" axis', 'name="elbow" type="slide" axis')},
        "'elbow' does not turn", "hinge",
    ),
    "range": (
        "position limits", {"change": joint(0, position=[-2.0, 1.7])},
        "[-2.0, 1.7] rad is not inside the model's [-2, 1.5]", "joints[0].position (shoulder): [-2, 1.5]",
    ),
    # 360 deg/s = 6.283 rad/s
    "degrees": (
        "speeds", {"change": joint(1, velocity=360.0)}, "360 rad/s is faster", "joints[1].velocity (elbow): 6.283",
    ),
    # elbow: 3.5 rad at 0.1 rad/s takes 35 s; 0.35 rad/s takes 10.
    "crawl": (
        "speeds", {"change": joint(1, command_rate=0.1)}, "needs 35 s", "joints[1].command_rate (elbow): at least 0.35",
    ),
    "action": (
        "actions", {"change": joint(0, action=[-1.0, 2.0])},
        "actions reach [-1, 2], commands end at [-2, 1.5]", "joints[0].action (shoulder): [-1, 1.5]",
    ),
    # 20 ms / 6 ms = 3.33: 3 steps of 6.66667 ms
    "period": (
        "timing", {"model": MODEL.replace('timestep="0.005"', 'timestep="0.006"')},
        "3.33333 time steps of 0.006 s", '<option timestep="0.00666667"/>, or control.period: 0.018',
    ),
    "stale": (
        "timing", {"change": lambda data: data["safety"].update(stale_after=0.03)},
        "0.03 s stops the robot at one late reading", "at least 0.04",
    ),
    "gains": (
        "gains", {"change": joint(0, kp=30.0, kd=2.0)},
        "kp 30, kd 2 in robot.yaml; 40, 2 in the model", 'kp="30" kv="2"',
    ),
    "effort": (
        "efforts", {"change": joint(1, effort=2.0)},
        "2 N m is more than the 1.5 N m", "joints[1].effort (elbow): 1.5",
    ),
    "no torque limit": (
        "efforts", {"model": MODEL.replace(' forcerange="-3 3"', "")},
        "actuator of 'shoulder' has no torque limit", 'forcerange="-3 3"',
    ),
    "tool": (
        "tool", {"change": lambda data: data.update(tool=TOOL | {"offset": [0, 0, -0.3]})},
        "up to 0.1 m from the model's site 'tool'", "tool.steps",
    ),
    "stiff": (
        # Without damping a nudged servo rings on.
        "hold test",
        {"model": MODEL.replace('kv="2"', 'kv="0"').replace('kv="1"', 'kv="0"').replace("implicitfast", "RK4")},
        "still moves at", "2 sqrt(kp x inertia",
    ),
    # At 0.25 and 0.5 rad gravity pulls with 9.81 (0.05 sin 0.25 + 0.3 (0.2 sin 0.25 + 0.1 sin 0.75)) = 0.47 N m: more
    # than the 0.2 N m that a servo of 2 N m/rad gives at 0.1 rad.
    "soft": (
        "hold test", {"model": MODEL.replace('kp="40"', 'kp="2"')},
        "'shoulder' settles -", "joints[0].kp (shoulder) and the model's kp: at least",
    ),
    "diverges": (
        "hold test",
        {"model": MODEL.replace("implicitfast", "RK4").replace('kv="2"', 'kv="90"').replace("-3 3", "-1e9 1e9")},
        "diverged at a time step of 0.005 s", "a smaller timestep",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_said_with_what_to_change(tmp_path, case):
    check, arguments, text, mend = BROKEN[case]
    finding = wrong(checked(tmp_path, **arguments))
    assert finding.check == check
    assert text in finding.text
    assert mend in finding.mend


@pytest.mark.parametrize(
    ("interface", "model", "says"),
    [
        ("effort", MODEL, "interface is effort, the actuator of 'shoulder' takes position"),
        ("position", MOTORS, "interface is position, the actuator of 'shoulder' takes effort"),
        (
            "effort",
            MOTORS.replace("-3 3", '-3 3" gear="6'),
            "'shoulder' takes something else (its gear is not 1",
        ),
    ],
)
def test_actuators_of_another_kind(tmp_path, interface, model, says):
    findings = [finding for finding in checked(tmp_path, model=model, interface=interface) if not finding.ok]
    assert findings[0].check == "actuators"
    assert says in findings[0].text
    tag = "motor" if interface == "effort" else "position"
    assert f'<{tag} joint="shoulder" .../>' in findings[0].mend


def test_an_effort_robot_is_damped_instead_of_held(tmp_path):
    # Elbow, the shoulder free to follow: about 0.01 kg m^2. 5 N m s/rad for 0.02 s would turn its speed round tenfold.
    strong = lambda data: data["safety"].update(damping=[0.4, 5.0])  # noqa: E731
    finding = wrong(checked(tmp_path, strong, MOTORS, "effort"))
    assert finding.check == "damping test"
    assert "safety.damping of 'elbow', 5, turns a speed round" in finding.text
    assert "safety.damping[1]: at most 0." in finding.mend


def test_a_standing_robot_that_falls_over(tmp_path):
    """A box with a pole on its side: in the pose at rest it lies where it fell."""

    def one_joint(data: Robot) -> None:
        del data["joints"][1]
        data["safety"]["damping"] = [0.4]

    assert all(finding.ok for finding in checked(tmp_path, one_joint, BOX))
    on_edge = BOX.replace('<body name="base" pos="0 0 2">', '<body name="base" pos="0 0 2" euler="85 0 0">')
    finding = wrong(checked(tmp_path, one_joint, on_edge))
    assert finding.check == "hold test"
    assert "the robot leans by" in finding.text


def test_an_imu_that_is_not_there(tmp_path):
    sensed = lambda data: data.update(imu={"site": "nose", "topic": "imu", "frame": "imu"})  # noqa: E731
    finding = wrong(checked(tmp_path, sensed))
    assert finding.check == "description"
    assert "imu.site: 'nose' is not a site of arm.xml; valid: imu, tool" in finding.text
    finding = wrong(checked(tmp_path, sensed, URDF, "effort", "arm.urdf"))
    assert finding.check == "imu"
    assert "the name of a link" in finding.mend


def test_a_model_of_the_menagerie_offline(tmp_path, monkeypatch):
    pytest.importorskip("mujoco_menagerie")
    monkeypatch.delenv("MENAGERIE_ROOT", raising=False)
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MENAGERIE_BASE_URL", (tmp_path / "nowhere").as_uri())
    finding = wrong(checked(tmp_path, lambda data: data.update(model="menagerie:unitree_go2/go2.xml")))
    assert finding.check == "model"
    assert str(tmp_path / "cache") in finding.text


def test_a_robot_that_is_not_there_is_a_finding():
    finding = wrong(check_robot("no_such_robot"))
    assert "unknown robot 'no_such_robot'" in finding.text


def test_the_table_says_what_to_mend_below_what_is_wrong():
    findings = [Finding("joints", True, "all there"), Finding("gains", False, "too soft", "kp: 40")]
    lines = findings_table(findings).splitlines()
    assert lines == [
        "ok    joints  all there",
        "MEND  gains   too soft",
        "              -> kp: 40",
        "1 to mend",
    ]
