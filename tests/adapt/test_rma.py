"""RMA's options: each ablation trains, resumes and leaves training as a step; trials that begin inside a stretch."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch

from adapt.checkpoint import load_checkpoint, save_checkpoint
from adapt.errors import AdaptError
from adapt.export import make_bundle
from adapt.learners import Setup, Teacher
from adapt.learners.bounds import BoundConfig, BoundLearner, build_dr, build_oracle
from adapt.learners.objectives import Objective
from adapt.learners.rma import RMAConfig, RMALearner, build_rma
from adapt.options import overlay
from sim_tasks.families import load_family
from tests.adapt.small import BOUND, RMA, differences
from tests.small_bundle import FAMILY, perturb

LATENT = 3
LATENT_TEACHER = dataclasses.replace(BOUND, latent=LATENT)
NORMALISED = dataclasses.replace(BOUND, normalise=True)
NOT_TOLD = "a teacher that was told nothing"
ABLATIONS: dict[str, tuple[BoundConfig, dict[str, Any]]] = {
    NOT_TOLD: (BOUND, {}),
    "conv": (BOUND, {"history": "conv"}),
    "latent": (LATENT_TEACHER, {"target": "latent"}),
    "as in the paper": (
        LATENT_TEACHER, {"target": "latent", "history": "conv", "fine_tune": False, "excited": 0, "renewal": 0.0}
    ),
    "parameters of a teacher with an encoder": (LATENT_TEACHER, {}),
    "evidence lower bound": (NORMALISED, {"objective": Objective(0.0, 1.0, 0.1)}),
    "both": (BOUND, {"objective": Objective(1.0, 1.0, 0.1)}),
    "no fine-tuning": (BOUND, {"fine_tune": False}),
    "a normalised teacher": (NORMALISED, {"scale_rewards": True}),
    "a normalised teacher, latent": (
        dataclasses.replace(LATENT_TEACHER, normalise=True), {"target": "latent", "history": "conv"}
    ),
}  # fmt: skip
every_ablation = pytest.mark.parametrize("name", ABLATIONS)


@torch.enable_grad()
def teacher(config: BoundConfig, family: str = FAMILY, told: bool = True) -> Teacher:
    """An oracle, or DR, after one update: where it normalises, it has seen inputs."""
    bound = (build_oracle if told else build_dr)(Setup(load_family(family), config, 7, 1))
    bound.collect()
    bound.update()
    perturb(bound.policy)
    return bound.policy, bound.critic


def build(
    config: RMAConfig, teach: BoundConfig = BOUND, family: str = FAMILY, seed: int = 0, told: bool = True
) -> RMALearner:
    return build_rma(Setup(load_family(family), config, seed, 1, teacher(teach, family, told)))


def ablation(name: str, seed: int = 0) -> RMALearner:
    teach, changes = ABLATIONS[name]
    return build(dataclasses.replace(RMA, **changes), teach, seed=seed, told=name != NOT_TOLD)


def run(learner: RMALearner, iterations: int) -> list[dict[str, float]]:
    metrics = []
    for _ in range(iterations):
        learner.collect()
        metrics.append(learner.update())
    return metrics


@every_ablation
def test_every_ablation_trains_and_resumes_to_the_last_bit(name, tmp_path):
    learner = ablation(name)
    first = run(learner, 2)
    save_checkpoint(tmp_path / "middle", learner.state())
    later = run(learner, 3)
    for metrics in (*first, *later):
        assert all(type(value) is float and math.isfinite(value) for value in metrics.values()), metrics
    assert ("task" in later[0]) is (learner.task_head is not None)
    assert ("policy_loss" in later[0]) is learner.config.fine_tune
    resumed = ablation(name, seed=9)
    resumed.restore(load_checkpoint(tmp_path / "middle"))
    assert run(resumed, 3) == later
    assert differences(resumed.state(), learner.state()) == []


@torch.no_grad()
@pytest.mark.parametrize("name", ["evidence lower bound", "a normalised teacher, latent"])
def test_what_leaves_training_is_what_was_trained(name):
    """`make_bundle` compares graph and step; here, the step with encoder, policy and head over a whole stretch."""
    learner = ablation(name)
    perturb(learner.encoder, size=0.1)
    make_bundle(learner, {}, "")
    step, family = learner.step(), learner.env.family
    observation, action = family.observation_size, family.action_size
    heard = torch.rand(60, 4, observation + action + 1) * 2 - 1
    heard[..., -1] = torch.zeros(60, 4).index_fill_(0, torch.tensor([0, 30]), 1.0)
    beliefs, _ = learner.encoder(heard, torch.zeros(4, step.memory))
    hidden = torch.zeros(4, step.memory)
    for t in range(60):
        seen, sent, flag = heard[t].split((observation, action, 1), dim=-1)
        act, belief, mean, std, hidden = step(seen, sent, flag, hidden)
        torch.testing.assert_close(belief, beliefs[t], rtol=0, atol=1e-5)
        wanted = learner.policy(torch.cat([seen, sent, beliefs[t]], dim=-1)).clamp(-1, 1)
        torch.testing.assert_close(act, wanted, rtol=0, atol=1e-4)
        task = beliefs[t] if learner.task_head is None else learner.task_head(beliefs[t])
        normal_mean, log_std = task.chunk(2, dim=-1)
        torch.testing.assert_close(
            (mean, std), step.physical(normal_mean, log_std.exp()), rtol=1e-4, atol=1e-4
        )
    assert (beliefs[1] - beliefs[-1]).abs().mean() > 1e-3


def test_without_fine_tuning_the_policy_stays_the_teachers():
    kept, tuned = (build(dataclasses.replace(RMA, fine_tune=tune)) for tune in (False, True))
    for learner, stays in ((kept, True), (tuned, False)):
        before = {name: value.clone() for name, value in learner.policy.state_dict().items()}
        run(learner, RMA.warm_up + 2)
        assert (differences(before, learner.policy.state_dict()) == []) is stays


def test_the_head_learns_of_the_task_and_the_encoder_not_of_the_head():
    """Two learners alike but for their heads: after a step on the same data, encoders alike and heads changed."""
    encoders = []
    for shift in (0.0, 0.5):
        learner = ablation("latent")
        assert learner.task_head is not None
        perturb(learner.task_head, size=shift)
        before = {name: value.clone() for name, value in learner.task_head.state_dict().items()}
        run(learner, 1)
        encoders.append(learner.encoder.state_dict())
        assert differences(before, learner.task_head.state_dict())
    assert differences(*encoders) == []


def test_the_latent_target_is_what_the_teachers_encoder_makes_of_the_task():
    learner = ablation("latent")
    assert learner.target is not None
    task = torch.randn(5, learner.env.context.shape[1])
    policy, _ = teacher(LATENT_TEACHER)
    assert policy.encoder is not None
    torch.testing.assert_close(
        learner.target(task) * learner.target.std + learner.target.mean, policy.encoder(task)
    )
    assert learner.encoder.latent == LATENT


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "z"}, "target: 'z'; valid: parameters, latent"),
        ({"history": "lstm"}, "history: 'lstm'; valid: gru, conv"),
        (
            {"objective": Objective(0.0, 0.0, 1.0)},
            "kl=1.0.; valid: weights of 0 or more, privileged or state",
        ),
        ({"objective": Objective(state=-1.0)}, "state=-1.0, .*; valid: weights of 0 or more"),
        ({"target": "latent"}, "no environment encoder: train the oracle with latent above 0"),
        ({"excited": 8}, "excited: 8; valid: 0 to 7, robots being 8"),
    ],
)
def test_bad_options_are_answered_with_the_valid_ones(changes, words):
    with pytest.raises(AdaptError, match=words):
        build(dataclasses.replace(RMA, **changes))


def test_a_policy_that_listens_to_no_belief_has_to_learn_to():
    with pytest.raises(AdaptError, match=r"fine_tune: False; the teacher was not told the task"):
        build(dataclasses.replace(RMA, fine_tune=False), told=False)


def test_unknown_objectives_are_answered_with_the_valid_ones():
    with pytest.raises(AdaptError, match="unknown field 'reward'; valid: privileged, state, kl"):
        overlay(RMA, {"objective": {"reward": 1.0}}, "mine.yaml")


def test_a_bounds_latent_is_the_oracles_alone():
    family = load_family(FAMILY)
    with pytest.raises(AdaptError, match=r"latent: 3; valid: 0 \(only an oracle has a task to encode"):
        build_dr(Setup(family, LATENT_TEACHER, 0, 1))


def test_a_teachers_encoder_learns_with_its_policy():
    oracle = build_oracle(Setup(load_family(FAMILY), LATENT_TEACHER, 0, 1))
    assert isinstance(oracle, BoundLearner)
    assert oracle.policy.encoder is not None
    before = [parameter.clone() for parameter in oracle.policy.encoder.parameters()]
    oracle.collect()
    oracle.update()
    assert all((a != b).any() for a, b in zip(before, oracle.policy.encoder.parameters(), strict=True))


@torch.no_grad()
@pytest.mark.parametrize("history", ["gru", "conv"])
def test_trials_that_begin_inside_a_stretch_begin_with_an_empty_memory(history):
    """Hoppers that fall: what training makes of the stretch is what was acted on, to the step where a trial begins."""
    config = dataclasses.replace(RMA, history=history, horizon=60, episodes=1, renewal=0.0)
    teach = dataclasses.replace(BOUND, normalise=True)
    learner = build(config, teach, "hopper_rand_params")
    perturb(learner.encoder, size=0.1)
    learner.collect()
    learner.collect()
    begun = learner._fresh[1:].nonzero() + torch.tensor([1, 0])
    assert len(begun) >= 8, "hoppers that do not fall show nothing"
    stretch = learner._stretch(torch.arange(config.robots))
    acted = learner._rollout.policy_inputs[..., -2 * learner.encoder.latent :]
    trained, memory = learner.encoder(stretch.heard, learner._memory_before, stretch.fresh)
    torch.testing.assert_close(trained, acted, rtol=0, atol=2e-5)
    over = torch.from_numpy(learner.env.elapsed == 0)
    torch.testing.assert_close(memory[~over], learner._memory[~over], rtol=0, atol=2e-5)
    assert (learner._memory[over] == 0).all()
    for t, robot in begun.tolist():
        first, _ = learner.encoder.step(stretch.heard[t, robot][None], torch.zeros(1, learner.encoder.memory))
        torch.testing.assert_close(acted[t, robot], first[0], rtol=0, atol=2e-5)
        assert stretch.new_episode[t, robot] == 1
        assert (stretch.task[t, robot] != stretch.task[t - 1, robot]).any(), "the task is the old trial's"
    across, _ = learner.encoder(stretch.heard, learner._memory_before)
    assert ((across - acted).abs().amax(dim=-1) > 1e-3).any(), "memory across the border would not show"
