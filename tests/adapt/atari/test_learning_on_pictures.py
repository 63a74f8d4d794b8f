"""Learners on Atari games: resumed to the last bit, and a cell that really plays."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from adapt import options
from adapt.atari import AtariRequest, run_cells, table
from adapt.checkpoint import load_checkpoint, save_checkpoint
from adapt.learners import LEARNERS, DiscreteSetup, Learner
from adapt.learners.environments import AtariConfig
from adapt.learners.rules import ActorCriticConfig
from adapt.learners.sb3 import SB3DiscretePPOConfig
from adapt.networks.agent import AgentSizes
from adapt.options import learner_config
from adapt.update_rules.actor_critic import ActorCritic
from tests.adapt.small import SMALL, differences

FEW = AtariConfig(full_actions=False)
CONFIGS: dict[str, Any] = {
    "actor_critic": ActorCriticConfig(
        envs=1, rollout=5, batch=2, buffer=3, sizes=AgentSizes((8,)), rule=ActorCritic(bins=11), atari=FEW
    ),
    "sb3_discrete_ppo": SB3DiscretePPOConfig(envs=1, horizon=6, batch=3, epochs=2, dense=(8,), atari=FEW),
}


def build(name: str, seed: int) -> Learner:
    return LEARNERS[name].build(DiscreteSetup("atari:Pong", CONFIGS[name], seed, 1))


def run(learner: Learner, count: int) -> list[dict[str, float]]:
    metrics = []
    for _ in range(count):
        learner.collect()
        metrics.append(learner.update())
    return metrics


@pytest.mark.parametrize("name", CONFIGS)
def test_a_training_on_pictures_resumes_to_the_last_bit(name, tmp_path):
    whole, resumed = build(name, 0), build(name, 99)
    run(whole, 3)
    save_checkpoint(tmp_path / "middle", whole.state())
    metrics = run(whole, 3)
    torch.manual_seed(12345)
    resumed.restore(load_checkpoint(tmp_path / "middle"))
    assert run(resumed, 3) == metrics
    save_checkpoint(tmp_path / "end", whole.state())
    assert differences(load_checkpoint(tmp_path / "end"), resumed.state()) == []
    assert any(value != 0 for row in metrics for key, value in row.items() if "loss" in key)


@pytest.mark.parametrize("name", ["disco", "actor_critic", "sb3_discrete_ppo"])
def test_presets_of_atari_see_the_same_frames_through_the_same_layers(name):
    config, others = learner_config(name, "atari:Pong"), learner_config("disco", "atari:Pong")
    layers = (config.dense, config.convolutions) if name == "sb3_discrete_ppo" else config.sizes
    assert layers in (((256,), "dqn"), AgentSizes((256,)))
    assert (config.frames, config.envs) == (others.frames, others.envs)
    assert config.atari == dataclasses.replace(others.atari, clip=name == "sb3_discrete_ppo")


@pytest.mark.slow
def test_every_learner_plays_a_cell_of_pong(tmp_path, monkeypatch):
    """A few updates of small learners, and whole games afterwards."""
    changes: dict[str, Any] = {"envs": 2, "atari": FEW}
    for name, kind in LEARNERS.items():
        if kind.discrete:
            small = dataclasses.replace(SMALL[type(kind.config)], **changes)
            monkeypatch.setitem(LEARNERS, name, dataclasses.replace(kind, config=small))
    monkeypatch.setattr(options, "_presets", lambda learner, family: [])
    learners = ("disco", "actor_critic", "sb3_discrete_ppo")
    request = AtariRequest(("Pong",), learners, frames=400, episodes=2, out=tmp_path, threads=1)
    run_cells(request)
    result = table(tmp_path)
    assert [row["learner"] for row in result["rows"]] == ["random", *sorted(learners)]
    for row in result["rows"]:
        assert -21.0 <= row["score"]["mean"] <= 21.0
        assert row["score"]["mean"] != 0.0
    assert all(row["train_cpu_s"] > 0 for row in result["rows"][1:])
