"""`EXPECTATIONS`: what a scenario can expect, and `findings`: how a run came out. Arrays in, findings out.

What could not be measured is a miss with the reason, never a pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from robots import RobotSpec
from ros_bridge.errors import BridgeError
from ros_bridge.hil.judge import SILENCE
from ros_bridge.hil.judging import beliefs, commands, motion, timing, words
from ros_bridge.hil.judging.facts import RunFacts
from ros_bridge.hil.judging.finding import Finding
from ros_bridge.hil.judging.kinds import WINDOW, ExpectationKind
from ros_bridge.hil.judging.limits import limit_findings
from ros_bridge.hil.judging.run import Measured, Run, UnmeasuredError
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.scenario.scenario import Expectation, Scenario

Measure = Callable[[Run, Expectation], Measured]
_Row = tuple[ExpectationKind, Measure]

_SHARE, _TIMES = "of the time", "times"


def _most(about: str, unit: str, *options: str, needs: tuple[str, ...] = ()) -> ExpectationKind:
    return ExpectationKind(about, unit, True, options, needs)


def _least(about: str, unit: str, *options: str, needs: tuple[str, ...] = ()) -> ExpectationKind:
    return ExpectationKind(about, unit, False, options, needs)


_BELIEF = ("parameter", *WINDOW)
_TABLE: dict[str, _Row] = {
    "command_limits": (
        _most("most that a command used of its limit or of its rate, on both sides; 1: all of it", "1"),
        commands.command_limits,
    ),
    "processes_left": (
        _most("processes that were left behind", "processes"),
        lambda run, _: Measured(float(run.facts.processes_left), ""),
    ),
    "rejected_commands": (
        _most("commands that the robot's drive refused", "commands"),
        lambda run, _: Measured(float(run.facts.rejected_commands), ""),
    ),
    "last_word": (
        _most("from a fault that ends the node until its last command, the safe one", "s", "fault"),
        words.last_word,
    ),
    "drive_timeouts": (_most("times that a drive let go for silence", _TIMES), words.drive_timeouts),
    "periods_to_safe": (
        _most("from the first broken reading to the first safe command", "control periods", "fault"),
        words.periods_to_safe,
    ),
    "time_to_safe": (
        _most("from the fault's begin until the node says that it is in safe mode", "s", "fault"),
        words.time_to_safe,
    ),
    "time_to_recover": (
        _most("from the fault's end, or the node's death, until it drives for 0.2 s", "s", "fault"),
        words.time_to_recover,
    ),
    "says": (
        _most(
            "from the fault's begin until the node gives the reason",
            "s",
            "fault",
            "from",
            "reason",
            needs=("reason",),
        ),
        words.says,
    ),
    "driven": (_least("share of the time out of safe mode", _SHARE, *WINDOW), words.driven),
    "safe_share": (_least("share of the time in safe mode", _SHARE, *WINDOW), words.safe_share),
    "silence": (
        _most("longest time between two commands of a living node", "s", *WINDOW),
        words.silence,
    ),
    "faults_missed": (
        _most("faults that never began, or met no message", "faults"),
        words.faults_missed,
    ),
    "restart_within": (
        _most("from the node's death to the first command of the next one", "s", "fault"),
        words.restart_within,
    ),
    "time_to_target": (
        _most("from the fault's end, or `from`, until on target for a whole second", "s", "fault", "from"),
        motion.time_to_target,
    ),
    "on_target": (_least("share of the time on target", _SHARE, *WINDOW), motion.on_target),
    "upright": (_least("share of the time within the tilt limit", _SHARE, *WINDOW), motion.upright),
    "tracking_error": (
        _most("root mean square of the distance from what is asked for", "", *WINDOW),
        motion.tracking_error,
    ),
    "falls": (_most("times that the robot fell", _TIMES), motion.falls),
    "peak_velocity": (
        _most("highest speed of a joint, as a share of its limit", "1", *WINDOW),
        motion.peak_velocity,
    ),
    "peak_command": (
        _most("largest command of a joint, as a share of its limit", "1", *WINDOW),
        commands.peak_command,
    ),
    "ahead_of_rate": (
        _most("most that commands were ahead of their highest rate in time", "ms", *WINDOW),
        commands.ahead_of_rate,
    ),
    "latency_p50": (
        _most("from a reading to its answer, half of them", "ms", *WINDOW),
        timing.latency(0.5),
    ),
    "latency_p99": (
        _most("from a reading to its answer, 99 of 100", "ms", *WINDOW),
        timing.latency(0.99),
    ),
    "missed_deadlines": (
        _most("share of the readings without an answer within a control period", "1", *WINDOW),
        timing.missed_deadlines,
    ),
    "commands_per_period": (
        _most("commands of the node in a control period, on average", "1", *WINDOW),
        timing.commands_per_period,
    ),
    "adapted_within": (
        _most(
            "until the belief is within the tolerance of the truth and stays so",
            "s",
            "fault",
            *_BELIEF,
            "tolerance",
            needs=("parameter", "tolerance"),
        ),
        beliefs.adapted_within,
    ),
    "belief_error": (
        _most(
            "the last belief's distance from the truth, as a share of the range",
            "1",
            *_BELIEF,
            needs=("parameter",),
        ),
        beliefs.belief_error,
    ),
    "belief_sigmas": (
        _most(
            "the last belief's distance from the truth, in its standard deviations",
            "sigma",
            *_BELIEF,
            needs=("parameter",),
        ),
        beliefs.belief_sigmas,
    ),
    "unfamiliar_within": (
        _most("until the node says that the robot is none of its family", "s", "fault", "from"),
        beliefs.unfamiliar_within,
    ),
    "unfamiliar_share": (
        _most("share of the judgements that say so", "1", *WINDOW),
        beliefs.unfamiliar_share,
    ),
    "bag_messages": (
        _least("messages in the bag, read back", "messages"),
        timing.bag_messages,
    ),
}
EXPECTATIONS: dict[str, ExpectationKind] = {name: kind for name, (kind, _) in _TABLE.items()}
"""By name."""
ALWAYS = {
    "command_limits": 1.0,
    "processes_left": 0.0,
    "rejected_commands": 0.0,
    "silence": SILENCE,
    "faults_missed": 0.0,
}
"""What always holds, with its limit; a scenario may set another."""


def findings(scenario: Scenario, spec: RobotSpec, trace: Trace, facts: RunFacts) -> list[Finding]:
    """What always holds, then the scenario's limits, then what it expects, in its order.

    Raises:
        BridgeError: an expectation or reason of a name that there is not; names the valid ones.
    """
    run = Run(scenario, spec, trace, facts)
    named = {expectation.name for expectation in scenario.expect}
    always = [Expectation(name, limit) for name, limit in ALWAYS.items() if name not in named]
    found = [_finding(run, expectation) for expectation in always]
    found += limit_findings(run)
    return found + [_finding(run, expectation) for expectation in scenario.expect]


def measure(run: Run, expectation: Expectation) -> Measured:
    """What came out of one expectation.

    Raises:
        BridgeError: there is none of that name; names the valid ones.
        UnmeasuredError: it could not be measured.
    """
    kind = kind_of(expectation.name)
    for option in kind.needs:
        if getattr(expectation, option) in ("", None):
            raise BridgeError(f"expectation {expectation.name}: needs {option}")
    return _TABLE[expectation.name][1](run, expectation)


def kind_of(name: str) -> ExpectationKind:
    """
    Raises:
        BridgeError: there is none of that name; names the valid ones.
    """
    if name not in EXPECTATIONS:
        raise BridgeError(f"expectation {name!r}; valid: {', '.join(EXPECTATIONS)}")
    return EXPECTATIONS[name]


def _finding(run: Run, expectation: Expectation) -> Finding:
    kind = kind_of(expectation.name)
    value, detail = None, ""
    try:
        measured = measure(run, expectation)
        value, detail = measured.value, measured.detail
    except UnmeasuredError as error:
        detail = str(error)
    if value is not None and not math.isfinite(value):
        value, detail = None, f"the measured value is {value}; {detail}"
    return Finding(
        expectation.name,
        _about(kind, expectation),
        value,
        expectation.limit,
        kind.unit or run.facts.error_unit,
        kind.at_most,
        detail,
    )


def _about(kind: ExpectationKind, expectation: Expectation) -> str:
    """What was expected, with its options, in words."""
    parts = [kind.about, expectation.parameter, expectation.reason]
    if expectation.fault is not None:
        parts.append(f"fault {expectation.fault}")
    if expectation.begin is not None:
        parts.append(f"from {expectation.begin:g} s")
    if expectation.end is not None:
        parts.append(f"to {expectation.end:g} s")
    return ", ".join(word for word in parts if word)
