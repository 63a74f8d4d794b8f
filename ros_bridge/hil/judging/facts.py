"""`RunFacts`: what is known of a run beside its trace. Times in [s] from the node's first command on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ros_bridge.hil.schedule import Fault


@dataclass(frozen=True)
class FaultCourse:
    """When one fault really was at work."""

    fault: Fault
    begun: float = math.nan
    """NaN: never."""
    ended: float = math.nan
    """NaN: never, it lasted to the end of the run."""
    messages: int = 0
    """That met it."""
    touched: float = math.nan
    """When it met the first one; NaN: never, or nobody said."""


@dataclass
class RunFacts:
    """All of it has to be said: what was forgotten must not look like what was kept."""

    faults: list[FaultCourse]
    """In the order of the scenario, which is how expectations count them."""
    violations: list[dict[str, Any]]
    """As `Judge.violations`."""
    truth: dict[str, float]
    """Physical parameters of the simulated robot when it began, in SI units; empty for a real one."""
    ranges: dict[str, tuple[float, float]]
    """Lowest and highest value of each parameter in the family, in SI units."""
    fell_at: float | None
    """When the simulated robot fell; None: it did not, or nobody could tell."""
    processes_left: int
    rejected_commands: int
    """By the robot's drive."""
    drive_timeouts: int
    """How often the node was silent for so long that a drive lets go."""
    restarts: list[tuple[float, float]]
    """Of the node: when it died, and when the next one was there; NaN: there was none."""
    bag_messages: int | None
    """In the bag, read back; None without one."""
    periods_to_safe: dict[int, int]
    """Commands until the safe one as `Judge` counted them, by fault number."""
    recoveries: dict[int, float]
    """Time until the node drove again as `Judge` measured it, in [s], by fault number."""
    error_unit: str = ""
    """Of `Trace.error`, which is the task's."""
