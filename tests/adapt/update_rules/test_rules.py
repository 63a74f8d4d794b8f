"""What holds of every update rule, and of the discovered one in particular."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from adapt.errors import AdaptError
from adapt.update_rules import disco as disco_module
from adapt.update_rules.adam import Adam
from adapt.update_rules.lifetime import Learning, join
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule, check_said
from tests.adapt.update_rules.rollouts import (
    ACTIONS,
    RULES,
    B,
    T,
    agent,
    generator,
    meta_params,
    outputs,
    rollout,
)

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
disco = RULES["disco"]


def targets(
    rule: UpdateRule, made: Rollout, said: Tensors, target: Tensors | None = None
) -> tuple[Tensors, Tensors]:
    """Of the first update of a lifetime."""
    state = rule.initial_meta_state({})
    return rule.targets(meta_params(rule), state, {}, made, said, lambda _: target or said)


def updated(rule: UpdateRule, actions: int, joints: int = 1) -> tuple[Tensors, Tensors]:
    """Parameters of an agent and what came of it, after two updates."""
    network, made = agent(rule, actions, joints), rollout(actions)
    if joints > 1:
        logits = torch.randn(T + 1, B, joints, actions, generator=generator(3))
        action = torch.randint(actions, (T + 1, B, joints), generator=generator(4))
        made = join(dataclasses.replace(made, action=action, behaviour={"logits": logits}))
    learning = Learning(rule, network, Adam(1e-2))
    life = learning.begin(network.initial(generator()))
    learning.check(life, made)
    result = {}
    for _ in range(2):
        life, result = learning.update(meta_params(rule), life, made)
    return life.params, result


@every_rule
@pytest.mark.parametrize("actions", [2, 5, 18])
def test_any_number_of_actions_will_do(rule, actions):
    params, result = updated(rule, actions)
    assert result["loss"].isfinite()
    assert all(value.isfinite().all() for value in params.values())
    assert rule.initial_meta_params(generator()).keys() == meta_params(rule).keys(), "whatever the actions"


@every_rule
def test_joints_are_trajectories_that_share_a_torso(rule):
    params, result = updated(rule, ACTIONS, joints=2)
    assert result["adv"].shape == (T, 2 * B)
    assert all(value.isfinite().all() for value in params.values())


def test_joined_rollouts_repeat_what_joints_share():
    made = rollout()
    action = torch.randint(ACTIONS, (T + 1, B, 2), generator=generator(5))
    logits = torch.randn(T + 1, B, 2, ACTIONS, generator=generator(6))
    joined = join(dataclasses.replace(made, action=action, behaviour={"logits": logits}))
    for b in range(B):
        for j in range(2):
            row = 2 * b + j
            assert torch.equal(joined.action[:, row], action[:, b, j])
            assert torch.equal(joined.behaviour["logits"][:, row], logits[:, b, j])
            assert torch.equal(joined.reward[:, row], made.reward[:, b])


@every_rule
def test_what_follows_the_end_of_an_episode_is_not_known_before_it(rule, monkeypatch):
    """But for the moving averages, which are of all that was seen: they stand still here."""
    still = {"mean": torch.tensor(0.1), "square": torch.tensor(2.0), "unseen": torch.tensor(0.5)}
    monkeypatch.setattr(
        disco_module.moving_average, "add",
        lambda state, name, values: {f"{name}.{moment}": value for moment, value in still.items()},
    )  # fmt: skip
    end = 2
    made = rollout()
    made.terminal[end] = 1.0
    said, target = outputs(rule), outputs(rule, seed=9)
    before, _ = targets(rule, made, said, target)

    other, changed = rollout(seed=7), made.tensors()
    for name, value in other.tensors().items():
        after = (
            end + 1 if len(value) == T else end + 2
        )  # the state after the step is the end's, and belongs to it
        changed[name] = torch.cat([changed[name][:after], value[after:]])
    changed["terminal"] = made.terminal

    def elsewhere(values: Tensors, seed: int) -> Tensors:
        return {
            n: torch.cat([values[n][: end + 2], v[end + 2 :]]) for n, v in outputs(rule, seed=seed).items()
        }

    after, _ = targets(rule, Rollout.of(changed), elsewhere(said, 11), elsewhere(target, 12))
    for name, value in before.items():
        if not value.dim():
            continue  # a hyperparameter
        torch.testing.assert_close(
            after[name][: end + 1], value[: end + 1], msg=lambda m, n=name: f"{n}: {m}"
        )
        assert not torch.allclose(after[name][end + 1 :], value[end + 1 :]), f"{name} did not change at all"

    made.terminal[end] = 0.0
    leaks, _ = targets(rule, made, said, target)
    through, _ = targets(
        rule, Rollout.of(changed | {"terminal": made.terminal}), elsewhere(said, 11), elsewhere(target, 12)
    )
    assert not torch.allclose(through["adv"][: end + 1], leaks["adv"][: end + 1]), "the probe itself"


def test_actions_may_be_numbered_otherwise():
    """The targets of policies are permuted as actions are; all else stays."""
    order = torch.tensor([2, 0, 1])  # new action i is old action order[i]
    made, said, target = rollout(), outputs(disco), outputs(disco, seed=9)

    def permuted(values: Tensors) -> Tensors:
        moved = {name: value[:, :, order] for name, value in values.items() if name != "y"}
        moved["aux_pi"] = moved["aux_pi"][..., order]
        return moved | {"y": values["y"]}

    other = dataclasses.replace(
        made, action=order.argsort()[made.action], behaviour={"logits": made.behaviour["logits"][..., order]}
    )
    before, state = targets(disco, made, said, target)
    after, other_state = targets(disco, other, permuted(said), permuted(target))
    torch.testing.assert_close(after["pi"], before["pi"][..., order], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(after["pi"], before["pi"], atol=1e-3)
    for name in ("y", "z", "adv", "q_td"):
        torch.testing.assert_close(after[name], before[name], rtol=1e-4, atol=1e-5)
    for name, value in state.items():
        torch.testing.assert_close(other_state[name], value, rtol=1e-4, atol=1e-5)
    losses = [disco.loss(*each) for each in ((made, said, before), (other, permuted(said), after))]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)


def test_the_policy_after_an_end_is_not_to_be_foreseen():
    made, said = rollout(), outputs(disco)
    made.terminal[2] = 1.0
    wanted, _ = targets(disco, made, said)
    loss = disco.loss(made, said, wanted)
    said["aux_pi"][2] += torch.randn(B, ACTIONS, ACTIONS, generator=generator(8))
    torch.testing.assert_close(disco.loss(made, said, wanted), loss)
    said["aux_pi"][1] += torch.randn(B, ACTIONS, ACTIONS, generator=generator(8))
    assert not torch.allclose(disco.loss(made, said, wanted)[1], loss[1])


def test_steps_that_only_begin_an_episode_teach_nothing():
    network = agent(disco)
    learning = Learning(disco, network, Adam(1e-2))
    life = learning.begin(network.initial(generator()))
    made = rollout()
    nothing, _ = learning.update(
        meta_params(disco), life, dataclasses.replace(made, counts=torch.zeros(T, B))
    )
    for name, value in nothing.params.items():
        assert torch.equal(value, life.params[name]), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q": None}, r"'disco': output 'q' of the agent: missing; expected \(3, 11\) in each state. It needs logits "),
        ({"y": 4}, r"output 'y' of the agent: shape \(4,\); expected \(7,\) in each state"),
        ({"z": 5}, r"output 'z' of the agent: shape \(3, 5\); expected \(3, 7\)"),
        ({"logits": None}, r"output 'logits' of the agent: missing"),
    ],
)  # fmt: skip
def test_an_agent_that_says_too_little_is_told_what_is_needed(changes, message):
    said = outputs(disco)
    for name, size in changes.items():
        if size is None:
            del said[name]
        else:
            said[name] = said[name][..., :1].expand(*said[name].shape[:-1], size)
    with pytest.raises(AdaptError, match=message):
        check_said(disco, said, rollout())


@every_rule
def test_continuous_actions_are_refused(rule):
    made = dataclasses.replace(rollout(), action=torch.randn(T + 1, B))
    with pytest.raises(
        AdaptError, match=r"continuous actions \(torch.float32\); .* divide each joint's range into bins"
    ):
        check_said(rule, outputs(rule), made)


def test_a_learning_refuses_an_agent_of_another_rule():
    network = agent(RULES["actor_critic"])
    learning = Learning(disco, network, Adam())
    life = learning.begin(network.initial(generator()))
    with pytest.raises(AdaptError, match="output 'y' of the agent: missing"):
        learning.check(life, rollout())


@every_rule
def test_a_population_is_checked_and_learns_as_each_of_it_alone(rule):
    network, made = agent(rule), [rollout(seed=seed) for seed in (0, 1)]
    params = [network.initial(generator(seed)) for seed in (0, 1)]
    alone = Learning(rule, network, Adam(1e-2))
    lives = [alone.update(meta_params(rule), alone.begin(p), r)[0] for p, r in zip(params, made, strict=True)]
    together = Learning(rule, network, Adam(1e-2), population=True)
    stacked = {name: torch.stack([each[name] for each in params]) for name in params[0]}
    both = {n: torch.stack([each.tensors()[n] for each in made]) for n in made[0].tensors()}
    life = together.begin(stacked)
    together.check(life, Rollout.of(both))
    life, _ = together.update(meta_params(rule), life, Rollout.of(both))
    for name, value in life.params.items():
        for which in (0, 1):
            torch.testing.assert_close(value[which], lives[which].params[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["actor_critic", "policy_gradient", "self_tuning"])
def test_hand_written_rules_make_the_rewarded_action_likelier(name):
    rule, made = RULES[name], rollout()
    rewarded = dataclasses.replace(
        made, reward=(made.action[:-1] == 1).float(), terminal=torch.ones_like(made.terminal)
    )
    network = agent(rule)
    learning = Learning(rule, network, Adam(1e-2))
    life = learning.begin(network.initial(generator()))

    def likelihood() -> float:
        return float(network(life.params, made.observation)["logits"].softmax(dim=-1)[..., 1].mean())

    before = likelihood()
    for _ in range(20):
        life, _ = learning.update(meta_params(rule), life, rewarded)
    assert likelihood() > before + 0.1
