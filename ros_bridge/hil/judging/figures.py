"""`figures`: what a run came to in numbers, whether or not a scenario expects anything of them."""

from __future__ import annotations

from dataclasses import dataclass

from robots import RobotSpec
from ros_bridge.hil.judging.expectations import measure
from ros_bridge.hil.judging.facts import RunFacts
from ros_bridge.hil.judging.run import Run, UnmeasuredError
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.scenario.scenario import Expectation, Scenario


@dataclass(frozen=True)
class Figure:
    """One number of a run."""

    about: str
    expectation: str
    """The one that measures it, over the whole run and by its first fault."""
    unit: str
    higher: bool
    """Whether more of it is better."""


FIGURES: dict[str, Figure] = {
    "on_target": Figure("share of the time on target", "on_target", "1", True),
    "tracking_error": Figure(
        "root mean square of the distance from what is asked for", "tracking_error", "", False
    ),
    "time_to_target": Figure("until on target for a second", "time_to_target", "s", False),
    "time_to_recover": Figure(
        "from the first fault's end until the node drives", "time_to_recover", "s", False
    ),
    "driven": Figure("share of the time out of safe mode", "driven", "1", True),
    "safe_share": Figure("share of the time in safe mode", "safe_share", "1", False),
    "fell": Figure("whether the robot fell", "falls", "1", False),
}
"""By name."""


def figures(scenario: Scenario, spec: RobotSpec, trace: Trace, facts: RunFacts) -> dict[str, float | None]:
    """Each of `FIGURES` by name; None where it could not be measured, or never came about."""
    run = Run(scenario, spec, trace, facts)
    return {name: _figure(run, figure) for name, figure in FIGURES.items()}


def _figure(run: Run, figure: Figure) -> float | None:
    try:
        return measure(run, Expectation(figure.expectation, 0.0)).value
    except UnmeasuredError:
        return None
