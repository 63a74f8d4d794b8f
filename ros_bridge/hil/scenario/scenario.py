"""`Scenario`: what one file says. Plain values that were checked; how they are read is `reading`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ros_bridge.hil.schedule import Fault

TaskKind = Literal["held_out", "out_of_family", "values"]


@dataclass(frozen=True)
class TaskChoice:
    """Which robot of the family it is."""

    kind: TaskKind = "held_out"
    """`held_out`: drawn from the family's test tasks; `out_of_family`: drawn from its ood tasks; `values`: the
    family's defaults but for `values`."""
    index: int | None = None
    """Number of the drawn task; None: a new one for every repetition."""
    values: dict[str, float] = field(default_factory=dict)
    """Physical parameters by name, in SI units."""


@dataclass(frozen=True)
class GoalStep:
    """From `at` [s] on the robot is asked for `values`, in the order of the family's goal."""

    at: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Expectation:
    """One thing that has to come out; which there are, and what they mean, is `judging.expectations`."""

    name: str
    limit: float
    """In the expectation's unit."""
    fault: int | None = None
    """Number of the fault that it is about; None: of the first one, or of none where there are none."""
    begin: float | None = None
    """It counts from here on, in [s] from the first command; None: from the beginning."""
    end: float | None = None
    """It counts until then, in [s]; None: to the end."""
    parameter: str = ""
    """Name of a physical parameter, of what is about the belief."""
    tolerance: float | None = None
    """How far a belief may be from the truth, as a share of the parameter's range."""
    reason: str = ""
    """Name of a `robots.safety.Reason`, of what is about the node's words."""
    line: int = 0
    """Of the file."""


@dataclass(frozen=True)
class Limits:
    """What must hold in every moment of a run, beside the robot's own limits; real hardware is stopped by them."""

    lateness: float | None = None
    """By how much the simulated robot may be behind its schedule, in [s], before the run is invalid; None: one control
    period."""
    position: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest position by joint, in [rad]."""
    velocity: dict[str, float] = field(default_factory=dict)
    """Highest speed by joint, in [rad/s]."""
    command: dict[str, float] = field(default_factory=dict)
    """Largest command by joint, away from 0, in [command unit]."""


@dataclass(frozen=True)
class NodeOptions:
    """How the node is started, beside its bundle."""

    record: bool = True
    """It keeps a bag."""
    belief_file: bool = False
    """It keeps what it understood over restarts."""
    fallback: str = ""
    """Bundle that drives robots which are unfamiliar; empty: none."""


@dataclass(frozen=True)
class Scenario:
    """What is run, `len(seeds)` times. Times in [s] from the node's first command on."""

    name: str
    about: str
    """What it shows, in a sentence."""
    family: str
    bundle: str
    """Folder, or name of a shipped one."""
    duration: float
    robot: Literal["simulated", "real"] = "simulated"
    task: TaskChoice = TaskChoice()
    goal: tuple[GoalStep, ...] = ()
    """What the robot is asked for, in order; empty: what the family draws."""
    faults: tuple[Fault, ...] = ()
    """By the order of the file, which is how expectations count them."""
    expect: tuple[Expectation, ...] = ()
    limits: Limits = Limits()
    node: NodeOptions = NodeOptions()
    seeds: tuple[int, ...] = (0,)
    pace: Literal["real_time", "lock_step"] = "real_time"
    protects: str = ""
    """The protection that it tests, one of `protections.PROTECTIONS`: `adapt hil prove` switches it off."""
    tags: tuple[str, ...] = ()
    source: Path | None = None
    """Its file."""
