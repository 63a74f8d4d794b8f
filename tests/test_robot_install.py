"""`.[robot]` on a computer that has nothing drives a robot, and so does `.[robot-system]` on a sourced ROS."""

from __future__ import annotations

import json
import signal
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from robots import load_robot
from ros_bridge.plant import WARM_UP
from ros_bridge.processes import own_domain
from tests.robot_install import (
    CONSTRAINTS,
    DATA,
    PACKAGES,
    Environment,
    build_wheel,
    install_ros,
    resident,
    tracked,
)
from tests.ros_bridge.patience import PATIENCE, until

pytestmark = pytest.mark.install

MOST_MEMORY = 200.0
"""Of a node that drives, in [MiB]: a computer on a robot has 1 GiB, and other things to do."""
LEARN_HALF = ("torch", "mujoco", "dm_control", "gymnasium", "onnx", "stable_baselines3")
DEPLOY_HALF = """
import importlib, importlib.util, json, pkgutil, sys
import adapt.bundle, adapt.cli, adapt.commands, adapt.doctor, adapt.online, adapt.replay, robots, ros_bridge

for package in (adapt.online, adapt.commands, robots, ros_bridge):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith(("ros_bridge.sim_robot", "ros_bridge.sim_judge", "ros_bridge.hil")):
            importlib.import_module(module.name)
learn = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
print(json.dumps({"adapt": adapt.__file__, "prefix": sys.prefix, "learn": learn}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("computer")


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    return build_wheel(folder)


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    """Of a policy that adapts, made by the environment that trains."""
    from tests.small_bundle import untrained_bundle

    return untrained_bundle(folder / "bundle").path


@pytest.fixture(scope="module")
def robot(folder: Path, wheel: Path) -> Environment:
    """pip alone."""
    made = Environment.make(folder / "robot")
    made.install(wheel, "robot")
    made.variables = own_domain()
    return made


@pytest.fixture(scope="module")
def system(folder: Path, wheel: Path) -> Environment:
    """Beside a ROS 2 installation that was sourced."""
    made = Environment.make(folder / "system")
    made.install(wheel, "robot-system")
    made.variables = own_domain() | install_ros(folder / "opt", made)
    return made


def test_the_wheel_has_every_file_of_its_packages_and_the_launch_files(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    packed = {name for name in names if ".dist-info/" not in name and ".data/" not in name}
    assert packed == {str(path) for path in tracked(*PACKAGES)}
    data = {name.partition(".data/data/share/adapt_robots/")[2] for name in names} - {""}
    assert data == {str(path) for path in tracked(DATA)}


def test_the_deploy_half_is_there_whole_and_nothing_that_trains(robot):
    found = json.loads(robot.python("-c", DEPLOY_HALF, *LEARN_HALF))
    assert found["learn"] == []
    assert Path(found["adapt"]).is_relative_to(robot.packages)
    assert Path(found["prefix"]) == robot.path


def findings(environment: Environment) -> dict[str, dict]:
    """The doctor's, who finds everything that a robot needs."""
    said = environment.python("-m", "adapt.cli", "doctor", "--json")
    return {finding["name"]: finding for finding in json.loads(said.splitlines()[-1])["findings"]}


def test_the_doctor_finds_the_wheels(robot):
    found = findings(robot)
    assert "(wheel) on rmw_fastrtps_cpp" in found["ROS 2"]["found"]
    assert not any(found[name]["ok"] for name in ("torch", "mujoco", "families"))


def test_the_doctor_finds_the_ros_that_was_sourced_and_no_wheel(system):
    assert (system.packages / "onnxruntime").is_dir()
    assert list(system.packages.glob("ros_*.dist-info")) == []
    said = findings(system)["ROS 2"]["found"]
    assert said == f"rclpy of ROS 2 kilted in {system.variables['PYTHONPATH']}/rclpy on rmw_fastrtps_cpp"


def test_the_doctor_warns_of_wheels_behind_a_ros_that_was_sourced(robot, system):
    both = Environment(robot.path, system.variables)
    code = "from adapt.doctor import diagnose; import json; print(json.dumps(diagnose()))"
    (found,) = [part for part in json.loads(both.python("-c", code)) if part["name"] == "ROS 2"]
    assert not found["ok"]
    assert "of ROS 2 kilted" in found["found"]
    assert "the wheel ros-rclpy" in found["found"]


@dataclass
class Drive:
    """What came of driving for some seconds."""

    answered: int
    readings: int
    memory: float
    """Of the node, in [MiB]."""
    exit_code: int
    log: str


def drive(environment: Environment, bundle: Path, name: str, seconds: float = 4.0) -> Drive:
    """A node drives a stand-in of the pendulum, each a process of this environment, over DDS."""
    log, record = environment.path / f"{name}.log", environment.path / f"{name}.json"
    said = {"node": log, "plant": environment.path / f"{name}.plant.log"}
    deploy = ("-m", "adapt.cli", "deploy", str(bundle), "--namespace", name)
    period = load_robot("pendulum").period
    plant = ("-m", "ros_bridge.plant", "--robot", "pendulum", "--out", str(record), "--namespaces", name)
    pace = ("--rate", str(1 / period), "--seconds", str(seconds), "--rounds", "1")
    with (
        environment.process(said["node"], *deploy) as node,
        environment.process(said["plant"], *plant, *pace) as robot,
    ):
        until(lambda: "active" in log.read_text().split() or robot.poll() is not None, timeout=2 * PATIENCE)
        time.sleep(WARM_UP + seconds / 2)
        assert node.poll() is None, log.read_text()
        memory = resident(node.pid)
        assert robot.wait(2 * PATIENCE) == 0, said["plant"].read_text() + log.read_text()
        node.send_signal(signal.SIGTERM)
        code = node.wait(PATIENCE)
    latencies = json.loads(record.read_text())[name]["latency_ms"]
    answered = sum(latency is not None for latency in latencies)
    return Drive(answered, len(latencies), memory, code, log.read_text())


@pytest.mark.parametrize("kind", ["robot", "system"])
def test_a_bundle_drives_within_the_memory_of_a_small_computer(kind, bundle, request, capsys):
    environment = request.getfixturevalue(kind)
    done = drive(environment, bundle, kind)
    with capsys.disabled():
        print(f"\n.[{kind}]: {done.answered} of {done.readings} readings answered, {done.memory:.0f} MiB")
    assert done.exit_code == 0, done.log
    assert "Traceback" not in done.log
    assert done.readings > 150
    assert done.answered > 0.8 * done.readings
    assert done.memory < MOST_MEMORY


def test_the_extra_of_gradient_bundles_resolves_with_the_constraints(robot, wheel, tmp_path):
    report = tmp_path / "report.json"
    arguments = ("install", "--dry-run", "--report", str(report), f"{wheel}[robot,gradient]")
    robot.pip(*arguments, "-c", str(CONSTRAINTS))
    install = json.loads(report.read_text())["install"]
    versions = {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in install}
    (pinned,) = [line[7:] for line in CONSTRAINTS.read_text().splitlines() if line.startswith("torch==")]
    assert versions["torch"].partition("+")[0] == pinned
    assert not {"mujoco", "dm-control", "gymnasium", "onnx"} & versions.keys()
