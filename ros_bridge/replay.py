"""Replays recordings of a real robot through the controller in shadow mode: it listens, nothing is commanded.

How well the belief fits the robot is judged by its one-step forecast of the measured velocity, beside the forecast of
the prior, which knows the family but has heard nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapt.bundle import PolicyBundle, open_bundle
from adapt.online.adapters import MotionPredictor, make_adapter
from adapt.online.controller import AdaptiveController
from robots import RobotSpec, SensorFrame
from robots.action import ActionLayout
from robots.observer import Observer
from ros_bridge.errors import BridgeError, RecordingError
from ros_bridge.intake import Intake, Verdict
from ros_bridge.recording import Recording, read_recording

SETTLED = 1.0
"""Errors count from here on, in [s]: the time that the belief is given to adapt."""
SMOOTHING = 1.0
"""Length of the moving window of the error curves, in [s]."""


def replay_files(bundle: Path, recordings: Sequence[Path], robot: str = "") -> dict[str, Any]:
    """Replays CSV files, each as a trial of its own.

    Args:
        bundle: folder of a bundle that adapts by belief.
        recordings: CSV files, see `read_recording`.
        robot: registered name or robot.yaml; empty for the robot that the bundle names.

    Returns:
        `files`: per recording `name`, `seconds`, `rate_hz`, `prior_error`, `adapted_error` (root mean square in
        `error_unit` from `SETTLED` on), their curves over `time`, and the `belief` over it; `error_unit`.

    Raises:
        BridgeError: no recordings, one that cannot be used, or a bundle that believes nothing.
        AdaptError, RobotError: the bundle or robot cannot be used.
    """
    if not recordings:
        raise BridgeError("replay: no recordings given; expected CSV files")
    opened, spec = open_bundle(bundle, robot)
    if opened.manifest["adapter"]["kind"] != "belief":
        raise BridgeError(f"{bundle}: does not adapt by belief: there is nothing to replay")
    files = [_replay(opened, spec, read_recording(path, spec)) for path in recordings]
    return {"files": files, "error_unit": "rad/s"}


def _replay(bundle: PolicyBundle, spec: RobotSpec, recording: Recording) -> dict[str, Any]:
    rows = _due(spec, recording)
    if recording.time[rows[-1]] <= SETTLED + SMOOTHING:
        raise RecordingError(
            f"{recording.name}: {recording.seconds:.2f} s long; expected more than {SETTLED + SMOOTHING} s"
        )
    time, sent = recording.time[rows], _sent(recording, rows)
    beliefs = _listen(bundle, spec, recording, rows, sent)
    prior = np.zeros_like(beliefs["latent"])
    errors = {
        name: _forecast_errors(bundle, spec, recording, rows, sent, latent)
        for name, latent in (("prior", prior), ("adapted", beliefs["latent"]))
    }
    settled = time[1:] > SETTLED
    family = bundle.manifest["family"]
    return {
        "name": recording.name,
        "seconds": recording.seconds,
        "rate_hz": recording.rate,
        **{f"{name}_error": float(np.sqrt(np.mean(error[settled] ** 2))) for name, error in errors.items()},
        "time": time[1:].round(4).tolist(),
        **{f"{name}_error_curve": _moving_rms(error, spec.period) for name, error in errors.items()},
        "belief": {
            "names": family["belief_names"],
            "units": family["belief_units"],
            "mean": beliefs["mean"][1:].round(5).tolist(),
            "std": beliefs["std"][1:].round(5).tolist(),
        },
    }


def _due(spec: RobotSpec, recording: Recording) -> np.ndarray:
    """Rows on which the node would act, by the node's own rule. Shape (t,)."""
    intake = Intake(spec.period, spec.safety.stale_after)
    stamps = recording.time.tolist()
    return np.array([row for row, t in enumerate(stamps) if intake.judge(t, t, t) is Verdict.ACT])


def _sent(recording: Recording, rows: np.ndarray) -> np.ndarray:
    """Mean torque from each due row to the next, in [N m]; from the last row on it is not known. Shape (t - 1, J)."""
    sums = np.add.reduceat(recording.torque, rows, axis=0)[:-1]
    return sums / np.diff(rows)[:, None]


def _listen(
    bundle: PolicyBundle, spec: RobotSpec, recording: Recording, rows: np.ndarray, sent: np.ndarray
) -> dict[str, np.ndarray]:
    """Beliefs after each due row: latent (t, 2 L), physical mean and standard deviation (t, Q)."""
    controller = AdaptiveController(spec, bundle.observation, make_adapter(bundle))
    controller.reset(position=recording.position[:1])
    beliefs: dict[str, list[np.ndarray]] = {"latent": [], "mean": [], "std": []}
    for step, row in enumerate(rows):
        before = None if step == 0 else sent[step - 1][None]
        belief = controller.step(_frame(recording, row), sent=before).belief
        assert belief is not None
        beliefs["latent"].append(np.concatenate([belief.mean[0], belief.log_std[0]]))
        beliefs["mean"].append(belief.parameters[0])
        beliefs["std"].append(belief.parameter_std[0])
    stacked = {name: np.stack(values) for name, values in beliefs.items()}
    for name, values in stacked.items():
        if not np.isfinite(values).all():
            raise BridgeError(f"{recording.name}: the belief's {name} is not finite")
    return stacked


def _forecast_errors(
    bundle: PolicyBundle,
    spec: RobotSpec,
    recording: Recording,
    rows: np.ndarray,
    sent: np.ndarray,
    latent: np.ndarray,
) -> np.ndarray:
    """Measured minus forecast velocity at all due rows but the first, in [rad/s]. Shape (t - 1, J)."""
    predict = MotionPredictor(bundle)
    observer = Observer(bundle.observation)
    observation = np.concatenate([observer.observe(_frame(recording, row)).copy() for row in rows])
    actions = ActionLayout(spec).to_action(sent).astype(np.float32)
    history = bundle.manifest["adapter"]["action_history"]
    lagged = [np.pad(actions, ((lag, 0), (0, 0)))[: len(actions)] for lag in range(history)]
    mean, log_std = np.split(latent[:-1].astype(np.float32), 2, axis=1)
    before = np.concatenate([observation[:1], observation[:-2]])
    forecast = predict(observation[:-1], before, np.concatenate(lagged, axis=1), mean, log_std)
    columns, scale = bundle.observation.columns("velocity")
    return (observation[1:, columns] - forecast[:, columns]) / scale


def _frame(recording: Recording, rows: np.ndarray | int) -> SensorFrame:
    rows = np.atleast_1d(rows)
    return SensorFrame(recording.time[rows], recording.position[rows], recording.velocity[rows])


def _moving_rms(errors: np.ndarray, period: float) -> list[float]:
    """Root mean square over the last `SMOOTHING` seconds and all joints, per step."""
    squares = np.square(errors).mean(axis=1)
    width = max(1, round(SMOOTHING / period))
    total = np.cumsum(np.concatenate([np.zeros(1), squares]))
    ends = np.arange(1, len(total))
    begins = np.maximum(ends - width, 0)
    return np.sqrt((total[ends] - total[begins]) / (ends - begins)).round(6).tolist()
