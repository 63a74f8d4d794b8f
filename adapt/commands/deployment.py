"""Commands of who deploys: the node, a simulated robot, replay of recordings, the whole path."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from adapt.commands.common import Positional, print_json
from robots.errors import UserError

INTERRUPTED = 130
"""Exit code of what was told to stop before its end."""


@dataclass
class Deploy:
    """Run a bundle as a ROS 2 lifecycle node."""

    bundle: Positional[Path]
    """Folder of the bundle."""
    robot: str | None = None
    """Robot name or path of a robot.yaml. Default: the robot named in the bundle."""
    namespace: str = ""
    """ROS namespace."""
    manual: bool = False
    """Leave configure and activate to a lifecycle manager."""
    belief_file: Path | None = None
    """File that keeps what was understood of the robot over restarts. Default: every start is a new one."""
    fallback: Path | None = None
    """Folder of a bundle of a policy that does not adapt: it drives while the robot is unfamiliar to the other one
    (docs/knowing_when_it_does_not_know.md). Default: the other one drives on."""
    record: Path | None = None
    """Folder in which to keep a bag of all that happens (docs/recording.md)."""
    audit_log: Path | None = None
    """File to which is appended what became of every proposal of an adaptation by gradients."""

    def run(self) -> int:
        from ros_bridge.deploy import deploy

        return deploy(
            self.bundle,
            self.robot,
            namespace=self.namespace,
            auto_start=not self.manual,
            belief_file=self.belief_file,
            record=self.record,
            audit_log=self.audit_log,
            fallback=self.fallback,
        )


@dataclass
class SimRobot:
    """Run a simulated robot with hidden physics behind the robot's ROS 2 topics, in real time."""

    family: Positional[str] = "pendulum_swingup"
    """Task family whose tasks the hidden physics are drawn from."""
    task: int = 0
    """Index of the task."""
    split: Literal["test", "ood"] = "test"
    """Held-out tasks of the family, or tasks out of it."""
    values: tuple[str, ...] = ()
    """Physical parameters in place of a drawn task, such as payload_mass=0.6, in SI units; the others are the model's
    own."""
    seed: int = 0
    seconds: float = 12.0
    """Length of the run from the first command on, in s."""
    change_time: float | None = None
    """When the payload changes and the robot is knocked, in s."""
    goals: bool = True
    """Draw the family's goals and tell them to the node; otherwise that is left to somebody else."""
    goal_profile: Path | None = None
    """JSON file of what the robot is asked for in place of drawn goals: [{"at": s, "values": [...]}, ...]."""
    lock_step: bool = False
    """Simulated time goes on as soon as a reading is answered, and is told on /clock; nodes use_sim_time then."""
    hold: bool = False
    """Say nothing until SIGUSR1."""
    silence: float = 2.0
    """After so long without commands the node counts as gone, in s."""
    namespace: str = ""
    record: Path | None = None
    """Where to keep what happened, as JSON."""
    trace: Path | None = None
    """Where to keep what really happened, step by step, as .npz."""

    def run(self) -> int:
        from ros_bridge.sim_robot import run_sim_robot

        return run_sim_robot(
            self.family,
            task=self.task,
            seed=self.seed,
            seconds=self.seconds,
            change_time=self.change_time,
            namespace=self.namespace,
            record=self.record,
            goals=self.goal_profile or self.goals,
            split=self.split,
            values=parse_values(self.values) if self.values else None,
            trace=self.trace,
            lock_step=self.lock_step,
            hold=self.hold,
            silence=self.silence,
        )


def parse_values(given: tuple[str, ...]) -> dict[str, float]:
    """From `name=number` each.

    Raises:
        UserError: something else was given.
    """
    values: dict[str, float] = {}
    for each in given:
        name, _, number = each.partition("=")
        try:
            values[name] = float(number)
        except ValueError:
            raise UserError(f"--values {each!r}: expected NAME=NUMBER, such as payload_mass=0.6") from None
    return values


@dataclass
class Echo:
    """Answer a robot's readings with commands that ask for nothing: what the middleware alone costs."""

    robot: Positional[str] = "pendulum"
    """Robot name or path of a robot.yaml."""
    namespace: str = ""

    def run(self) -> int:
        from ros_bridge.echo import echo

        return echo(self.robot, self.namespace)


@dataclass
class Replay:
    """Feed a recording through the controller: a bag of the node, or a CSV log. Nothing is commanded."""

    recording: Positional[Path]
    """Bag (folder or .mcap), or a .csv whose columns are named as docs/recording.md says, or mapped by --columns."""
    bundle: Positional[Path]
    """Folder of the bundle: the one that was recorded, or another one for the same robot."""
    fallback: Path | None = None
    """Of a bag: folder of the fallback's bundle, as it was deployed with or another one. Default: none."""
    columns: Path | None = None
    """YAML file that says where in the CSV our quantities stand."""
    robot: str = ""
    """Robot name or path of a robot.yaml. Default: the robot named in the bundle."""
    out: Path = Path("runs/replay")
    """Folder for <recording>.json and <recording>.html."""
    json: bool = False

    def run(self) -> int:
        from adapt.replay import replay

        return replay(
            self.recording,
            self.bundle,
            self.out,
            columns=self.columns,
            robot=self.robot,
            fallback=self.fallback,
            json=self.json,
        )


@dataclass
class Latency:
    """Turn the latency in recordings into delays to train with, beside those that the bundle was trained with.

    The driver's own delay, from the command's arrival to the torque, is in no recording: see --driver-delay.
    """

    bags: Annotated[Positional[list[Path]], tyro.conf.arg(metavar="BAG [BAG ...]")]
    """Bags of one policy, folders or .mcap files, that `adapt deploy --record` has made (docs/recording.md)."""
    bundle: Path | None = None
    """Folder of the bundle that was recorded. Default: where it was then."""
    driver_delay: tuple[float, float] | None = None
    """Shortest and longest time from a command to its torque, in s. Default: not known, and said so."""
    out: Path = Path("runs/latency")
    """Folder for <bag>.json and <bag>.html, named after the first bag."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.latency import latency

        return latency(self.bags, self.out, self.bundle, self.driver_delay, quiet=self.json)


@dataclass
class Hil:
    """Break what robot and node say to each other, and judge what the node does: endurance runs with faults."""

    what: Positional[Literal["soak"]]
    family: Positional[str]
    """Task family of the simulated robots, such as pendulum_swingup."""
    bundle: Positional[Path]
    """Folder of the bundle."""
    minutes: float = 60.0
    """Length, in min."""
    robot: str | None = None
    """Robot name or path of a robot.yaml. Default: the robot named in the bundle."""
    seed: int = 0
    """Of the faults and of the robots."""
    kills: bool = True
    """The node is killed as well, and started again."""
    out: Path = Path("runs/soak")
    """Folder for report.json, the schedule of faults and logs."""
    json: bool = False

    def run(self) -> int:
        from ros_bridge.hil.soak import Soak, soak
        from ros_bridge.hil.soak_report import show

        run = Soak(self.family, str(self.bundle), self.minutes, self.robot, self.seed, self.kills)
        result = soak(run, self.out)
        if self.json:
            print_json(result)
        else:
            show(result)
        if not result["ok"]:
            return 1
        return INTERRUPTED if result["stopped_early"] else 0


@dataclass
class Demo:
    """The whole path: train, export, evaluate, deploy over ROS 2, replay real recordings, report."""

    out: Path = Path("runs/demo")
    seed: int = 0
    recordings: list[Path] = field(default_factory=list)
    """Recordings of the real robot to replay; CSV files."""
    robots: int = 12
    """Hidden robots driven over ROS 2."""
    open: bool = True
    """Show the report in a browser, if there is a screen."""

    def run(self) -> None:
        from adapt.demo import demo

        demo(self.out, self.seed, self.recordings, self.robots, show=self.open)
