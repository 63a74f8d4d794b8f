"""What many of these tests share: small learners, trained for a moment, and their bundles."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapt.bundle import PolicyBundle
from adapt.evaluate import MIN_TASKS, HeldOut, summary
from adapt.export import export_learner
from adapt.learners import LEARNERS
from adapt.learners.bounds import BoundLearner
from adapt.online.kinds import make_adapter
from adapt.train import train
from adapt.trials import OracleAdapter
from robots import RobotSpec, SensorFrame, load_robot
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from tests.adapt.small import build, request, shrink
from tests.small_bundle import FAMILY, gradient_family, perturb, untrained_bundle, untrained_gradient


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Networks this small are many times slower on two threads while the machine is busy."""
    torch.set_num_threads(1)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the registered learners small."""
    shrink(monkeypatch)


@pytest.fixture(scope="session")
def family() -> TaskFamily:
    return load_family(FAMILY)


@pytest.fixture(scope="session")
def robot() -> RobotSpec:
    return load_robot("pendulum")


@pytest.fixture(scope="session")
def belief_bundle(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """Not to be changed: copy its folder for that."""
    return untrained_bundle(tmp_path_factory.mktemp("belief") / "bundle")


@pytest.fixture
def folder(belief_bundle: PolicyBundle, tmp_path: Path) -> Path:
    """A copy of a bundle, to be damaged."""
    return Path(shutil.copytree(belief_bundle.path, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def dr_bundle(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """A bundle without adaptation; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        learner = build("dr")
    assert isinstance(learner, BoundLearner)
    perturb(learner.policy)
    path = tmp_path_factory.mktemp("dr") / "bundle"
    return export_learner(path, learner, {"learner": "dr"}, "untrained")


@pytest.fixture(scope="session")
def gradient_bundle(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """A bundle that adapts by gradients; not to be changed."""
    return untrained_gradient(tmp_path_factory.mktemp("gradient") / "bundle", gradient_family())


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a short training of every registered learner; not to be changed."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        for name in sorted(LEARNERS, key=lambda name: LEARNERS[name].needs_teacher):
            train(request(name, out / name))
    return out


@pytest.fixture(scope="session")
def disco_data() -> Path:
    """Folder with the published Disco103, and recorded calls of the authors' code."""
    folder = Path(__file__).parents[3] / "shared/data/disco"
    if not (folder / "disco_103.npz").is_file():
        pytest.skip("no published weights in ../shared/data/disco")
    return folder


@pytest.fixture(scope="session")
def oracle() -> BoundLearner:
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        learner = build("oracle")
    assert isinstance(learner, BoundLearner)
    perturb(learner.policy)
    return learner


@pytest.fixture(scope="session")
def evaluated(family: TaskFamily, belief_bundle: PolicyBundle, oracle: BoundLearner) -> dict[str, Any]:
    """An evaluation in which learner and DR are the same bundle."""
    held_out = HeldOut(family, MIN_TASKS, seed=1)
    trials = held_out.play(lambda env: make_adapter(belief_bundle, env.robots))
    told = held_out.play(lambda env: OracleAdapter(oracle.policy, env))
    return summary(held_out, {"learner": [trials], "dr": [trials], "oracle": [told]})


@pytest.fixture
def frames() -> list[SensorFrame]:
    """Readings of 5 robots over 40 control steps."""
    rng = np.random.default_rng(3)
    steps = 0.02 * np.arange(40)
    draws = rng.uniform(-2, 2, (len(steps), 2, 5, 1))
    return [SensorFrame(np.full(5, t), *draw) for t, draw in zip(steps, draws, strict=True)]
