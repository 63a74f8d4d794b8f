"""A made-up campaign, with everything that a report is drawn from. Plain numpy: nothing is simulated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from robots import load_robot
from robots.safety import Reason
from ros_bridge.hil.judging.finding import Finding
from ros_bridge.hil.judging.trace import Trace

ATTACK = "<script>document.documentElement.dataset.pwned=1</script>"
PERIOD = 0.02
SPIKE = 2.5
"""In [rad]: one sample of the pendulum that the node saw, which no plot may lose."""
SPIKE_AT = 3.0


def make_campaign(folder: Path, more: int = 0, seconds: float = 8.0) -> Path:
    """Every outcome, two robots, faults, beliefs, goals, NaN, an empty trace and one that is damaged.

    Args:
        folder: to write into.
        more: further runs of a go2.
        seconds: of each run.
    """
    results = [
        _run(folder, "nan_in_one_joint", "pendulum", "passed", seconds, faults=[_fault("nan", 2.0, 1.0)]),
        _run(
            folder,
            "nan_in_one_joint",
            "pendulum",
            "passed",
            seconds,
            seed=1,
            faults=[_fault("bias", 2.0, 1.0)],
        ),
        _run(
            folder, "weak_leg", "go2", "failed", seconds, faults=[_fault("bias", 3.0, 2.0, "FR_calf_joint")]
        ),
        _run(folder, "busy_computer", "go2", "invalid", seconds, label="rl2"),
        _run(folder, "no_node", "go2", "error", seconds, label="rl2"),
        _run(folder, ATTACK, "pendulum", "passed", seconds, label="<b>x</b>"),
        _run(folder, "empty", "pendulum", "error", 0.0),
        _run(folder, "damaged", "pendulum", "passed", seconds),
        _run(folder, "limits", "pendulum", "failed", seconds, switched_off="command_limit"),
        _run(folder, "staleness", "pendulum", "passed", seconds, switched_off="stale_after"),
    ]
    results += [_run(folder, f"walk_{index:02}", "go2", "passed", seconds) for index in range(more)]
    Trace().save(folder / "runs/empty/rma-0/trace.npz")
    damaged = folder / "runs/damaged/rma-0/trace.npz"
    damaged.write_bytes(damaged.read_bytes()[:300])
    (folder / "runs/never_ran/rma-0").mkdir(parents=True)
    facts = {
        "runs": results,
        "config": {"scenarios": ["campaigns/standard"], "note": ATTACK},
        "commit": "4f1c9d27ab",
        "versions": {"mujoco": "3.4.0", "python": "3.13"},
        "seconds": 372.4,
        "parallel": 2,
        "begun": "2026-11-27 10:15",
        "machine": "two cores",
        "comparison": _comparison(),
    }
    (folder / "campaign.json").write_text(json.dumps(facts))
    return folder


def _fault(kind: str, begin: float, duration: float, joint: str = "pivot") -> dict[str, Any]:
    return {
        "kind": kind, "target": "joints", "joints": [joint], "field": "position", "magnitude": 0.2 * (kind == "bias"),
        "begin": begin, "duration": duration, "label": f"joints {kind}", "begun": begin + 0.01,
        "ended": begin + duration, "messages": 50,
    }  # fmt: skip


def _findings(outcome: str) -> list[dict[str, Any]]:
    missed = outcome == "failed"
    findings = [
        Finding("safe_within", "time to the safe command", 1.0, 2.0, "periods", True),
        Finding("tracking", "tracking error", 0.31 if missed else 0.12, 0.2, "rad", True, "95th percentile"),
        Finding("upright", "share of time upright", 0.97, 0.9, "1", False),
        Finding("violations", "commands beyond a limit", 0.0, 0.0, "", True),
    ]
    if missed:
        findings.append(Finding("belief", "belief of payload mass", None, 0.1, "kg", True))
    return [finding.to_json() for finding in findings]


def _run(
    folder: Path, scenario: str, robot: str, outcome: str, seconds: float, *, seed: int = 0, label: str = "rma",
    faults: list[dict[str, Any]] | None = None, switched_off: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    spec = load_robot(robot)
    # A name from a file may hold a slash; a folder's cannot.
    place = f"runs/{scenario}/{label}-{seed}" if "/" not in scenario + label else "runs/odd/name-0"
    at = folder / place
    (at / "logs").mkdir(parents=True)
    (at / "logs/node.log").write_text("up\n")
    (at / "scenario.yaml").write_text("name: x\n")
    (at / "bag").mkdir()
    reasons = {
        "failed": f"{spec.joint_names[-1]}: tracking error 0.31 rad",
        "invalid": "31 slips, 84 ms late",
    }
    low, high = spec.command_limits
    result = {
        "scenario": scenario, "about": "An encoder that says NaN does not move the robot.", "label": label,
        "bundle": f"bundles/{robot}/{label}", "seed": seed, "robot": robot, "family": f"{robot}_family",
        "task": {"kind": "held_out", "index": 3}, "truth": {"payload_mass": 0.52, "motor_gain": 0.9},
        "outcome": outcome, "reason": reasons.get(outcome, "" if outcome == "passed" else "the node ended by itself"),
        "findings": [] if outcome == "error" else _findings(outcome), "faults": faults or [],
        "events": [{"at": 2.5, "what": f"node killed {ATTACK}"}, {"at": 4.0, "what": "node restarted"}],
        "violations": [{"time": 3.2, "side": "robot", "what": "limit", "joint": spec.joint_names[-1], "value": 9.0,
                        "limit": 8.0, "command_before": [0.0], "faults": [0], "kinds": ["joints bias"]}]
        if outcome == "failed" else [],
        "seconds": seconds, "real_time": {"slips": 2, "lateness_ms": {"p50": 0.2, "p99": 4.0}, "limit_ms": 20.0},
        "latency_ms": {"p50": 1.1, "p99": 3.0}, "protects": "sensor_not_finite", "switched_off": switched_off,
        "joint_names": list(spec.joint_names), "period": PERIOD,
        "limits": {
            "position": [[float(a), float(b)] for a, b in zip(*spec.position_limits, strict=True)],
            "velocity": np.asarray(spec.velocity_limit, float).tolist(),
            "command": [[float(a), float(b)] for a, b in zip(low, high, strict=True)],
        },
        "units": {"command": "N m" if spec.interface == "effort" else "rad", "error": "m"}, "goal_names": ["height"],
        "parameter_units": {"payload_mass": "kg", "motor_gain": "1"}, "bag": "bag",
        "model": f"{robot}/{robot}.xml", "pace": "real_time", "commit": "4f1c9d27ab", "versions": {"python": "3.13"},
        "folder": place,
    }  # fmt: skip
    # JSON has no infinity, and limits may be.
    text = json.dumps(result).replace("-Infinity", "null").replace("Infinity", "null")
    (at / "result.json").write_text(text)
    make_trace(robot, seconds).save(at / "trace.npz")
    return json.loads(text)


def make_trace(robot: str, seconds: float) -> Trace:
    """Joints that swing, one spike, NaN from 2 to 3 s, a garbage number, and a belief that closes in on the truth."""
    spec = load_robot(robot)
    random, joints = np.random.default_rng(0), len(spec.joints)
    time = np.arange(0.0, seconds, PERIOD)
    middle = np.asarray(spec.default_position)
    phase = np.arange(joints) / joints * np.pi
    position = (
        middle + 0.25 * np.sin(2 * time[:, None] + phase) + 0.002 * random.normal(size=(len(time), joints))
    )
    velocity = 0.5 * np.cos(2 * time[:, None] + phase)
    seen = position.copy()
    seen[np.isclose(time, SPIKE_AT), -1] += SPIKE
    seen[(time >= 2.0) & (time < 2.5), 0] = np.nan
    seen[np.isclose(time, 5.0), -1] = 1e300
    reasons = np.where((time >= 2.0) & (time < 3.0), int(Reason.SENSOR_NOT_FINITE), 0)
    reasons[time < 0.5] = int(Reason.SOFT_START)
    requested = middle + 0.3 * np.sin(2 * time[:, None] + phase)
    requested[reasons == int(Reason.SENSOR_NOT_FINITE)] = np.nan
    command = np.where(np.isnan(requested), 0.0, requested)
    share = np.exp(-time / 2)[:, None]
    qpos = position
    if robot == "go2":
        base = np.zeros((len(time), 7))
        base[:, 0], base[:, 2], base[:, 3] = 0.4 * time, 0.3, 1.0
        qpos = np.hstack([base, position])
    return Trace(
        time=time, position=position, velocity=velocity,
        upright=np.cos(0.1 * np.sin(time)) if robot == "go2" else np.zeros(0),
        seen_time=time + 0.001, seen_position=seen, seen_velocity=velocity,
        command_time=time + 0.002, command=command, requested_time=time + 0.002, requested=requested, reasons=reasons,
        applied_time=time + 0.003, applied=command, belief_time=time,
        belief_mean=np.array([0.52, 0.9]) + share * [0.1, -0.2], belief_std=0.02 + share * [0.1, 0.2],
        belief_names=np.array(["payload_mass", "motor_gain"]), familiarity_time=time, unfamiliar=time > 6.0,
        latency_time=time, latency=0.001 + 0.0005 * random.random(len(time)), truth_time=time, qpos=qpos,
        goal=np.where(time < 4.0, 0.3, 0.25)[:, None], on_target=(time > 1.0) & (time < 3.0) | (time > 4.5),
        error=np.abs(0.2 * np.sin(time)), lateness=0.0003 * random.random(len(time)),
    )  # fmt: skip


def _comparison() -> dict[str, Any]:
    """As `judging.compare.compare` says it."""

    def of(mean: float, low: float, high: float) -> dict[str, Any]:
        return {"mean": mean, "interval": [low, high], "known": 3, "runs": 4}

    none = {"mean": None, "interval": None, "known": 0, "runs": 4}
    group = {
        "means": {
            "dr": {"passed": of(0.5, 0.3, 0.7), "tracking_error": of(0.3, 0.25, 0.35)},
            "rl2": {"passed": of(0.9, 0.8, 1.0), "tracking_error": of(0.14, 0.1, 0.18)},
            ATTACK: {"passed": of(0.6, 0.4, 0.8), "tracking_error": none},
        },
        "differences": {
            "rl2": {"tracking_error": of(-0.16, -0.2, -0.1)},
            ATTACK: {"tracking_error": of(-0.02, -0.08, 0.05)},
        },
    }
    row = {"scenario": "weak_leg", "label": "rl2", "gain": 0.16, "relative": 0.53, "seeds": 2}
    return {
        "reference": "dr", "labels": ["dr", "rl2", ATTACK],
        "figures": {"tracking_error": {"about": "root mean square", "unit": "rad", "higher_is_better": False}},
        "scenarios": {
            "weak_leg": {
                "dr": {"outcomes": {"0": "failed", "1": "invalid"}, "figures": {"tracking_error": 0.31}},
                ATTACK: {"outcomes": {"0": "passed"}, "figures": {"tracking_error": None}},
            }
        },
        "groups": {"all": group, "go2_velocity": group},
        "buys": {"tracking_error": [row]},
        "hurts": {"tracking_error": [row | {"scenario": ATTACK, "gain": -0.1, "relative": None}]},
    }  # fmt: skip
