"""What the adaptation node tells `/diagnostics`: from its control loop's counters to diagnostic messages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from adapt.types import Belief
from robots.safety import SAFE_MODE, Reason, reason_names
from ros_bridge.control_loop import ControlLoop
from ros_bridge.goal_keeper import REFUSED
from ros_bridge.guard import Guard
from ros_bridge.intake import FRESH
from ros_bridge.latency import LatencyMeter

SLOW_SHARE = 0.5
"""Share of the control period beyond which a step's p99 latency is worth a warning."""
RATE_TOLERANCE = 0.1
"""Relative deviation of the control rate that is worth a warning."""


@dataclass(frozen=True)
class Health:
    """An active node's condition since its last report."""

    period: float
    """Control period in [s]."""
    rate: float
    """Control steps per second, in [1/s]."""
    p99: float
    """Latency of a step in [ms]."""
    latest: int = 0
    """Bit mask of `robots.safety.Reason` of the newest command."""
    seen: int = 0
    """The same of all commands since the last report."""
    problem: str | None = None
    """What keeps the policy from driving, in words."""
    doubt: str | None = None
    """Why the adaptive policy is not trusted with the robot, in words."""
    refused: str | None = None
    """What is wrong with a goal that was refused since the last report."""


def judge(health: Health) -> tuple[bytes, str]:
    """The level of a condition, and the condition in words."""
    if health.latest & SAFE_MODE:
        detail = f" ({health.problem})" if health.problem else ""
        return DiagnosticStatus.ERROR, f"safe mode: {_words(health.latest)}{detail}"
    if health.seen & SAFE_MODE:
        return DiagnosticStatus.WARN, f"was in safe mode: {_words(health.seen)}"
    if health.doubt:
        return DiagnosticStatus.WARN, health.doubt
    if health.refused:
        return DiagnosticStatus.WARN, f"goal refused: {health.refused}"
    if health.seen & Reason.OVERRUN:
        return DiagnosticStatus.WARN, f"a step took longer than {1e3 * health.period:g} ms"
    if health.p99 > SLOW_SHARE * 1e3 * health.period:
        return DiagnosticStatus.WARN, f"slow: a step takes {health.p99:.1f} ms (p99)"
    if abs(health.rate * health.period - 1) > RATE_TOLERANCE:
        return DiagnosticStatus.WARN, f"{health.rate:.1f} steps/s instead of {1 / health.period:.1f}"
    return DiagnosticStatus.OK, "in control"


def belief_in_words(family: Mapping[str, Any], belief: Belief) -> dict[str, str]:
    """What is believed of one robot, by quantity: `payload_mass: 0.61 +- 0.05 kg`."""
    columns = zip(
        family["belief_names"],
        family["belief_units"],
        belief.parameters[0],
        belief.parameter_std[0],
        strict=True,
    )
    return {name: f"{mean:.3g} +- {std:.2g} {unit}" for name, unit, mean, std in columns}


class Reporter:
    """Reports on one node, interval by interval."""

    def __init__(self, name: str):
        self.name = name
        self.begin(None, {})

    def begin(self, loop: ControlLoop | None, family: Mapping[str, Any], guard: Guard | None = None) -> None:
        """From now on about this control loop, of the bundle with this `family`; None while there is none."""
        self._loop, self._family, self._guard = loop, family, guard
        self.latency = LatencyMeter()
        """From a reading's arrival to its command's publication."""
        self._since, self._steps, self._refused = float("nan"), 0, 0

    def report(
        self, state: str, fault: str | None, now: float, clock: str | None = None
    ) -> list[DiagnosticStatus]:
        """The node's condition, with all counts, and its belief.

        `now` is monotonic, in [s]; `clock` is what is wrong with ROS time, in words.
        """
        loop = self._loop
        still = (DiagnosticStatus.WARN, f"{state}: {clock}") if clock else (DiagnosticStatus.OK, state)
        if loop is None:
            level, message = (DiagnosticStatus.ERROR, fault) if fault else still
            return [_status(f"{self.name}: control", "", level, message, {"state": state})]
        latency = self.latency.summary()
        health = self._health(loop, now, latency["p99"], clock)
        level, message = judge(health) if state == "active" else still
        if fault:
            level, message = DiagnosticStatus.ERROR, fault
        rate = "not known yet" if math.isnan(health.rate) else f"{health.rate:.1f} Hz"
        values = {"state": state, "control rate": rate, "adaptation": _learns(loop), **_familiarity(loop)}
        if loop.controller.learning is not None:
            values |= loop.controller.learning.status()
        if self._guard is not None:
            values["guard interventions"] = str(self._guard.interventions)
        values |= _times("latency", latency)
        values |= {f"commands {name}": str(count) for name, count in loop.counts.items()}
        if loop.controller.reward is not None:
            values["reward"] = _mean(loop.reward_sum, loop.rewards)
            loop.reward_sum, loop.rewards = 0.0, 0
        values |= _readings(loop, now, clock)
        if loop.goals is not None:
            values |= loop.goals.report(now)
        reports = [_status(f"{self.name}: control", loop.spec.name, level, message, values)]
        if loop.belief is not None:
            words = belief_in_words(self._family, loop.belief)
            reports.append(_status(f"{self.name}: belief", loop.spec.name, DiagnosticStatus.OK, "", words))
        return reports

    def _health(self, loop: ControlLoop, now: float, p99: float, clock: str | None) -> Health:
        rate = (loop.steps - self._steps) / max(now - self._since, 1e-3)
        self._since, self._steps = now, loop.steps
        seen, loop.seen = loop.seen, 0
        return Health(
            period=loop.spec.period,
            rate=rate,
            p99=p99,
            latest=loop.latest,
            seen=seen,
            problem=clock or loop.trouble(now),
            doubt=_doubt(loop),
            refused=self._newly_refused(loop),
        )

    def _newly_refused(self, loop: ControlLoop) -> str | None:
        before, goals = self._refused, loop.goals
        self._refused = 0 if goals is None else goals.counts[REFUSED]
        return goals.problem if goals is not None and self._refused > before else None


def _learns(loop: ControlLoop) -> str:
    """Whether what is understood of the robot changes, and if not, why."""
    if loop.controller.frozen:
        return "frozen"
    judged = loop.familiarity
    return "frozen (unfamiliar)" if judged is not None and judged.unfamiliar[0] else "learning"


def _familiarity(loop: ControlLoop) -> dict[str, str]:
    """The newest judgement in words; nothing where nobody judges."""
    if loop.controller.familiarity is None:
        return {}
    judged, share = loop.familiarity, 0.0 if loop.familiarity is None else loop.familiarity.fallback[0]
    if judged is None or math.isnan(judged.score[0]):
        score = confidence = "not judged yet"
    else:
        score, confidence = f"{judged.score[0]:.2f} of the threshold", f"{judged.confidence[0]:.3f}"
    drives = "none" if loop.controller.fallback is None else f"{100 * share:.0f} % of the command"
    return {"unfamiliarity": score, "familiarity confidence": confidence, "fallback": drives}


def _doubt(loop: ControlLoop) -> str | None:
    """Why the adaptive policy is not trusted, in words; None where it is."""
    judged = loop.familiarity
    if judged is None:
        return None
    drives = judged.fallback[0] > 0
    if judged.unfamiliar[0]:
        then = "; the fallback drives" if drives else ""
        return f"unfamiliar robot: {judged.score[0]:.2f} of the threshold, nothing is learnt{then}"
    return "the fallback drives, until the policy can be trusted again" if drives else None


def _readings(loop: ControlLoop, now: float, clock: str | None) -> dict[str, str]:
    """Counts of readings by verdict, their ages and intervals, and why they may not be acted upon, if so."""
    senses = loop.senses
    values = {
        f"readings {verdict.value}": str(count) for verdict, count in senses.joints.intake.counts.items()
    }
    if senses.imu is not None:
        counts = senses.imu.intake.counts
        values["imu readings fresh"] = str(sum(counts[verdict] for verdict in FRESH))
        values |= {f"imu readings {v.value}": str(n) for v, n in counts.items() if v not in FRESH}
    for prefix, sense in (("", senses.joints), ("imu ", senses.imu)):
        if sense is not None:
            values |= _times(f"{prefix}reading age", sense.ages.summary())
            values |= _times(f"{prefix}reading interval", sense.intervals.summary())
            values[f"{prefix}readings before their stamp"] = str(sense.early)
    return values | {"senses": clock or loop.refusal(now) or "ready"}


def _mean(total: float, count: int) -> str:
    return f"{total / count:.4g} per step" if count else "none measured"


def _times(what: str, summary: Mapping[str, float]) -> dict[str, str]:
    return {f"{what} {name}": f"{ms:.3f} ms" for name, ms in summary.items()}


def _words(reasons: int) -> str:
    return ", ".join(reason_names(reasons & SAFE_MODE))


def _status(
    name: str, hardware: str, level: bytes, message: str, values: Mapping[str, str]
) -> DiagnosticStatus:
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticStatus(name=name, hardware_id=hardware, level=level, message=message, values=pairs)
