"""A small arm of two unlike joints, written to a folder: every joint index and every interface shows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from robots import RobotSpec, load_robot
from robots.body import Body
from robots.kinematics import Chain

MODEL = """<mujoco model="two_joints">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.005" integrator="implicitfast"><flag contact="disable"/></option>
  <worldbody>
    <body name="upper">
      <joint name="shoulder" type="hinge" axis="0 1 0" damping="0.3" frictionloss="0.05" armature="0.01"/>
      <inertial pos="0 0 -0.1" mass="0.5" diaginertia="2e-3 2e-3 1e-4"/>
      <body name="lower" pos="0 0 -0.2">
        <joint name="elbow" type="hinge" axis="0 1 0" damping="0.2" frictionloss="0.02" armature="0.01"/>
        <inertial pos="0 0 -0.1" mass="0.3" diaginertia="1e-3 1e-3 1e-4"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="elbow" joint="elbow" delay="0.01" nsample="8" interp="linear"/>
    <motor name="shoulder" joint="shoulder" delay="0.01" nsample="8" interp="linear"/>
  </actuator>
</mujoco>
"""

ROBOT: dict[str, Any] = {
    "name": "two_joints",
    "description": "two unlike joints",
    "model": "arm.xml",
    "control": {"period": 0.02, "interface": "effort"},
    "joints": [
        {
            "name": "shoulder",
            "position": [-2.0, 1.5],
            "velocity": 4.0,
            "effort": 3.0,
            "command_rate": 20.0,
            "default_position": 0.25,
        },
        {
            "name": "elbow",
            "position": [-1.0, 2.5],
            "velocity": 6.0,
            "effort": 1.5,
            "command_rate": 30.0,
            "default_position": 0.5,
        },
    ],
    "safety": {"soft_start": 0.08, "stale_after": 0.06, "damping": [0.4, 0.2]},
    "ros": {
        "joint_states": "joint_states",
        "commands": "commands",
        "command_type": "std_msgs/Float64MultiArray",
        "frame": "base_link",
    },
}


def write_robot(folder: Path, change: Callable[[dict[str, Any]], Any] | None = None) -> Path:
    """Writes the robot, after `change` was made to its description; returns the path of its robot.yaml."""
    data = copy.deepcopy(ROBOT)
    if change is not None:
        change(data)
    (folder / "arm.xml").write_text(MODEL)
    path = folder / "robot.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def two_joints(folder: Path, interface: str = "effort") -> RobotSpec:
    """The robot with a command interface of choice."""
    return load_robot(write_robot(folder, lambda data: data["control"].update(interface=interface)))


def body(joints: int = 2, imu: bool = False, tool: Chain | None = None) -> Body:
    """What observation and reward need to know of a robot; default positions 0.25, 0.5, 0.75 ... rad."""
    names = tuple(f"joint{index}" for index in range(joints))
    return Body("made_up", names, tuple(0.25 * (index + 1) for index in range(joints)), imu, tool, joints)
