"""Advantages that rules are judged by."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from adapt.meta.outer_value import OuterValue, ValueConfig
from adapt.update_rules.rule import Rollout


@pytest.mark.parametrize("centre", [False, True])
def test_centred_advantages_forget_what_all_trajectories_share(centre: bool) -> None:
    """Two agents, four trajectories of three steps; a reward that all have at the last step is no one's merit."""
    draw = torch.Generator().manual_seed(0)
    shape = (2, 3, 4)
    rollout = Rollout(
        observation=torch.randn(2, 4, 4, 5, generator=draw),
        action=torch.zeros(2, 4, 4, dtype=torch.int64),
        reward=torch.randn(shape, generator=draw),
        terminal=torch.zeros(shape),
        counts=torch.ones(shape),
        behaviour={"logits": torch.zeros(2, 4, 4, 3)},
    )
    shared = torch.tensor([0.0, 0.0, 7.0])[:, None]
    value = OuterValue(ValueConfig(centre=centre), (5,))
    told = [
        value.advantage(value.begin([1, 2]), each)
        for each in (rollout, replace(rollout, reward=rollout.reward + shared))
    ]
    assert torch.allclose(told[0], told[1], atol=1e-4) is centre
    assert (told[0].mean(dim=2).abs().max() < 1e-5).item() is centre
    assert told[0].std() > 0.5
