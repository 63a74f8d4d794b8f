"""The network of agents: what is said of an action depends on the state and that action alone."""

from __future__ import annotations

import pytest
import torch

from adapt.networks.agent import AgentNetwork, AgentSizes
from adapt.update_rules.rule import Outputs, Tensors

SAID = Outputs({"logits": 3, "y": 4}, {"z": 5, "aux_pi": 3})
SIZES = AgentSizes((16, 12), 8, 6)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(joints: int = 1, observation: tuple[int, ...] = (2, 3)) -> tuple[AgentNetwork, Tensors]:
    made = AgentNetwork(observation, 3, SAID, SIZES, joints)
    return made, made.initial(generator())


@pytest.mark.parametrize("lead", [(), (7,), (4, 2)])
@pytest.mark.parametrize("joints", [1, 2])
def test_outputs_have_the_shapes_that_were_asked_for(lead, joints):
    made, params = network(joints)
    said = made(params, torch.randn(*lead, 2, 3, generator=generator(1)))
    each = (joints,) if joints > 1 else ()
    assert {name: tuple(value.shape) for name, value in said.items()} == {
        "logits": (*lead, *each, 3), "y": (*lead, *each, 4), "z": (*lead, *each, 3, 5), "aux_pi": (*lead, *each, 3, 3),
    }  # fmt: skip


@pytest.mark.parametrize("joints", [1, 2])
def test_acting_needs_the_policy_alone(joints):
    made, params = network(joints)
    states = torch.randn(7, 2, 3, generator=generator(1))
    logits = made.logits(params, states)
    assert logits.shape == (7, joints, 3)
    assert torch.equal(logits.view(7, -1), made(params, states)["logits"].view(7, -1))


def test_what_is_said_of_an_action_does_not_depend_on_the_others():
    """An LSTM that went from one action to the next would carry the change on."""
    made, params = network()
    states = torch.randn(7, 2, 3, generator=generator(1))
    before = made(params, states)
    for changed in range(3):
        other = params | {"model/w": params["model/w"].clone()}
        other["model/w"][changed] += 1.0
        after = made(other, states)
        for name in SAID.per_action:
            for action in range(3):
                same = torch.equal(after[name][:, action], before[name][:, action])
                assert same is (action != changed), (name, action)


def test_all_actions_begin_in_the_same_state():
    """Actions that the model cannot tell apart are all the same to it."""
    made, params = network()
    params["model/w"][:3] = params["model/w"][0].clone()
    said = made(params, torch.randn(7, 2, 3, generator=generator(1)))
    for name in SAID.per_action:
        torch.testing.assert_close(said[name], said[name][:, :1].expand_as(said[name]), rtol=1e-5, atol=1e-7)


def test_joints_differ_and_share_what_the_torso_saw():
    made, params = network(2)
    said = made(params, torch.randn(7, 2, 3, generator=generator(1)))
    assert not torch.allclose(said["z"][:, 0], said["z"][:, 1])
    assert params["torso0/w"].shape == (6, 16)


def test_bytes_of_a_picture_are_shares_of_255():
    made, params = network()
    picture = torch.randint(256, (7, 2, 3), generator=generator(1), dtype=torch.uint8)
    said, same = made(params, picture), made(params, picture.float() / 255)
    assert all(torch.equal(said[name], same[name]) for name in said)


def test_the_first_policy_is_almost_uniform():
    made, params = network()
    logits = made.logits(params, torch.randn(100, 2, 3, generator=generator(1)))
    assert logits.softmax(dim=-1).sub(1 / 3).abs().max() < 0.05
