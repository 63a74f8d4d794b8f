"""Bundles: whatever is damaged, malformed, hostile or for another robot is refused, and the message names it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapt import bundle as bundle_module
from adapt.bundle import (
    MAX_BYTES,
    MAX_MANIFEST,
    PolicyBundle,
    load_bundle,
    manifest_digest,
    open_bundle,
    save_bundle,
)
from adapt.bundle_schema import MAX_FILES, SCHEMA
from adapt.errors import BundleError
from robots import RobotSpec, load_robot
from robots.action import ActionLayout
from tests.adapt.small import ROOT
from tests.documents import DOCS

GOAL = {
    "kind": "velocity",
    "names": ["forward", "left", "turning"],
    "units": ["m/s", "m/s", "rad/s"],
    "low": [-1.0, -1.0, -1.0],
    "high": [1.0, 1.0, 1.0],
}
FIELDS = (
    "schema", "files", "robot", "robot_digest", "observation", "action", "goal", "adapter", "family", "training",
    "evaluation", "git_commit", "manifest_digest",
)  # fmt: skip


@pytest.fixture
def folder(belief_bundle, tmp_path) -> Path:
    """A copy of a bundle, to be damaged."""
    return Path(shutil.copytree(belief_bundle.path, tmp_path / "bundle"))


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


def write(folder: Path, manifest: dict[str, Any], sealed: bool = True) -> None:
    """Puts another manifest in place, with the digest that it then must have or with the one that it had."""
    if sealed:
        manifest = manifest | {"manifest_digest": manifest_digest(manifest)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def change(folder: Path, *keys: str | int, to: object, sealed: bool = True) -> None:
    """Changes one value of the manifest."""
    manifest = read(folder)
    place: Any = manifest
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    write(folder, manifest, sealed)


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


def test_the_manifest_has_these_fields_and_no_other(folder):
    assert set(read(folder)) == set(FIELDS)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ["missing", None, True, 1.5])
def test_missing_and_mistyped_fields_are_named(folder, field, value):
    if value is None and field in ("goal", "evaluation"):
        return
    manifest = read(folder) | {field: value}
    if value == "missing":
        del manifest[field]
    write(folder, manifest, sealed=field != "manifest_digest")
    if value == "missing":
        refused(folder, "manifest.json", f"missing field {field!r}; needed: {', '.join(FIELDS)}")
    else:
        refused(folder, "manifest.json", f" {field}: expected ", f"got {value!r}")


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("robot", "velocity_limit"), [200.0]),
        (("training", "seed"), 7),
        (("git_commit",), "another"),
        (("adapter", "latent"), 2),
    ],
)
def test_a_manifest_that_was_changed_is_refused(folder, keys, value):
    """Each of them would be a valid one."""
    change(folder, *keys, to=value, sealed=False)
    refused(folder, "manifest.json", "manifest_digest: the manifest was changed after export")


def test_a_manifest_in_another_order_is_refused(folder):
    manifest = read(folder)
    write(folder, manifest | {"observation": manifest["observation"][::-1]}, sealed=False)
    refused(folder, "the manifest was changed after export")
    write(folder, dict(reversed(manifest.items())), sealed=False)
    refused(folder, "the manifest was changed after export")
    write(folder, manifest, sealed=False)  # only without its white space
    load_bundle(folder)


def test_a_name_that_stands_there_twice_is_refused(folder):
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"git_commit":', '"git_commit": "x", "git_commit":'))
    refused(folder, "not valid JSON: a name stands there twice: 'git_commit'")


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
        (b'{"schema": ' + b"1" * 5000 + b"}", "not valid JSON: Exceeds the limit"),
        (b"[" * 900 + b"]" * 900, "top level: expected an object, got [[["),
        (b"[]", "expected an object"),
        (b"null", "expected an object"),
    ],
)
def test_manifests_that_are_not_json_objects_are_refused(folder, content, words):
    (folder / "manifest.json").write_bytes(content)
    refused(folder, "manifest.json", words)


@pytest.mark.parametrize("version", [0, SCHEMA - 1, SCHEMA + 1, -1])
def test_another_schema_is_refused(folder, version):
    write(folder, {"schema": version, "files": {}})  # whatever else it has is not looked at
    refused(folder, f"schema: version {version}, this release reads {SCHEMA}: export the run again")


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("schema",), 10**400, "schema: version 1000"),
        (("adapter", "kind"), "gradient", "adapter.kind: 'gradient'; valid: belief, memory, none"),
        (("adapter", "kind"), ["belief"], "adapter.kind: ['belief']; valid: belief, memory, none"),
        (("adapter", "hidden"), 0, "adapter.hidden: expected a whole number from 1 to 4096, got 0"),
        (("adapter", "hidden"), True, "adapter.hidden: expected a whole number"),
        (("adapter", "hidden"), 15.0, "adapter.hidden: expected a whole number"),
        (
            ("adapter", "latent"),
            10**9,
            "adapter.latent: expected a whole number from 1 to 4096, got 1000000000",
        ),
        (("adapter", "action_history"), "3", "adapter.action_history: expected a whole number"),
        (("adapter", "reward_free"), 1, "adapter.reward_free: expected true or false, got 1"),
        (("adapter", "on_load"), "x", "adapter: unknown field 'on_load'; valid: kind, hidden,"),
        (("robot",), [], "robot: expected an object, got []"),
        (("robot", "robot"), 5, "robot.robot: expected text of 1 to 100 printable characters, got 5"),
        (("robot", "robot"), [], "robot.robot: expected text"),
        (("robot", "robot"), "p" * 101, "robot.robot: expected text of 1 to 100"),
        (
            ("robot", "robot"),
            "a\nb",
            "robot.robot: expected text of 1 to 100 printable characters, got 'a\\nb'",
        ),
        (("robot", "joint_names"), "pivot", "robot.joint_names: expected a list of 1 to 64, got 'pivot'"),
        (("robot", "joint_names"), [1], "robot.joint_names[0]: expected text"),
        (("robot", "joint_names"), [], "robot.joint_names: expected a list of 1 to 64"),
        (("robot", "default_position"), [10**400], "robot.default_position[0]: expected a number from"),
        (
            ("robot", "default_position"),
            [0.0, 0.0],
            "robot.default_position: expected a list of 1, got [0.0, 0.0]",
        ),
        (("robot", "position_limits", 0, 0), float("-inf"), "robot.position_limits[0][0]: expected a number"),
        (
            ("robot", "stale_after"),
            0.0,
            "robot.stale_after: expected a number from above 0 to 1e+09, got 0.0",
        ),
        (("robot", "gains"), [[1.0]], "robot.gains[0]: expected a list of 2, got [1.0]"),
        (("robot", "tool"), {"offset": [0.0] * 3}, "robot.tool: missing field 'steps'"),
        (("action",), {}, "action: missing field 'centre'; needed: centre, half_range"),
        (("action", "half_range"), [0.0], "action.half_range[0]: expected a number from above 0"),
        (
            ("action", "centre"),
            [0.0, 0.0],
            "action.centre: 2 values; expected 1, one per joint that is not passive",
        ),
        (("goal",), {}, "goal: missing field 'kind'"),
        (("goal",), GOAL | {"kind": "dance"}, "goal.kind: 'dance'; valid: velocity, tool_position,"),
        (("goal",), GOAL | {"high": [1.0]}, "goal: high: expected 3 numbers"),
        (("goal",), GOAL | {"low": [0.0, 0.0, 2.0]}, "goal: low: [0.0, 0.0, 2.0] is above high"),
        (("goal",), GOAL, "goal: has 3 number(s); the observation's terms are of one with 0"),
        (
            ("family", "belief_names"),
            [],
            "family.belief_units: 13 values; expected 0, one per name in belief_names",
        ),
        (("family", "belief_names", 0), 7, "family.belief_names[0]: expected text"),
        (("family", "belief_names"), ["a"] * 13, "family.belief_names: a name stands there twice: a, a"),
        (("family", "belief_units"), ["kg"], "family.belief_units: 1 values; expected 13"),
        (("family", "parameters", 0, "low"), None, "family.parameters[0].low: expected a number"),
        (("observation",), [], "observation: expected a list of 1 to 64, got []"),
        (("observation", 0), "velocity", "observation[0]: expected an object, got 'velocity'"),
        (("observation", 0, "name"), "tactile", "observation[0].name: 'tactile'; valid: sin_position,"),
        (("observation", 0, "unit"), "deg", "observation 'sin_position' is in 1, not in 'deg'"),
        (("observation", 0, "size"), 2, "observation 'sin_position' has size 1, not 2"),
        (("observation", 0, "goal"), 3, "observation: goal: expected one size"),
        (("observation", 0, "scale"), "large", "observation[0].scale: expected a number from above 0"),
        (("observation", 0, "scale"), float("nan"), "observation[0].scale: expected a number"),
        (("observation", 0, "scale"), 10**400, "observation[0].scale: expected a number"),
        (
            ("observation", 0, "scale"),
            0,
            "observation[0].scale: expected a number from above 0 to 1e+09, got 0",
        ),
        (("observation", 2, "clip"), None, "observation[2].clip: expected a number"),
        (("observation", 2, "clip"), -10.0, "observation[2].clip: expected a number from above 0"),
        (
            ("observation", 2, "history"),
            1001,
            "observation[2].history: expected a whole number from 1 to 1000",
        ),
        (("training", "hours"), 3, "training: unknown field 'hours'; valid: learner, seed"),
        (("training", "seconds"), float("inf"), "training.seconds: expected a number from 0"),
        (("evaluation",), {"split": "test"}, "evaluation: missing field 'tasks'"),
        (("git_commit",), "c" * 201, "git_commit: expected text of 0 to 200"),
    ],
)
def test_malformed_values_are_named(folder, keys, value, words):
    change(folder, *keys, to=value)
    refused(folder, words)


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


def unsealed(bundle: PolicyBundle) -> dict[str, Any]:
    """What `save_bundle` is given."""
    own = ("schema", "files", "manifest_digest")
    return {name: value for name, value in bundle.manifest.items() if name not in own}


def places(value: Any, where: str = "") -> set[str]:
    """Every field of a manifest, by its place; lists are looked into."""
    if isinstance(value, list):
        return set().union(*(places(item, where) for item in value))
    if not isinstance(value, dict):
        return set()
    named = {f"{where}.{name}" if where else name: item for name, item in value.items()}
    return set(named).union(*(places(item, name) for name, item in named.items() if name != "files"))


def test_the_documentation_has_every_field_and_no_other(belief_bundle):
    """Of a manifest with all that there can be: an arm with a tool, a goal, an evaluation."""
    estimate = {"mean": 0.0, "interval": [0.0, 0.0]}
    evaluation = {"split": "test", "tasks": 1, "episodes": 1, "return": estimate, "score": estimate}
    training = {"learner": "rma", "seed": 0, "iterations": 1, "steps": 1, "seconds": 1.0}
    full = belief_bundle.manifest | {
        "robot": load_robot("ur5e").identity(), "goal": GOAL, "training": training, "evaluation": evaluation,
    }  # fmt: skip
    table = re.findall(r"^\| `([\w.]+)` \|", (DOCS / "bundle.md").read_text("utf-8"), re.MULTILINE)
    in_files = {"manifest.json", "step.onnx", "predict.onnx", "MODEL_CARD.md"}
    assert len(set(table)) == len(table)
    assert set(table) - in_files == places(full)


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
