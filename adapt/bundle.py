"""`PolicyBundle`: the folder that leaves training and enters a robot. Loading reads data and runs no code.

manifest.json   what the bundle is and for which robot; sha256 of every other file, and of itself; see docs/bundle.md
step.onnx       one control step
predict.onnx    the belief's forecast of the next observation (belief bundles that forecast)
weights.safetensors  the parameters that adaptation starts from, and what its inner step has learned (gradient bundles)
MODEL_CARD.md   what it was trained on and how it scored
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from adapt.bundle_gradient import META_PARAMS, META_STATE, WEIGHTS, read_weights, size_problem, without_prefix
from adapt.bundle_schema import SCHEMA, check_manifest
from adapt.errors import BundleError
from adapt.schema import SchemaError, shown
from robots import RobotError, RobotSpec, load_robot, robot_names, with_passive
from robots.action import ActionLayout
from robots.body import Body
from robots.goal import GoalLayout
from robots.observation import ObservationLayout
from robots.reward import RewardLayout

MAX_MANIFEST = 2**20
"""The manifest may not have more bytes."""
MAX_BYTES = 64 * 2**20
"""No other file may have more."""
MAX_TOTAL = 96 * 2**20
"""All other files together may not have more."""
MAX_OBSERVATION = 2**16
"""Numbers of an observation."""


@dataclass(frozen=True)
class PolicyBundle:
    """A verified bundle in memory."""

    path: Path
    manifest: dict[str, Any]
    files: Mapping[str, bytes]

    @cached_property
    def observation(self) -> ObservationLayout:
        """What the policy sees.

        Raises:
            BundleError: the terms do not fit each other or the robot that was recorded with them.
        """
        try:
            body = Body.from_identity(self.manifest["robot"])
            return ObservationLayout.from_manifest(self.manifest["observation"], body)
        except RobotError as error:
            raise self._wrong(f"observation: {error}") from error

    @cached_property
    def goal(self) -> GoalLayout | None:
        """What the policy is told to do; None if it is told nothing.

        Raises:
            BundleError: names the field that is not what it should be.
        """
        try:
            recorded = self.manifest["goal"]
            return None if recorded is None else GoalLayout.from_manifest(recorded)
        except RobotError as error:
            raise self._wrong(f"goal: {error}") from error

    @cached_property
    def reward(self) -> RewardLayout | None:
        """The reward that the robot measures and the policy hears; None if it hears none.

        Raises:
            BundleError: the terms do not fit each other, or the robot and the goal that were recorded with them.
        """
        recorded = self.manifest.get("reward")
        try:
            return recorded and RewardLayout.from_manifest(
                recorded, self.observation.body, self.observation.goal
            )
        except RobotError as error:
            raise self._wrong(f"reward: {error}") from error

    def graph(self, name: str) -> bytes:
        """The ONNX graph in one of the bundle's files.

        Raises:
            BundleError: the bundle has none of that name; not every belief forecasts motion.
        """
        if name not in self.files:
            raise BundleError(f"{self.path}: {name}: no such file in the bundle")
        return self.files[name]

    @cached_property
    def weights(self) -> Mapping[str, np.ndarray]:
        """What adaptation by gradients starts from, and what its inner step has learned; see `read_weights`.

        Raises:
            BundleError: they are not what the manifest says.
        """
        try:
            return read_weights(self.files[WEIGHTS], self.manifest["adapter"])
        except ValueError as error:
            raise BundleError(f"{self.path}: {WEIGHTS}: {error}") from error

    @property
    def start(self) -> np.ndarray:
        """The parameters that adaptation by gradients starts from. Shape (P,), float32."""
        return self.weights["parameters"]

    @property
    def meta_params(self) -> dict[str, np.ndarray]:
        """The inner step's own parameters; empty where it has none."""
        return without_prefix(META_PARAMS, self.weights)

    @property
    def meta_state(self) -> dict[str, np.ndarray]:
        """What the inner step remembers of one robot before its first step; empty where it remembers nothing."""
        return without_prefix(META_STATE, self.weights)

    def check_robot(self, spec: RobotSpec) -> None:
        """Refuses a robot that this bundle was not made for.

        Raises:
            BundleError: names the first field that disagrees and both values.
        """
        self._compare(self.manifest["robot"], spec.identity(), "", spec.name)
        self._compare(self.manifest["action"], ActionLayout(spec).manifest(), "action.", spec.name)
        if self.manifest["robot_digest"] != spec.digest:
            raise BundleError(f"{self.path}: robot_digest does not match robot {spec.name!r}")

    def check_layouts(self) -> None:
        """Refuses layouts that are not sound, or that do not fit each other.

        Raises:
            BundleError: names the field.
        """
        size, goal = self.observation.size, 0 if self.goal is None else self.goal.size
        if size > MAX_OBSERVATION:
            raise self._wrong(f"observation: {size} numbers; expected at most {MAX_OBSERVATION}")
        if self.observation.goal != goal:
            raise self._wrong(
                f"goal: has {goal} number(s); the observation's terms are of one with {self.observation.goal}"
            )
        self._check_familiarity()
        if self.manifest["adapter"]["kind"] == "gradient":
            actions = len(self.manifest["action"]["centre"])
            if problem := size_problem(self.manifest["adapter"], size, actions):
                raise self._wrong(problem)
            self.weights  # noqa: B018 - raises
        self.reward  # noqa: B018 - raises

    def _check_familiarity(self) -> None:
        found, layout = self.manifest.get("familiarity"), self.observation
        of = zip(layout.terms, layout.sizes, strict=True)
        forecast = sum(size for term, size in of if term.name != "goal")
        if found is not None and len(found["scale"]) != forecast:
            raise self._wrong(
                f"familiarity.scale: {len(found['scale'])} values; expected {forecast}, one per number of one control "
                "step of the observation but the goal"
            )

    def _compare(self, recorded: Mapping[str, Any], own: Mapping[str, Any], prefix: str, robot: str) -> None:
        for field in dict.fromkeys((*own, *recorded)):  # options stand only where they are set
            if recorded.get(field) != own.get(field):
                raise BundleError(
                    f"{self.path}: made for another robot: {prefix}{field} is {recorded.get(field)!r} "
                    f"in the bundle, {own.get(field)!r} on robot {robot!r}"
                )

    def _wrong(self, what: str) -> BundleError:
        return BundleError(f"{self.path}: manifest.json: {what}")


def load_bundle(path: str | Path, robot: RobotSpec | None = None) -> PolicyBundle:
    """Reads and verifies a bundle, and that it is for `robot` where one is given.

    Raises:
        BundleError: anything is missing, damaged, oversized or for another robot; names the field.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such bundle (expected a folder with manifest.json)")
    manifest = _read_manifest(folder)
    bundle = PolicyBundle(folder, manifest, _read_files(folder, manifest))
    bundle.check_layouts()
    if robot is not None:
        bundle.check_robot(robot)
    return bundle


def open_bundle(bundle: str | Path, robot: str = "") -> tuple[PolicyBundle, RobotSpec]:
    """Reads a bundle and the robot it is to drive, which must be the one it was made for.

    `robot` is a registered name or the path of a robot.yaml; empty: the registered robot that the bundle names. A
    bundle cannot name a file, which might lie in the bundle and have other limits than the robot. Joints that nobody
    drove in training nobody drives here: a registered robot's joints are as passive as the bundle says.

    Raises:
        BundleError, RobotError: names the field and what is wrong with it.
    """
    opened = load_bundle(bundle)
    name = opened.manifest["robot"]["robot"]
    if not robot and name not in robot_names():
        raise BundleError(
            f"{bundle}: manifest.json: robot.robot: {name!r} is not registered; valid: "
            f"{', '.join(robot_names())}; of any other robot, give the path of its robot.yaml"
        )
    spec = load_robot(robot or name)
    if spec.name in robot_names():
        spec = _as_passive(spec, opened.manifest["robot"])
    opened.check_robot(spec)
    if not opened.manifest["adapter"].get("reward_free", True) and opened.reward is None:
        raise BundleError(
            f"{bundle}: adapter.reward_free: the policy adapts on a reward, and the bundle has no `reward` to measure"
        )
    return opened, spec


def _as_passive(spec: RobotSpec, recorded: Mapping[str, Any]) -> RobotSpec:
    """The robot with those joints passive, too, that are so in what a bundle recorded of it."""
    active = [joint.name for joint in spec.joints if not joint.passive]
    joints = zip(recorded["joint_names"], recorded["passive"], strict=True)
    passive = [name for name, is_passive in joints if is_passive and name in active]
    return with_passive(spec, *passive) if passive else spec


def save_bundle(path: Path, manifest: dict[str, Any], files: Mapping[str, bytes]) -> PolicyBundle:
    """Writes files and manifest, the manifest last, and reads the result back.

    Raises:
        BundleError: the manifest lacks something or holds what no bundle may; nothing is written then.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    whole = {"schema": SCHEMA, "files": hashes, **manifest}
    whole["manifest_digest"] = manifest_digest(whole)
    _check(path / "manifest.json", whole)
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).write_bytes(content)
    (path / "manifest.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    return load_bundle(path)


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """sha256 of all other fields of a manifest, in their order, as JSON without white space."""
    rest = {name: value for name, value in manifest.items() if name != "manifest_digest"}
    return hashlib.sha256(json.dumps(rest, separators=(",", ":")).encode()).hexdigest()


def _needed(adapter: dict[str, Any]) -> tuple[str, ...]:
    """Files that a bundle with this adapter has."""
    forecast = ("predict.onnx",) if "action_history" in adapter else ()
    return ("step.onnx", *forecast, *((WEIGHTS,) if adapter["kind"] == "gradient" else ()))


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    content = _read(path, MAX_MANIFEST)
    try:
        manifest = json.loads(content.decode("utf-8"), object_pairs_hook=_no_name_twice)
    except (ValueError, RecursionError) as error:  # ValueError: also of numbers with thousands of digits
        raise BundleError(f"{path}: not valid JSON: {error}") from error
    _check(path, manifest)
    if manifest["manifest_digest"] != manifest_digest(manifest):
        raise BundleError(f"{path}: manifest_digest: the manifest was changed after export")
    return manifest


def _check(path: Path, manifest: Any) -> None:
    try:
        check_manifest(manifest)
    except SchemaError as error:
        raise BundleError(f"{path}: {error}") from error


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"a name stands there twice: {shown(max(names, key=names.count))}")
    return found


def _read_files(folder: Path, manifest: dict[str, Any]) -> dict[str, bytes]:
    for name in _needed(manifest["adapter"]):
        if name not in manifest["files"]:
            raise BundleError(f"{folder}: manifest.json: files: {name} is missing")
    files, room = {}, MAX_TOTAL
    for name, digest in manifest["files"].items():
        files[name] = _read(folder / name, min(MAX_BYTES, room))
        room -= len(files[name])
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise BundleError(
                f"{folder}: {name}: sha256 differs from the manifest's: the file was changed or damaged"
            )
    return files


def _read(path: Path, most: int) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            raise BundleError(f"{path}: no such file in the bundle")
        size = path.stat().st_size
        if not 0 < size <= most:
            raise BundleError(f"{path}: {size} bytes; expected 1 to {most}")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
