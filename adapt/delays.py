"""From a robot's measured times to the delays that its family has to draw. R readings, S control steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

PARAMETERS = ("action_delay", "observation_delay", "control_jitter", "drop_probability")
"""Names of parameters that describe times of the loop; what a family's own names mean nobody knows."""
ENDS = (1.0, 99.0)
"""Percentiles between which delays are taken to lie: beyond, there is what happens once, not a robot's delay."""
DOUBT = 0.01
"""Share of readings from the future from which on ages are not believed: below it, percentiles hardly move."""
JUMP = 0.002
"""Of ROS time against the monotonic clock between some readings and the next, in [s]; slewing (500 ppm) is less."""
_AROUND = 5
_RESOLUTION = 0.001
"""Ranges are widened outwards to a multiple of this, in [s], shares to it."""
Range = tuple[float, float]


@dataclass(frozen=True)
class Measured:
    """What delays were found in one recording; None where it does not say. In [s]."""

    processing: Range
    """From a reading's arrival to its command."""
    age: Range | None
    """Of what a step acts on, as it arrives; None where clocks disagree."""
    whole: Range | None
    """Both together, step by step."""
    missed: float
    """Share of control periods without a reading to act on."""


@dataclass(frozen=True)
class Verdict:
    """One parameter of the family beside what was measured, in SI units."""

    name: str
    unit: str
    measured: Range | None
    """None where the recordings do not say."""
    trained: Range
    covered: bool | None
    """None where it depends on what nobody measured."""
    range: Range | None
    """What to train with instead; None where there is no need, or nobody knows."""
    words: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def percentiles(values: np.ndarray) -> dict[str, float] | None:
    """`count`, `p1`, `p50`, `p99` and `max` of durations [s], in [ms]; None of none."""
    if not len(values):
        return None
    p1, p50, p99, most = np.percentile(1e3 * values, [1, 50, 99, 100]).tolist()
    return {"count": len(values), "p1": p1, "p50": p50, "p99": p99, "max": most}


def ends(values: np.ndarray) -> Range:
    """The percentiles `ENDS` of some values."""
    low, high = np.percentile(values, ENDS).tolist()
    return low, high


def believed(age: np.ndarray, stale_after: float) -> np.ndarray:
    """Which ages, shape (R,), in [s], are neither of the future nor stale. Shape (R,), bool."""
    return (age >= 0.0) & (age <= stale_after)


def clock_jumps(now: np.ndarray, arrival: np.ndarray) -> list[tuple[int, float]]:
    """Where ROS time jumped against the monotonic clock, shapes (R,), in [s]: the reading's number, and by how much.

    A process that is held up between its two looks at a clock is no jump: medians of some readings are compared.
    """
    offset = now - arrival
    if len(offset) < 2 * _AROUND:
        return []
    medians = np.median(np.lib.stride_tricks.sliding_window_view(offset, _AROUND), axis=1)
    change = medians[_AROUND:] - medians[:-_AROUND]
    found: list[tuple[int, float]] = []
    place = 0
    while place < len(change):
        if abs(change[place]) <= JUMP:
            place += 1
            continue
        middle = min(place + _AROUND // 2, len(change) - 1)  # half a window sees it before it is there
        found.append((middle + _AROUND, float(change[middle])))
        place += 2 * _AROUND
    return found


def missed_periods(stamp: np.ndarray, arrival: np.ndarray, run: np.ndarray, period: float) -> tuple[int, int]:
    """How many control periods had no reading to act on, and how many there were, by the readings that were acted upon.

    Shapes (S,). By their stamps, or their arrivals where a clock jumped in between; of the same activation alone.
    """
    together = np.diff(run) == 0
    by_stamp, by_arrival = np.diff(stamp)[together], np.diff(arrival)[together]
    apart = np.where(np.abs(by_stamp - by_arrival) > period, by_arrival, by_stamp)
    periods = np.maximum(np.rint(apart / period), 1).astype(int)
    return int((periods - 1).sum()), int(periods.sum())


def judge(
    parameters: Sequence[Mapping[str, Any]], found: Sequence[Measured], driver: Range | None
) -> list[Verdict]:
    """Holds a family's delays against recordings, each with a span of delays; together they have to be covered.

    Args:
        parameters: the family's, as a bundle's manifest has them.
        found: of each recording.
        driver: shortest and longest time from a command to its torque in [s]; None: nobody knows.
    """
    names = {p["name"] for p in parameters}
    verdicts = []
    for parameter in parameters:
        name = parameter["name"]
        if name == "action_delay":
            apart = "observation_delay" in names
            spans = [each.processing if apart else each.whole for each in found]
            verdicts.append(_of_command(parameter, _span(spans), driver))
        elif name == "observation_delay":
            spans = [each.age if "action_delay" in names else each.whole for each in found]
            verdicts.append(_plain(parameter, _span(spans)))
        elif name == "control_jitter":
            spans = [each.processing if "observation_delay" in names else each.whole for each in found]
            widest = max((high - low for low, high in filter(None, spans)), default=None)
            verdicts.append(_plain(parameter, None if widest is None else (0.0, widest)))
        elif name == "drop_probability":
            missed = max(each.missed for each in found)
            verdicts.append(_plain(parameter, (missed, missed)))
    return verdicts


def range_option(verdict: Verdict) -> str | None:
    """What `adapt train` has to be told; None where nothing."""
    return verdict.range and f"--range {verdict.name}={verdict.range[0]:g}:{verdict.range[1]:g}"


def _span(spans: Sequence[Range | None]) -> Range | None:
    """From the lowest to the highest; None where one of them is not known."""
    known = [span for span in spans if span is not None]
    if len(known) < len(spans):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def _of_command(parameter: Mapping[str, Any], measured: Range | None, driver: Range | None) -> Verdict:
    """Of the delay that the driver's own belongs to."""
    if measured is None or driver is not None:
        low, high = driver or (0.0, 0.0)
        return _plain(parameter, measured and (measured[0] + low, measured[1] + high))
    trained = parameter["low"], parameter["high"]
    least, most = max(trained[0] - measured[0], 0.0), trained[1] - measured[1]
    if least <= most:
        words = f"covered if the driver takes {_ms(least)} to {_ms(most)} ms"
        return Verdict(parameter["name"], parameter["unit"], measured, trained, None, None, words)
    wider = _wider(trained, (trained[0], measured[1] + least))
    words = f"{_widen(wider, parameter['unit'])}, and by what the driver takes beyond {_ms(least)} ms"
    return Verdict(parameter["name"], parameter["unit"], measured, trained, False, wider, words)


def _plain(parameter: Mapping[str, Any], measured: Range | None) -> Verdict:
    """Of a range that is measured as it is trained."""
    name, unit, trained = parameter["name"], parameter["unit"], (parameter["low"], parameter["high"])
    if measured is None:
        return Verdict(name, unit, None, trained, None, None, "not known: the clocks disagree")
    if trained[0] <= measured[0] and measured[1] <= trained[1]:
        return Verdict(name, unit, measured, trained, True, None, "covered")
    wider = _wider(trained, measured)
    return Verdict(name, unit, measured, trained, False, wider, _widen(wider, unit))


def _wider(trained: Range, measured: Range) -> Range:
    """The trained range, and the measured one, outwards to the next round number where that is beyond it."""
    low, high = trained
    if measured[0] < low:
        low = round(math.floor(measured[0] / _RESOLUTION + 1e-9) * _RESOLUTION, 6)
    if measured[1] > high:
        high = round(math.ceil(measured[1] / _RESOLUTION - 1e-9) * _RESOLUTION, 6)
    return low, high


def _widen(wider: Range, unit: str) -> str:
    return f"widen to {wider[0]:g}-{wider[1]:g} {unit}"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.1f}"
