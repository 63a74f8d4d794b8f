"""Torsos of agents: what they compute, in any order of memory, of one agent or of many at once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from adapt.errors import AdaptError
from adapt.networks.agent import AgentNetwork, AgentSizes
from adapt.networks.torso import Torso, is_picture
from adapt.update_rules.rule import Outputs, Tensors

PICTURES = (4, 84, 84)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def torso_and_params(picture: str = "dqn", shape: tuple[int, ...] = PICTURES) -> tuple[Torso, Tensors]:
    torso = Torso(shape, (256,), picture)
    params = torso.initial(torch.Generator().manual_seed(0))
    return torso, {name: value + 0.01 for name, value in params.items()}  # biases that are not zero


@pytest.mark.parametrize(
    ("picture", "convolutions", "flat"),
    [
        ("dqn", [nn.Conv2d(4, 16, 8, 4), nn.Conv2d(16, 32, 4, 2)], 32 * 9 * 9),
        ("nature", [nn.Conv2d(4, 32, 8, 4), nn.Conv2d(32, 64, 4, 2), nn.Conv2d(64, 64, 3, 1)], 64 * 7 * 7),
    ],
)
@torch.no_grad()
def test_convolutions_are_torch_s_in_the_published_sizes(picture, convolutions, flat):
    torso, params = torso_and_params(picture)
    hidden = drawn(3, *PICTURES).float() / 255
    for index, layer in enumerate(convolutions):
        layer.weight.copy_(params[f"picture{index}/w"])  # copying checks the shape
        layer.bias.copy_(params[f"picture{index}/b"])
        hidden = layer(hidden).relu()
    assert hidden.flatten(1).shape[1] == flat
    expected = (hidden.flatten(1) @ params["torso0/w"] + params["torso0/b"]).relu()
    torch.testing.assert_close(torso(params, drawn(3, *PICTURES)), expected)
    assert expected.abs().max() > 0.1
    assert len(params) == 2 * len(convolutions) + 2
    assert torso.features == 256


@pytest.mark.parametrize("shape", [PICTURES, (84, 84, 4)])
@torch.no_grad()
def test_pictures_that_were_made_ready_are_read_as_bytes_are(shape):
    torso, params = torso_and_params(shape=shape)
    pictures = drawn(5, 2, *shape)
    before = pictures.clone()
    ready = torso.ready(pictures)
    assert ready.shape == pictures.shape
    assert ready.dtype == torch.float32
    torch.testing.assert_close(torso(params, ready), torso(params, pictures))
    torch.testing.assert_close(torso.ready(ready), ready)
    assert torch.equal(pictures, before)


@torch.no_grad()
def test_channels_may_be_first_or_last():
    (first, params), (last, other) = torso_and_params(), torso_and_params(shape=(84, 84, 4))
    assert all(torch.equal(params[name], other[name]) for name in params.keys() | other.keys())
    pictures = drawn(3, *PICTURES)
    torch.testing.assert_close(first(params, pictures), last(params, pictures.movedim(1, -1).contiguous()))


@torch.no_grad()
def test_its_module_has_the_same_layers():
    torso, params = torso_and_params()
    module = torso.module()
    for ours, theirs in zip(params.values(), module.parameters(), strict=True):
        theirs.copy_(ours.mT if ours.dim() == 2 else ours)
    pictures = drawn(3, *PICTURES)
    torch.testing.assert_close(torso(params, pictures), module(pictures.float() / 255))


def test_many_agents_at_once_are_the_same_agents():
    torso = Torso(PICTURES, (32,))
    agents = [torso.initial(torch.Generator().manual_seed(seed)) for seed in range(3)]
    stacked = {name: torch.stack([agent[name] for agent in agents]) for name in agents[0]}
    pictures = drawn(3, 2, 4, *PICTURES)  # agents, steps, trajectories

    def loss(params: Tensors, seen: torch.Tensor) -> torch.Tensor:
        return torso(params, seen).square().sum()

    for seen in (pictures, torso.ready(pictures)):
        together = torch.vmap(torch.func.grad(loss))(stacked, seen)
        for index, agent in enumerate(agents):
            alone = torch.func.grad(loss)(agent, pictures[index])
            for name, value in alone.items():
                torch.testing.assert_close(together[name][index], value, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_an_agent_with_a_picture_says_what_one_without_says():
    outputs = Outputs({"logits": 6, "y": 7}, {"z": 7, "q": 11, "aux_pi": 6})
    network = AgentNetwork(PICTURES, 6, outputs, AgentSizes((16,), 6, 5))
    params = network.initial(torch.Generator().manual_seed(0))
    pictures = drawn(3, 2, *PICTURES)
    said = network(params, pictures)
    assert {name: tuple(value.shape) for name, value in said.items()} == {
        "logits": (3, 2, 6), "y": (3, 2, 7), "z": (3, 2, 6, 7), "q": (3, 2, 6, 11), "aux_pi": (3, 2, 6, 6),
    }  # fmt: skip
    torch.testing.assert_close(network.logits(params, pictures).squeeze(-2), said["logits"])
    assert "picture0/w" in params


@pytest.mark.parametrize("shape", [(8, 7, 7), (8, 8, 1), (5,), (84, 84)])
def test_boards_and_readings_are_no_pictures(shape):
    assert not is_picture(shape)
    torso = Torso(shape, (16,))
    params = torso.initial(torch.Generator().manual_seed(0))
    assert sorted(params) == ["torso0/b", "torso0/w"]
    observation = torch.rand(3, *shape)
    assert torso.ready(observation) is observation
    assert torso(params, observation).shape == (3, 16)


def test_unknown_convolutions_are_answered_with_the_known_ones():
    with pytest.raises(AdaptError, match="convolutions: 'resnet'; valid: dqn, nature"):
        Torso(PICTURES, (16,), "resnet")
