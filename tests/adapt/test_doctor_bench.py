"""Doctor and bench: what is missing comes with its command, and rates are numbers."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import pytest

from adapt import doctor
from adapt.bench import node as node_bench
from adapt.bundle import open_bundle
from adapt.cli import main
from adapt.doctor import PARTS, Part, diagnose, print_findings
from robots import load_robot
from ros_bridge.processes import own_domain
from tests.adapt.small import ROOT
from tests.small_bundle import FAMILY


def broken(error: Exception):
    def check() -> str:
        raise error

    return check


def test_a_part_that_is_there_is_found():
    (finding,) = diagnose((Part("wheels", "driving", lambda: "four", "buy wheels"),))
    assert finding == {
        "name": "wheels", "purpose": "driving", "ok": True, "needed": True, "found": "four", "mend": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (ModuleNotFoundError("No module named 'wheels'"), "No module named 'wheels'"),
        (OSError("libwheel.so: cannot open\nshared object file"), "libwheel.so: cannot open"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_a_missing_part_comes_with_the_command_that_mends_it(capsys, error, found):
    parts = (
        Part("wheels", "driving", broken(error), "buy wheels"),
        Part("sail", "sailing", broken(error), "sew a sail", needed=False),
        Part("hull", "floating", lambda: "wood", "build a hull"),
    )
    findings = diagnose(parts)
    assert [finding["ok"] for finding in findings] == [False, False, True]
    assert findings[0]["found"] == found
    assert findings[0]["mend"] == "buy wheels"
    print_findings(findings)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("MISS  wheels")
    assert lines[1].strip() == "mend with: buy wheels"
    assert lines[2].startswith("miss  sail")
    assert lines[3].strip() == "mend with: sew a sail"
    assert lines[4].startswith("ok    hull")
    assert lines[5] == "missing: wheels, sail"


def test_a_package_that_is_not_installed_is_noticed():
    from adapt.doctor import _package

    (finding,) = diagnose((Part("x", "", _package("no_such_package_at_all", "none"), "pip install x"),))
    assert not finding["ok"]
    assert "no_such_package_at_all" in finding["found"]


def test_nothing_missing_is_said_too(capsys):
    print_findings(diagnose((Part("hull", "floating", lambda: "wood", "build a hull"),)))
    assert capsys.readouterr().out.splitlines()[-1] == "everything is there"


def test_every_part_has_a_command_and_robots_need_no_training_package():
    assert all(part.mend and part.purpose for part in PARTS)
    assert len({part.name for part in PARTS}) == len(PARTS)
    needed = {part.name for part in PARTS if part.needed}
    assert needed >= {"python", "onnxruntime", "ROS 2"}
    assert not needed & {"torch", "mujoco", "dm_control", "plotly", "pytest"}


@pytest.mark.ros
def test_doctor_finds_what_these_tests_run_on():
    environment = os.environ | {"ROS_DOMAIN_ID": "87", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    command = [sys.executable, "-m", "adapt.cli", "doctor", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)
    findings = {f["name"]: f for f in json.loads(done.stdout.splitlines()[-1])["findings"]}
    assert findings.keys() == {part.name for part in PARTS}
    for name in ("python", "robots", "onnxruntime", "torch", "mujoco", "families", "pytest"):
        assert findings[name]["ok"], findings[name]
    assert done.returncode == int(any(f["needed"] and not f["ok"] for f in findings.values()))


def test_bench_has_positive_rates_and_ends_in_one_line_of_json(capsys):
    assert main(["bench", "sim", "--seconds", "0.2", "--num-envs", "64"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["family"], result["num_envs"], result["peers"]) == (FAMILY, 64, {})
    assert {"versions", "commit", "machine"} <= result.keys()
    rates = [result[name] for name in ("steps_per_s", "limit_steps_per_s", "ratio", "peak_rss_mib")]
    assert all(math.isfinite(rate) and rate > 0 for rate in rates)
    assert result["ratio"] == pytest.approx(result["steps_per_s"] / result["limit_steps_per_s"])
    assert "node" not in result


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--num-envs", "0", "num-envs: 0"),
        ("--seconds", "0", "seconds: 0"),
        ("--family", "x", "unknown family"),
    ],
)
def test_bench_refuses_what_it_cannot_measure(option, value, said, capsys):
    assert main(["bench", "sim", option, value]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("names", [[], ["dr"], ["rma", FAMILY], ["varibad", "half_cheetah_vel"]])
@pytest.mark.usefixtures("small")
def test_bench_says_how_fast_a_learner_trains_and_where_its_time_goes(names, capsys):
    assert main(["bench", "train", *names, "--seconds", "0.1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    learner, family = (*names, *("oracle", FAMILY)[len(names) :])
    assert (result["learner"], result["family"], result["num_envs"]) == (learner, family, 8)
    assert result["ratio"] == pytest.approx(result["frames_per_s"] / result["sim_limit_steps_per_s"])
    assert sum(result["share"].values()) == pytest.approx(1.0)
    assert all(0 < share < 1 for share in result["share"].values())
    assert result["frames_per_s"] > 0 < result["peak_rss_mib"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "magic"], "unknown learner 'magic'; valid: "),
        (["train", "dr", "x"], "unknown family"),
        (["train", "dr", FAMILY, "more"], "unexpected"),
        (["sim", "dr"], "unexpected 'dr'"),
        (["train", "--seconds", "0"], "seconds: 0"),
    ],
)
def test_bench_of_a_training_that_cannot_be_is_refused(arguments, said, capsys):
    assert main(["bench", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--seconds", "0", "seconds: 0"), ("--rate", "0.5", "rate: 0.5"), ("--rounds", "0", "rounds: 0")],
)
def test_bench_of_a_node_that_cannot_be_is_refused(option, value, said, capsys):
    for what in ("node", "relay"):
        assert main(["bench", what, option, value]) == 2
        assert said in capsys.readouterr().err


def test_the_node_is_measured_with_twelve_joints_an_imu_and_a_belief_of_128_units(tmp_path):
    robot = load_robot(node_bench.write_robot(tmp_path, 500.0))
    assert (robot.period, len(robot.joints), robot.imu is not None) == (0.002, 12, True)
    assert replace(robot, period=0.02, model=load_robot("go2").model) == load_robot("go2")
    bundle = node_bench.write_bundle(tmp_path / "bundle", robot)
    opened, _ = open_bundle(bundle.path, str(tmp_path / "robot.yaml"))
    adapter = opened.manifest["adapter"]
    # The memory is the GRU's 128 units and, for its first step, the observation of 33 numbers before.
    assert (adapter["kind"], adapter["hidden"]) == ("belief", 128 + opened.observation.size)
    step = node_bench.measure_step(opened, robot, 0.1)
    assert 0 < step["p50"] <= step["p99"] < math.inf


@pytest.mark.slow
@pytest.mark.ros
def test_bench_measures_round_trips_of_the_node_and_of_an_echo(capsys, monkeypatch):
    for name, value in own_domain().items():
        monkeypatch.setenv(name, value)
    assert main(["bench", "node", "--rate", "100", "--seconds", "2", "--rounds", "2"]) == 0
    said = capsys.readouterr()
    node = json.loads(said.out.splitlines()[-1])
    for who in ("node_ms", "echo_ms"):
        assert 0 < node[who]["p50"] <= node[who]["p99"] <= node[who]["max"] < math.inf
    assert node["ratio_p50"] == pytest.approx(node["node_ms"]["p50"] / node["echo_ms"]["p50"])
    assert (node["rate_hz"], node["seed"]) == (100.0, 0)
    assert 100 <= node["messages"] <= 202
    assert node["missed_deadlines"] == node["lost"] + node["late"] < node["messages"]
    assert 0 < node["step_us"]["p50"] <= node["step_us"]["p99"]
    assert {"versions", "commit", "machine"} <= node.keys()
    assert "deadlines of 10 ms missed" in said.err


@pytest.mark.slow
@pytest.mark.ros
def test_bench_measures_relays_with_and_without_faults_beside_bare_ones(capsys):
    assert main(["bench", "relay", "--rate", "100", "--seconds", "2", "--rounds", "2"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out.splitlines()[-1])
    for name in ("executor", "wait_set", "clear", "faulty"):
        assert 0 < found[f"{name}_ms"]["p50"] <= found[f"{name}_ms"]["p99"] < math.inf
        assert found["messages"][name] == 200
        assert found["lost"][name] < 20
    added = found["faulty_ms"]["p50"] - found["executor_ms"]["p50"]
    assert found["added_ms"] == pytest.approx(added)
    assert found["within_target"] == (added < 0.5)
    assert found["faults"] == 3
    assert "ours with 3 faults" in said.err


def test_it_says_whose_rclpy_it_found(monkeypatch):
    """A sourced ROS 2 installation goes before the wheels, and is not known to pip."""
    import rclpy

    assert doctor._rclpy_origin(rclpy).endswith("(wheel)")
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    sourced = ModuleType("rclpy")
    sourced.__file__ = "/opt/ros/jazzy/lib/python3.12/site-packages/rclpy/__init__.py"
    found = "of ROS 2 jazzy in /opt/ros/jazzy/lib/python3.12/site-packages/rclpy"
    with pytest.raises(
        RuntimeError, match=f"rclpy {found}, and that of the wheel ros-rclpy [0-9.]+ behind it"
    ):
        doctor._rclpy_origin(sourced)

    def none(name: str):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", none)
    assert doctor._rclpy_origin(sourced) == found


@pytest.mark.parametrize(
    ("distribution", "machine", "said"),
    [
        ("", "x86_64", "pip install -e '.[robot]'"),
        ("", "aarch64", "source /opt/ros/"),
        ("humble", "x86_64", "an environment made anew, with the python3 of ROS 2 humble and without wheels"),
    ],
)
def test_ros_is_mended_with_wheels_but_not_beside_a_ros_that_was_sourced(
    monkeypatch, distribution, machine, said
):
    monkeypatch.setenv("ROS_DISTRO", distribution)
    monkeypatch.setattr(doctor.platform, "machine", lambda: machine)
    assert doctor._ros_mend().startswith(said)
