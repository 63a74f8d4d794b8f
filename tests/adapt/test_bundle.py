"""Bundles: whatever is damaged, malformed, hostile or for another robot is refused, and the message names it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapt import bundle as bundle_module
from adapt.bundle import (
    MAX_BYTES,
    MAX_MANIFEST,
    load_bundle,
    open_bundle,
    save_bundle,
)
from adapt.bundle_schema import MAX_FILES
from adapt.errors import BundleError
from robots import RobotSpec, load_robot
from robots.action import ActionLayout
from robots.spec import EffortSensor
from tests.adapt.damaged import change, read, refused, unsealed, write
from tests.adapt.small import ROOT


def test_a_sound_bundle_loads_whole(belief_bundle, dr_bundle, robot):
    for bundle in (belief_bundle, dr_bundle):
        again = load_bundle(bundle.path, robot)
        assert again.manifest == bundle.manifest
        assert again.files == bundle.files
        assert again.observation.size == 3
    assert load_bundle(str(belief_bundle.path)).graph("step.onnx") == belief_bundle.files["step.onnx"]


@pytest.mark.parametrize("name", ["step.onnx", "predict.onnx", "MODEL_CARD.md"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
        lambda content: content[: len(content) // 2],
        lambda content: content + b"\0",
    ],
    ids=["a changed bit", "truncated", "a byte more"],
)
def test_damaged_files_are_named(folder, name, damage: Callable[[bytes], bytes]):
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    refused(folder, name, "sha256 differs")


@pytest.mark.parametrize("name", ["step.onnx", "predict.onnx", "MODEL_CARD.md", "manifest.json"])
def test_missing_and_empty_files_are_named(folder, name):
    (folder / name).unlink()
    refused(folder, name, "no such file")
    (folder / name).touch()
    refused(folder, name, "0 bytes")
    (folder / name).unlink()
    (folder / name).mkdir()
    refused(folder, name, "no such file")


@pytest.mark.parametrize("name", ["step.onnx", "manifest.json"])
def test_links_are_refused(folder, name):
    """Also where they lead to the very same content."""
    original = folder.with_name("elsewhere")
    (folder / name).rename(original)
    (folder / name).symlink_to(original)
    refused(folder, name, "no such file in the bundle")


@pytest.mark.parametrize(("name", "most"), [("step.onnx", MAX_BYTES), ("manifest.json", MAX_MANIFEST)])
def test_files_that_are_too_large_are_not_even_read(folder, name, most):
    os.truncate(folder / name, most + 1)
    refused(folder, name, f"{most + 1} bytes; expected 1 to {most}")


def test_files_that_are_too_large_together_are_refused(folder, monkeypatch):
    """Each of them is small enough; the last one is one byte more than the others leave."""
    sizes = [(folder / name).stat().st_size for name in read(folder)["files"]]
    monkeypatch.setattr(bundle_module, "MAX_TOTAL", sum(sizes))
    load_bundle(folder)
    monkeypatch.setattr(bundle_module, "MAX_TOTAL", sum(sizes) - 1)
    refused(folder, "MODEL_CARD.md", f"{sizes[-1]} bytes; expected 1 to {sizes[-1] - 1}")


def test_too_many_files_are_refused(folder):
    files = read(folder)["files"]
    more = {f"more_{k}": files["step.onnx"] for k in range(MAX_FILES + 1 - len(files))}
    change(folder, "files", to=files | more)
    refused(folder, f"files: expected at most {MAX_FILES} fields, got {MAX_FILES + 1}")


@pytest.mark.parametrize(
    "name", ["../step.onnx", "/etc/passwd", "a/b.onnx", "..", ".", "", "a\\b.onnx", "manifest.json"]
)
def test_file_names_that_lead_elsewhere_are_refused(folder, name):
    shutil.copy(folder / "step.onnx", folder.parent / "step.onnx")
    files = read(folder)["files"]
    change(folder, "files", to=files | {name: files["step.onnx"]})
    refused(folder, f"files: expected a plain file name, got {name!r}")


@pytest.mark.parametrize("name", ["step.onnx", "predict.onnx"])
def test_a_needed_file_that_is_not_listed_is_named(folder, name):
    files = read(folder)["files"]
    del files[name]
    change(folder, "files", to=files)
    refused(folder, f"files: {name} is missing")


@pytest.mark.parametrize("digest", [None, 7, "", "0" * 63, ["a"]])
def test_hashes_of_any_other_kind_are_refused(folder, digest):
    change(folder, "files", "step.onnx", to=digest)
    refused(folder, "files.step.onnx: expected a sha256 of 64 hexadecimal digits")
    change(folder, "files", "step.onnx", to="0" * 64)
    refused(folder, "step.onnx: sha256 differs")


def _joint(spec: RobotSpec, **changes: object) -> RobotSpec:
    joint = dataclasses.replace(spec.joints[0], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(spec, joints=(joint,))


def _safety(spec: RobotSpec, **changes: object) -> RobotSpec:
    return dataclasses.replace(spec, safety=dataclasses.replace(spec.safety, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "alter"),
    [
        ("robot", lambda spec: dataclasses.replace(spec, name="arm")),
        ("joint_names", lambda spec: _joint(spec, name="elbow")),
        ("joint_names", lambda spec: dataclasses.replace(spec, joints=spec.joints * 2)),
        ("control_period", lambda spec: dataclasses.replace(spec, period=0.01)),
        ("interface", lambda spec: dataclasses.replace(spec, interface="position")),
        ("position_limits", lambda spec: _joint(spec, position=(-3.0, 3.0))),
        ("velocity_limit", lambda spec: _joint(spec, velocity=19.999)),
        ("command_limits", lambda spec: _joint(spec, effort=2.4)),
        ("command_rate", lambda spec: _joint(spec, command_rate=10.0)),
        ("soft_start", lambda spec: _safety(spec, soft_start=0.01)),
        ("stale_after", lambda spec: _safety(spec, stale_after=10.0)),
        ("damping", lambda spec: _safety(spec, damping=(0.1,))),
        ("recovery", lambda spec: _safety(spec, recovery=0.0)),
        ("tilt", lambda spec: _safety(spec, tilt=1.0)),
        ("feet", lambda spec: dataclasses.replace(spec, feet=load_robot("go2").feet)),
        ("base_height", lambda spec: _safety(spec, base_height=0.1)),
        ("servo_effort", lambda spec: _safety(spec, servo_effort=1.5)),
        ("effort_sensor", lambda spec: dataclasses.replace(spec, effort_sensor=EffortSensor(0.1))),
    ],
)
def test_another_robot_is_refused_with_the_field_that_differs(folder, robot, field, alter):
    other = alter(robot)
    recorded, found = robot.identity().get(field), other.identity()[field]
    refused(
        folder, f"{field} is {recorded!r} in the bundle", f"{found!r} on robot {other.name!r}", robot=other
    )
    load_bundle(folder, robot)


def test_an_option_that_only_the_bundle_has_is_named(folder, robot):
    change(folder, "robot", "base_height", to=0.1)
    load_bundle(folder)
    refused(folder, "base_height is 0.1 in the bundle, None on robot 'pendulum'", robot=robot)


def test_a_digest_that_does_not_fit_the_robot_is_refused(folder, robot):
    change(folder, "robot_digest", to="0" * 64)
    refused(folder, "robot_digest does not match robot 'pendulum'", robot=robot)


def test_a_file_in_place_of_a_folder_and_nothing_at_all_are_refused(folder, tmp_path):
    refused(tmp_path / "nowhere", "no such bundle")
    refused(folder / "step.onnx", "no such bundle")


def test_effort_limits_count_on_position_commanded_robots_too(folder):
    spec = load_robot("ur5e")
    identity = dataclasses.replace(spec, joints=(dataclasses.replace(spec.joints[0], effort=1.0),)).identity()
    assert spec.interface == "position"
    assert identity["effort_limit"] == [1.0]


@pytest.mark.parametrize(("field", "value"), [("half_range", [25.0]), ("centre", [0.1])])
def test_an_action_range_that_is_not_the_robots_is_refused(folder, robot, field, value):
    change(folder, "action", field, to=value)
    load_bundle(folder)
    refused(folder, f"action.{field} is {value} in the bundle, [", "on robot 'pendulum'", robot=robot)


def test_a_bundle_opens_for_the_robot_that_it_names(folder, robot):
    bundle, spec = open_bundle(folder)
    assert spec.identity() == robot.identity()
    assert open_bundle(folder, "pendulum")[0].manifest == bundle.manifest
    change(folder, "robot", "robot", to="exoskeleton")
    with pytest.raises(
        BundleError, match=r"robot\.robot: 'exoskeleton' is not registered; valid: .*pendulum"
    ):
        open_bundle(folder)
    with pytest.raises(BundleError, match="robot is 'exoskeleton' in the bundle, 'pendulum' on"):
        open_bundle(folder, "pendulum")


def test_a_bundle_cannot_bring_its_own_robot(folder, monkeypatch):
    """A robot.yaml with ten times the torque, which lies in the bundle and is named by it; the user may name any."""
    monkeypatch.chdir(folder)
    text = (ROOT / "robots" / "pendulum" / "robot.yaml").read_text()
    shutil.copy(ROOT / "robots" / "pendulum" / "pendulum.xml", folder)
    stronger = text.replace("effort: 2.5 ", "effort: 25.0 ").replace("name: pendulum\n", "name: robot.yaml\n")
    (folder / "robot.yaml").write_text(stronger)
    spec = load_robot("robot.yaml")
    changes = {"robot": spec.identity(), "robot_digest": spec.digest, "action": ActionLayout(spec).manifest()}
    write(folder, read(folder) | changes)
    with pytest.raises(BundleError, match=r"robot\.robot: 'robot\.yaml' is not registered"):
        open_bundle(folder)
    assert open_bundle(folder, "robot.yaml")[1].effort_limit == [25.0]


def test_a_bundle_is_readable_only_once_it_is_whole(belief_bundle, tmp_path, monkeypatch):
    """The manifest comes last: a bundle whose writing was cut short is refused."""
    write, written = Path.write_bytes, []

    def full_disk(path: Path, content: bytes) -> int:
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    manifest = unsealed(belief_bundle)
    with pytest.raises(OSError, match="No space"):
        save_bundle(tmp_path / "bundle", manifest, belief_bundle.files)
    assert written
    refused(tmp_path / "bundle", "manifest.json", "no such file")


def test_what_no_bundle_may_hold_is_not_written(belief_bundle, tmp_path):
    manifest = unsealed(belief_bundle) | {"training": {"seconds": float("nan")}}
    with pytest.raises(BundleError, match=r"training\.seconds: expected a number from 0 to 1e\+09, got nan"):
        save_bundle(tmp_path / "bundle", manifest, belief_bundle.files)
    assert not (tmp_path / "bundle").exists()


RUN = """
import sys
import numpy as np
import adapt, robots, ros_bridge
from adapt.bundle import open_bundle
from adapt.online.adapters import MotionPredictor
from adapt.online.kinds import make_adapter
from adapt.online.controller import AdaptiveController
from robots import SensorFrame
bundle, spec = open_bundle({path!r})
controller = AdaptiveController(spec, bundle.observation, make_adapter(bundle))
step = controller.step(SensorFrame(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1))))
MotionPredictor(bundle)
assert np.isfinite(step.command).all() and np.isfinite(step.belief.parameters).all()
print(*(name for name in sys.modules if "." not in name))
"""


def test_a_robot_needs_neither_torch_nor_mujoco(belief_bundle):
    code = [sys.executable, "-c", RUN.format(path=str(belief_bundle.path))]
    done = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "mujoco", "dm_control", "sim_tasks", "tensorboard", "onnx", "pickle5"}
