"""A made-up robot with a floating base, an IMU that is mounted askew, and two joints; written to a folder."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import yaml

from robots import RobotSpec, load_robot
from sim_tasks.batch_sim import BatchSim
from sim_tasks.plant import robot_plant
from sim_tasks.randomisation import Parameter, Target
from tests.robots.two_joints import ROBOT

MODEL = """<mujoco model="floating">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.01"><flag contact="disable"/></option>
  <worldbody>
    <body name="base" pos="0 0 1">
      <freejoint/>
      <inertial pos="0 0 0" mass="3" diaginertia="0.1 0.1 0.1"/>
      <site name="imu" quat="{mount}"/>
      <body name="upper" pos="0 0 -0.1">
        <joint name="shoulder" axis="0 1 0"/>
        <inertial pos="0 0 -0.1" mass="0.5" diaginertia="1e-3 1e-3 1e-3"/>
        <body name="lower" pos="0 0 -0.2">
          <site name="elsewhere"/>
          <joint name="elbow" axis="0 1 0"/>
          <inertial pos="0 0 -0.1" mass="0.3" diaginertia="1e-3 1e-3 1e-3"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator><motor name="shoulder" joint="shoulder"/><motor name="elbow" joint="elbow"/></actuator>
</mujoco>"""
LEVEL = "1 0 0 0"
PERIOD = 0.02
"""[s]."""


def floating(folder: Path, mount: str = LEVEL, site: str = "imu") -> RobotSpec:
    """The robot, its IMU turned by a quaternion w x y z, or sitting on another site."""
    data = copy.deepcopy(ROBOT) | {"name": "floating", "imu": {"site": site, "topic": "imu", "frame": "imu"}}
    (folder / "arm.xml").write_text(MODEL.format(mount=mount))
    (folder / "robot.yaml").write_text(yaml.safe_dump(data))
    return load_robot(folder / "robot.yaml")


def sensing(spec: RobotSpec, robots: int, **values: tuple[Target, float | np.ndarray]) -> BatchSim:
    """Simulations in which these targets have these values, for all or one by one."""
    parameters = [
        Parameter(name, "1", target, 0.0, max(float(np.max(value)), 1e-9), ood="none")
        for name, (target, value) in values.items()
    ]
    sim = BatchSim(robot_plant(spec), parameters, robots, threads=1)
    columns = [np.broadcast_to(value, robots) for _, value in values.values()]
    sim.set_parameters(np.arange(robots), np.stack(columns, axis=1) if columns else np.zeros((robots, 0)))
    return sim
