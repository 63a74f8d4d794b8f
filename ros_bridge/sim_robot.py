"""`SimRobot`: a simulated robot behind a real one's topics, in real time or as fast as it is answered:
`adapt sim-robot FAMILY`.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from adapt.files import write_json
from ros_bridge import conversions, topics
from ros_bridge.commands import command_codec
from ros_bridge.drive import Drive
from ros_bridge.errors import BridgeError
from ros_bridge.goal_profile import GoalEntry, read_goals
from ros_bridge.goals import SOURCES, goal_message
from ros_bridge.hil.body import BodyFaults
from ros_bridge.hil.body_listener import BodyListener
from ros_bridge.hil.fault import Fault
from ros_bridge.hil.fitting import require_fit
from ros_bridge.hil.schedule_file import read_schedule
from ros_bridge.imu import imu_message
from ros_bridge.latency import quantiles
from ros_bridge.lifetime import POLL, StopFlag, ros
from ros_bridge.lock_step import LockStep
from ros_bridge.pace import Pace
from ros_bridge.run_record import RunRecord
from ros_bridge.sim_judge import JUDGED, SimJudge
from ros_bridge.truth_record import TruthRecord
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.hidden_task import HiddenTask, hidden_task
from sim_tasks.row_random import RowRandom
from sim_tasks.sensors import SensorModel

SILENCE = 2.0
"""Time without commands after which the node counts as gone, in [s]."""
OK, NO_COMMAND, NODE_GONE = 0, 2, 3
"""Exit codes."""


class SimRobot(Node):
    """Physics, sensors and drives of one robot. It rests in its start pose until the first command."""

    def __init__(
        self,
        family: TaskFamily,
        task: HiddenTask,
        seconds: float,
        stop: StopFlag,
        namespace: str = "",
        goals: bool | Sequence[GoalEntry] = True,
        lock_step: bool = False,
        faults: Sequence[Fault] = (),
    ):
        """`goals`: see `SimJudge`; `lock_step`: it does not go by real time, see `LockStep`."""
        super().__init__("sim_robot", namespace=namespace, start_parameter_services=False)
        self.family, self.task, self.spec = family, task, family.robot
        self.sim = BatchSim(family.plant, family.parameters, 1, threads=1)
        self.sensors = SensorModel(self.spec, self.sim)
        self.drive = Drive(self.spec)
        steps = round(seconds / self.spec.period)
        self.record = RunRecord(self.spec, steps)
        self._command = np.zeros(len(self.spec.joints))
        self._torque = self.sim.bind("qfrc_actuator")
        self._published = float("nan")
        self._answered = True
        self._changed = False
        self._stop = stop
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._pace = (
            LockStep(self, self._executor, stop, self.spec.period)
            if lock_step
            else Pace(self._executor, stop, patience=self.spec.period)
        )
        self._ids = np.zeros(1, dtype=int)
        self.sim.set_parameters(self._ids, task.values[None])
        self.sim.reset(self._ids, task.start[None], task.start_velocity[None])
        self._begin_again()
        self.judge = SimJudge(family, self.sim, steps, task.seed, goals)
        self.faults = BodyListener(self, BodyFaults(family, self.sim, self.spec), faults)
        asked = 0 if self.judge.goal is None else len(self.judge.goal)
        self.truth = TruthRecord(steps, self.sim.qpos.shape[1], asked)
        self._open()

    def _open(self) -> None:
        """The robot's topics, and the one that its planner tells its goals on."""
        spec = self.spec
        self._joints = self.create_publisher(JointState, spec.ros.joint_states, topics.COMMAND_QOS)
        self._imu = spec.imu and self.create_publisher(Imu, spec.imu.topic, topics.COMMAND_QOS)
        self._planner = None
        if self.judge.goal is not None and self.family.goal is not None:
            topic, kind = next(iter(SOURCES[self.family.goal.kind].items()))
            self._planner = self.create_publisher(kind, topic, topics.COMMAND_QOS)
        self._codec = command_codec(spec)
        for kind, topic, callback in (
            (self._codec.kind, spec.ros.commands, self._on_command),
            (Float64MultiArray, topics.REQUESTED, self._on_requested),
            (Float64MultiArray, topics.BELIEF, self._on_belief),
        ):
            self.create_subscription(kind, topic, callback, topics.COMMAND_QOS)

    def run(self, wait: float, silence: float = SILENCE) -> int:
        """Waits for the first command for at most `wait` [s], then lives for as long as the record is; without commands
        for `silence` [s].

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
            late = self._pace.late
            self._change(k * period)
            self.faults.step(k * period)
            self._sense(k * period, record=True)
            self.truth.late(late)
            for substep in range(self.family.plant.substeps):
                # In the middle of each time step: a command acts from the step that it reaches nearest.
                self._pace.until(k * period + (substep + 0.5) * step)
                self.truth.late(self._pace.late)
                self._act()
            if self._stop.raised:
                break
            self.record.applied(self._command)
            if self._pace.now() - self.drive.heard > silence:
                self.get_logger().error(f"no command for {silence} s: is the node gone?")
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
            "upright_first": self.judge.successful_until(planned),
            "recovered": self.judge.successful_until(len(self.record.time) * self.spec.period)
            if change
            else None,
            "on_target": self.judge.on_target,
            "fell_at": self.judge.fell_at,
            **self.record.to_json(),
            "rejected_commands": self.drive.rejected,
            "command_timeouts": self.drive.timeouts,
            "slips": self._pace.slips,
            "lost_s": self._pace.lost,
            "lateness_ms": quantiles(1e3 * self.truth.lateness),
            "diverged": self.sim.diverged,
        }

    def close(self) -> None:
        self._executor.shutdown()
        self.destroy_node()

    def hold(self, released: Sequence[int]) -> None:
        """Says nothing until there is something in `released`, or until told to stop; it can be found all the same."""
        self.get_logger().info("holding")
        while not released and not self._stop.raised:
            self._executor.spin_once(timeout_sec=POLL)

    def _rest(self, wait: float) -> bool:
        """Switched on, at rest, until a command arrives."""
        self.get_logger().info(f"waiting for a command on {self.resolve_topic_name(self.spec.ros.commands)}")
        self._pace.restart()
        k = 0
        while not np.isfinite(self.drive.heard) and not self._stop.raised:
            if k * self.spec.period > wait:
                self.get_logger().error(f"no command within {wait} s: is the adaptation node running?")
                return False
            self._begin_again()
            self._sense(k * self.spec.period)
            k += 1
            self._pace.until(k * self.spec.period)
        return not self._stop.raised

    def _begin_again(self) -> None:
        """The same noise, however long it rested."""
        self._random = RowRandom([self.task.seed, 23], 1)
        self.sensors.restart(self._ids, self._random.all)

    def _sense(self, now: float, record: bool = False) -> None:
        """Reads and publishes all sensors, the joints last: the node answers them."""
        frame = self.sensors.sense(self._random.all)
        frame.stamp[:] = self._pace.stamp()
        if record:
            if self.judge.step(now):
                self.get_logger().error(f"fell at {now:.2f} s")
            reached = bool(self.judge.successful[self.judge.steps - 1])
            self.truth.add(now, self.sim.qpos[0], self.judge.goal, reached, self.judge.error)
            self.record.sensed(now, self.sim.position[0], frame.position[0], self.sim.velocity[0])
        self._tell(float(frame.stamp[0]))
        if self._imu is not None:
            self._imu.publish(imu_message(frame, self.spec))
        torque = self._torque[0, self.family.plant.qvel]
        self._published, self._answered = time.monotonic(), False
        self._joints.publish(conversions.joint_state_message(frame, torque, self.spec))

    def _tell(self, now: float) -> None:
        """Tells the node what the robot is asked to do, again and again, as planners and joysticks do."""
        goal, about = self.judge.goal, self.family.goal
        if self._planner is not None and goal is not None and about is not None:
            self._planner.publish(goal_message(goal, about.kind, self.spec.ros.frame, now))

    def _act(self) -> None:
        self._command = self.drive.applied(self._pace.now(), self.sim.position[0]).copy()
        if self.sim.step(self._command[None], substeps=1).any():
            self.get_logger().error("the simulation diverged and was reset")

    def _change(self, now: float) -> None:
        change = self.task.change
        if change is None or self._changed or now < change.time:
            return
        self._changed = True
        self.sim.set_parameters(self._ids, change.values[None])
        self.sim.push(self._ids, change.knock[None])

    def _on_command(self, message: Any) -> None:
        self._pace.answered()
        if not self._answered:
            self._answered = True
            self.record.answered(time.monotonic() - self._published)
        try:
            command = self._codec.read(message)
        except BridgeError as error:
            command = np.full(len(self.spec.joints), np.nan)  # the drive rejects and counts it
            self.get_logger().error(f"command: {error}")
        if not self.drive.accept(command, self._pace.now()):
            self.get_logger().error(f"rejected command {command.tolist()}")

    def _on_requested(self, message: Float64MultiArray) -> None:
        self.record.requested(*conversions.read_requested(message))

    def _on_belief(self, message: Float64MultiArray) -> None:
        self.record.believed(conversions.read_belief(message))

    def _named(self, values: np.ndarray) -> dict[str, float]:
        return {name: float(value[0]) for name, value in self.family.named(values[None]).items()}


def verdict(summary: dict[str, Any]) -> str:
    """How a run went, in words."""
    words = {True: "yes", False: "no", None: "no change"}
    share, fell_at = summary["on_target"], summary["fell_at"]
    if share is None:
        judged = "nobody here can judge what it did"
    else:
        judged = (
            f"where it should be, for a second: {words[summary['upright_first']]}; "
            f"after the change: {words[summary['recovered']]}; on target {100 * share:.0f} % of the time"
        )
    return judged if fell_at is None else f"{judged}; fell at {fell_at:.2f} s"


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
    goals: bool | Path = True,
    split: str = "test",
    values: Mapping[str, float] | None = None,
    trace: Path | None = None,
    lock_step: bool = False,
    hold: bool = False,
    faults: Path | None = None,
    silence: float = SILENCE,
) -> int:
    """Runs task `task` of `seed`; ends `seconds` after the first command, or when told to.

    Args:
        family: name of the task family.
        task: index of the task.
        seed: of the tasks.
        seconds: length of the run from the first command on.
        change_time: when the physics change and the robot is knocked, in [s]; None for never.
        namespace: of the robot's topics.
        record: where to keep what happened, as JSON; written also when the run ends early.
        wait: how long to wait for the first command, in [s].
        goals: draw the family's goals and tell the node, or those of a file (`read_goals`); otherwise that is left to
            somebody else.
        split: of the tasks: held out (`test`) or out of the family (`ood`).
        values: physical parameters in SI units by name, in place of a drawn task; the others are the model's own.
        trace: where to keep what really happened, as .npz (`TruthRecord`); written also when the run ends early.
        lock_step: simulated time goes on as soon as a reading is answered, and is told on /clock.
        hold: say nothing until SIGUSR1.
        faults: the relay's schedule, as JSON: those of the body happen here when the relay says so.
        silence: after so long without commands the node counts as gone, in [s].

    Returns:
        Exit code: `OK`, `NO_COMMAND` or `NODE_GONE`.

    Raises:
        TaskError: unknown family or parameter, or a task index, length, value or time that makes no sense.
        BridgeError: the file of goals or the schedule cannot be used, or the robot cannot have a fault of the body.
    """
    built = load_family(family)
    if not seconds >= JUDGED:
        raise TaskError(f"seconds {seconds}: expected at least {JUDGED}")
    if change_time is not None and not change_time < seconds:
        raise TaskError(f"change time {change_time}: expected less than the run's {seconds} s")
    hidden = hidden_task(built, task, seed, change_time, split, values)
    asked = read_goals(goals) if isinstance(goals, Path) else goals
    schedule = [] if faults is None else read_schedule(faults)
    require_fit(built.robot, schedule)
    released: list[int] = []
    if hold:  # before anybody can find the robot, and release it
        signal.signal(signal.SIGUSR1, lambda number, frame: released.append(number))
    with ros() as stop:
        robot = SimRobot(built, hidden, seconds, stop, namespace, asked, lock_step, schedule)
        try:
            if hold:
                robot.hold(released)
            return robot.run(wait, silence)
        finally:
            if robot.record.steps:
                summary = robot.summary()
                robot.get_logger().info(verdict(summary))
                if record is not None:
                    write_json(record, summary)
                if trace is not None:
                    robot.truth.save(trace)
            robot.close()
