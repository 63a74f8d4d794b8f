"""Small versions of everything that learns, so that a whole training takes a moment."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapt import options
from adapt.learners import LEARNERS, DiscreteSetup, Learner, Setup, Teacher
from adapt.learners.bounds import BoundConfig, BoundLearner
from adapt.learners.maml import MAMLConfig
from adapt.learners.ppo import PPOConfig
from adapt.learners.promp import ProMPConfig
from adapt.learners.reptile import ReptileConfig
from adapt.learners.rl2 import RL2Config
from adapt.learners.rma import RMAConfig
from adapt.learners.rules import ActorCriticConfig, DiscoConfig
from adapt.learners.sb3 import SB3DiscretePPOConfig, SB3PPOConfig, SB3RecurrentPPOConfig, SB3SACConfig
from adapt.learners.varibad import VariBADConfig
from adapt.networks.agent import AgentSizes
from adapt.train import TrainRequest
from adapt.update_rules import disco_network
from adapt.update_rules.actor_critic import ActorCritic
from sim_tasks.families import load_family
from tests.small_bundle import FAMILY

ROOT = Path(__file__).parents[2]
ITERATIONS = 4
FEW = PPOConfig(epochs=2, minibatches=2)
BOUND = BoundConfig(frames=ITERATIONS * 8 * 6, robots=8, horizon=6, hidden=(16,), ppo=FEW)
RMA = RMAConfig(
    frames=ITERATIONS * 8 * 10, robots=8, horizon=10, updates=3, batch=4, hidden=8, excited=2, warm_up=2, ppo=FEW
)  # fmt: skip
VARIBAD = VariBADConfig(
    frames=ITERATIONS * 8 * 10, robots=8, horizon=10, hidden=(16,), latent=3, memory=8, embedding=8,
    reward_decoder=(8, 8), state_weight=1.0, state_decoder=(8, 8), trials=4, times=5, transitions=6, buffer=8,
    warm_up=1, ppo=FEW,
)  # fmt: skip
RL2 = RL2Config(
    frames=ITERATIONS * 8 * 10, robots=8, horizon=10, hidden=8, embedding=8, layers=(8,), ppo=FEW
)  # fmt: skip
SB3_PPO = SB3PPOConfig(
    frames=ITERATIONS * 8 * 10, robots=8, horizon=10, batch=20, epochs=2, hidden=(8,), rate_end=0.1
)  # fmt: skip
SB3_RECURRENT_PPO = SB3RecurrentPPOConfig(
    frames=ITERATIONS * 8 * 10, robots=8, horizon=10, batch=20, epochs=2, hidden=(8,), lstm=8, rate_end=0.1
)  # fmt: skip
SB3_SAC = SB3SACConfig(
    frames=ITERATIONS * 8 * 4, robots=8, horizon=4, gradient_steps=3, buffer=120, warm_up=48, batch=16, hidden=(8,),
    rate_end=0.1,
)  # fmt: skip
DISCRETE: dict[str, Any] = {
    "frames": ITERATIONS * 2 * 7, "envs": 2, "rollout": 7, "batch": 4, "buffer": 6, "rate_end": 0.1,
    "sizes": AgentSizes((8,), 6, 5),
}  # fmt: skip
"""Learns from the second iteration on, and forgets from the fourth on."""
GRADIENT: dict[str, Any] = {"tasks": 2, "rollouts": 2, "inner_steps": 1, "hidden": (8,), "normalise": True}
ADAPTING: dict[str, Any] = {"frames": ITERATIONS * 2 * 2 * 300 * 2} | GRADIENT
SMALL: dict[type, Any] = {
    MAMLConfig: MAMLConfig(**ADAPTING), ProMPConfig: ProMPConfig(**ADAPTING),
    ReptileConfig: ReptileConfig(frames=ITERATIONS * 2 * 2 * 300, **GRADIENT),
    BoundConfig: BOUND, RMAConfig: RMA, VariBADConfig: VARIBAD, RL2Config: RL2,
    SB3PPOConfig: SB3_PPO, SB3RecurrentPPOConfig: SB3_RECURRENT_PPO, SB3SACConfig: SB3_SAC,
}  # fmt: skip
"""A small configuration for the configuration class of every registered learner."""


@functools.cache
def small_weights() -> Path:
    """A file with the parameters of a small rule that nobody has trained."""
    sizes = disco_network.Sizes(prediction=7, hidden=6, lifetime=5, embedding=4, channels=(3, 2))
    params = disco_network.initial_params(sizes, torch.Generator().manual_seed(0))
    path = Path(tempfile.mkdtemp()) / "small_rule.npz"
    save_arrays(path, {name: value.numpy() for name, value in params.items()})
    return path


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """As numpy's .npz; objects are pickled, which no reader of ours may take."""
    np.savez(path, allow_pickle=True, **arrays)


SMALL |= {
    DiscoConfig: DiscoConfig(weights=str(small_weights()), **DISCRETE),
    ActorCriticConfig: ActorCriticConfig(rule=ActorCritic(bins=11), **DISCRETE),
    SB3DiscretePPOConfig: SB3DiscretePPOConfig(
        frames=ITERATIONS * 2 * 8, envs=2, horizon=8, batch=8, epochs=2, dense=(8,)
    ),
}


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Makes the registered learners build their small versions, whatever is shipped for a family."""
    patch.setattr(options, "_presets", lambda learner, family: [])
    for name, kind in LEARNERS.items():
        patch.setitem(LEARNERS, name, dataclasses.replace(kind, config=SMALL[type(kind.config)]))


def build(name: str, seed: int = 0) -> Learner:
    """A registered learner; its teacher, where it needs one, is an untrained oracle."""
    family, kind = load_family(FAMILY), LEARNERS[name]
    if kind.discrete:
        return kind.build(DiscreteSetup(FAMILY, kind.config, seed, 1))
    teacher = untrained_teacher() if kind.needs_teacher else None
    return kind.build(Setup(family, kind.config, seed, 1, teacher))


def untrained_teacher() -> Teacher:
    oracle = LEARNERS["oracle"].build(Setup(load_family(FAMILY), LEARNERS["oracle"].config, 7, 1))
    assert isinstance(oracle, BoundLearner)
    return oracle.policy, oracle.critic


def request(learner: str, out: Path, **changes: Any) -> TrainRequest:
    """A request for a training on one thread, beside an oracle run where it needs one."""
    teacher = out.parent / "oracle" if LEARNERS[learner].needs_teacher else None
    return TrainRequest(learner, FAMILY, out, **({"threads": 1, "teacher": teacher} | changes))


def leaves(state: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in a nested state, with where it stands; a slash in a name is nesting too, as checkpoints have it."""
    for name, value in state.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}".replace("/", "."), value


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
