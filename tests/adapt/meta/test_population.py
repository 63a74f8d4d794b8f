"""Agents side by side, and the ends and beginnings of their lives."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.checkpoint import load_checkpoint, save_checkpoint
from adapt.errors import AdaptError
from adapt.meta.population import Group, GroupConfig
from adapt.networks.agent import AgentSizes
from adapt.side_by_side.agents import joined
from adapt.update_rules.adam import Adam
from adapt.update_rules.disco import Disco
from adapt.update_rules.disco_network import Sizes
from adapt.update_rules.lifetime import Learning, Life
from adapt.update_rules.rule import Rollout, Tensors

RULE = Disco(Sizes(4, 5, 3, 3, (3, 2)), bins=7, largest=5.0)
META = RULE.initial_meta_params(torch.Generator().manual_seed(0))
SMALL = AgentSizes((6,), 4, 4)
CONFIG = GroupConfig(("catch:4x3",), agents=3, trajectories=2, steps=4, lifetime=6, sizes=SMALL)


def same(one: Tensors, other: Tensors) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_rollouts_are_what_happened() -> None:
    """One rollout begins where the one before it ended; steps after an end count for nothing."""
    group = Group(CONFIG, RULE, seed=1)
    first, second = group.roll(), group.roll()
    assert first.observation.shape == (3, 5, 2, 4, 3)
    assert torch.equal(first.observation[:, -1], second.observation[:, 0])
    assert torch.equal(first.counts[:, 1:], 1 - first.terminal[:, :-1])
    assert torch.equal(second.counts[:, 0], 1 - first.terminal[:, -1])
    assert (first.reward[first.terminal == 0] == 0).all()  # Catch pays at the end
    assert (first.reward[first.terminal == 1].abs() == 1).all()
    assert first.terminal.any()


def test_agents_are_independent() -> None:
    """An agent of a population learns what it would learn alone."""
    group = Group(CONFIG, RULE, seed=1)
    before, rollout = group.life, joined(group.roll())
    group.learn(META, rollout)
    alone = dataclasses.replace(group.learning, population=False)
    life = Life(*({n: v[1] for n, v in part.items()} for part in before.parts()))
    told = Rollout.of({name: value[1] for name, value in rollout.tensors().items()})
    after, _ = alone.update(META, life, told)
    for name, value in after.params.items():
        torch.testing.assert_close(value, group.life.params[name][1], atol=1e-6, rtol=1e-4)


def test_optimiser_as_one_vector_is_adam() -> None:
    group = Group(dataclasses.replace(CONFIG, rate=0.02), RULE, seed=1)
    named = Learning(RULE, group.network, Adam(0.02), population=True)
    life = named.begin(group.life.params)
    for _ in range(3):
        rollout = joined(group.roll())
        group.learn(META, rollout)
        life, _ = named.update(META, life, rollout)
    for name, value in life.params.items():
        torch.testing.assert_close(value, group.life.params[name])


def test_lives_end_and_others_begin() -> None:
    """Ends are staggered; who begins anew has fresh parameters and no memory, and the others go on as they were."""
    group = Group(CONFIG, RULE, seed=1)
    assert group.ends.tolist() == [2, 4, 6]
    begun = group.life
    for _ in range(4):
        group.learn(META, joined(group.roll()))
    before = group.life
    assert group.renew().tolist() == [0, 1]
    assert group.age.tolist() == [0, 0, 4]
    assert group.births.tolist() == [1, 1, 0]
    assert group.ends.tolist() == [6, 6, 6]
    for old, new in zip(before.parts(), group.life.parts(), strict=True):
        assert same({n: v[2] for n, v in old.items()}, {n: v[2] for n, v in new.items()})
    assert (group.life.moments["count"] == torch.tensor([0.0, 0.0, 4.0])).all()
    for other in (before, begun):  # neither who died, nor the first life again
        assert not torch.equal(other.params["torso0/w"][0], group.life.params["torso0/w"][0])
    target = group.life.meta_state["target.torso0/w"]
    assert torch.equal(target[0], group.life.params["torso0/w"][0])
    assert group.renew().tolist() == []


def test_new_lives_have_new_tasks() -> None:
    config = dataclasses.replace(CONFIG, environments=("grid:dense",), lifetime=1, agents=2)
    group = Group(config, RULE, seed=1)
    worlds = group.env.observation[:, 1:].copy()
    group.learn(META, joined(group.roll()))
    group.renew()
    assert not np.array_equal(group.env.observation[:2, 1:], worlds[:2])
    assert not np.array_equal(group.env.observation[2:, 1:], worlds[2:])


def test_goes_on_exactly(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, environments=("grid:dense", "grid:sparse"), agents=4, lifetime=2)

    def live(group: Group, updates: int) -> None:
        for _ in range(updates):
            group.learn(META, joined(group.roll()))
            group.renew()

    group, other = Group(config, RULE, seed=1), Group(config, RULE, seed=1)
    live(group, 3)
    save_checkpoint(tmp_path / "state", {"group": group.state()})
    live(group, 3)
    other.restore(load_checkpoint(tmp_path / "state")["group"])
    live(other, 3)
    for one, two in zip(group.life.parts(), other.life.parts(), strict=True):
        assert same(one, two)
    assert np.array_equal(group.env.observation, other.env.observation)


def test_agents_of_other_sizes_are_refused() -> None:
    state = Group(CONFIG, RULE, seed=1).state()
    other = Group(dataclasses.replace(CONFIG, sizes=AgentSizes((7,), 4, 4)), RULE, seed=1)
    before = other.life
    with pytest.raises(ValueError, match=r"shape \(3, 6, 3\); expected \(3, 7, 3\)"):
        other.restore(state)
    assert other.life is before


def test_pictures_are_shares_of_255() -> None:
    pytest.importorskip("ale_py")
    options = {"threads": 1, "full_actions": False}
    config = dataclasses.replace(CONFIG, environments=("atari:Pong",), agents=1, steps=1, options=options)
    group = Group(config, RULE, seed=0)
    rollout = group.roll()
    assert rollout.observation.dtype == torch.uint8
    alone = {name: value[0] for name, value in group.life.params.items()}
    said = group.network.logits(alone, rollout.observation[0] / 255)
    torch.testing.assert_close(rollout.behaviour["logits"][0], said.squeeze(-2), rtol=1e-3, atol=1e-6)
    told = group.learn(META, joined(rollout))
    assert torch.isfinite(told["loss"]).all()


def test_returns_are_of_the_agents_own_episodes() -> None:
    """Agents of two environments; Catch's episodes of 4 rows are 3 steps, and one that begins the next."""
    config = dataclasses.replace(CONFIG, environments=("catch:4x3", "catch:4x3"), agents=4, copies=2)
    group = Group(config, RULE, seed=1)
    rollout = group.roll()
    paid = (rollout.reward.sum(dim=(1, 2)) / rollout.terminal.sum(dim=(1, 2))).numpy()
    np.testing.assert_allclose(group.returns(), paid)
    assert len(set(paid)) > 1
    assert np.isnan(group.returns()).all(), "what was asked for is gone"


@pytest.mark.parametrize(
    ("environments", "agents", "message"),
    [
        (
            ("catch:4x3", "catch:5x3"),
            4,
            r"catch:5x3: observations \(5, 3\).*agents of one group need the same",
        ),
        (("catch:4x3", "catch:4x3"), 3, "agents: 3 in catch:4x3, catch:4x3; valid: a multiple"),
        ((), 3, "no environment"),
        (("catch:4x3",), 0, "agents: 0; valid: 1 or more"),
    ],
)
def test_impossible_groups(environments: tuple[str, ...], agents: int, message: str) -> None:
    with pytest.raises(AdaptError, match=message):
        Group(dataclasses.replace(CONFIG, environments=environments, agents=agents), RULE, seed=0)


def test_joints_are_agents_that_share_a_torso() -> None:
    config = dataclasses.replace(
        CONFIG, environments=("point",), options={"joints": 2}, trajectories=3, lifetime=2
    )
    group = Group(config, RULE, seed=0)
    rollout = joined(group.roll())
    assert rollout.action.shape == (3, 5, 6)
    assert rollout.behaviour["logits"].shape == (3, 5, 6, 3)
    assert rollout.reward.shape == (3, 4, 6)
    group.learning.check(group.life, rollout)
    told = group.learn(META, rollout)
    assert torch.isfinite(told["loss"]).all()
