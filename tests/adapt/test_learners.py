"""One suite over every registered learner: it learns something, repeats itself, and resumes to the last bit."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from adapt.checkpoint import load_checkpoint, save_checkpoint
from adapt.errors import AdaptError
from adapt.learners import LEARNERS, Learner, Setup, learner_kind
from adapt.learners.bounds import BoundLearner
from adapt.learners.rma import RMALearner
from adapt.learners.sb3_learner import SB3Learner
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv
from tests.adapt.small import RMA, build, differences, untrained_teacher
from tests.small_bundle import FAMILY

every_learner = pytest.mark.parametrize("name", LEARNERS)
pytestmark = pytest.mark.usefixtures("small")


def run(learner: Learner, first: int, last: int) -> list[dict[str, float]]:
    """Iterations `first` to `last`, exclusive, of 8."""
    metrics = []
    for iteration in range(first, last):
        learner.set_progress(iteration / 8)
        learner.collect()
        metrics.append(learner.update())
    return metrics


@every_learner
def test_an_iteration_reports_its_steps_and_finite_losses(name):
    learner = build(name)
    assert learner.collect() == learner.iteration_steps > 0
    losses = learner.update()
    assert "reward" in losses
    assert all(type(value) is float and math.isfinite(value) for value in losses.values()), losses


@every_learner
def test_update_changes_what_is_learnt_and_collect_does_not(name, tmp_path):
    learner = build(name)
    save_checkpoint(tmp_path / "before", learner.state())
    learner.collect()
    save_checkpoint(tmp_path / "collected", learner.state())
    run(learner, 1, 5)  # past the warm-up of RMA
    before, collected = (load_checkpoint(tmp_path / point) for point in ("before", "collected"))
    changed = differences(before, learner.state())
    for network in (name for name in before if name in ("policy", "critic", "encoder", "motion_model")):
        assert not differences(before[network], collected[network])
        assert any(place.startswith(f"{network}.") for place in changed), network


@every_learner
def test_the_same_seed_gives_the_same_training_and_another_seed_another(name):
    first, again, other = (run(build(name, seed), 0, 3) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@every_learner
@pytest.mark.parametrize("done", [1, 4])
def test_a_resumed_training_is_the_same_to_the_last_bit(name, done, tmp_path):
    whole = build(name)
    run(whole, 0, done)
    save_checkpoint(tmp_path / "middle", whole.state())
    metrics = run(whole, done, 8)
    save_checkpoint(tmp_path / "end", whole.state())

    resumed = build(name, seed=99)
    torch.manual_seed(12345)
    resumed.restore(load_checkpoint(tmp_path / "middle"))
    assert run(resumed, done, 8) == metrics
    assert differences(load_checkpoint(tmp_path / "end"), resumed.state()) == []


@every_learner
def test_a_forgotten_part_of_the_state_would_be_noticed(name, tmp_path):
    """The suite's own probe: without the simulations' state, the resumed training is another one."""
    whole, resumed = build(name), build(name, seed=99)
    run(whole, 0, 2)
    save_checkpoint(tmp_path / "checkpoint", whole.state())
    metrics = run(whole, 2, 4)
    state = load_checkpoint(tmp_path / "checkpoint")
    resumed.restore(state | {"env": resumed.env.state()})
    assert run(resumed, 2, 4) != metrics


def optimizers_of(learner: Learner) -> list[torch.optim.Optimizer]:
    """Those whose rate falls: of the policy's update, and the belief's."""
    if isinstance(learner, SB3Learner):
        return [*learner.optimizers().values()]
    held = [*vars(getattr(learner, "ppo", object)).values()]
    if isinstance(learner, RMALearner):
        held.append(learner.optimizer)
    each = [item for value in held for item in (value if isinstance(value, list) else [value])]
    return [item for item in each if isinstance(item, torch.optim.Optimizer)]


@pytest.mark.parametrize(
    "name", [n for n in LEARNERS if n not in ("maml", "promp", "reptile") and not LEARNERS[n].discrete]
)
def test_the_learning_rate_falls_to_a_tenth(name):
    """But for the gradient meta-learners, whose papers have constant ones."""
    learner = build(name)
    optimizers = optimizers_of(learner)
    rates = {}
    for fraction in (0.0, 1.0):
        learner.set_progress(fraction)
        rates[fraction] = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    np.testing.assert_allclose(rates[1.0], 0.1 * np.array(rates[0.0]))
    assert min(rates[1.0]) > 0


@every_learner
def test_a_learner_without_the_teacher_that_it_needs_is_refused(name):
    kind = LEARNERS[name]
    if kind.needs_teacher:
        with pytest.raises(AdaptError, match=f"{name}: needs a teacher"):
            kind.build(Setup(load_family(FAMILY), kind.config))
    else:
        assert build(name).collect() > 0


def test_unknown_learners_are_answered_with_the_known_ones():
    with pytest.raises(AdaptError, match=r"'magic'; valid: dr, oracle, rma"):
        learner_kind("magic")


def test_only_the_oracle_is_told_the_task():
    """The policies' decisions on other contexts: the oracle's change, the others' do not."""
    for name in ("dr", "oracle"):
        learner = build(name)
        assert isinstance(learner, BoundLearner)
        with torch.no_grad():
            learner.policy.body[0].weight += 0.5  # type: ignore[operator]
        state, policy_inputs = learner.env.state(), []
        for shift in (0.0, 1.0):
            learner.env.restore(state)
            learner.env.context[:] += shift
            learner.collect()
            policy_inputs.append(learner._rollout.policy_inputs[0].clone())
        assert torch.equal(*policy_inputs) is (name == "dr")


def test_the_oracle_begins_as_one_that_is_told_nothing_and_learns_to_listen():
    learner = build("oracle")
    assert isinstance(learner, BoundLearner)
    policy = learner.policy
    one, other = torch.randn(2, policy.known + policy.context_size)
    other[: policy.known] = one[: policy.known]
    with torch.no_grad():
        assert torch.equal(policy(one), policy(other))
        learner.collect()
    learner.update()
    with torch.no_grad():
        assert not torch.equal(policy(one), policy(other))


def test_trials_begin_at_the_beginning_of_stretches_only():
    learner = build("rma")
    for _ in range(6):
        assert not (learner.env.elapsed % RMA.horizon).any()
        learner.collect()


def put_in_trial(env: TrialVecEnv, robot: int, elapsed: int) -> None:
    """Makes a robot's trial so old, in control steps."""
    env.elapsed[robot] = elapsed
    env.episode[robot], env.episode_step[robot] = divmod(elapsed, env.episode_steps)


def test_memory_lasts_as_long_as_a_trial():
    learner = build("rma")
    assert isinstance(learner, RMALearner)
    learner.config = dataclasses.replace(learner.config, renewal=0.0)  # no trial ends before its time
    env, horizon = learner.env, learner.config.horizon
    for robot in range(env.robots):
        put_in_trial(env, robot, horizon)
    learner.collect()
    put_in_trial(env, 5, env.trial_steps - horizon)  # its last stretch
    learner.collect()
    assert (learner._memory_before != 0).any(dim=-1).all(), "memory was lost in mid-trial"
    assert env.elapsed.tolist() == [3 * horizon] * 5 + [0] + [3 * horizon] * 2
    learner.collect()
    empty = (learner._memory_before == 0).all(dim=-1)
    assert empty.tolist() == [False] * 5 + [True] + [False] * 2, "memory outlived its trial"
    # The last input of the encoder says that an episode begins.
    assert learner._heard[0, :, -1].tolist() == [0.0] * 5 + [1.0] + [0.0] * 2


def test_memory_of_a_trial_that_the_learner_ends_early_is_emptied():
    learner = build("rma")
    assert isinstance(learner, RMALearner)
    learner.config = dataclasses.replace(learner.config, renewal=1.0)
    for _ in range(2):
        learner.collect()
        assert (learner._memory_before == 0).all()
        assert (learner._heard[0, :, -1] == 1).all()


def test_rma_starts_with_the_decisions_of_its_teacher():
    """On a belief that is the true task, the policy on the belief acts as the oracle does; so does the critic."""
    teacher = untrained_teacher()
    env = TrialVecEnv(load_family(FAMILY), RMA.robots, 0, threads=1, episodes=2)
    learner = RMALearner(env, 0, teacher, RMA)
    seen = torch.randn(5, 4)
    task = torch.randn(5, env.context.shape[1])
    told = torch.cat([seen, task], dim=-1)
    doubt = torch.randn_like(task)  # the log standard deviations, which the teacher never saw
    torch.testing.assert_close(learner.policy(torch.cat([told, doubt], dim=-1)), teacher[0](told))
    guess = torch.randn_like(task)
    torch.testing.assert_close(
        learner.critic(torch.cat([seen, guess, doubt, task], dim=-1)), teacher[1](told)
    )


def test_the_policy_does_not_learn_from_excited_robots():
    learner = build("rma")
    assert isinstance(learner, RMALearner)
    run(learner, 0, 3)
    learner.collect()
    seen: list[int] = []
    update = learner.ppo.update
    learner.ppo.update = lambda rollout, shuffles: (
        seen.append(rollout.actions.shape[1]),
        update(rollout, shuffles),
    )[1]  # type: ignore[method-assign]
    learner.update()
    assert seen == [RMA.robots - RMA.excited]
