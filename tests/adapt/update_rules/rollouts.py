"""Rollouts, agents and small rules that tests of update rules share."""

from __future__ import annotations

import torch

from adapt.networks.agent import AgentNetwork, AgentSizes
from adapt.update_rules import disco_network
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.disco import Disco
from adapt.update_rules.policy_gradient import PolicyGradient
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule
from adapt.update_rules.self_tuning import SelfTuning

T, B, ACTIONS = 6, 4, 3
RULES: dict[str, UpdateRule] = {
    "disco": Disco(
        disco_network.Sizes(prediction=7, hidden=8, lifetime=6, embedding=4, channels=(4, 2)),
        bins=11,
        largest=20.0,
    ),
    "actor_critic": ActorCritic(bins=11, largest=20.0),
    "policy_gradient": PolicyGradient(),
    "self_tuning": SelfTuning(ActorCritic(bins=11), ActorCritic(bins=11)),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rollout(actions: int = ACTIONS, seed: int = 0) -> Rollout:
    """Of states with 5 numbers, without ends of episodes."""
    g = generator(seed)
    return Rollout(
        torch.randn(T + 1, B, 5, generator=g),
        torch.randint(actions, (T + 1, B), generator=g),
        torch.randn(T, B, generator=g),
        torch.zeros(T, B),
        torch.ones(T, B),
        {"logits": torch.randn(T + 1, B, actions, generator=g)},
    )


def outputs(rule: UpdateRule, actions: int = ACTIONS, seed: int = 1) -> Tensors:
    """Something that an agent may say."""
    g = generator(seed)
    shapes = rule.outputs(actions).shapes(actions)
    return {name: torch.randn(T + 1, B, *shape, generator=g) for name, shape in shapes.items()}


def agent(rule: UpdateRule, actions: int = ACTIONS, joints: int = 1) -> AgentNetwork:
    return AgentNetwork((5,), actions, rule.outputs(actions), AgentSizes((16,), 8, 6), joints)


def meta_params(rule: UpdateRule) -> Tensors:
    """As drawn, but for biases, which begin at 0 and would hide mistakes."""
    g = generator(2)
    return {
        name: value + 0.1 * torch.randn(value.shape, generator=g)
        for name, value in rule.initial_meta_params(g).items()
    }
