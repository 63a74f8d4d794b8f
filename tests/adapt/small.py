"""Small versions of everything that learns, so that a whole training takes a moment."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapt import learners
from adapt.learners import LEARNERS, Learner, Teacher
from adapt.learners.belief import BeliefConfig
from adapt.learners.bounds import BoundLearner
from adapt.learners.ppo import PPOConfig
from adapt.train import TrainRequest
from sim_tasks.families import load_family
from tests.small_bundle import FAMILY

ROOT = Path(__file__).parents[2]
ITERATIONS = 4
PPO = PPOConfig(robots=8, horizon=6, epochs=2, minibatches=2, hidden=(16,))
BELIEF = BeliefConfig(
    robots=8, horizon=10, updates=3, batch=4, hidden=8, excited=2, warm_up=2,
    policy=PPOConfig(robots=8, horizon=10, epochs=2, minibatches=2),
)  # fmt: skip
SMALL: dict[type, object] = {PPOConfig: PPO, BeliefConfig: BELIEF}
"""A small configuration for the configuration class of every registered learner."""


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Makes the registered learners build their small versions."""
    patch.setattr(learners, "PPOConfig", lambda: PPO)
    patch.setattr(learners, "BeliefConfig", lambda: BELIEF)
    for name, kind in LEARNERS.items():
        small = dataclasses.replace(kind, config=SMALL[type(kind.config)], iterations=ITERATIONS)
        patch.setitem(LEARNERS, name, small)


def build(name: str, seed: int = 0) -> Learner:
    """A registered learner; its teacher, where it needs one, is an untrained oracle."""
    family, kind = load_family(FAMILY), LEARNERS[name]
    return kind.build(family, seed, 1, untrained_teacher() if kind.needs_teacher else None)


def untrained_teacher() -> Teacher:
    oracle = LEARNERS["oracle"].build(load_family(FAMILY), 7, 1, None)
    assert isinstance(oracle, BoundLearner)
    return oracle.policy, oracle.critic


def request(learner: str, out: Path, **changes: Any) -> TrainRequest:
    """A request for a training on one thread, beside an oracle run where it needs one."""
    teacher = out.parent / "oracle" if LEARNERS[learner].needs_teacher else None
    return TrainRequest(learner, FAMILY, out, **({"threads": 1, "teacher": teacher} | changes))


def leaves(state: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in a nested state, with where it stands."""
    for name, value in state.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Where two nested states are not the same to the last bit; arrays count as the tensors they are saved as."""
    left, right = dict(leaves(first)), dict(leaves(second))
    both = left.keys() & right.keys()
    return sorted({name for name in both if not _equal(left[name], right[name])} | left.keys() ^ right.keys())


def _equal(first: Any, second: Any) -> bool:
    first, second = (torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in (first, second))
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    return type(first) is type(second) and bool(first == second)
