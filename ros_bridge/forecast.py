"""How well a belief fits a robot: its one-step forecast of the measured velocity, held against what came. J joints."""

from __future__ import annotations

from typing import Any

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.online.adapters import MotionPredictor
from robots import RobotSpec
from robots.action import ActionLayout
from robots.observer import Observer
from ros_bridge.recording import Recording

SETTLED = 1.0
"""Errors count from here on, in [s]: the time that the belief is given to adapt."""
SMOOTHING = 1.0
"""Length of the moving window of the error curves, in [s]."""


def forecasts(bundle: PolicyBundle) -> bool:
    """Whether its belief forecasts motion."""
    return "action_history" in bundle.manifest["adapter"]


def forecast_course(
    bundle: PolicyBundle,
    spec: RobotSpec,
    recording: Recording,
    rows: np.ndarray,
    sent: np.ndarray,
    latent: np.ndarray,
) -> dict[str, Any]:
    """Errors of the belief's forecasts, beside those of the prior, which knows the family but has heard nothing.

    Args:
        bundle: one that `forecasts`.
        spec: the robot.
        recording: what it measured.
        rows: those on which a controller acted. Shape (t,).
        sent: commands from each of them to the next, in [command unit]. Shape (t - 1, J).
        latent: mean and log standard deviation of the belief after each of them. Shape (t, 2 L).

    Returns:
        `prior_error` and `adapted_error` (root mean square from `SETTLED` on, in [rad/s]), and their curves.
    """
    settled = recording.time[rows][1:] > SETTLED
    errors = {
        name: _errors(bundle, spec, recording, rows, sent, believed)
        for name, believed in (("prior", np.zeros_like(latent)), ("adapted", latent))
    }
    return {
        **{f"{name}_error": float(np.sqrt(np.mean(error[settled] ** 2))) for name, error in errors.items()},
        **{f"{name}_error_curve": _moving_rms(error, spec.period) for name, error in errors.items()},
    }


def _errors(
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
    goals = [None if recording.goal is None else recording.goal[[row]] for row in rows]
    frames = [recording.frame(row) for row in rows]
    seen = [observer.observe(frame, goal).copy() for frame, goal in zip(frames, goals, strict=True)]
    observation = np.concatenate(seen)
    actions = ActionLayout(spec).to_action(sent).astype(np.float32)
    history = bundle.manifest["adapter"]["action_history"]
    lagged = [np.pad(actions, ((lag, 0), (0, 0)))[: len(actions)] for lag in range(history)]
    mean, log_std = np.split(latent[:-1].astype(np.float32), 2, axis=1)
    before = np.concatenate([observation[:1], observation[:-2]])
    forecast = predict(observation[:-1], before, np.concatenate(lagged, axis=1), mean, log_std)
    columns, scale = bundle.observation.columns("velocity")
    return (observation[1:, columns] - forecast[:, columns]) / scale


def _moving_rms(errors: np.ndarray, period: float) -> list[float]:
    """Root mean square over the last `SMOOTHING` seconds and all joints, per step."""
    squares = np.square(errors).mean(axis=1)
    width = max(1, round(SMOOTHING / period))
    total = np.cumsum(np.concatenate([np.zeros(1), squares]))
    ends = np.arange(1, len(total))
    begins = np.maximum(ends - width, 0)
    return np.sqrt((total[ends] - total[begins]) / (ends - begins)).round(6).tolist()
