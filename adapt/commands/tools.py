"""Commands that look at what is there, or bring what is missing: list, fetch, robot, view, bench, doctor."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from adapt.commands.common import Positional, print_json


@dataclass
class List:
    """List what is registered, and what there is to know of it."""

    what: Positional[Literal["robots", "families", "environments", "learners"]]
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
class Fetch:
    """Download what others have published, check it, and say where it is."""

    what: Positional[Literal["disco103"]]
    """`disco103`: the parameters of the update rule that the learner `disco` learns by."""
    url: str | None = None
    """Another place that has the same file. Default: the authors' repository."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.console import say
        from adapt.update_rules.disco_weights import ATTRIBUTION, SHA256, URL, fetch_disco103

        path = fetch_disco103(self.url or URL)
        if not self.json:
            print(path)
            say(ATTRIBUTION)
        return {"file": str(path), "sha256": SHA256, "attribution": ATTRIBUTION}


@dataclass
class Robot:
    """Check a robot description and its model, and say what to mend."""

    what: Positional[Literal["check"]]
    path: Positional[str]
    """A robot.yaml, its folder, or the name of a registered robot."""
    json: bool = False

    def run(self) -> int:
        from sim_tasks.robot_check import check_robot, findings_table

        findings = check_robot(self.path)
        if self.json:
            print_json({"findings": [asdict(finding) for finding in findings]})
        else:
            print(findings_table(findings))
        return int(not all(finding.ok for finding in findings))


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
class Bench:
    """Measure speed; the last line of standard output is one JSON object."""

    what: Positional[Literal["sim", "train", "node", "all", "relay", "meta"]] = "all"
    """Not among all: `relay`, what the faults between robot and node cost, and `meta`, the outer steps of
    `adapt discover`, which take minutes."""
    names: Positional[tuple[str, ...]] = ()
    """Of `train`: learner and family, such as varibad half_cheetah_vel."""
    seconds: float = 5.0
    """Time per measurement, in s; of `node`, for the node and for the echo each; of `relay`, for each of four."""
    family: str = "pendulum_swingup"
    """Task family that `sim` measures."""
    num_envs: int = 1024
    """Simulations side by side that `sim` measures."""
    peers: bool = True
    """On HalfCheetah, `sim` also measures Gymnasium, stable-baselines3 and, where installed, envpool."""
    rate: float = 500.0
    """Of the readings that `node` and `relay` send, in Hz. `node` misses a deadline without a command in 1 / rate."""
    rounds: int = 3
    """How often `node` measures node and echo in turn, and `relay` its relays; 1: each at a stretch."""

    def run(self) -> None:
        from adapt.bench import bench
        from adapt.errors import AdaptError

        if len(self.names) > 2 or (self.names and self.what != "train"):
            raise AdaptError(f"bench {self.what}: unexpected {' '.join(self.names)!r}")
        learner, family = (*self.names, *("oracle", self.family)[len(self.names) :])
        print_json(
            bench(self.what, self.seconds, family, self.num_envs, self.peers, learner, self.rate, self.rounds)
        )


@dataclass
class Doctor:
    """Say what is installed, what is missing, and the command that mends it."""

    json: bool = False

    def run(self) -> int:
        from adapt.doctor import diagnose, print_findings

        findings = diagnose()
        if self.json:
            print_json({"findings": findings})
        else:
            print_findings(findings)
        return int(any(not finding["ok"] and finding["needed"] for finding in findings))
