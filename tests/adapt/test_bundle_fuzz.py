"""Bundles that were changed at random: each is refused in words that name it, or drives a robot within its limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapt.bundle import PolicyBundle
from adapt.export import export_learner
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv
from tests.adapt.scripted import Counter, Scripted
from tests.adapt.small import ROOT


@pytest.fixture(scope="module")
def goal_bundle(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """A recurrent policy for an arm: with a goal, gains and a tool; and with a reward that it hears."""
    family = load_family("ur5e_reach")
    step = Counter(family.observation_size, family.action_size)
    learner = Scripted(TrialVecEnv(family, 2, seed=0, threads=1), step)
    return export_learner(tmp_path_factory.mktemp("arm") / "bundle", learner, {}, "untrained")


def fuzz(folder: Path, count: int, seed: int, *bundles: PolicyBundle) -> dict[str, Any]:
    """What became of so many changed bundles; in a folder that is as empty afterwards as before."""
    (folder / "work").mkdir()
    (folder / "cwd").mkdir()
    paths = [str(bundle.path) for bundle in bundles]
    command = [
        sys.executable,
        "-m",
        "tests.adapt.bundle_fuzz",
        str(count),
        str(seed),
        str(folder / "work"),
        *paths,
    ]
    done = subprocess.run(
        command,
        cwd=folder / "cwd",
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, f"at {(folder / 'work' / 'now').read_text()}: {done.stderr}"
    assert sorted(path.name for path in folder.iterdir()) == ["cwd", "work"]
    assert not list((folder / "cwd").iterdir())
    assert {path.name for path in (folder / "work").iterdir()} == {"case", "now"}
    assert done.stdout.count("\n") == 1, "nothing is printed but the result"
    return json.loads(done.stdout)


def check(result: dict[str, Any], count: int) -> None:
    assert not result["failures"], json.dumps(result["failures"][:3], indent=2)
    assert result["loaded"] == [], "packages that no robot has"
    counts = result["counts"]
    assert sum(counts.values()) == count
    # Digests that fit lead on to what is behind them: enough bundles get there, and enough of them are sound.
    assert counts["driven sealed"] > 0.05 * count
    assert counts["refused sealed"] > 0.4 * count
    assert counts["refused stale"] > 0.2 * count
    assert result["reasons"] > 100, "many different things are refused"


def test_changed_bundles_are_refused_or_drive_within_limits(
    tmp_path, belief_bundle, goal_bundle, gradient_bundle, learned_bundle
):
    check(
        fuzz(tmp_path, 3200, 0, belief_bundle, belief_bundle, goal_bundle, gradient_bundle, learned_bundle),
        3200,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_many_more_changed_bundles(
    tmp_path, belief_bundle, goal_bundle, dr_bundle, gradient_bundle, learned_bundle, seed
):
    bundles = belief_bundle, belief_bundle, goal_bundle, dr_bundle, gradient_bundle, learned_bundle
    check(fuzz(tmp_path, 10_000, seed, *bundles), 10_000)


def test_the_harness_sees_what_it_looks_for(tmp_path, belief_bundle):
    """A loader that takes a number of the manifest for code, an import that is late, and a message without a path."""
    hole = """
import sys
from pathlib import Path
import numpy as np
from tests.adapt import bundle_fuzz
from adapt.errors import BundleError

def outcome(does):
    bundle_fuzz.drive = lambda folder, robot, rng: does()
    result, said = bundle_fuzz.outcome(Path("somewhere"), "", np.random.default_rng(0), watch)
    print(result, len(watch.seen) > 0)
    watch.seen.clear()

def complain():
    raise BundleError("no path")

def complain_of_it():
    raise BundleError("somewhere: a path")

watch = bundle_fuzz.Watch()
outcome(lambda: None)
outcome(lambda: exec("1 + 1"))
outcome(lambda: __import__("wave"))
outcome(lambda: open("outside", "w").close())
outcome(lambda: 1 / 0)
outcome(complain)
outcome(complain_of_it)
"""
    done = subprocess.run(
        [sys.executable, "-c", hole],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines() == [
        "driven False", "driven True", "driven True", "driven True", "failed False", "failed False", "refused False",
    ], done.stderr  # fmt: skip
