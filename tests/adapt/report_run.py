"""A made-up run, with everything that a report is drawn from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

PERIOD = 0.02
CHANGE = 6.0
ATTACK = '<img src=x onerror="document.documentElement.dataset.pwned=1"></script><script>alert(1)</script>'
QUANTITIES = {
    "payload_mass": ("kg", 0.33, 0.71),
    "payload_distance": ("m", 0.4, 0.55),
    "viscous_friction": ("N m s/rad", 0.01, 0.12),
    "coulomb_friction": ("N m", 0.03, 0.2),
    "motor_gain": ("1", 0.65, 1.2),
    "action_delay": ("s", 0.005, 0.045),
    "encoder_offset": ("rad", -0.3, 0.3),
    "position_noise": ("rad", 0.0015, 0.01),
    "velocity_noise": ("rad/s", 0.05, 0.4),
    "gravity_stiffness": ("1/s^2", 17.0, 21.0),
    "drive_authority": ("rad/s^2 per N m", 3.5, 10.0),
    "damping_rate": ("1/s", 0.05, 0.7),
    "stiction": ("rad/s^2", 0.2, 1.4),
}
NAMES = list(QUANTITIES)
UNITS = [unit for unit, _, _ in QUANTITIES.values()]
LOW, HIGH = (np.array([q[i] for q in QUANTITIES.values()]) for i in (1, 2))
KNOWN = np.array([0.25, 0.55, 0.4, 0.35, 0.2, 0.3, 0.08, 0.85, 0.3, 0.12, 0.1, 0.4, 0.25])
"""How much of the prior's standard deviation stays, per quantity, in the made-up runs."""


def _belief(rng: np.random.Generator, time: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """A belief that closes in on the truth, shape (T, Q), and opens again at its jump."""
    prior = (HIGH - LOW) / np.sqrt(12)
    since = np.where(time < CHANGE, time, time - CHANGE + 0.6)[:, None]
    share = KNOWN + (1 - KNOWN) * np.exp(-since / 0.8)
    drift = np.cumsum(rng.normal(0, 0.02, truth.shape), axis=0)
    mean = truth + (share - KNOWN) * ((LOW + HIGH) / 2 - truth) + 0.5 * share * prior * np.tanh(drift)
    return {"names": NAMES, "units": UNITS, "mean": mean.tolist(), "std": (share * prior).tolist()}


def _swing_up(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """Angles of a swing that grows, a capture at upright, a fall at the change and a second capture."""
    swing = np.where(time < CHANGE, time, (time - CHANGE) * 1.3 + 0.6)
    rise = 1 / (1 + np.exp(-6 * (swing - rng.uniform(1.6, 2.6))))
    return np.pi * rise + (1 - rise) * np.minimum(0.9 * swing, 2.2) * np.sin(4.4 * swing)


def _robot(rng: np.random.Generator, name: str, samples: int) -> dict[str, Any]:
    time = np.arange(samples) * PERIOD
    first = rng.uniform(LOW, HIGH)
    second = first.copy()
    second[0] = rng.uniform(LOW[0], HIGH[0])
    truth = np.where(time[:, None] < CHANGE, first, second)
    angle = _swing_up(rng, time)
    swing = np.where(np.abs(angle - np.pi) < 0.3, 0.3, 2.2) * np.cos(4.4 * time)
    requested = swing + rng.normal(0, 0.1, samples)
    velocity = np.gradient(angle, time)
    return {
        "name": name,
        "change_time": CHANGE,
        "truth": [
            {"time": 0.0, "values": dict(zip(NAMES, first.tolist(), strict=True))},
            {"time": CHANGE, "values": dict(zip(NAMES, second.tolist(), strict=True))},
        ],
        "upright_first": True,
        "recovered": bool(rng.random() < 0.8),
        "time": time.tolist(),
        "angle": angle.tolist(),
        "measured": (angle + first[6] + rng.normal(0, 0.005, samples)).tolist(),
        "velocity": velocity.tolist(),
        "requested": (1.4 * requested).tolist(),
        "certified": np.clip(1.4 * requested, -2.5, 2.5).tolist(),
        "effort_limit": 2.5,
        "reasons": {"soft_start": 10, "command_limit": int(rng.integers(0, 90)), "velocity_limit": 0},
        "belief": _belief(rng, time, truth),
    }


def _policy(rng: np.random.Generator, time: np.ndarray, height: float, delay: float) -> dict[str, Any]:
    curve = 0.05 + height / (1 + np.exp(-3 * (time - delay)))
    returns = len(time) * np.clip(
        height * 0.7 + rng.normal(0, 0.1, 200) - rng.exponential(0.08, 200), 0.02, 1
    )
    return {
        "curve": curve.tolist(),
        "curve_low": (curve - 0.03).tolist(),
        "curve_high": (curve + 0.03).tolist(),
        "returns": returns.tolist(),
        "mean": float(returns.mean()),
        "interval": [float(returns.mean() - 4), float(returns.mean() + 4)],
        "cvar5": float(np.sort(returns)[:10].mean()),
    }


def _evaluation(rng: np.random.Generator) -> dict[str, Any]:
    time = np.arange(600) * PERIOD
    rmse = KNOWN + (1 - KNOWN) * np.exp(-time[:, None] / rng.uniform(0.5, 2, len(NAMES)))
    policies = {"dr": (0.45, 2.8), "learner": (0.82, 2.2), "oracle": (0.88, 2.0)}
    return {
        "family": "pendulum_swingup",
        "period": PERIOD,
        "n_tasks": 200,
        "policies": {name: _policy(rng, time, *shape) for name, shape in policies.items()},
        "score": {"mean": 0.873, "interval": [0.841, 0.902]},
        "belief": {"names": NAMES, "units": UNITS, "time": time.tolist(), "rmse": rmse.tolist()},
    }


def _summary() -> dict[str, Any]:
    return {
        "seed": 7301,
        "commit": "4f1c9d27ab",
        "versions": {"mujoco": "3.17.0", "torch": "2.13.0"},
        "config": {"learner": "rma", "robots": 1024, "note": ATTACK},
        "train": {"steps": 12_583_000, "seconds": 1372.4, "steps_per_s": 9168.5},
        "evaluate": {
            "dr": 231.0, "oracle": 411.0, "learner": 389.0, "score": 0.873, "score_interval": [0.841, 0.902],
            "cvar5": 0.41, "n_tasks": 200,
        },
        "ros": {
            "robots": 12, "upright_first_episode": 11, "recovered_after_change": 9,
            "latency_ms": {"p50": 0.912, "p99": 1.734}, "echo_latency_ms": {"p50": 0.644, "p99": 1.211},
        },
        "replay": {"files": 3, "prior_error": 0.21, "adapted_error": 0.12},
    }  # fmt: skip


def _ros(rng: np.random.Generator, robots: int, samples: int) -> dict[str, Any]:
    names = [f"hidden-{index:02d}" for index in range(1, robots + 1)]
    names[1] = ATTACK
    return {
        "robots": [_robot(rng, name, samples) for name in names],
        "latency_ms": rng.lognormal(np.log(0.92), 0.22, 6000).tolist(),
        "echo_latency_ms": rng.lognormal(np.log(0.64), 0.2, 6000).tolist(),
    }


def _recording(rng: np.random.Generator, name: str, rate: float, better: float) -> dict[str, Any]:
    time = np.arange(0, 12, 1 / rate)
    prior = np.abs(rng.normal(0.2, 0.06, len(time)))
    adapted = prior * (better + (1 - better) * np.exp(-time))
    truth = np.tile((LOW + HIGH) / 2, (len(time), 1))
    return {
        "name": name, "seconds": 12.0, "rate_hz": rate, "prior_error": float(prior.mean()),
        "adapted_error": float(adapted.mean()), "time": time.tolist(), "prior_error_curve": prior.tolist(),
        "adapted_error_curve": adapted.tolist(), "belief": _belief(rng, time, truth),
    }  # fmt: skip


def make_run(folder: Path, robots: int = 3, samples: int = 600) -> Path:
    """A run folder with made-up but plausible content."""
    rng = np.random.default_rng(0)
    kinds = (
        ("swing_up_lqr.csv", 100.0, 0.5),
        ("free_fall_<b>.csv", 50.0, 0.8),
        ("gravity_comp.csv", 100.0, 0.7),
    )
    replay = {"files": [_recording(rng, *kind) for kind in kinds], "error_unit": "rad/s"}
    content = {"summary": _summary(), "evaluation": _evaluation(rng), "ros": _ros(rng, robots, samples)}
    for name, value in {**content, "replay": replay}.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return folder
