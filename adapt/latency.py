"""`adapt latency`: from recordings of the node to the delays that the next training has to draw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adapt import delays
from adapt.bundle import PolicyBundle, load_bundle
from adapt.console import say
from adapt.errors import AdaptError
from adapt.files import write_json

if TYPE_CHECKING:
    from ros_bridge.bag_timing import BagTiming, Readings

UNMEASURED = (
    "not in it: the driver's own time from the command's arrival to the torque, and from measurement to stamp"
)


def latency(
    bags: Sequence[Path],
    out: Path,
    bundle: Path | None = None,
    driver: tuple[float, float] | None = None,
    *,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measures recordings of one policy; writes JSON and a page, and says what came of it.

    Args:
        bags: folders or MCAP files.
        out: folder for the JSON and the page, which are named after the first bag.
        bundle: the one that was recorded; None: where it was then.
        driver: shortest and longest time from a command to its torque in [s]; None: not known.
        quiet: says nothing.

    Returns:
        `bundle`, `family`, `driver_delay_s`, `not_measured`; `bags`, see `_measured`; `parameters`, see
        `delays.Verdict`; `options`, what `adapt train` is to be told; `file`.

    Raises:
        UserError: a bag or the bundle cannot be used, or they do not belong together.
    """
    if not bags:
        raise AdaptError("bags: none; expected at least one")
    _check_driver(driver)
    from ros_bridge.bag_timing import read_timing

    timings = [read_timing(bag) for bag in bags]
    opened = _bundle(bags, timings, bundle)
    manifest = opened.manifest
    rows = [_measured(timing, manifest["robot"]) for timing in timings]
    verdicts = delays.judge(manifest["family"]["parameters"], [row.pop("found") for row in rows], driver)
    path = out / f"{timings[0].name}.json"
    result = {
        "bundle": str(opened.path),
        "family": manifest["family"]["name"],
        "period_ms": 1e3 * manifest["robot"]["control_period"],
        "driver_delay_s": driver,
        "not_measured": UNMEASURED,
        "bags": rows,
        "parameters": [verdict.to_json() for verdict in verdicts],
        "options": [option for verdict in verdicts if (option := delays.range_option(verdict))],
        "file": str(path),
    }
    durations = [row.pop("durations_ms") for row in rows]
    write_json(path, result, indent=2)
    if not quiet:
        for line in lines(result):
            print(line)
    _draw(result, durations, path.with_suffix(".html"), quiet)
    return result


def lines(result: dict[str, Any]) -> Iterator[str]:
    """What `latency` returns, as a table in words."""
    for row in result["bags"]:
        yield f"{row['name']}: {row['steps']} control steps in {row['seconds']:.1f} s"
        yield f"  {'[ms]':<30}{'p1':>9}{'p50':>9}{'p99':>9}{'max':>9}"
        for name, of in row["times_ms"].items():
            numbers = (
                "".join(f"{of[key]:9.2f}" for key in ("p1", "p50", "p99", "max")) if of else "  not known"
            )
            yield f"  {name:<30}{numbers}"
        missed = row["missed_periods"]
        yield f"  missed periods: {missed['missed']} of {missed['of']} ({missed['share']:.2%})"
        yield from (f"  {note}" for note in row["notes"])
    driver = result["driver_delay_s"]
    added = "" if driver is None else f"; of the former, {driver[0]:g} to {driver[1]:g} s are added"
    yield f"{result['not_measured']}{added}"
    if not result["parameters"]:
        yield f"{result['family']} draws no delay; parameters that do: {', '.join(delays.PARAMETERS)}"
    for of in result["parameters"]:
        spans = f"measured {_span(of['measured'])}, trained {_span(of['trained'])} {of['unit']}"
        yield f"{of['name']}: {spans}: {of['words']}"
    if result["options"]:
        yield f"adapt train LEARNER {result['family']} {' '.join(result['options'])}"


def _measured(timing: BagTiming, robot: dict[str, Any]) -> dict[str, Any]:
    """What one recording says: `name`, `seconds`, `steps`, `times_ms` (rows of the table), `missed_periods`, `notes`;
    besides, `found` for `delays.judge` and `durations_ms` to draw.
    """
    period, stale_after = robot["control_period"], robot["stale_after"]
    joints, answered = timing.joints, np.isfinite(timing.latency)
    topics = {"joints": joints} | ({} if timing.imu is None else {"imu": timing.imu})
    notes, doubted = _notes(timing, topics, stale_after)
    age = (joints.now - timing.oldest)[answered]
    with np.errstate(invalid="ignore"):  # NaN where the IMU was not heard yet
        sound = delays.believed(age, stale_after)
    processing = timing.latency[answered]
    known = not doubted and bool(sound.any())
    times = {
        "age of what a step acts on": age[sound] if known else np.zeros(0),
        "processing": processing,
        "both": (age + processing)[sound] if known else np.zeros(0),
    }
    for name, readings in topics.items():
        times[f"age of {name}"] = _ages(readings, stale_after) if not doubted else np.zeros(0)
        times[f"interval of {name}"] = np.diff(readings.arrival)
    missed, periods = delays.missed_periods(
        joints.stamp[answered], joints.arrival[answered], timing.run[answered], period
    )
    share = missed / periods if periods else 0.0
    return {
        "name": timing.name,
        "seconds": float(joints.arrival[-1] - joints.arrival[0]),
        "steps": int(answered.sum()),
        "times_ms": {name: delays.percentiles(values) for name, values in times.items()},
        "missed_periods": {"missed": missed, "of": periods, "share": share},
        "notes": notes,
        "found": delays.Measured(
            delays.ends(processing),
            delays.ends(times["age of what a step acts on"]) if known else None,
            delays.ends(times["both"]) if known else None,
            share,
        ),
        "durations_ms": {name: (1e3 * values).tolist() for name, values in times.items()},
    }


def _ages(readings: Readings, stale_after: float) -> np.ndarray:
    """Those in [s] that can be believed."""
    return readings.age[delays.believed(readings.age, stale_after)]


def _notes(timing: BagTiming, topics: dict[str, Readings], stale_after: float) -> tuple[list[str], bool]:
    """What is wrong with a recording, in words, and whether its ages cannot be believed."""
    notes, doubted = [], False
    if timing.damage:
        notes.append(f"read up to there: {timing.damage}")
    for name, readings in topics.items():
        age, count = readings.age, len(readings.stamp)
        future, stale = age < 0.0, age > stale_after
        if future.any():
            notes.append(
                f"{name}: {future.sum()} of {count} readings are from the future, by up to {-1e3 * age.min():.1f} ms: "
                "the clocks disagree; they are left out"
            )
        if stale.any():
            notes.append(
                f"{name}: {stale.sum()} of {count} readings are stale (older than {stale_after:g} s); left out"
            )
        if future.mean() > delays.DOUBT or not (~future & ~stale).any():
            notes.append(f"{name}: the ages of the others are not believed either")
            doubted = True
    for place, size in delays.clock_jumps(timing.joints.now, timing.joints.arrival):
        since = timing.joints.arrival[place] - timing.joints.arrival[0]
        notes.append(f"ROS time jumped by {1e3 * size:+.1f} ms after {since:.2f} s")
    return notes, doubted


def _bundle(bags: Sequence[Path], timings: Sequence[BagTiming], given: Path | None) -> PolicyBundle:
    """The bundle whose policy was recorded."""
    from ros_bridge.bag_events import policy_digest
    from ros_bridge.errors import RecordingError

    header = timings[0].header
    path = given or Path(header["bundle"])
    if given is None and not path.is_dir():
        raise RecordingError(
            f"{bags[0]}: recorded with the bundle {path}, which is not there: say where it is, --bundle"
        )
    opened = load_bundle(path)
    for bag, timing in zip(bags, timings, strict=True):
        if timing.header["policy_digest"] != policy_digest(opened):
            raise RecordingError(
                f"{bag}: recorded with another policy ({timing.header['bundle']}) than that of {path}"
            )
    return opened


def _check_driver(driver: tuple[float, float] | None) -> None:
    if driver is not None and not (all(map(math.isfinite, driver)) and 0.0 <= driver[0] <= driver[1] <= 1.0):
        raise AdaptError(f"driver-delay: {driver[0]:g} {driver[1]:g}; valid: LOW HIGH, from 0 to 1 s")


def _draw(result: dict[str, Any], durations: list[dict[str, list[float]]], path: Path, quiet: bool) -> None:
    try:
        from adapt.report.timing import write_timing
    except ModuleNotFoundError as error:  # a robot's computer has nothing to draw with
        words = f"wrote {result['file']}; no page: {error.name} is not installed"
    else:
        words = f"wrote {result['file']}; open {write_timing(result, durations, path)}"
    if not quiet:
        say(words)


def _span(of: Sequence[float] | None) -> str:
    return "unknown" if of is None else f"{of[0]:.4g}-{of[1]:.4g}"
