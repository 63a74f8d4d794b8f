"""The registered learners, by name: how each is built on a family, and its default configuration."""

from __future__ import annotations

from adapt.errors import AdaptError
from adapt.learners.bounds import BoundConfig, build_dr, build_oracle
from adapt.learners.learned_step import LearnedStepConfig, LearnedStepLearner
from adapt.learners.maml import MAMLConfig, MAMLLearner
from adapt.learners.promp import ProMPConfig, ProMPLearner
from adapt.learners.reptile import ReptileConfig, ReptileLearner
from adapt.learners.rl2 import RL2Config, build_rl2
from adapt.learners.rma import RMAConfig, build_rma
from adapt.learners.rules import (
    ActorCriticConfig,
    DiscoConfig,
    PolicyGradientConfig,
    SelfTuningConfig,
    build_actor_critic,
    build_disco,
    build_policy_gradient,
    build_self_tuning,
    pin_start,
    pin_weights,
)
from adapt.learners.sb3 import (
    SB3DiscretePPOConfig,
    SB3PPOConfig,
    SB3RecurrentPPOConfig,
    SB3SACConfig,
    build_sb3_discrete_ppo,
    build_sb3_ppo,
    build_sb3_recurrent_ppo,
    build_sb3_sac,
)
from adapt.learners.setup import DiscreteSetup, Learner, LearnerKind, Setup, Teacher
from adapt.learners.varibad import VariBADConfig, build_varibad

__all__ = ["LEARNERS", "DiscreteSetup", "Learner", "LearnerKind", "Setup", "Teacher", "learner_kind"]

LEARNERS: dict[str, LearnerKind] = {
    "dr": LearnerKind(
        build_dr, BoundConfig(),
        about="PPO under domain randomisation, no adaptation: the lower bound",
    ),
    "oracle": LearnerKind(
        build_oracle, BoundConfig(),
        about="PPO that is told the task: the upper bound, and RMA's teacher",
    ),
    "rma": LearnerKind(
        build_rma, RMAConfig(), needs_teacher=True,
        about="rapid motor adaptation: the oracle's policy on what the history tells of its task, without reward",
    ),
    "varibad": LearnerKind(
        build_varibad, VariBADConfig(),
        about="variational belief over the task, trained to decode rewards or motion; PPO on the belief",
    ),
    "rl2": LearnerKind(
        build_rl2, RL2Config(),
        about="recurrent policy over whole trials, trained end to end by PPO",
    ),
    "maml": LearnerKind(
        MAMLLearner, MAMLConfig(),
        about="parameters from which one policy-gradient step adapts; TRPO outside",
    ),
    "promp": LearnerKind(
        ProMPLearner, ProMPConfig(),
        about="as MAML, with low-variance curvature and proximal meta-steps",
    ),
    "learned_step": LearnerKind(
        LearnedStepLearner, LearnedStepConfig(),
        about="start parameters, and a learned policy gradient that adapts them over a course of several steps",
    ),
    "reptile": LearnerKind(
        ReptileLearner, ReptileConfig(),
        about="moves towards where several inner steps on each task end; first order",
    ),
    "sb3_ppo": LearnerKind(
        build_sb3_ppo, SB3PPOConfig(),
        about="stable-baselines3's PPO on the task's observations: no adaptation",
    ),
    "sb3_sac": LearnerKind(
        build_sb3_sac, SB3SACConfig(),
        about="stable-baselines3's SAC on the task's observations: no adaptation",
    ),
    "sb3_recurrent_ppo": LearnerKind(
        build_sb3_recurrent_ppo, SB3RecurrentPPOConfig(),
        about="sb3-contrib's PPO with an LSTM that remembers the episode",
    ),
    "disco": LearnerKind(
        build_disco, DiscoConfig(), discrete=True, pin=pin_weights,
        about="discrete actions, learnt by a discovered update rule, such as Disco103",
    ),
    "actor_critic": LearnerKind(
        build_actor_critic, ActorCriticConfig(), discrete=True,
        about="discrete actions, learnt by a hand-written update rule: actor-critic with V-trace",
    ),
    "policy_gradient": LearnerKind(
        build_policy_gradient, PolicyGradientConfig(), discrete=True,
        about="discrete actions, learnt by a hand-written update rule: a policy gradient without a critic",
    ),
    "self_tuning": LearnerKind(
        build_self_tuning, SelfTuningConfig(), discrete=True, pin=pin_start,
        about="discrete actions, learnt by an actor-critic that tunes its own hyperparameters by meta-gradients",
    ),
    "sb3_discrete_ppo": LearnerKind(
        build_sb3_discrete_ppo, SB3DiscretePPOConfig(), discrete=True,
        about="discrete actions, learnt by stable-baselines3's PPO, with the layers that the rules' agents have",
    ),
}  # fmt: skip


def learner_kind(name: str) -> LearnerKind:
    """A registered learner.

    Raises:
        AdaptError: the name is not registered; the message lists the valid ones.
    """
    if name not in LEARNERS:
        raise AdaptError(f"unknown learner {name!r}; valid: {', '.join(LEARNERS)}")
    return LEARNERS[name]
