"""The `adapt` command. Every subcommand imports what it needs when it runs: a robot has neither torch nor mujoco."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from robots.errors import UserError

Positional = tyro.conf.Positional


@dataclass
class Train:
    """Meta-train a learner on a task family."""

    learner: Positional[str]
    """dr, oracle, belief, or all: the three, bounds first."""
    family: Positional[str]
    """Task family, such as pendulum_swingup."""
    out: Path | None = None
    """Folder of the run. Default: runs/<family>/<learner>."""
    seed: int = 0
    iterations: int | None = None
    """One iteration is one rollout and one update. Default: the learner's own."""
    threads: int = 0
    """Threads of the simulation; 0 for all cores."""
    teacher: Path | None = None
    """Oracle run that `belief` learns from. Default: the folder `oracle` beside --out."""
    resume: bool = False
    """Go on with the run in --out exactly where it stopped."""
    json: bool = False
    """One JSON object per iteration on standard output, in place of the progress bar."""

    def run(self) -> dict[str, Any] | None:
        from adapt.console import TrainingProgress, say
        from adapt.files import folder_name

        own = "." if self.learner == "all" else self.learner
        out = self.out or Path("runs") / folder_name(self.family) / own
        if self.learner == "all":
            from adapt.train_all import train_all

            with TrainingProgress() as progress:
                result = train_all(self.family, out, seed=self.seed, resume=self.resume, progress=progress)
        else:
            from adapt.learners import learner_kind
            from adapt.train import TrainRequest, train

            teacher = self.teacher
            if learner_kind(self.learner).needs_teacher and teacher is None:
                teacher = out.parent / "oracle"
            request = TrainRequest(
                self.learner, self.family, out, self.seed, self.iterations, self.threads, teacher, self.resume
            )
            with TrainingProgress() as progress:
                report = _print_json if self.json else lambda row: progress(self.learner, row)
                result = train(request, report)
        say(f"{result['steps']:,} control steps in {result['seconds']:.0f} s; the run is in {out}")
        return None


@dataclass
class Evaluate:
    """Evaluate a run on held-out tasks beside its two bounds."""

    run_folder: Annotated[Positional[Path], tyro.conf.arg(name="run")]
    """Folder of a belief run; its bounds are the folders `dr` and `oracle` beside it unless given."""
    dr: Path | None = None
    oracle: Path | None = None
    tasks: int = 512
    """Held-out tasks, at least 256."""
    seed: int = 0
    split: Literal["test", "ood"] = "test"
    out: Path | None = None
    """Where the JSON goes. Default: evaluation.json in the run."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.runs import evaluate_run

        bounds, quiet = (self.dr, self.oracle), self.json
        result = evaluate_run(self.run_folder, *bounds, self.tasks, self.seed, self.split, self.out, quiet)
        returns = {name: policy["mean"] for name, policy in result["policies"].items()}
        return {"score": result["score"], "oracle_over_dr": result["oracle_over_dr"], "returns": returns}


@dataclass
class Export:
    """Write a run's policy as a bundle, checked against the learner over 1,000 steps."""

    run_folder: Annotated[Positional[Path], tyro.conf.arg(name="run")]
    """Folder of a belief or dr run."""
    out: Path | None = None
    """Folder of the bundle. Default: bundle in the run."""

    def run(self) -> None:
        from adapt.console import say
        from adapt.runs import export_run

        bundle = export_run(self.run_folder, self.out)
        say(f"bundle for robot {bundle.manifest['robot']['robot']} in {bundle.path}")


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

    def run(self) -> int:
        from ros_bridge.deploy import deploy

        return deploy(self.bundle, self.robot, namespace=self.namespace, auto_start=not self.manual)


@dataclass
class SimRobot:
    """Run a simulated robot with hidden physics behind the robot's ROS 2 topics, in real time."""

    family: Positional[str] = "pendulum_swingup"
    """Task family whose held-out tasks the hidden physics are drawn from."""
    task: int = 0
    """Index of the held-out task."""
    seed: int = 0
    seconds: float = 12.0
    """Length of the run from the first command on, in s."""
    change_time: float | None = None
    """When the payload changes and the robot is knocked, in s."""
    namespace: str = ""
    record: Path | None = None
    """Where to keep what happened, as JSON."""

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
        )


@dataclass
class Echo:
    """Answer a robot's readings with zero commands: what the middleware alone costs."""

    robot: Positional[str] = "pendulum"
    """Robot name or path of a robot.yaml."""
    namespace: str = ""

    def run(self) -> int:
        from ros_bridge.echo import echo

        return echo(self.robot, self.namespace)


@dataclass
class Replay:
    """Feed recordings of a real robot through the controller in shadow mode: nothing is commanded."""

    recordings: Positional[list[Path]]
    """CSV files with the columns time [s], position [rad], velocity [rad/s], torque [N m]."""
    bundle: Path = Path("runs/demo/belief/bundle")
    out: Path | None = None
    """Where to keep the result, as JSON."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.console import say
        from adapt.files import write_json
        from ros_bridge.replay import replay_files

        result = replay_files(self.bundle, self.recordings)
        if self.out is not None:
            write_json(self.out, result)
        for file in result["files"]:
            say(
                f"{file['name']}: one-step error {file['prior_error']:.4f} {result['error_unit']} on the prior, "
                f"{file['adapted_error']:.4f} on the belief after 1 s"
            )
        keep = ("name", "seconds", "rate_hz", "prior_error", "adapted_error")
        return {"files": [{name: file[name] for name in keep} for file in result["files"]]}


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


@dataclass
class View:
    """Show several tasks of a family side by side, moving: an HTML page, or a video."""

    family: Positional[str]
    """Task family, such as pendulum_swingup."""
    out: Path | None = None
    """HTML file, or with --video a .gif, .webp or .png. Default: runs/view/<family>.html or .gif."""
    tasks: int = 6
    """How many tasks, 1 to 24."""
    seconds: float | None = None
    """Length, in s. Default: one episode, of 10 s at most."""
    seed: int = 0
    split: Literal["train", "test", "ood"] = "test"
    policy: Path | None = None
    """Folder of a bundle, or of a run that holds one. Default: a smooth random motion, the same for all tasks."""
    video: bool = False
    """A moving picture instead of a page; needs OpenGL, in software at least."""

    def run(self) -> None:
        from adapt.console import say
        from adapt.view.view import view

        name = "".join(c if c.isalnum() or c in "_-." else "-" for c in self.family)
        out = self.out or Path("runs/view") / f"{name}.{'gif' if self.video else 'html'}"
        options = {"tasks": self.tasks, "seconds": self.seconds, "seed": self.seed, "split": self.split}
        written = view(self.family, out, **options, policy=self.policy, video=self.video)
        say(f"{written}")


@dataclass
class List:
    """List what is registered, and what there is to know of it."""

    what: Positional[Literal["robots", "families", "learners"]]
    names: Positional[tuple[str, ...]] = ()
    """Only these families, such as half_cheetah_vel@roml, dm_control:reacher/easy or my_families.py:my_family."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt import registry

        entries = registry.listed(self.what, self.names)
        if not self.json:
            for name, entry in entries.items():
                print(*registry.lines(name, entry), sep="\n")
            if self.what == "families" and not self.names:
                print(*registry.suite_lines(), sep="\n")
        return entries


@dataclass
class Bench:
    """Measure speed; the last line of standard output is one JSON object."""

    what: Positional[Literal["sim", "train", "node", "all"]] = "all"
    seconds: float = 5.0
    """Time per measurement, in s."""
    family: str = "pendulum_swingup"
    """Task family that `sim` measures."""
    num_envs: int = 1024
    """Simulations side by side that `sim` measures."""
    peers: bool = True
    """On HalfCheetah, `sim` also measures Gymnasium, stable-baselines3 and, where installed, envpool."""

    def run(self) -> None:
        from adapt.bench import bench

        _print_json(bench(self.what, self.seconds, self.family, self.num_envs, self.peers))


@dataclass
class Doctor:
    """Say what is installed, what is missing, and the command that mends it."""

    json: bool = False

    def run(self) -> int:
        from adapt.doctor import diagnose, print_findings

        findings = diagnose()
        if self.json:
            _print_json({"findings": findings})
        else:
            print_findings(findings)
        return int(any(not finding["ok"] and finding["needed"] for finding in findings))


_COMMANDS = {
    "train": Train,
    "evaluate": Evaluate,
    "export": Export,
    "deploy": Deploy,
    "sim-robot": SimRobot,
    "echo": Echo,
    "replay": Replay,
    "demo": Demo,
    "bench": Bench,
    "list": List,
    "view": View,
    "doctor": Doctor,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs a subcommand; errors that the user can mend are one line and exit code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] in (["deploy"], ["sim-robot"], ["echo"]):
        from ros_bridge.lifetime import split_ros_arguments

        given, _ = split_ros_arguments(given)
    command = tyro.extras.subcommand_cli_from_dict(
        _COMMANDS,
        prog="adapt",
        description="Meta-train on a family of simulated robots; deploy a policy that adapts on the robot.",
        args=given,
    )
    try:
        result = command.run()
    except UserError as error:
        print(f"adapt: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("adapt: interrupted", file=sys.stderr)
        return 130
    if isinstance(result, int):
        return result
    if result is not None and getattr(command, "json", False):
        _print_json(result)
    return 0


def _print_json(row: dict[str, Any]) -> None:
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
