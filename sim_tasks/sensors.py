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
_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])
"""Of the axes x, y, z."""


class SensorModel:
    """Joint encoders, and an IMU where the robot has one. J joints; C = 2 J, or 2 J + 6 with an IMU.

    `frame` is live: the next call overwrites it. Torque, where the robot measures it, is the motors' true one, at once
    and without noise: no policy observes it, the safety filter alone reads it.
    """

    def __init__(self, spec: RobotSpec, sim: BatchSim):
        self.sim = sim
        self.joints = len(spec.joints)
        self.imu = _Imu(spec, sim) if spec.imu else None
        self.channels = 2 * self.joints + (6 if self.imu else 0)
        self._reading, self._spare, self._older = np.zeros((3, sim.robots, self.channels))
        deepest = _deepest_delay(sim) / sim.plant.period
        depth = int(np.ceil(deepest)) + 2 if deepest else 0
        self._past = np.zeros((depth, sim.robots, self.channels))
        self._newest = 0
        self._rows = np.arange(sim.robots)
        self._noise = np.zeros((sim.robots, self.channels))
        self._torque = sim.bind("qfrc_actuator") if spec.effort_sensor else None
        self._effort = np.zeros((sim.robots, self.joints)) if spec.effort_sensor else None
        self.frame = self._frame_of(self._reading, sim.time.copy())
        """The newest reading of all robots."""

    def sense(self, random: Rows) -> SensorFrame:
        """What all robots' sensors say now, one control step after the last call."""
        reading, everyone = self._spare, slice(None)
        self._write_delayed(reading)
        self._add_errors(reading, everyone, random)
        if (lost := self.sim.used("drop_probability")) is not None:
            repeats = random.random(self.sim.robots) < lost[:, 0]
            np.copyto(reading, self._reading, where=repeats[:, None])
        self._reading, self._spare = reading, self._reading
        if self._effort is not None and self._torque is not None:
            self._effort[:] = self._torque[:, self.sim.plant.qvel]
        self.frame = self._frame_of(reading, self.sim.time.copy())
        return self.frame

    def restart(self, ids: np.ndarray, random: Rows) -> SensorFrame:
        """Robots `ids`, shape (n,), have been put elsewhere: their past is as their present, and is read anew.

        Returns:
            Their reading alone, n robots; it stands in `frame` too.
        """
        truth = np.empty((len(ids), self.channels))
        self._write_truth(truth, ids)
        self._past[:, ids] = truth
        self._add_errors(truth, ids, random)
        self._reading[ids] = truth
        if self._effort is not None:
            self._effort[ids] = 0.0  # no motor has been told anything yet
        frame = self._frame_of(truth, self.sim.time[ids], ids)
        self.frame.stamp[ids] = frame.stamp
        if self.frame.gravity is not None:
            self.frame.gravity[ids] = frame.gravity
        return frame

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        state = {"past": self._past.copy(), "newest": self._newest, "reading": self._reading.copy()}
        return state if self._effort is None else state | {"effort": self._effort.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self._past[:] = np.asarray(state["past"]).reshape(self._past.shape)
        self._newest = int(state["newest"])
        self._reading[:] = np.asarray(state["reading"])
        if self._effort is not None:
            self._effort[:] = np.asarray(state["effort"])
        self.frame = self._frame_of(self._reading, self.sim.time.copy())

    def _frame_of(
        self, reading: np.ndarray, stamp: np.ndarray, ids: np.ndarray | slice = slice(None)
    ) -> SensorFrame:
        """Readings, shape (n, C), at times, shape (n,), as frames of robots `ids`; views but for gravity."""
        joints, effort = self.joints, None if self._effort is None else self._effort[ids]
        position, velocity = reading[:, :joints], reading[:, joints : 2 * joints]
        if self.imu is None:
            return SensorFrame(stamp, position, velocity, effort=effort)
        gravity = _unit(reading[:, 2 * joints + 3 :])
        return SensorFrame(
            stamp, position, velocity, reading[:, 2 * joints : 2 * joints + 3], gravity, effort
        )

    def _write_truth(self, out: np.ndarray, ids: np.ndarray | slice) -> None:
        """The true state of robots `ids`, shape (n, C)."""
        sim, joints = self.sim, self.joints
        qpos, qvel = sim.qpos[ids], sim.qvel[ids]
        out[:, :joints] = qpos[:, sim.plant.qpos]
        out[:, joints : 2 * joints] = qvel[:, sim.plant.qvel]
        if self.imu is not None:
            self.imu.read(qpos, qvel, ids, out[:, 2 * joints :])

    def _write_delayed(self, out: np.ndarray) -> None:
        """The truth of a while ago, between two control steps on a straight line. Shape (N, C)."""
        depth, robots, everyone = len(self._past), self.sim.robots, slice(None)
        if not depth:
            self._write_truth(out, everyone)
            return
        self._newest = (self._newest + 1) % depth
        self._write_truth(self._past[self._newest], everyone)
        delay = self.sim.used("observation_delay")
        if delay is None:
            out[:] = self._past[self._newest]
            return
        steps = delay[:, 0] / self.sim.plant.period
        whole = np.floor(steps)
        newer = (self._newest - whole.astype(int)) % depth * robots + self._rows
        older = (newer - robots) % (depth * robots)
        flat = self._past.reshape(-1, self.channels)
        np.take(flat, newer, axis=0, out=out, mode="clip")
        np.take(flat, older, axis=0, out=self._older, mode="clip")
        self._older -= out
        self._older *= (steps - whole)[:, None]
        out += self._older

    def _add_errors(self, reading: np.ndarray, ids: np.ndarray | slice, random: Rows) -> None:
        """Adds offsets, biases and noise to the readings of robots `ids`, shape (n, C)."""
        sim, count = self.sim, self.channels
        if (offset := sim.channels("offset")) is not None:
            reading += offset[ids, :count]
        if (std := sim.channels("noise")) is not None:
            noise = random.standard_normal(reading.shape, self._noise[: len(reading)])
            noise *= std[ids, :count]
            reading += noise


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
        level = bool(np.array_equal(site.quat, [1.0, 0.0, 0.0, 0.0]))
        self._mount = None if level else rotation(site.quat[None])
        """How the IMU is turned on its body; None: not at all."""
        self._down = _unit(model.opt.gravity[None])

    def read(self, qpos: np.ndarray, qvel: np.ndarray, ids: np.ndarray | slice, out: np.ndarray) -> None:
        """Writes rate [rad/s] and gravity's direction, shape (n, 6), of robots `ids` in states (n, nq) and (n, nv)."""
        tilted = self.sim.expanded("opt.gravity")
        down = self._down if tilted is None else _unit(tilted[ids])
        rate, gravity = qvel[:, self._rate], _seen_from(qpos[:, self._quaternion], down)
        if self._mount is not None:
            rate, gravity = rotate_back(self._mount, rate), rotate_back(self._mount, gravity)
        out[:, :3], out[:, 3:] = rate, gravity


def _seen_from(quaternion: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Vectors of the world, shape (n or 1, 3), in frames that quaternions w x y z, shape (n, 4), turn. Shape (n, 3)."""
    turn, v = np.ascontiguousarray(quaternion.T), np.ascontiguousarray(vector.T)
    w, u = turn[0], turn[1:]
    # v - w t + u x t, with u = (x, y, z) and t = 2 u x v.
    t = 2 * _cross(u, v)
    return np.ascontiguousarray((v - w * t + _cross(u, t)).T)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Vector products a x b. Shape (3, n)."""
    return a[_NEXT] * b[_LAST] - a[_LAST] * b[_NEXT]


def _unit(vector: np.ndarray) -> np.ndarray:
    """Vectors of length 1, or less where there is none. Shape (n, 3)."""
    x, y, z = vector.T
    return vector / np.maximum(np.sqrt(x * x + y * y + z * z), _GRAVITY_NORM)[:, None]


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
