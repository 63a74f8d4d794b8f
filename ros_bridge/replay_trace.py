"""`Trace`: what was recorded and what a replay answered, step by step, and how the two differ. No ROS. J joints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.online.familiarity import JUDGED
from adapt.types import Belief
from robots import RobotSpec
from robots.safety import reason_names

_UNITS = {"position": "rad", "velocity": "rad/s", "effort": "N m"}
Quantities = Mapping[str, tuple[float, float]]
"""Mean and standard deviation, by the quantity's name."""


@dataclass(frozen=True)
class Answer:
    """To one event."""

    command: np.ndarray
    """Certified, in [command unit]. Shape (J,)."""
    requested: np.ndarray
    """What the policy asked for, in [command unit]; NaN where it was not asked or nobody knows. Shape (J,)."""
    reasons: int
    """Bit mask of `robots.safety.Reason`."""
    belief: Quantities | None
    """None where nothing was said of it."""
    familiarity: np.ndarray | None = None
    """In the order of `JUDGED`; None where nobody judged it. Shape (4,)."""

    def same(self, other: Answer) -> bool:
        """Bit by bit, so that 0 and -0 differ, and NaN does not differ from itself. Beliefs do not count."""
        judged = [None if each.familiarity is None else each.familiarity.tobytes() for each in (self, other)]
        return (
            judged[0] == judged[1]
            and self.command.tobytes() == other.command.tobytes()
            and self.requested.tobytes() == other.requested.tobytes()
            and self.reasons == other.reasons
        )


class Trace:
    """Pairs of answers, of a recorded controller and of a replayed one."""

    def __init__(self, spec: RobotSpec, family: Mapping[str, Any]):
        """`family`: the part of the replayed bundle's manifest that names its belief's quantities."""
        self._spec, self._family = spec, family
        self._times: list[float] = []
        self._pairs: list[tuple[Answer | None, Answer | None]] = []
        unknown = np.full(len(spec.joints), np.nan)
        self._nothing = Answer(unknown, unknown, 0, None)
        self._first_difference: dict[str, Any] | None = None
        self._differing = 0

    @property
    def steps(self) -> int:
        """Events that were answered, then or now."""
        return len(self._times)

    def add(self, event: int, time: float, then: Answer | None, now: Answer | None) -> None:
        """The answers to event number `event`, at `time` [s] since the beginning; None: there was none."""
        if then is None and now is None:
            return
        self._times.append(time)
        self._pairs.append((then, now))
        if then is not None and now is not None and then.same(now):
            return
        self._differing += 1
        self._first_difference = self._first_difference or self._difference(event, time, then, now)

    def differences(self) -> dict[str, Any]:
        """JSON-able: `identical`, `differing_steps`, `first_difference`, of commands and of familiarity."""
        return {
            "identical": not self._differing,
            "differing_steps": self._differing,
            "first_difference": self._first_difference,
        }

    def course(self) -> dict[str, Any]:
        """JSON-able: `steps`, `joints`, `unit`, `rms` (per joint, over the steps where both have a number), `reasons`
        by count; over `time` [s]: `requested`, `certified`, `belief` and `familiarity`, `recorded` and `replayed`. NaN
        is null.
        """
        rows = {name: self._rows(name) for name in ("requested", "certified")}
        return {
            "steps": self.steps,
            "joints": list(self._spec.joint_names),
            "unit": _UNITS[self._spec.interface],
            "rms": {name: self._rms(*both) for name, both in rows.items()},
            "reasons": {"recorded": self._reasons(0), "replayed": self._reasons(1)},
            "time": self._times,
            **{
                name: {"recorded": listed(then), "replayed": listed(now)}
                for name, (then, now) in rows.items()
            },
            "belief": self._beliefs(),
            "familiarity": {
                which: {name: rows[column] for column, name in enumerate(JUDGED)}
                for which, rows in (("recorded", self._familiarity(0)), ("replayed", self._familiarity(1)))
            },
        }

    def _difference(self, event: int, time: float, then: Answer | None, now: Answer | None) -> dict[str, Any]:
        """What a step's two answers were, and by how much they differ, in [command unit]; null: there was none."""
        then, now = then or self._nothing, now or self._nothing
        return {
            "step": self.steps - 1,
            "event": event,
            "time": time,
            "certified": _apart(then.command, now.command),
            "requested": _apart(then.requested, now.requested),
            "familiarity": {"recorded": listed(_judged(then)), "replayed": listed(_judged(now))},
            "reasons": {"recorded": reason_names(then.reasons), "replayed": reason_names(now.reasons)},
        }

    def _rows(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Recorded and replayed commands, shape (T, J) each."""
        field = {"certified": "command", "requested": "requested"}[name]
        pairs = [(then or self._nothing, now or self._nothing) for then, now in self._pairs]
        return (
            np.array([getattr(then, field) for then, _ in pairs]),
            np.array([getattr(now, field) for _, now in pairs]),
        )

    def _rms(self, then: np.ndarray, now: np.ndarray) -> dict[str, float | None]:
        squares = np.square(now - then)
        known = np.isfinite(squares)
        counts = known.sum(axis=0)
        sums = np.where(known, squares, 0.0).sum(axis=0)
        root = np.sqrt(sums / np.where(counts, counts, np.nan))
        return dict(zip(self._spec.joint_names, listed(root), strict=True))

    def _reasons(self, place: int) -> dict[str, int]:
        answers = (pair[place] for pair in self._pairs)
        counts = Counter(name for answer in answers if answer for name in reason_names(answer.reasons))
        return dict(sorted(counts.items()))

    def _familiarity(self, place: int) -> list[list[float | None]]:
        """A row over time of each of `JUDGED`."""
        said = [_judged(pair[place] or self._nothing) for pair in self._pairs]
        return listed(np.array(said).reshape(-1, len(JUDGED)).T)

    def _beliefs(self) -> dict[str, Any]:
        """Of the quantities that the replayed bundle names; of the recorded one, those of them that it names too."""
        names = list(self._family["belief_names"])
        said = [[answer and answer.belief for answer in pair] for pair in self._pairs]
        course: dict[str, Any] = {"names": names, "units": list(self._family["belief_units"])}
        for place, which in enumerate(("recorded", "replayed")):
            course[which] = {
                of: listed([[_of(beliefs[place], name, column) for name in names] for beliefs in said])
                for column, of in enumerate(("mean", "std"))
            }
        return course


def quantities(family: Mapping[str, Any], belief: Belief | None) -> Quantities | None:
    """What one robot's belief says of the quantities that the bundle's `family` names."""
    if belief is None:
        return None
    columns = zip(
        family["belief_names"], belief.parameters[0].tolist(), belief.parameter_std[0].tolist(), strict=True
    )
    return {name: (mean, std) for name, mean, std in columns}


def listed(values: Any) -> Any:
    """Plain numbers and lists; what is not finite is null."""
    if isinstance(values, dict):
        return {name: listed(value) for name, value in values.items()}
    array = np.asarray(values, float)
    return np.where(np.isfinite(array), array.astype(object), np.array(None)).tolist()


def _apart(then: np.ndarray, now: np.ndarray) -> dict[str, Any]:
    return {"recorded": listed(then), "replayed": listed(now), "most": listed(np.abs(now - then).max())}


def _judged(answer: Answer) -> np.ndarray:
    """In the order of `JUDGED`, NaN where nobody judged. Shape (4,)."""
    return np.full(len(JUDGED), np.nan) if answer.familiarity is None else answer.familiarity


def _of(said: Quantities | None, name: str, column: int) -> float:
    return np.nan if said is None or name not in said else said[name][column]
