"""The rule that tunes itself: what it starts as, its meta-gradient against finite differences, populations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch

from adapt.errors import AdaptError
from adapt.networks.agent import AgentNetwork, AgentSizes
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.adam import Adam
from adapt.update_rules.hyperparameters import RANGES
from adapt.update_rules.lifetime import Learning, Life
from adapt.update_rules.online_tuning import OnlineTuning
from adapt.update_rules.rule import Rollout, Tensors
from adapt.update_rules.self_tuning import ETA, VALUE, SelfTuning
from adapt.update_rules.value import cross_entropy, expected, two_hot

ACTIONS, INPUTS, STEPS, BATCH = 3, 4, 5, 2
REFERENCE = ActorCritic(bins=7, largest=3.0, discount=0.9, trace=0.7, entropy_weight=0.02, normalise=True)
RULE = SelfTuning(REFERENCE, replace(REFERENCE, value_weight=0.25))


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@dataclass(frozen=True)
class HeldAdam(Adam):
    """Adam whose denominators are told, not computed: the function that `Adam`'s gradient is the gradient of."""

    denominators: tuple[tuple[str, torch.Tensor], ...] = ()

    def step(self, params, gradients, moments, rates=None):
        if not self.denominators:
            return super().step(params, gradients, moments, rates)
        share, rates = 1 - 0.9 ** (moments["count"] + 1), rates or dict.fromkeys(params, 1.0)
        found = {}
        for name, held in self.denominators:
            first = 0.9 * moments["first." + name] + 0.1 * gradients[name]
            found[name] = params[name] - self.rate * rates[name] * (first / share / held).clamp(-1, 1)
        return found, moments


def network() -> AgentNetwork:
    return AgentNetwork((INPUTS,), ACTIONS, RULE.outputs(ACTIONS), AgentSizes(dense=(6,)))


def rollout(seed: int, agents: tuple[int, ...] = ()) -> Rollout:
    g = torch.Generator().manual_seed(seed)
    terminal = (torch.rand(*agents, STEPS, BATCH, generator=g) < 0.2).double()
    first = torch.zeros(*agents, 1, BATCH)
    return Rollout(
        observation=torch.randn(*agents, STEPS + 1, BATCH, INPUTS, generator=g),
        action=torch.randint(ACTIONS, (*agents, STEPS + 1, BATCH), generator=g),
        reward=torch.randn(*agents, STEPS, BATCH, generator=g),
        terminal=terminal,
        counts=1 - torch.cat([first, terminal[..., :-1, :]], dim=-2),
        behaviour={"logits": 0.3 * torch.randn(*agents, STEPS + 1, BATCH, ACTIONS, generator=g)},
    )


def start() -> Tensors:
    return RULE.initial_meta_params(torch.Generator())


def lived(learning: Learning, updates: int = 3) -> Life:
    """A life with moments and averages in it."""
    life = learning.begin(network().initial(torch.Generator().manual_seed(0)))
    for seed in range(updates):
        life = learning.update(start(), life, rollout(seed))[0].detached()
    return life


def test_it_starts_as_its_reference():
    """Updates are those of the hand-written rule until eta moves."""
    told, tuned = Learning(REFERENCE, network(), Adam(0.01)), Learning(RULE, network(), Adam(0.01))
    params = network().initial(torch.Generator().manual_seed(0))
    one, other = told.begin(params), tuned.begin(params)
    for seed in range(3):
        one, _ = told.update({}, one, rollout(seed))
        other, _ = tuned.update(start(), other, rollout(seed))
    for name, value in one.params.items():
        torch.testing.assert_close(other.params[name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", RANGES)
def test_hyperparameters_stay_in_their_range(name: str):
    values = RANGES[name].value(torch.tensor([-1e6, -3.0, 0.0, 3.0, 1e6]))
    low, high = sorted(RANGES[name].value(torch.tensor([-1e6, 1e6])).tolist())
    assert torch.isfinite(values).all()
    assert ((values >= low) & (values <= high)).all()
    middle = float(values[2])
    assert RANGES[name].x(middle) == pytest.approx(0.0, abs=1e-9)
    for bad in (low - 0.1, high + 0.1, float("nan")):
        with pytest.raises(ValueError, match="valid: between"):
            RANGES[name].x(bad)


def test_a_reference_out_of_range_is_refused():
    with pytest.raises(AdaptError, match=r"self_tuning.*discount 0\.5; valid: between 0\.7 and 0\.999"):
        SelfTuning(replace(REFERENCE, discount=0.5)).initial_meta_params(torch.Generator())


def held(learning: OnlineTuning, life: Life, told: Rollout) -> HeldAdam:
    """The optimiser with the denominators that an update has."""
    after = Learning.update(learning, start(), life, told)[0].moments
    share = 1 - 0.999 ** after["count"]
    return HeldAdam(
        rate=0.03,
        denominators=tuple(
            (name, torch.sqrt(after["second." + name] / share) + 1e-8) for name in life.params
        ),
    )


def test_meta_gradient_is_that_of_finite_differences():
    """Of every component of eta, through Adam. No gradient passes through the judge's targets (it is a semi-gradient),
    nor through Adam's denominators: both are held while eta is moved."""
    learning = OnlineTuning(RULE, network(), Adam(0.03), tuned=tuple(RANGES))
    life, before, following = lived(Learning(RULE, network(), Adam(0.03))), rollout(10), rollout(11)
    found, loss, _ = learning.meta_gradient(start(), life.meta_state, (life, before), following)
    still = Learning(RULE, network(), held(learning, life, before))
    led_to = still.update(start(), life, before)[0].params
    said = network()(led_to, following.observation)
    head = {name: led_to[name] if name.startswith(VALUE) else p for name, p in life.params.items()}
    said |= {"v": network()(head, following.observation)["v"]}
    targets, _ = RULE.judged(life.meta_state, following, said)
    value = two_hot(expected(said["v"][:-1], 3.0) + targets["td"], 7, 3.0)
    policy = replace(RULE, judge=replace(RULE.judge, value_weight=0.0))
    then = network()(life.params, following.observation)
    features = {name: p for name, p in life.params.items() if not name.startswith(VALUE)}

    def judged(name: str, step: float) -> float:
        state = life.meta_state | {name: life.meta_state[name] + step}
        params = still.update(start(), Life(life.params, life.moments, state), before)[0].params
        said = network()(params, following.observation)
        v = network()(params | features, following.observation)["v"][
            :-1
        ]  # of the value's own parameters alone
        loss = policy.judge_loss(following, then, said, targets) + 0.25 * cross_entropy(v, value)
        return float((loss * following.counts).sum() / (following.counts.sum() + 1e-8))

    assert float(loss) == pytest.approx(judged(ETA + "trace", 0.0), rel=1e-12)
    assert set(found) == {name for name in life.meta_state if name.startswith(ETA)}
    largest = max(abs(float(value)) for value in found.values())
    h = 1e-4
    for name, gradient in found.items():
        # fourth order in h
        near, far = (judged(name, k * h) - judged(name, -k * h) for k in (1, 2))
        difference = (8 * near - far) / (12 * h)
        assert float(gradient) == pytest.approx(difference, rel=1e-6, abs=1e-8 * largest), name
    moving = [name for name, value in found.items() if abs(float(value)) > 1e-3 * largest]
    assert len(moving) >= 8, found


def test_eta_follows_its_gradient_and_what_it_judges_by_is_the_next_rollout():
    learning = OnlineTuning(RULE, network(), Adam(0.03), tuner=Adam(0.01))
    first = learning.begin(network().initial(torch.Generator().manual_seed(0)))
    one, learned = learning.update(start(), first, rollout(0))
    assert float(learned["meta_gradient_norm"]) == 0.0
    assert all(float(value) == 0.0 for name, value in one.meta_state.items() if name.startswith(ETA))
    gradients, _, _ = learning.meta_gradient(start(), one.meta_state, (first, rollout(0)), rollout(1))
    two, learned = learning.update(start(), one, rollout(1))
    assert float(learned["meta_gradient_norm"]) > 0
    for name, gradient in gradients.items():
        if float(gradient):  # Adam's first step is the rate, downhill
            assert float(two.meta_state[name]) == pytest.approx(-0.01 * float(gradient.sign()), rel=0.02), (
                name
            )


def test_a_tuner_that_stands_still_changes_nothing():
    still, told = (
        OnlineTuning(RULE, network(), Adam(0.03), tuner=Adam(0.0)),
        Learning(RULE, network(), Adam(0.03)),
    )
    params = network().initial(torch.Generator().manual_seed(0))
    one, other = still.begin(params), told.begin(params)
    for seed in range(4):
        one, _ = still.update(start(), one, rollout(seed))
        other, _ = told.update(start(), other, rollout(seed))
    assert all(torch.equal(one.params[name], value) for name, value in other.params.items())


@pytest.mark.parametrize(
    ("tuned", "expected"),
    [
        (("discount",), {"discount"}),
        (("rate/head/v", "trace"), {"rate/head/v/w", "rate/head/v/b", "trace"}),
    ],
)
def test_only_what_is_told_to_is_tuned(tuned: tuple[str, ...], expected: set[str]):
    learning = OnlineTuning(RULE, network(), Adam(0.03), tuned=tuned)
    life = learning.begin(network().initial(torch.Generator().manual_seed(0)))
    for seed in range(3):
        life, _ = learning.update(start(), life, rollout(seed))
    moved = {name for name, value in life.meta_state.items() if name.startswith(ETA) and float(value)}
    assert moved == {ETA + name for name in expected}


def test_a_population_lives_as_its_agents_would_alone():
    """Each with a learning rate and a discount of its own."""
    alone, together = (
        OnlineTuning(RULE, network(), Adam(0.03), population=population) for population in (False, True)
    )
    both = [network().initial(torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    life = together.begin({name: torch.stack([each[name] for each in both]) for name in both[0]})
    moved = {ETA + "discount": torch.tensor([0.3, -0.5]), ETA + "rate/torso0/w": torch.tensor([-1.0, 1.0])}
    life = Life(life.params, life.moments, life.meta_state | moved)
    for seed in range(3):
        life, _ = together.update(start(), life, rollout(seed, agents=(2,)))
    for agent in (0, 1):
        own = alone.begin(both[agent])
        own = Life(
            own.params, own.moments, own.meta_state | {name: value[agent] for name, value in moved.items()}
        )
        for seed in range(3):
            told = rollout(seed, agents=(2,)).tensors()
            own, _ = alone.update(
                start(), own, Rollout.of({name: value[agent] for name, value in told.items()})
            )
        for part, own_part in zip(life.parts(), own.parts(), strict=True):
            for name, value in own_part.items():
                torch.testing.assert_close(part[name][agent], value, rtol=1e-7, atol=1e-10)
