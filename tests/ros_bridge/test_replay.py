"""Replay in shadow mode: it hears the recording, commands nothing, and its errors are those recomputed by hand."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

import ros_bridge.replay
from adapt.bundle import PolicyBundle
from adapt.online.adapters import MotionPredictor
from adapt.online.kinds import make_adapter
from robots import RobotSpec
from ros_bridge.errors import BridgeError, RecordingError
from ros_bridge.replay import replay_files

SECONDS = 2.6
STEP = 0.01
"""MuJoCo's time step of the pendulum, and of the recording, in [s]: two rows per control period."""


@pytest.fixture(scope="module")
def swing(tmp_path_factory: pytest.TempPathFactory, pendulum: RobotSpec) -> Path:
    """A pendulum under a torque that goes on rising and falling, written down by MuJoCo alone."""
    model = mujoco.MjModel.from_xml_path(str(pendulum.model))
    data = mujoco.MjData(model)
    path = tmp_path_factory.mktemp("recording") / "swing.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "position", "velocity", "torque"])
        for k in range(round(SECONDS / STEP)):
            data.ctrl[0] = 1.2 * np.sin(5.0 * k * STEP)
            writer.writerow([k * STEP, data.qpos[0], data.qvel[0], data.ctrl[0]])
            mujoco.mj_step(model, data)
    return path


@pytest.fixture(scope="module")
def replayed(bundle: PolicyBundle, swing: Path) -> dict[str, Any]:
    (file,) = replay_files(bundle.path, [swing])["files"]
    return file


@pytest.fixture(scope="module")
def steps(swing: Path) -> dict[str, np.ndarray]:
    """What a control step every second row hears: observations, and the mean torque that followed."""
    time, position, velocity, torque = np.loadtxt(swing, delimiter=",", skiprows=1).T
    due = slice(0, None, 2)
    observation = np.stack([np.sin(position), np.cos(position), 0.2 * velocity], axis=1)[due]
    sent = torque.reshape(-1, 2).mean(axis=1)[:-1] / 2.5  # as an action: of 2.5 N m
    observation, sent = observation.astype(np.float32), sent.astype(np.float32)
    return {"time": time[due], "observation": observation, "velocity": velocity[due], "sent": sent}


def beliefs_by_hand(
    bundle: PolicyBundle, steps: dict[str, np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    adapter, made = make_adapter(bundle), []
    for k, seen in enumerate(steps["observation"]):
        before = steps["sent"][k - 1] if k else np.float32(0.0)
        first = np.full((1, 1), float(k == 0), np.float32)
        adapter.act(seen[None], np.array([[before]]), np.zeros((1, 1), np.float32), first, np.ones(1, bool))
        belief = adapter.belief()
        assert belief is not None
        made.append((belief.mean, belief.log_std))
    return made


def errors_by_hand(bundle: PolicyBundle, steps: dict[str, np.ndarray], beliefs) -> np.ndarray:
    predict, errors = MotionPredictor(bundle), []
    seen, sent = steps["observation"], steps["sent"]
    for k in range(len(sent)):
        actions = [sent[k - lag] if k >= lag else 0.0 for lag in range(3)]  # newest first
        forecast = predict(
            seen[k][None], seen[max(k - 1, 0)][None], np.array([actions], np.float32), *beliefs[k]
        )
        errors.append(steps["velocity"][k + 1] - forecast[0, 2] / 0.2)
    return np.array(errors)


def settled_rms(errors: np.ndarray, time: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors[time[1:] > 1.0] ** 2)))


def test_the_forecast_of_the_prior_is_the_one_recomputed_by_hand(bundle, replayed, steps):
    nothing = np.zeros((1, bundle.manifest["adapter"]["latent"]), np.float32)
    errors = errors_by_hand(bundle, steps, [(nothing, nothing)] * len(steps["sent"]))
    assert replayed["prior_error"] == pytest.approx(settled_rms(errors, steps["time"]), rel=1e-4)
    # The curve is a moving root mean square over 1 s, 50 steps.
    curve = [np.sqrt(np.mean(errors[max(0, end - 50) : end] ** 2)) for end in (1, 30, 50, 51, 100)]
    assert [replayed["prior_error_curve"][end - 1] for end in (1, 30, 50, 51, 100)] == pytest.approx(
        curve, 1e-4
    )


def test_the_forecast_of_the_belief_is_the_one_recomputed_by_hand(bundle, replayed, steps):
    errors = errors_by_hand(bundle, steps, beliefs_by_hand(bundle, steps))
    assert replayed["adapted_error"] == pytest.approx(settled_rms(errors, steps["time"]), rel=1e-3)
    assert replayed["adapted_error"] != pytest.approx(replayed["prior_error"], rel=1e-3)


def test_the_result_covers_the_recording(bundle, replayed, steps):
    count = len(steps["time"]) - 1
    assert (replayed["name"], replayed["rate_hz"]) == ("swing", pytest.approx(100.0))
    assert replayed["time"] == pytest.approx(steps["time"][1:].tolist())
    belief, family = replayed["belief"], bundle.manifest["family"]
    assert (belief["names"], belief["units"]) == (family["belief_names"], family["belief_units"])
    for rows in (belief["mean"], belief["std"]):
        assert np.shape(rows) == (count, len(family["belief_names"]))
        assert np.isfinite(rows).all()
    assert (np.array(belief["std"]) > 0).all()


def test_the_policy_hears_the_recorded_torque_not_its_own_request(monkeypatch, bundle, swing, steps):
    told, asked = [], []

    def spied(opened: PolicyBundle) -> Any:
        adapter = make_adapter(opened)
        act = adapter.act

        def listen(observation, previous_action, *rest, **named):
            told.append(float(previous_action[0, 0]))
            asked.append(float(act(observation, previous_action, *rest, **named)[0, 0]))
            return np.array([[asked[-1]]], np.float32)

        monkeypatch.setattr(adapter, "act", listen)
        return adapter

    monkeypatch.setattr(ros_bridge.replay, "make_adapter", spied)
    replay_files(bundle.path, [swing])
    assert told == pytest.approx([0.0, *steps["sent"]], abs=1e-6)
    assert np.abs(np.subtract(told[1:], asked[:-1])).max() > 0.1  # its own wish was another one


def test_a_replay_has_nothing_to_send_with():
    code = "import sys, ros_bridge.replay; sys.exit('rclpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


def test_every_recording_is_a_trial_of_its_own(bundle, swing, replayed):
    twice = replay_files(bundle.path, [swing, swing])["files"]
    assert twice == [replayed, replayed]


def test_real_recordings_give_finite_beliefs(bundle, recordings):
    result = replay_files(bundle.path, recordings)
    assert result["error_unit"] == "rad/s"
    for file in result["files"]:
        assert np.isfinite(file["belief"]["mean"]).all()
        assert np.isfinite([file["prior_error"], file["adapted_error"]]).all()
        # 50 Hz and 200 Hz carry jitter: steps keep to the control period of 0.02 s within a tenth.
        assert np.mean(np.diff(file["time"])) == pytest.approx(0.02, rel=0.1)


def test_too_short_a_recording_is_refused(bundle, swing, tmp_path):
    lines = swing.read_text(encoding="utf-8").splitlines()
    path = tmp_path / "short.csv"
    path.write_text("\n".join(lines[:200]), encoding="utf-8")  # 1.98 s
    with pytest.raises(RecordingError, match=r"short: 1\.98 s long; expected more than 2\.0 s"):
        replay_files(bundle.path, [path])


def test_a_request_that_makes_no_sense_is_refused(bundle, swing, tmp_path):
    with pytest.raises(BridgeError, match="no recordings given"):
        replay_files(bundle.path, [])
    with pytest.raises(RecordingError, match=r"gone\.csv"):
        replay_files(bundle.path, [tmp_path / "gone.csv"])


def test_what_it_would_have_sent_stands_beside_what_was_sent(replayed, steps):
    course = replayed["commands"]
    sent = 2.5 * steps["sent"].astype(float)  # of 2.5 N m
    assert np.array(course["certified"]["recorded"])[:, 0] == pytest.approx(sent, abs=1e-6)
    would = np.array(course["certified"]["replayed"])[:, 0]
    assert course["rms"]["certified"]["pivot"] == pytest.approx(
        np.sqrt(np.mean((would - sent) ** 2)), rel=1e-5
    )
    assert course["rms"]["requested"]["pivot"] is None  # nobody knows what was asked for
    assert course["reasons"]["replayed"]["soft_start"] > 0
    assert course["steps"] == len(sent)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    from tests.small_bundle import untrained_policy

    return untrained_policy(tmp_path_factory.mktemp("fixed") / "bundle", "pendulum_swingup")


def test_a_bundle_that_believes_nothing_has_commands_alone(fixed, swing):
    (file,) = replay_files(fixed.path, [swing])["files"]
    assert "belief" not in file
    assert "prior_error" not in file
    assert file["commands"]["rms"]["certified"]["pivot"] > 0


def write_log(path: Path, columns: dict[str, np.ndarray]) -> Path:
    rows = np.stack(list(columns.values()), axis=1)
    np.savetxt(path, rows, delimiter=",", header=",".join(columns), comments="", fmt="%.17g")
    return path


def test_a_log_with_other_columns_and_units_is_the_same_recording(bundle, swing, replayed, tmp_path):
    time, position, velocity, torque = np.loadtxt(swing, delimiter=",", skiprows=1).T
    log = {"t_ms": 1e3 * time + 5e6, "deg": np.rad2deg(position) - 90, "w": velocity, "current": 20 * torque}
    columns = tmp_path / "columns.yaml"
    columns.write_text(
        "time: {column: t_ms, factor: 0.001}\n"
        f"position: {{column: deg, factor: {np.pi / 180}, offset: {np.pi / 2}}}\n"
        "velocity: w\n"
        "torque: {column: current, factor: 0.05}\n"
    )
    (file,) = replay_files(bundle.path, [write_log(tmp_path / "log.csv", log)], columns=columns)["files"]
    assert file["adapted_error"] == pytest.approx(replayed["adapted_error"], rel=1e-6)
    rms = [each["commands"]["rms"]["certified"]["pivot"] for each in (file, replayed)]
    assert rms[0] == pytest.approx(rms[1], rel=1e-6)


def walk(spec: RobotSpec, sent: str) -> dict[str, np.ndarray]:
    """A log of a robot that moves a little around where it rests."""
    time = np.arange(0, 2.6, spec.period)
    log = {"time": time}
    for joint, rest in zip(spec.joint_names, spec.default_position, strict=True):
        log[f"{joint}_position"] = rest + 0.05 * np.sin(3 * time)
        log[f"{joint}_velocity"] = 0.15 * np.cos(3 * time)
        log[f"{joint}_{sent}"] = rest + 0.06 * np.sin(3 * time)
    return log


def test_a_torque_is_no_command_of_a_robot_that_takes_positions(ur5e_bundle, ur5e, tmp_path):
    log = write_log(tmp_path / "log.csv", walk(ur5e, "torque"))
    with pytest.raises(
        RecordingError, match=r"no column \w+_command.*robot 'ur5e' takes position commands: a torque"
    ):
        replay_files(ur5e_bundle.path, [log])


def test_positions_that_were_sent_are_its_commands(ur5e_bundle, ur5e, tmp_path):
    goal = ur5e_bundle.goal
    assert goal is not None
    log = walk(ur5e, "command")
    log |= {f"goal_{name}": np.full(len(log["time"]), 0.3) for name in goal.names}
    (file,) = replay_files(ur5e_bundle.path, [write_log(tmp_path / "log.csv", log)])["files"]
    course = file["commands"]
    first = ur5e.joint_names[0]
    assert course["certified"]["recorded"][7][0] == pytest.approx(log[f"{first}_command"][7])
    assert course["unit"] == "rad"
    assert all(course["rms"]["certified"][joint] is not None for joint in ur5e.joint_names)


def test_a_log_of_a_robot_with_imu(go2_bundle, go2, tmp_path):
    goal = go2_bundle.goal
    assert goal is not None
    log = walk(go2, "command")
    with pytest.raises(RecordingError, match="no column gyro_x, gyro_y, gyro_z, gravity_x"):
        replay_files(go2_bundle.path, [write_log(tmp_path / "log.csv", log)])
    still = np.zeros(len(log["time"]))
    log |= {f"gyro_{axis}": still for axis in "xyz"} | {
        "gravity_x": still,
        "gravity_y": still,
        "gravity_z": still - 1,
    }
    log |= {f"goal_{name}": still for name in goal.names}
    (file,) = replay_files(go2_bundle.path, [write_log(tmp_path / "log.csv", log)])["files"]
    assert "sensor_not_finite" not in file["commands"]["reasons"]["replayed"]
    assert "tilt_limit" not in file["commands"]["reasons"]["replayed"]
