"""`adapt replay`: feeds a bag or a CSV log through the controller; writes JSON and a page, and says what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapt.commands.common import print_json
from adapt.console import say
from adapt.errors import AdaptError
from adapt.files import write_json

DIFFERS = 1
"""Exit code: the recorded policy did not answer as it was recorded."""
_COURSES = ("time", "requested", "certified", "belief", "familiarity")
"""What is kept in files and not printed."""


def replay(
    recording: Path,
    bundle: Path,
    out: Path,
    *,
    columns: Path | None = None,
    robot: str = "",
    fallback: Path | None = None,
    json: bool = False,
) -> int:
    """Replays one recording.

    Args:
        recording: a bag, folder or .mcap, or a .csv.
        bundle: folder of the bundle.
        out: folder for the JSON and the page.
        columns: of a CSV: YAML file that says where our quantities stand.
        robot: registered name or robot.yaml; empty for the robot that the bundle names.
        fallback: of a bag: folder of the bundle that drives while the robot is unfamiliar; None: none.
        json: print the result without its courses as one line of JSON.

    Returns:
        Exit code: 0, or `DIFFERS`.

    Raises:
        UserError: the recording, the mapping, the bundle or the robot cannot be used.
    """
    if recording.suffix == ".csv":
        if fallback is not None:
            raise AdaptError(f"--fallback {fallback}: nobody falls back in a log's replay; valid with a bag")
        from ros_bridge.replay import replay_files

        (result,) = replay_files(bundle, [recording], robot, columns)["files"]
        _say_log(result)
    elif recording.suffix == ".mcap" or recording.is_dir():
        if columns is not None:
            raise AdaptError(f"--columns {columns}: a bag has no columns; valid with a .csv")
        from ros_bridge.bag_replay import replay_bag

        result = replay_bag(recording, bundle, robot, fallback)
        _say_bag(result)
    else:
        raise AdaptError(f"{recording}: not a recording; valid: a .csv, a .mcap, or a folder with one")
    _keep(result, out)
    if json:
        print_json(_short(result))
    return DIFFERS if result.get("same_policy") and not result["identical"] else 0


def _keep(result: dict[str, Any], out: Path) -> None:
    path = out / f"{result['name']}.json"
    write_json(path, result)
    try:
        from adapt.report.replay import write_replay
    except ModuleNotFoundError as error:  # a robot's computer has nothing to draw with
        say(f"wrote {path}; no page: {error.name} is not installed")
        return
    page = write_replay(result, path.with_suffix(".html"))
    say(f"wrote {path}; open {page}")


def _short(result: dict[str, Any]) -> dict[str, Any]:
    """Without what goes over time."""
    kept = {
        name: value for name, value in result.items() if name not in _COURSES and not name.endswith("_curve")
    }
    if "commands" in kept:
        kept["commands"] = _short(kept["commands"])
    return kept


def _say_bag(result: dict[str, Any]) -> None:
    say(
        f"{result['name']}: {result['events']} events, {result['steps']} commands in {result['seconds']:.1f} s"
    )
    if result["ended_early"]:
        say(f"read up to there: {result['ended_early']}")
    if result["ignored_goals"]:
        say(f"{result['ignored_goals']} goals on topics that this bundle does not listen to were left out")
    if not result["same_policy"]:
        recorded = result["recorded_bundle"]
        if result["recorded_fallback"] or result["fallback"]:
            recorded = f"{recorded}, fallback {result['recorded_fallback'] or 'none'}"
        say(f"another policy than the one recorded ({recorded}): what it would have done")
        _say_rms(result)
    elif result["identical"]:
        say("bit-identical: every command came out as it was recorded")
    else:
        first = result["first_difference"]
        say(
            f"not identical: {result['differing_steps']} of {result['steps']} commands differ, the first one at step "
            f"{first['step']} ({first['time']:.3f} s, event {first['event']}): {_apart(first, result['unit'])}"
        )


def _apart(difference: dict[str, Any], unit: str) -> str:
    """By how much two answers to the same event differ."""
    parts = [
        f"{name} by {most:.3g} {unit}"
        for name in ("certified", "requested")
        if (most := difference[name]["most"]) is not None
    ]
    if not parts:
        return "only one of the two has a command"
    same = all(difference[name]["most"] == 0.0 for name in ("certified", "requested"))
    return "in how familiar the robot is" if same else ", ".join(parts)


def _say_log(result: dict[str, Any]) -> None:
    say(f"{result['name']}: {result['seconds']:.1f} s at {result['rate_hz']:.0f} Hz")
    if "prior_error" in result:
        say(
            f"one-step error {result['prior_error']:.4f} rad/s on the prior, {result['adapted_error']:.4f} on the "
            "belief after 1 s"
        )
    _say_rms(result["commands"])


def _say_rms(course: dict[str, Any]) -> None:
    """How far from what was sent the commands would have been, joint by joint."""
    for joint in course["joints"]:
        parts = [
            f"{name} {value:.4g}"
            for name in course["rms"]
            if (value := course["rms"][name][joint]) is not None
        ]
        say(f"  {joint}: difference (RMS) {', '.join(parts) or 'unknown'} {course['unit']}")
