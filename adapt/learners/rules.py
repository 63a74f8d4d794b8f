"""Learners by an update rule: their configurations, and how they are built in an environment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from adapt.learners.environments import environment
from adapt.learners.rule_learner import RuleConfig, RuleLearner
from adapt.learners.setup import DiscreteSetup
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.adam import Adam
from adapt.update_rules.disco_weights import load_disco, weights_sha256
from adapt.update_rules.lifetime import Learning
from adapt.update_rules.online_tuning import OnlineTuning
from adapt.update_rules.policy_gradient import PolicyGradient
from adapt.update_rules.self_tuning import SelfTuning, own_judge
from adapt.update_rules.self_tuning_weights import load_start, start_sha256


@dataclass(frozen=True)
class DiscoConfig(RuleConfig):
    """Hyperparameters of `disco`."""

    weights: str = ""
    """File of the rule's parameters, .npz. Default: Disco103, as `adapt fetch disco103` keeps it."""
    sha256: str = ""
    """That the file has to have. Default: as it is when training begins, which the run records."""


@dataclass(frozen=True)
class ActorCriticConfig(RuleConfig):
    """Hyperparameters of `actor_critic`."""

    learning_rate: float = 5e-4
    """Of Adam."""
    rule: ActorCritic = field(default_factory=ActorCritic)
    """Discount, trace, weights of the losses."""


@dataclass(frozen=True)
class PolicyGradientConfig(RuleConfig):
    """Hyperparameters of `policy_gradient`."""

    rule: PolicyGradient = field(default_factory=PolicyGradient)
    """Discount, weight of the entropy."""


@dataclass(frozen=True)
class SelfTuningConfig(RuleConfig):
    """Hyperparameters of `self_tuning`: where they start, and how they are judged."""

    learning_rate: float = 5e-4
    """Of Adam; every tensor's own factor of it starts at 1."""
    rule: SelfTuning = field(default_factory=SelfTuning)
    """Where discount, trace and weights start, and the judge's."""
    tuner_rate: float = 0.01
    """Of Adam on the hyperparameters; 0: they stay where they start."""
    weights: str = ""
    """File of where they start, .npz, as `adapt tune` writes it; the judge's then, too. Default: as `rule` says."""
    sha256: str = ""
    """That the file has to have. Default: as it is when training begins, which the run records."""


def pin_weights(config: DiscoConfig) -> DiscoConfig:
    """The configuration with the hash of its weights as they are now, unless it has one.

    Raises:
        AdaptError: there are none.
    """
    return replace(config, sha256=config.sha256 or weights_sha256(_path(config)))


def pin_start(config: SelfTuningConfig) -> SelfTuningConfig:
    """As `pin_weights`; without weights the configuration as it is."""
    if not config.weights:
        return config
    return replace(config, sha256=config.sha256 or start_sha256(Path(config.weights)))


def build_disco(setup: DiscreteSetup) -> RuleLearner:
    """Raises AdaptError where the weights are missing, not those of a rule, or have another hash."""
    config: DiscoConfig = setup.config
    rule, meta_params = load_disco(_path(config), config.sha256 or None)
    return RuleLearner(environment(setup), rule, meta_params, config, setup.seed)


def build_actor_critic(setup: DiscreteSetup) -> RuleLearner:
    return RuleLearner(environment(setup), setup.config.rule, {}, setup.config, setup.seed)


def build_policy_gradient(setup: DiscreteSetup) -> RuleLearner:
    return RuleLearner(environment(setup), setup.config.rule, {}, setup.config, setup.seed)


def build_self_tuning(setup: DiscreteSetup) -> RuleLearner:
    """Raises AdaptError where a hyperparameter starts out of its range, or the weights are missing, not those of this
    rule and agent, or have another hash."""
    config: SelfTuningConfig = setup.config
    rule, env = config.rule, environment(setup)
    start = rule.initial_meta_params(torch.Generator())
    if config.weights:
        start = load_start(Path(config.weights), rule, config.sha256 or None)
        rule = own_judge(rule, start)
    learning = partial(OnlineTuning, tuner=Adam(config.tuner_rate)) if config.tuner_rate else Learning
    return RuleLearner(env, rule, start, config, setup.seed, learning)


def _path(config: DiscoConfig) -> Path | None:
    return Path(config.weights) if config.weights else None
