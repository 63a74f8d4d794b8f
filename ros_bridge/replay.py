"""Replays CSV logs of a real robot through the controller in shadow mode: it listens, nothing is commanded.

What it would have sent stands beside what was sent. How well a belief fits the robot is judged by its one-step forecast
of the measured velocity (`forecast.py`). For bags of the node, see `bag_replay.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapt.bundle import PolicyBundle, open_bundle
from adapt.online.controller import AdaptiveController, ControlStep
from adapt.online.kinds import make_adapter
from robots import RobotSpec
from ros_bridge.columns import quantities_of, read_columns
from ros_bridge.errors import BridgeError, RecordingError
from ros_bridge.forecast import SETTLED, SMOOTHING, forecast_course, forecasts
from ros_bridge.intake import Intake, Verdict
from ros_bridge.recording import Recording, read_recording
from ros_bridge.replay_trace import Answer, Trace, quantities


def replay_files(
    bundle: Path, recordings: Sequence[Path], robot: str = "", columns: Path | None = None
) -> dict[str, Any]:
    """Replays CSV files, each as a trial of its own.

    Args:
        bundle: folder of a bundle.
        recordings: CSV files, see `read_recording`.
        robot: registered name or robot.yaml; empty for the robot that the bundle names.
        columns: YAML file that says where our quantities stand, see `read_columns`.

    Returns:
        `files`: per recording `name`, `seconds`, `rate_hz`; `commands`, see `Trace.course`; the `belief` over `time`,
        and what `forecast_course` says, where the bundle believes and forecasts; `error_unit`.

    Raises:
        BridgeError: no recordings, or one that cannot be used.
        AdaptError, RobotError: the bundle or robot cannot be used.
    """
    if not recordings:
        raise BridgeError("replay: no recordings given; expected CSV files")
    opened, spec = open_bundle(bundle, robot)
    mapped = columns and read_columns(columns, quantities_of(spec, opened.goal))
    read = [read_recording(path, spec, mapped, opened.goal) for path in recordings]
    return {"files": [_replay(opened, spec, recording) for recording in read], "error_unit": "rad/s"}


def _replay(bundle: PolicyBundle, spec: RobotSpec, recording: Recording) -> dict[str, Any]:
    rows = _due(spec, recording)
    if recording.time[rows[-1]] <= SETTLED + SMOOTHING:
        raise RecordingError(
            f"{recording.name}: {recording.seconds:.2f} s long; expected more than {SETTLED + SMOOTHING} s"
        )
    sent = _sent(recording, rows)
    steps = _listen(bundle, spec, recording, rows, sent)
    result = {
        "name": recording.name,
        "seconds": recording.seconds,
        "rate_hz": recording.rate,
        "time": recording.time[rows][1:].round(4).tolist(),
        "commands": _commands(bundle, spec, recording.time[rows], sent, steps),
    }
    if bundle.manifest["adapter"]["kind"] == "belief":
        result["belief"] = _belief_course(bundle, recording, steps)
    if forecasts(bundle):
        latent = np.stack([_latent(step) for step in steps])
        result |= forecast_course(bundle, spec, recording, rows, sent, latent)
    return result


def _due(spec: RobotSpec, recording: Recording) -> np.ndarray:
    """Rows on which the node would act, by the node's own rule. Shape (t,)."""
    intake = Intake(spec.period, spec.safety.stale_after)
    stamps = recording.time.tolist()
    return np.array([row for row, t in enumerate(stamps) if intake.judge(t, t, t) is Verdict.ACT])


def _sent(recording: Recording, rows: np.ndarray) -> np.ndarray:
    """Mean command from each due row to the next, in [command unit]; from the last on it is not known.

    Shape (t - 1, J).
    """
    sums = np.add.reduceat(recording.command, rows, axis=0)[:-1]
    return sums / np.diff(rows)[:, None]


def _listen(
    bundle: PolicyBundle, spec: RobotSpec, recording: Recording, rows: np.ndarray, sent: np.ndarray
) -> list[ControlStep]:
    """What a controller decides on each due row, told what was really sent before it."""
    controller = AdaptiveController(spec, bundle.observation, make_adapter(bundle), reward=bundle.reward)
    controller.reset(position=recording.position[:1])
    steps = []
    for step, row in enumerate(rows):
        before = None if step == 0 else sent[step - 1][None]
        goal = None if recording.goal is None else recording.goal[[row]]
        steps.append(controller.step(recording.frame(row), sent=before, goal=goal))
    return steps


def _commands(
    bundle: PolicyBundle, spec: RobotSpec, time: np.ndarray, sent: np.ndarray, steps: list[ControlStep]
) -> dict[str, Any]:
    """What was sent from each due row to the next, beside what the controller would have sent."""
    family = bundle.manifest["family"]
    trace, unknown = Trace(spec, family), np.full(len(spec.joints), np.nan)
    for k, command in enumerate(sent):
        step = steps[k]
        then = Answer(command, unknown, 0, None)
        belief = quantities(family, step.belief)
        now = Answer(step.command[0], step.requested[0], int(step.reasons[0]), belief)
        trace.add(k, float(time[k]), then, now)
    return trace.course()


def _belief_course(bundle: PolicyBundle, recording: Recording, steps: list[ControlStep]) -> dict[str, Any]:
    """Of all due rows but the first.

    Raises:
        BridgeError: the belief is not finite.
    """
    family = bundle.manifest["family"]
    beliefs = [step.belief for step in steps if step.belief is not None]
    stacked = {
        "latent": np.stack([_latent(step) for step in steps]),
        "mean": np.stack([belief.parameters[0] for belief in beliefs]),
        "std": np.stack([belief.parameter_std[0] for belief in beliefs]),
    }
    for name, values in stacked.items():
        if not np.isfinite(values).all():
            raise BridgeError(f"{recording.name}: the belief's {name} is not finite")
    return {
        "names": family["belief_names"],
        "units": family["belief_units"],
        **{name: stacked[name][1:].round(5).tolist() for name in ("mean", "std")},
    }


def _latent(step: ControlStep) -> np.ndarray:
    """Mean and log standard deviation of the latent belief. Shape (2 L,)."""
    assert step.belief is not None
    return np.concatenate([step.belief.mean[0], step.belief.log_std[0]])
