"""Changes bundles at random, opens what comes out as a robot does, and reports what happened as JSON.

    python -m tests.adapt.bundle_fuzz COUNT SEED FOLDER BUNDLE...

Runs by itself: here, what loads a package, writes a file or starts a process shows.
"""

from __future__ import annotations

import collections
import functools
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

import adapt.bundle
from adapt.bundle import open_bundle
from adapt.errors import BundleError
from adapt.online.adapters import MotionPredictor
from adapt.online.controller import AdaptiveController
from adapt.online.kinds import make_adapter
from robots import RobotError, RobotSpec, SensorFrame, load_robot
from tests.adapt.bundle_mutations import MUTATIONS, Draft

FORBIDDEN = (
    "import",
    "exec",
    "compile",
    "pickle.",
    "marshal.",
    "subprocess.",
    "os.",
    "shutil.",
    "socket.",
    "ctypes.",
)
"""Audit events that reading data has no use for."""
ALLOWED = ("os.listdir", "os.scandir", "os.fspath")


class Watch:
    """What the interpreter did between `with` and its end, of the forbidden."""

    def __init__(self) -> None:
        self.active = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def __enter__(self) -> None:
        self.active = True

    def __exit__(self, *error: object) -> None:
        self.active = False

    def _hook(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.active:
            return
        writes = event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or (event.startswith(FORBIDDEN) and event not in ALLOWED):
            self.seen.append(f"{event} {given!r:.200}")


def drive(folder: Path, robot: str, rng: np.random.Generator) -> None:
    """Opens a bundle as the node does, and has it drive a robot for a few steps."""
    bundle, spec = open_bundle(folder, robot)
    controller = AdaptiveController(spec, bundle.observation, make_adapter(bundle), reward=bundle.reward)
    if "action_history" in bundle.manifest["adapter"]:
        MotionPredictor(bundle)
    assert set(bundle.files) == set(bundle.manifest["files"]), "loaded in part"
    goal = None if bundle.goal is None else np.array([bundle.goal.high])
    low, high = spec.command_limits
    for step in range(3):
        command = controller.step(reading(spec, rng, step * spec.period), goal=goal).command
        assert np.isfinite(command).all(), f"command {command}"
        assert (low <= command).all(), f"command {command} below {low}"
        assert (command <= high).all(), f"command {command} above {high}"


def reading(spec: RobotSpec, rng: np.random.Generator, time: float) -> SensorFrame:
    """Any position within the robot's limits, any speed."""
    speed = spec.velocity_limit * rng.uniform(-1, 1, (1, len(spec.joints)))
    return SensorFrame(np.array([time]), rng.uniform(*spec.position_limits)[None], speed)


def outcome(folder: Path, robot: str, rng: np.random.Generator, watch: Watch) -> tuple[str, str]:
    """`driven`, `refused` or `failed`, and what was said."""
    try:
        with watch:
            drive(folder, robot, rng)
    except (BundleError, RobotError) as error:
        message = str(error)
        sound = str(folder) in message and "\n" not in message and len(message) < 2000
        return ("refused" if sound else "failed"), message
    except BaseException:
        return "failed", traceback.format_exc()
    return "driven", ""


def case(rng: np.random.Generator, original: Path) -> tuple[list[str], bool, Draft]:
    """One to three changes of a bundle, and whether its digests fit them."""
    draft, sealed = Draft.of(original), bool(rng.random() < 0.7)
    names = [str(name) for name in rng.choice(list(MUTATIONS), int(rng.choice([1, 1, 1, 2, 3])))]
    for name in names:
        if draft.files:
            MUTATIONS[name](rng, draft)
    if sealed:
        draft.seal()
    return names, sealed, draft


def main(count: int, seed: int, folder: Path, originals: list[Path]) -> dict[str, Any]:
    adapt.bundle.load_robot = functools.cache(load_robot)  # most of the time would go there
    watch, target = Watch(), folder / "case"
    robots = [adapt.bundle.load_bundle(path).manifest["robot"]["robot"] for path in originals]
    for original, robot in zip(originals, robots, strict=True):
        Draft.of(original).write(target)
        drive(target, robot, np.random.default_rng(0))  # what is loaded at first use is loaded now
    Draft({}, {}).write(target)
    outcome(target, "", np.random.default_rng(0), watch)
    watch.seen.clear()
    counts, reasons, failures = collections.Counter[str](), collections.Counter[str](), []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        which = index % len(originals)
        names, sealed, draft = case(rng, originals[which])
        draft.write(target)
        (folder / "now").write_text(f"{index} {names} {sealed}")
        result, said = outcome(target, robots[which] if rng.random() < 0.5 else "", rng, watch)
        counts[f"{result} {'sealed' if sealed else 'stale'}"] += 1
        reasons[" ".join(said.removeprefix(str(target)).split()[:3])] += result == "refused"
        if result == "failed" or watch.seen:
            failures.append({"index": index, "changes": names, "said": said, "seen": list(watch.seen)})
            watch.seen.clear()
    loaded = sorted(
        {name.partition(".")[0] for name in sys.modules} & {"torch", "mujoco", "sim_tasks", "onnx"}
    )
    return {"counts": counts, "reasons": len(reasons), "failures": failures, "loaded": loaded}


if __name__ == "__main__":
    number, start, place, *bundles = sys.argv[1:]
    print(json.dumps(main(int(number), int(start), Path(place), [Path(path) for path in bundles])))
