"""`SensorModel`: from the true state of N robots to what their sensors say.

Order: the truth, delayed; offset and bias; noise; a lost sample repeats the one before. Costs only for what some
parameter of the family randomises.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from robots import RobotSpec, SensorFrame
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.row_random import Rows

_GRAVITY_NORM = 1e-9


class SensorModel:
    """Joint encoders, and an IMU where the robot has one. J joints; C = 2 J, or 2 J + 6 with an IMU."""

    def __init__(self, spec: RobotSpec, sim: BatchSim):
        self.sim = sim
        self.joints = len(spec.joints)
        self.imu = _Imu(spec, sim) if spec.imu else None
        self.channels = 2 * self.joints + (6 if self.imu else 0)
        self._reading = np.zeros((sim.robots, self.channels))
        deepest = _deepest_delay(sim) / sim.plant.period
        depth = int(np.ceil(deepest)) + 2 if deepest else 0
        self._past = np.zeros((depth, sim.robots, self.channels))
        self._newest = 0
        self._rows = np.arange(sim.robots)
        joint, gyro = self.joints, slice(2 * self.joints, 2 * self.joints + 3)
        self._offsets = [("position_offset", slice(0, joint))]
        self._noises = [("position_noise", slice(0, joint)), ("velocity_noise", slice(joint, 2 * joint))]
        if self.imu is not None:
            self._offsets += [("gyro_bias", gyro)]
            self._noises += [("gyro_noise", gyro), ("gravity_noise", slice(2 * joint + 3, 2 * joint + 6))]

    def sense(self, random: Rows) -> SensorFrame:
        """What all robots' sensors say now, one control step after the last call."""
        reading = self._delayed(self._truth())
        everyone = slice(None)
        self._add_errors(reading, everyone, random)
        if (lost := self.sim.used("drop_probability")) is not None:
            repeats = random.random(self.sim.robots) < lost[:, 0]
            reading[repeats] = self._reading[repeats]
        self._reading = reading
        return self.frame()

    def restart(self, ids: np.ndarray, random: Rows) -> SensorFrame:
        """Robots `ids`, shape (n,), have been put elsewhere: their past is as their present, and is read anew."""
        truth = self._truth()[ids]
        self._past[:, ids] = truth
        self._add_errors(truth, ids, random)
        self._reading[ids] = truth
        return self.frame()

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        return {"past": self._past.copy(), "newest": self._newest, "reading": self._reading.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self._past[:] = np.asarray(state["past"]).reshape(self._past.shape)
        self._newest = int(state["newest"])
        self._reading = np.asarray(state["reading"]).copy()

    def _truth(self) -> np.ndarray:
        sim, joints = self.sim, self.joints
        truth = np.empty((sim.robots, self.channels))
        truth[:, :joints] = sim.qpos[:, sim.plant.qpos]
        truth[:, joints : 2 * joints] = sim.qvel[:, sim.plant.qvel]
        if self.imu is not None:
            self.imu.read(truth[:, 2 * joints :])
        return truth

    def _delayed(self, truth: np.ndarray) -> np.ndarray:
        """The truth of a while ago, between two control steps on a straight line."""
        if not len(self._past):
            return truth
        depth = len(self._past)
        self._newest = (self._newest + 1) % depth
        self._past[self._newest] = truth
        delay = self.sim.used("observation_delay")
        if delay is None:
            return truth
        steps = delay[:, 0] / self.sim.plant.period
        whole = np.floor(steps).astype(int)
        newer = self._past[(self._newest - whole) % depth, self._rows]
        older = self._past[(self._newest - whole - 1) % depth, self._rows]
        return newer + (steps - whole)[:, None] * (older - newer)

    def _add_errors(self, reading: np.ndarray, ids: np.ndarray | slice, random: Rows) -> None:
        """Adds offsets, biases and noise to the readings of robots `ids`, shape (n, C)."""
        for name, columns in self._offsets:
            if (offset := self.sim.used(name)) is not None:
                reading[:, columns] += offset[ids]
        for name, columns in self._noises:
            if (std := self.sim.used(name)) is not None:
                reading[:, columns] += std[ids] * random.standard_normal((len(reading), std.shape[1]))

    def frame(self) -> SensorFrame:
        """The newest reading, once more."""
        joints, stamp, reading = self.joints, self.sim.time.copy(), self._reading
        position, velocity = reading[:, :joints], reading[:, joints : 2 * joints]
        if self.imu is None:
            return SensorFrame(stamp, position, velocity)
        gravity = reading[:, 2 * joints + 3 :]
        gravity = gravity / np.maximum(np.linalg.norm(gravity, axis=1, keepdims=True), _GRAVITY_NORM)
        return SensorFrame(stamp, position, velocity, reading[:, 2 * joints : 2 * joints + 3], gravity)


class _Imu:
    """Angular velocity and the direction of gravity in the frame of a site on the floating base."""

    def __init__(self, spec: RobotSpec, sim: BatchSim):
        assert spec.imu is not None
        model = sim.model
        site = model.site(spec.imu.site)
        body = int(site.bodyid[0])
        joint = int(model.body_jntadr[body])
        if joint < 0 or model.jnt_type[joint] != 0:
            raise TaskError(
                f"{spec.name}: imu site {spec.imu.site!r} is on body {model.body(body).name!r}; "
                "it has to be on the floating base, the body with the free joint"
            )
        self.sim = sim
        address, dof = int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint])
        self._quaternion = slice(address + 3, address + 7)
        self._rate = slice(dof + 3, dof + 6)
        self._mount = rotation(site.quat[None])
        self._down = model.opt.gravity / max(float(np.linalg.norm(model.opt.gravity)), _GRAVITY_NORM)

    def read(self, out: np.ndarray) -> None:
        """Writes rate [rad/s] and gravity's direction. Shape (N, 6)."""
        down = self._down
        tilted = self.sim.expanded("opt.gravity")
        if tilted is not None:
            down = tilted / np.maximum(np.linalg.norm(tilted, axis=1, keepdims=True), _GRAVITY_NORM)
        body = rotation(self.sim.qpos[:, self._quaternion])
        out[:, :3] = rotate_back(self._mount, self.sim.qvel[:, self._rate])
        out[:, 3:] = rotate_back(self._mount, rotate_back(body, np.broadcast_to(down, (len(out), 3))))


def rotation(quaternion: np.ndarray) -> np.ndarray:
    """Rotation matrices, shape (n, 3, 3), of unit quaternions w x y z, shape (n, 4)."""
    w, x, y, z = quaternion.T
    out = np.empty((len(quaternion), 3, 3))
    out[:, 0, 0], out[:, 0, 1], out[:, 0, 2] = (
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
    )
    out[:, 1, 0], out[:, 1, 1], out[:, 1, 2] = (
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
    )
    out[:, 2, 0], out[:, 2, 1], out[:, 2, 2] = (
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    )
    return out


def rotate_back(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """R^T v of matrices (n or 1, 3, 3) and vectors (n, 3): world to body. Shape (n, 3).

    Written out, as a matrix product rounds differently for one simulation than for many.
    """
    x, y, z = vector[:, 0, None], vector[:, 1, None], vector[:, 2, None]
    return matrix[:, 0] * x + matrix[:, 1] * y + matrix[:, 2] * z


def _deepest_delay(sim: BatchSim) -> float:
    """Longest observation delay that a parameter may ask for, in [s]."""
    delays = [
        p.extremes(sim.model)[1]
        for p in sim.parameters
        if getattr(p.target, "name", "") == "observation_delay"
    ]
    return max(delays, default=0.0)
