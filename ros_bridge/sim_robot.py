"""`SimRobot`: a simulated robot in real time behind a real one's topics: `adapt sim-robot FAMILY`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from adapt.files import write_json
from ros_bridge import conversions, topics
from ros_bridge.drive import Drive
from ros_bridge.lifetime import StopFlag, ros
from ros_bridge.pace import Pace
from ros_bridge.run_record import RunRecord
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.hidden_task import HiddenTask, hidden_task
from sim_tasks.motion import Motion
from sim_tasks.row_random import RowRandom
from sim_tasks.sensors import SensorModel

SILENCE = 2.0
"""Time without commands after which the node counts as gone, in [s]."""
JUDGED = 1.0
"""The robot must have been where the task wants it for so long, in [s]."""
OK, NO_COMMAND, NODE_GONE = 0, 2, 3
"""Exit codes."""


class SimRobot(Node):
    """Physics, sensors and drives of one robot. It rests in its start pose until the first command."""

    def __init__(
        self, family: TaskFamily, task: HiddenTask, seconds: float, stop: StopFlag, namespace: str = ""
    ):
        super().__init__("sim_robot", namespace=namespace, start_parameter_services=False)
        self.family, self.task, self.spec = family, task, family.robot
        self.sim = BatchSim(family.plant, family.parameters, 1, threads=1)
        self.sensors = SensorModel(self.spec, self.sim)
        self.drive = Drive(self.spec)
        self.record = RunRecord(self.spec, round(seconds / self.spec.period))
        self._random = RowRandom([task.seed, 23], 1)
        self._successful_at = np.zeros(len(self.record.time), dtype=bool)
        self._effort = np.zeros(len(self.spec.joints))
        self._published = float("nan")
        self._answered = True
        self._changed = False
        self._stop = stop
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._pace = Pace(self._executor, stop, patience=self.spec.period)
        self._ids = np.zeros(1, dtype=int)
        self.sim.set_parameters(self._ids, task.values[None])
        self.sim.reset(self._ids, task.start[None], task.start_velocity[None])
        self._sensors = self.create_publisher(JointState, self.spec.ros.joint_states, topics.COMMAND_QOS)
        for topic, callback in (
            (self.spec.ros.commands, self._on_command),
            (topics.REQUESTED, self._on_requested),
            (topics.BELIEF, self._on_belief),
        ):
            self.create_subscription(Float64MultiArray, topic, callback, topics.COMMAND_QOS)

    def run(self, wait: float) -> int:
        """Waits for the first command for at most `wait` [s], then lives for as long as the record is.

        Returns:
            Exit code: `OK`, also when told to stop; `NO_COMMAND`; `NODE_GONE`.
        """
        if not self._rest(wait):
            return OK if self._stop.raised else NO_COMMAND
        self.get_logger().info("first command: running")
        self._pace.restart()
        self.drive.heard = 0.0
        period, step = self.spec.period, self.sim.model.opt.timestep
        for k in range(len(self.record.time)):
            self._pace.until(k * period)
            self._change(k * period)
            self._sense(k * period, record=True)
            for substep in range(self.family.plant.substeps):
                # In the middle of each time step: a command acts from the step that it reaches nearest.
                self._pace.until(k * period + (substep + 0.5) * step)
                self._act()
            if self._stop.raised:
                break
            self.record.applied(self._effort)
            if self._pace.now() - self.drive.heard > SILENCE:
                self.get_logger().error(f"no command for {SILENCE} s: is the node gone?")
                return NODE_GONE
        return OK

    def summary(self) -> dict[str, Any]:
        """The record as it goes to file."""
        change = self.task.change if self._changed else None
        truth = [(0.0, self.task.values)] + ([(change.time, change.values)] if change else [])
        planned = self.task.change.time if self.task.change else len(self.record.time) * self.spec.period
        return {
            "name": self.task.name,
            "change_time": self.task.change.time if self.task.change else None,
            "truth": [{"time": when, "values": self._named(values)} for when, values in truth],
            "upright_first": self._successful(planned),
            "recovered": self._successful(len(self.record.time) * self.spec.period) if change else None,
            **self.record.to_json(),
            "rejected_commands": self.drive.rejected,
            "command_timeouts": self.drive.timeouts,
            "slips": self._pace.slips,
            "diverged": self.sim.diverged,
        }

    def close(self) -> None:
        self._executor.shutdown()
        self.destroy_node()

    def _rest(self, wait: float) -> bool:
        """Switched on, at rest, until a command arrives."""
        self.get_logger().info(f"waiting for a command on {self.resolve_topic_name(self.spec.ros.commands)}")
        self._pace.restart()
        k = 0
        while not np.isfinite(self.drive.heard) and not self._stop.raised:
            if k * self.spec.period > wait:
                self.get_logger().error(f"no command within {wait} s: is the adaptation node running?")
                return False
            self._sense(k * self.spec.period)
            k += 1
            self._pace.until(k * self.spec.period)
        return not self._stop.raised

    def _sense(self, now: float, record: bool = False) -> None:
        frame = self.sensors.sense(self._random.all)
        frame.stamp[:] = self.get_clock().now().nanoseconds * 1e-9
        if record:
            self._judge()
            self.record.sensed(now, self.sim.position[0], frame.position[0], self.sim.velocity[0])
        self._published, self._answered = time.monotonic(), False
        self._sensors.publish(conversions.joint_state_message(frame, self._effort, self.spec))

    def _judge(self) -> None:
        """Notes whether the robot is where its task wants it, at the present step of the record."""
        if self.family.success is not None:
            motion = Motion.of(self.sim, self._effort[None], None)
            self._successful_at[self.record.steps] = self.family.success(motion)[0]

    def _act(self) -> None:
        self._effort = self.drive.applied(self._pace.now(), self.sim.position[0]).copy()
        if self.sim.step(self._effort[None], substeps=1).any():
            self.get_logger().error("the simulation diverged and was reset")

    def _change(self, now: float) -> None:
        change = self.task.change
        if change is None or self._changed or now < change.time:
            return
        self._changed = True
        self.sim.set_parameters(self._ids, change.values[None])
        self.sim.push(self._ids, change.knock[None])

    def _on_command(self, message: Float64MultiArray) -> None:
        if not self._answered:
            self._answered = True
            self.record.answered(time.monotonic() - self._published)
        if not self.drive.accept(np.array(message.data), self._pace.now()):
            self.get_logger().error(f"rejected command {list(message.data)}")

    def _on_requested(self, message: Float64MultiArray) -> None:
        self.record.requested(*conversions.read_requested(message))

    def _on_belief(self, message: Float64MultiArray) -> None:
        self.record.believed(conversions.read_belief(message))

    def _named(self, values: np.ndarray) -> dict[str, float]:
        return {name: float(value[0]) for name, value in self.family.named(values[None]).items()}

    def _successful(self, end: float) -> bool:
        """Whether the robot was where the task wants it for the whole last second before `end` [s]."""
        time = self.record.time[: self.record.steps]
        judged = (time >= end - JUDGED) & (time < end)
        whole = judged.sum() >= round(JUDGED / self.spec.period) - 1
        return bool(whole and self._successful_at[: self.record.steps][judged].all())


def verdict(summary: dict[str, Any]) -> str:
    """How a run went, in words."""
    words = {True: "yes", False: "no", None: "no change"}
    return (
        f"where it should be, for a second: {words[summary['upright_first']]}; "
        f"after the change: {words[summary['recovered']]}"
    )


def run_sim_robot(
    family: str,
    *,
    task: int = 0,
    seed: int = 0,
    seconds: float = 12.0,
    change_time: float | None = None,
    namespace: str = "",
    record: Path | None = None,
    wait: float = 30.0,
) -> int:
    """Runs held-out task `task` of `seed` in real time; ends `seconds` after the first command, or when told to.

    Args:
        family: name of the task family.
        task: index of the held-out task.
        seed: of the tasks.
        seconds: length of the run from the first command on.
        change_time: when the physics change and the robot is knocked, in [s]; None for never.
        namespace: of the robot's topics.
        record: where to keep what happened, as JSON; written also when the run ends early.
        wait: how long to wait for the first command, in [s].

    Returns:
        Exit code: `OK`, `NO_COMMAND` or `NODE_GONE`.

    Raises:
        TaskError: unknown family, or a task index, length or time that makes no sense.
    """
    built = load_family(family)
    if not seconds >= JUDGED:
        raise TaskError(f"seconds {seconds}: expected at least {JUDGED}")
    if change_time is not None and not change_time < seconds:
        raise TaskError(f"change time {change_time}: expected less than the run's {seconds} s")
    hidden = hidden_task(built, task, seed, change_time)
    with ros() as stop:
        robot = SimRobot(built, hidden, seconds, stop, namespace)
        try:
            return robot.run(wait)
        finally:
            if robot.record.steps:
                summary = robot.summary()
                robot.get_logger().info(verdict(summary))
                if record is not None:
                    write_json(record, summary)
            robot.close()
