"""`PolicyBundle`: the folder that leaves training and enters a robot. Loading reads data and runs no code.

manifest.json   what the bundle is and for which robot; sha256 of every other file
step.onnx       one control step
predict.onnx    the belief's forecast of the next observation (belief bundles that forecast)
MODEL_CARD.md   what it was trained on and how it scored
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adapt.errors import BundleError
from robots import RobotError, RobotSpec, load_robot
from robots.body import Body
from robots.goal import GoalLayout
from robots.observation import ObservationLayout

SCHEMA = 2
MAX_BYTES = 64 * 2**20
"""No file of a bundle may be larger."""
KINDS = ("belief", "memory", "none")
_SIZES = {"belief": ("hidden", "latent"), "memory": ("hidden",), "none": ()}
_FIELDS: dict[str, type] = {
    "schema": int,
    "files": dict,
    "robot": dict,
    "robot_digest": str,
    "observation": list,
    "action": dict,
    "adapter": dict,
    "family": dict,
    "training": dict,
    "git_commit": str,
}
_OPTIONAL = ("goal",)


@dataclass(frozen=True)
class PolicyBundle:
    """A verified bundle in memory."""

    path: Path
    manifest: dict[str, Any]
    files: Mapping[str, bytes]

    @cached_property
    def observation(self) -> ObservationLayout:
        terms = self.manifest["observation"]
        try:
            _check_terms(terms)
            return ObservationLayout.from_manifest(terms, Body.from_identity(self.manifest["robot"]))
        except (RobotError, KeyError, TypeError) as error:
            raise BundleError(f"{self.path}: manifest.json: observation: {error}") from error

    @cached_property
    def goal(self) -> GoalLayout | None:
        """What the policy is told to do, number by number; None where it is told nothing."""
        recorded = self.manifest.get("goal")
        if recorded is None:
            return None
        try:
            if not isinstance(recorded, dict):
                raise RobotError(f"expected an object or null, got {recorded!r:.80}")
            return GoalLayout.from_manifest(recorded)
        except RobotError as error:
            raise BundleError(f"{self.path}: manifest.json: goal: {error}") from error

    def graph(self, name: str) -> bytes:
        """The ONNX graph in one of the bundle's files.

        Raises:
            BundleError: the bundle has none of that name; not every belief forecasts motion.
        """
        if name not in self.files:
            raise BundleError(f"{self.path}: {name}: no such file in the bundle")
        return self.files[name]

    def check_robot(self, spec: RobotSpec) -> None:
        """Refuses a robot that this bundle was not made for.

        Raises:
            BundleError: names the first field that disagrees and both values.
        """
        recorded = self.manifest["robot"]
        for field, value in spec.identity().items():
            if recorded.get(field) != value:
                raise BundleError(
                    f"{self.path}: made for another robot: {field} is {recorded.get(field)!r} in the bundle, "
                    f"{value!r} on robot {spec.name!r}"
                )
        if self.manifest["robot_digest"] != spec.digest:
            raise BundleError(f"{self.path}: robot_digest does not match robot {spec.name!r}")


def load_bundle(path: str | Path, robot: RobotSpec | None = None) -> PolicyBundle:
    """Reads and verifies a bundle, and that it is for `robot` where one is given.

    Raises:
        BundleError: anything is missing, damaged, oversized or for another robot; names the field.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such bundle (expected a folder with manifest.json)")
    manifest = _read_manifest(folder)
    files = {name: _read_file(folder, name, digest) for name, digest in manifest["files"].items()}
    for name in _needed(manifest["adapter"]):
        if name not in files:
            raise BundleError(f"{folder}: manifest.json: files: {name} is missing")
    bundle = PolicyBundle(folder, manifest, files)
    if bundle.observation.size < 1:
        raise BundleError(f"{folder}: manifest.json: observation: no terms")
    bundle.goal  # noqa: B018 - raises
    if robot is not None:
        bundle.check_robot(robot)
    return bundle


def open_bundle(bundle: str | Path, robot: str = "") -> tuple[PolicyBundle, RobotSpec]:
    """Reads a bundle and the robot it is to drive, which must be the one it was made for.

    `robot` is a registered name or the path of a robot.yaml; empty: the robot that the bundle names.

    Raises:
        BundleError, RobotError: names the field and what is wrong with it.
    """
    name = robot or load_bundle(bundle).manifest["robot"].get("robot", "")
    spec = load_robot(name)
    opened = load_bundle(bundle, spec)
    if not opened.manifest["adapter"].get("reward_free", True):
        raise BundleError(
            f"{bundle}: adapter.reward_free: the policy adapts on a reward, and no robot tells it any"
        )
    return opened, spec


def save_bundle(path: Path, manifest: dict[str, Any], files: Mapping[str, bytes]) -> PolicyBundle:
    """Writes files and manifest, the manifest last, and reads the result back."""
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    text = json.dumps({"schema": SCHEMA, "files": hashes, **manifest}, indent=2)
    (path / "manifest.json").write_text(text + "\n", encoding="utf-8")
    return load_bundle(path)


def _needed(adapter: dict[str, Any]) -> tuple[str, ...]:
    """Files that a bundle with this adapter has."""
    return ("step.onnx", "predict.onnx") if "action_history" in adapter else ("step.onnx",)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        manifest = json.loads(_bounded(path))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BundleError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise BundleError(f"{path}: expected an object")
    for field, kind in _FIELDS.items():
        if not isinstance(manifest.get(field), kind) or isinstance(manifest.get(field), bool):
            raise BundleError(f"{path}: {field}: expected {kind.__name__}, got {manifest.get(field)!r:.80}")
    for field in manifest:
        if field not in (*_FIELDS, *_OPTIONAL):
            valid = ", ".join((*_FIELDS, *_OPTIONAL))
            raise BundleError(f"{path}: unknown field {field!r}; valid: {valid}")
    if manifest["schema"] != SCHEMA:
        raise BundleError(f"{path}: schema: version {manifest['schema']}, this release reads {SCHEMA}")
    _check_adapter(path, manifest)
    return manifest


def _check_terms(terms: list[dict[str, Any]]) -> None:
    for term in terms:
        for field in ("scale", "clip"):
            value = term[field]
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise RobotError(f"{term['name']}: {field} is {value!r:.80}; expected a finite number")


def _check_adapter(path: Path, manifest: dict[str, Any]) -> None:
    adapter, names = manifest["adapter"], manifest["robot"].get("joint_names")
    if adapter.get("kind") not in KINDS:
        raise BundleError(f"{path}: adapter.kind: {adapter.get('kind')!r}; valid: {', '.join(KINDS)}")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise BundleError(f"{path}: robot.joint_names: expected a list of names, got {names!r:.80}")
    if not isinstance(adapter.get("reward_free", True), bool):
        raise BundleError(
            f"{path}: adapter.reward_free: expected true or false, got {adapter['reward_free']!r:.80}"
        )
    for field in _SIZES[adapter["kind"]]:
        size = adapter.get(field)
        if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= 4096:
            raise BundleError(f"{path}: adapter.{field}: expected a size from 1 to 4096, got {size!r:.80}")
    if adapter["kind"] == "belief":
        _check_quantities(path, manifest["family"])


def _check_quantities(path: Path, family: dict[str, Any]) -> None:
    for field in ("belief_names", "belief_units"):
        if not isinstance(family.get(field), list) or not family[field]:
            raise BundleError(f"{path}: family.{field}: expected a list, got {family.get(field)!r:.80}")
    if len(family["belief_names"]) != len(family["belief_units"]):
        raise BundleError(f"{path}: family.belief_units: not one per belief_names")


def _read_file(folder: Path, name: str, digest: Any) -> bytes:
    if not name or name != Path(name).name or name in (".", "..", "manifest.json") or "\\" in name:
        raise BundleError(f"{folder}: manifest.json: files: {name!r} is not a plain file name")
    content = _bounded(folder / name)
    if hashlib.sha256(content).hexdigest() != digest:
        raise BundleError(
            f"{folder}: {name}: sha256 differs from the manifest's: the file was changed or damaged"
        )
    return content


def _bounded(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{path}: no such file in the bundle")
    size = path.stat().st_size
    if not 0 < size <= MAX_BYTES:
        raise BundleError(f"{path}: {size} bytes; expected 1 to {MAX_BYTES}")
    return path.read_bytes()
