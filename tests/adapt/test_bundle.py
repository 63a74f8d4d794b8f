"""Bundles: whatever is damaged, malformed, hostile or for another robot is refused, and the message names it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapt.bundle import MAX_BYTES, SCHEMA, load_bundle, open_bundle, save_bundle
from adapt.errors import BundleError
from robots import RobotSpec, UnknownRobotError
from tests.adapt.small import ROOT

FIELDS = (
    "schema", "files", "robot", "robot_digest", "observation", "action", "adapter", "family", "training", "git_commit",
)  # fmt: skip


@pytest.fixture
def folder(belief_bundle, tmp_path) -> Path:
    """A copy of a bundle, to be damaged."""
    return Path(shutil.copytree(belief_bundle.path, tmp_path / "bundle"))


def change(folder: Path, *keys: str | int, to: object) -> None:
    """Changes one value of the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    place = manifest
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    (folder / "manifest.json").write_text(json.dumps(manifest))


def refused(folder: Path, *words: str, robot: RobotSpec | None = None) -> None:
    with pytest.raises(BundleError) as error:
        load_bundle(folder, robot)
    message = str(error.value)
    assert str(folder) in message
    assert "\n" not in message
    for word in words:
        assert word in message, message


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


@pytest.mark.parametrize("name", ["step.onnx", "manifest.json"])
def test_files_that_are_too_large_are_not_even_read(folder, name):
    os.truncate(folder / name, MAX_BYTES + 1)
    refused(folder, name, f"{MAX_BYTES + 1} bytes; expected 1 to {MAX_BYTES}")


@pytest.mark.parametrize(
    "name", ["../step.onnx", "/etc/passwd", "a/b.onnx", "..", ".", "", "a\\b.onnx", "manifest.json"]
)
def test_file_names_that_lead_elsewhere_are_refused(folder, name):
    shutil.copy(folder / "step.onnx", folder.parent / "step.onnx")
    files = json.loads((folder / "manifest.json").read_text())["files"]
    change(folder, "files", to=files | {name: files["step.onnx"]})
    refused(folder, repr(name), "is not a plain file name")


@pytest.mark.parametrize("name", ["step.onnx", "predict.onnx"])
def test_a_needed_file_that_is_not_listed_is_named(folder, name):
    files = json.loads((folder / "manifest.json").read_text())["files"]
    del files[name]
    change(folder, "files", to=files)
    refused(folder, f"files: {name} is missing")


@pytest.mark.parametrize("digest", [None, 7, "", "0" * 64, ["a"]])
def test_hashes_of_any_other_kind_match_nothing(folder, digest):
    change(folder, "files", "step.onnx", to=digest)
    refused(folder, "step.onnx", "sha256 differs")


def test_the_manifest_has_these_fields_and_no_other(folder):
    assert set(json.loads((folder / "manifest.json").read_text())) == {*FIELDS, "goal"}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ["missing", None, True, 1.5])
def test_missing_and_mistyped_fields_are_named(folder, field, value):
    if value == "missing":
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest[field]
        (folder / "manifest.json").write_text(json.dumps(manifest))
    else:
        change(folder, field, to=value)
    refused(folder, "manifest.json", f" {field}: expected ", "None" if value == "missing" else repr(value))


@pytest.mark.parametrize("field", ["on_load", "Files", "schema "])
def test_unknown_fields_are_named_with_the_valid_ones(folder, field):
    change(folder, field, to="os.system('true')")
    refused(folder, repr(field), *FIELDS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 200_000, "not valid JSON"),
        (b"[]", "expected an object"),
        (b"null", "expected an object"),
    ],
)
def test_manifests_that_are_not_json_objects_are_refused(folder, content, words):
    (folder / "manifest.json").write_bytes(content)
    refused(folder, "manifest.json", words)


@pytest.mark.parametrize("version", [0, SCHEMA + 1, -1])
def test_another_schema_is_refused(folder, version):
    change(folder, "schema", to=version)
    refused(folder, f"schema: version {version}, this release reads {SCHEMA}")


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("adapter", "kind"), "gradient", "adapter.kind: 'gradient'; valid: belief, memory, none"),
        (("adapter", "hidden"), 0, "adapter.hidden: expected a size"),
        (("adapter", "hidden"), True, "adapter.hidden: expected a size"),
        (("adapter", "latent"), 10**9, "adapter.latent: expected a size"),
        (("robot", "joint_names"), "pivot", "robot.joint_names: expected a list of names"),
        (("robot", "joint_names"), [1], "robot.joint_names: expected a list of names"),
        (("family", "belief_names"), [], "family.belief_names: expected a list"),
        (("family", "belief_units"), ["kg"], "family.belief_units: not one per belief_names"),
        (("observation",), [], "observation: no terms"),
        (("observation", 0), "velocity", "observation"),
        (("observation", 0, "name"), "tactile", "unknown observation term 'tactile'"),
        (("observation", 0, "unit"), "deg", "observation 'sin_position' is in 1, not in 'deg'"),
        (("observation", 0, "scale"), "large", "observation: sin_position: scale is 'large'"),
        (("observation", 0, "scale"), float("nan"), "observation: sin_position: scale is nan"),
        (("observation", 2, "clip"), None, "observation: velocity: clip is None"),
    ],
)
def test_malformed_values_are_named(folder, keys, value, words):
    change(folder, *keys, to=value)
    refused(folder, words)


def _joint(spec: RobotSpec, **changes: object) -> RobotSpec:
    joint = dataclasses.replace(spec.joints[0], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(spec, joints=(joint,))


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
    ],
)
def test_another_robot_is_refused_with_the_field_that_differs(folder, robot, field, alter):
    other = alter(robot)
    recorded, found = robot.identity()[field], other.identity()[field]
    refused(
        folder, f"{field} is {recorded!r} in the bundle", f"{found!r} on robot {other.name!r}", robot=other
    )
    load_bundle(folder, robot)


def test_a_digest_that_does_not_fit_the_robot_is_refused(folder, robot):
    change(folder, "robot_digest", to="0" * 64)
    refused(folder, "robot_digest does not match robot 'pendulum'", robot=robot)


def test_a_file_in_place_of_a_folder_and_nothing_at_all_are_refused(folder, tmp_path):
    refused(tmp_path / "nowhere", "no such bundle")
    refused(folder / "step.onnx", "no such bundle")


def test_a_bundle_opens_for_the_robot_that_it_names(folder, robot):
    bundle, spec = open_bundle(folder)
    assert spec.identity() == robot.identity()
    assert open_bundle(folder, "pendulum")[0].manifest == bundle.manifest
    change(folder, "robot", "robot", to="exoskeleton")
    with pytest.raises(UnknownRobotError, match="unknown robot 'exoskeleton'"):
        open_bundle(folder)
    with pytest.raises(BundleError, match="robot is 'exoskeleton' in the bundle, 'pendulum' on"):
        open_bundle(folder, "pendulum")


def test_a_bundle_is_readable_only_once_it_is_whole(belief_bundle, tmp_path, monkeypatch):
    """The manifest comes last: a bundle whose writing was cut short is refused."""
    write, written = Path.write_bytes, []

    def full_disk(path: Path, content: bytes) -> int:
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    manifest = {k: v for k, v in belief_bundle.manifest.items() if k not in ("schema", "files")}
    with pytest.raises(OSError, match="No space"):
        save_bundle(tmp_path / "bundle", manifest, belief_bundle.files)
    assert written
    refused(tmp_path / "bundle", "manifest.json", "no such file")


RUN = """
import sys
import numpy as np
import adapt, robots, ros_bridge
from adapt.bundle import open_bundle
from adapt.online.adapters import MotionPredictor, make_adapter
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
