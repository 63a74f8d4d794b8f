"""`Trace`: what was recorded and what a replay answered, step by step, and how the two differ. T steps, J joints."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from robots import RobotSpec
from robots.safety import reason_names
from ros_bridge.bag_events import Event
from ros_bridge.control_loop import Output
from ros_bridge.latency import LatencyMeter

_UNITS = {"position": "rad", "velocity": "rad/s", "effort": "N m"}
Quantities = dict[str, tuple[float, float]]
"""Mean and standard deviation, by the quantity's name."""


class Trace:
    """Pairs of answers to the same event, of a recorded loop and of a replayed one."""

    def __init__(self, spec: RobotSpec, family: dict[str, Any]):
        """`family`: the part of the replayed bundle's manifest that names its belief's quantities."""
        self._spec, self._family = spec, family
        self._times: list[float] = []
        self._rows: dict[str, dict[str, list[np.ndarray]]] = {
            name: {"recorded": [], "replayed": []} for name in ("requested", "certified")
        }
        self._reasons = {"recorded": Counter[str](), "replayed": Counter[str]()}
        self._beliefs: list[tuple[float, Quantities | None, Quantities | None]] = []
        self._latency = LatencyMeter()
        self._nothing = np.full(len(spec.joints), np.nan)
        self._first_difference: dict[str, Any] | None = None
        self._differing = 0
        self._began: float | None = None
        self._arrival = 0.0

    @property
    def steps(self) -> int:
        """Events that were answered then or now."""
        return len(self._times)

    def add(self, event: Event, output: Output | None) -> None:
        """The next event, with the answer of the replay to it."""
        self._arrival = event.arrival or self._arrival
        self._began = self._arrival if self._began is None else self._began
        if event.output is None and output is None:
            return
        time = self._arrival - self._began
        self._times.append(time)
        for name, answer in (("recorded", event.output), ("replayed", output)):
            self._rows["certified"][name].append(self._nothing if answer is None else answer.command)
            self._rows["requested"][name].append(self._nothing if answer is None else answer.requested)
            self._reasons[name].update([] if answer is None else reason_names(answer.reasons))
        self._compare(event, output, time)
        self._believe(event, output, time)
        if event.latency is not None:
            self._latency.add(event.latency)

    def result(self) -> dict[str, Any]:
        """JSON-able: `identical`, `steps`, `differing_steps`, `first_difference`, `seconds`, `joints`, `unit`, `rms`
        (per joint, where both have a number), `reasons` by count, `latency_ms`, and over `time`: `requested`,
        `certified` and `belief`, each `recorded` and `replayed`. NaN is null.
        """
        return {
            "identical": self._differing == 0,
            "steps": self.steps,
            "differing_steps": self._differing,
            "first_difference": self._first_difference,
            "seconds": self._times[-1] - self._times[0],
            "joints": list(self._spec.joint_names),
            "unit": _UNITS[self._spec.interface],
            "rms": {name: self._rms(name) for name in self._rows},
            "reasons": {name: dict(sorted(counts.items())) for name, counts in self._reasons.items()},
            "latency_ms": _listed(self._latency.summary()),
            "time": self._times,
            **{
                name: {which: _listed(np.array(rows)) for which, rows in both.items()}
                for name, both in self._rows.items()
            },
            "belief": self._belief_course(),
        }

    def _compare(self, event: Event, output: Output | None, time: float) -> None:
        """Bit by bit, so that 0 and -0 differ, and NaN does not differ from itself."""
        then, now = event.output, output
        if then is not None and now is not None:
            same = (
                then.command.tobytes() == now.command.tobytes()
                and then.requested.tobytes() == now.requested.tobytes()
                and then.reasons == now.reasons
            )
            if same:
                return
        self._differing += 1
        if self._first_difference is None:
            self._first_difference = {
                "step": self.steps - 1,
                "event": event.sequence,
                "time": time,
                **{name: self._difference(then, now, name) for name in ("command", "requested")},
                "reasons": {
                    which: _names(answer) for which, answer in (("recorded", then), ("replayed", now))
                },
            }

    def _difference(self, then: Output | None, now: Output | None, name: str) -> dict[str, Any]:
        """By how much one of the two commands of a step differs, in [command unit]; null: there is none."""
        values = [self._nothing if answer is None else getattr(answer, name) for answer in (then, now)]
        return {
            "recorded": _listed(values[0]),
            "replayed": _listed(values[1]),
            "most": _listed(np.max(np.abs(values[1] - values[0]))),
        }

    def _believe(self, event: Event, output: Output | None, time: float) -> None:
        recorded = event.belief and {
            name: (float(mean), float(std))
            for name, mean, std in zip(event.belief.names, event.belief.mean, event.belief.std, strict=True)
        }
        belief, replayed = None if output is None else output.belief, None
        if belief is not None:
            columns = zip(
                self._family["belief_names"], belief.parameters[0], belief.parameter_std[0], strict=True
            )
            replayed = {name: (float(mean), float(std)) for name, mean, std in columns}
        if recorded or replayed:
            self._beliefs.append((time, recorded or None, replayed))

    def _belief_course(self) -> dict[str, Any]:
        """Of the quantities that the replayed bundle names; of the recorded one, those of them that it names too."""
        names = list(self._family["belief_names"])
        course: dict[str, Any] = {"names": names, "units": list(self._family["belief_units"])}
        course["time"] = [time for time, _, _ in self._beliefs]
        moments = {
            "recorded": [then for _, then, _ in self._beliefs],
            "replayed": [now for *_, now in self._beliefs],
        }
        for which, said in moments.items():
            course[which] = {
                of: _listed([[_of(each, name, column) for name in names] for each in said])
                for column, of in enumerate(("mean", "std"))
            }
        return course

    def _rms(self, name: str) -> dict[str, float | None]:
        """Of the differences, per joint, in [command unit]; null where there is nothing to compare."""
        recorded, replayed = (np.array(rows) for rows in self._rows[name].values())
        squares = np.square(replayed - recorded)
        counts = np.isfinite(squares).sum(axis=0)
        sums = np.where(np.isfinite(squares), squares, 0.0).sum(axis=0)
        root = np.sqrt(sums / np.where(counts, counts, np.nan))
        return dict(zip(self._spec.joint_names, _listed(root), strict=True))


def _names(answer: Output | None) -> list[str]:
    return [] if answer is None else reason_names(answer.reasons)


def _of(quantities: Quantities | None, name: str, column: int) -> float:
    return np.nan if quantities is None or name not in quantities else quantities[name][column]


def _listed(values: Any) -> Any:
    """Plain numbers and lists; what is not finite is null."""
    if isinstance(values, dict):
        return {name: _listed(value) for name, value in values.items()}
    array = np.asarray(values, float)
    return np.where(np.isfinite(array), array.astype(object), np.array(None)).tolist()
