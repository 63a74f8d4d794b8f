"""Populations of agents in one process, trials of a random search among them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adapt.errors import AdaptError
from adapt.meta.evolution import EvolutionConfig
from adapt.networks.agent import AgentSizes
from adapt.tuning import meta_training
from adapt.tuning.comparison import Budget, compare, difference
from adapt.tuning.lifetimes import lifetimes, live
from adapt.tuning.meta_training import meta_train
from adapt.tuning.population import Population, Setting
from adapt.tuning.rules import Candidate, controlled, random_score
from adapt.tuning.search import SEARCHED, at, draw, search
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.adam import Adam
from adapt.update_rules.hyperparameters import RANGES
from adapt.update_rules.online_tuning import OnlineTuning
from adapt.update_rules.self_tuning import SelfTuning, values

SETTING = Setting("catch:5x5", envs=4, steps=8, updates=10, rate=5e-3, sizes=AgentSizes(dense=(16,)))
REFERENCE = ActorCritic(bins=11, largest=2.0, discount=0.95, entropy_weight=0.01, normalise=True)
RULE = SelfTuning(REFERENCE, replace(REFERENCE, value_weight=0.05))


def start() -> dict[str, torch.Tensor]:
    return RULE.initial_meta_params(torch.Generator())


def test_copies_are_alike():
    population = Population(SETTING, RULE, start(), tasks=2, seed=3, copies=3)
    for value in population.life.params.values():
        for copy in (1, 2):
            torch.testing.assert_close(value[2 * copy : 2 * copy + 2], value[:2])


def test_lifetimes_are_of_the_hyperparameters_that_they_were_given():
    given = [{"rate": 0.5, "discount": 0.9}, {"rate": 2.0, "discount": 0.99}, {"rate": 0.5, "discount": 0.9}]
    lived = lifetimes(SETTING, RULE, [at(RULE, each) for each in given], 2, seed=3)
    assert lived.scores.shape == (3, 2)
    assert lived.curve.shape == (20, 3, 2)
    for name in ("discount", "rate/head/v/w", "rate/torso0/w"):
        expected = np.repeat([each[name.partition("/")[0]] for each in given], 2).reshape(3, 2)
        for shown in lived.hyperparameters[name]:
            np.testing.assert_allclose(shown, expected, rtol=1e-5)
    np.testing.assert_allclose(lived.hyperparameters["value_weight"], 0.5, rtol=1e-5)


def test_what_is_out_of_range_is_no_hyperparameter():
    with pytest.raises(ValueError, match=r"1\.5; valid: between 0\.7 and 0\.999"):
        at(RULE, {"discount": 1.5})


@pytest.mark.parametrize("env", ["catch:5x5", "point_robot", "grid:dense"])
def test_lifetimes_repeat_and_seeds_differ(env: str):
    setting = replace(SETTING, env=env, updates=4, steps=16)
    runs = []
    for seed in (0, 0, 1):
        population = Population(setting, RULE, start(), tasks=2, seed=seed, online=OnlineTuning)
        for _ in population.live():
            pass
        runs.append(population.life.params["head/logits/w"])
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert all(torch.isfinite(run).all() for run in runs)


def test_a_batch_is_of_the_agents_own_trajectories():
    """Their positions in the observation, the reward and what ended belong together, agent by agent."""
    population = Population(replace(SETTING, env="point_robot", steps=5), RULE, start(), tasks=3, seed=0)
    for _ in range(3):
        population._keep(population._collect())
    batch = population._batch()
    assert batch.action.shape == (3, 6, 8)  # two joints
    kept = population._kept["observation"]
    for agent in range(3):
        of_agent = kept[:3, agent].transpose(1, 2).flatten(0, 1)  # rollouts and environments
        for env in range(4):
            where = [
                index
                for index, other in enumerate(of_agent)
                if torch.equal(other, batch.observation[agent, :, env])
            ]
            assert where
            rewards = population._kept["reward"][:3, agent].transpose(1, 2).flatten(0, 1)[where]
            torch.testing.assert_close(batch.reward[agent, :, 2 * env], rewards[0])
            torch.testing.assert_close(batch.reward[agent, :, 2 * env + 1], rewards[0])


def test_what_begins_an_episode_does_not_count():
    """Episodes of Catch 5x5 are 4 steps and one that begins the next."""
    population = Population(SETTING, RULE, start(), tasks=1, seed=0)
    rollout = population._collect()
    assert rollout["terminal"][0, :, 0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert rollout["counts"][0, :, 0].tolist() == [1, 1, 1, 1, 0, 1, 1, 1]
    rewarded = rollout["reward"][0].abs()
    torch.testing.assert_close(rewarded, rollout["terminal"][0])


def test_actions_are_drawn_by_the_policy():
    population = Population(replace(SETTING, envs=2000), RULE, start(), tasks=1, seed=0)
    logits = torch.tensor([0.0, 1.0, -1.0])
    population.life.params["head/logits/w"].zero_()
    population.life.params["head/logits/b"][:] = logits
    drawn = population._agents.act(population.life.params)["action"].flatten()
    shares = torch.bincount(drawn, minlength=3) / len(drawn)
    torch.testing.assert_close(shares, logits.softmax(dim=-1), atol=0.03, rtol=0)


def test_a_population_learns_catch():
    setting = replace(SETTING, updates=150, envs=8, steps=16, rate=1e-2, sizes=AgentSizes(dense=(32,)))
    learned = lifetimes(setting, RULE, [start()], 4, seed=0)
    assert learned.scores.mean() > 0.5  # a random player has about -0.5
    assert learned.curve[0].mean() < 0.0


def test_trials_are_drawn_in_the_ranges_and_the_best_is_theirs():
    _, _, values = draw(200, seed=0)
    rates = np.array([each["rate"] for each in values])
    assert (rates > 1.0).mean() == pytest.approx(np.log(10) / np.log(300), abs=0.1)
    for each in values:
        for name, value in each.items():
            RANGES[name].x(value)  # all can be told
        assert 0.9 <= each["discount"] <= 0.999
    assert set(values[0]) == set(SEARCHED)
    found = search(SETTING, RULE, tasks=2, trials=4, seed=0)
    scores = [trial["score"] for trial in found["trials"]]
    assert found["best_score"] == max(scores)
    best = dict(found["trials"][int(np.argmax(scores))])
    del best["score"]
    assert found["best"] == best
    assert found["frames"] == 4 * 2 * 10 * 8 * 4


def test_meta_training_moves_every_hyperparameter_by_the_scores_alone(monkeypatch: pytest.MonkeyPatch):
    """Scores say how near the learning rate is to 20, and no more: it gets there, and no other one drifts as far."""
    wanted, asked = RANGES["rate"].x(20.0), []

    def near(setting, rule, rules, tasks, seed):
        asked.append((len(rules), tasks, seed))
        return SimpleNamespace(scores=-np.array([[abs(float(each["rate"]) - wanted)] for each in rules]))

    monkeypatch.setattr(meta_training, "lifetimes", near)
    found, how = meta_train(SETTING, RULE, 16 * 8 + 5, seed=0)
    assert values(found)["rate"] == pytest.approx(20.0, rel=0.3)
    assert found.keys() == start().keys()
    assert max(abs(float(found[n] - x)) for n, x in start().items() if n != "rate") < 0.7 * wanted
    assert [row["rate"] for row in how["steps"]][-1] == values(found)["rate"]
    assert how["frames"] == 16 * 8 * SETTING.frames == len(asked) * 16 * SETTING.frames
    assert len({seed for *_, seed in asked}) == 8  # other tasks at every step
    with pytest.raises(AdaptError, match="15 lifetimes; valid: 16 or more"):
        meta_train(SETTING, RULE, 15, seed=0)


def test_meta_training_repeats_and_seeds_differ():
    setting, config = replace(SETTING, updates=5), EvolutionConfig(pairs=2, together=2, spread=0.5, rate=0.3)
    found = [meta_train(setting, RULE, 8, seed, config)[0] for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_too_short_lifetimes_are_refused():
    population = Population(replace(SETTING, updates=5, steps=1), RULE, start(), tasks=1, seed=0)
    with pytest.raises(AdaptError, match="take longer lifetimes"):
        live(population)


def test_a_comparison_is_whole():
    budget = Budget(trials=8, tasks=2, repeats=2, held_out=3)
    result, starts = compare(replace(SETTING, updates=5), RULE, Adam(0.01), budget, seed=0)
    shapes = {name: np.shape(candidate["scores"]) for name, candidate in result["candidates"].items()}
    assert shapes == {
        "default": (3,), "self_tuning": (3,), "searched": (2, 3), "meta_trained": (2, 3), "meta_trained_moving": (2, 3),
    }  # fmt: skip
    for names, apart in result["differences"].items():
        one, other = (result["candidates"][name]["mean"] for name in names.split(" - "))
        assert apart["mean"] == pytest.approx(one - other, abs=1e-9)
        assert apart["interval"][0] <= apart["mean"] <= apart["interval"][1]
    for searched, training, found in zip(result["search"], result["meta_training"], starts, strict=True):
        assert searched["seed"] == training["seed"]
        assert searched["frames"] == training["frames"] == 16 * 5 * 8 * 4
        assert training["found"] == values(found)
        ends = result["candidates"]["meta_trained"]["hyperparameters"]["discount"]
        assert ends[0][0] - 1e-6 <= values(found)["discount"] <= ends[0][2] + 1e-6


def test_moving_hyperparameters_of_other_trainings_widen_the_interval():
    """Where every task says the same, an interval is that of the searches."""
    searches = np.array([[1.0] * 4, [3.0] * 4, [5.0] * 4])
    apart = difference(np.full(4, 9.0), searches, paired=False)
    assert apart == {"mean": 6.0, "interval": [4.0, 8.0]}
    assert difference(searches + 1, searches, paired=True) == {"mean": 1.0, "interval": [1.0, 1.0]}


def test_controllers_are_held_against_the_oracle_and_the_best_single_rule():
    """Rule 0 is best in family a, rule 1 in family b by more: the single one is rule 1, normalised (0.5 + 1) / 2."""
    scores = {"a": np.array([[10.0, 10.0], [5.0, 5.0]]), "b": np.array([[-9.0, -9.0], [-2.0, -2.0]])}
    result = controlled(scores, {"a": 0.0, "b": -10.0}, ["zero", "one"], pulls=40, controllers=5, seed=0)
    assert result["single_rule"] == "one"
    a, b = result["families"]["a"], result["families"]["b"]
    assert (a["best_rule"], b["best_rule"]) == ("zero", "one")
    assert a["single"] == pytest.approx(0.5)
    assert b["means"]["zero"] == pytest.approx(1 / 8)
    assert (a["kept"], b["kept"]) == (1.0, 1.0)
    assert 0.5 < a["choosing"] < 1.0
    assert a["regret"][-1] < a["regret_of_single"][-1] == pytest.approx(20.0)
    assert result["kept_above_single"]["mean"] == pytest.approx(0.25)


def test_controllers_are_not_judged_by_what_they_heard():
    """Noise alone: rules are equal, so what is kept is worth as much as any other on lifetimes that were not heard,
    however good it seemed."""
    scores = {"a": np.random.default_rng(0).normal(1.0, 1.0, (4, 12))}
    scores["a"] += 1.0 - scores["a"].mean(axis=1, keepdims=True)
    result = controlled(scores, {"a": 0.0}, list("wxyz"), pulls=40, controllers=200, seed=0)
    assert result["families"]["a"]["kept"] < 1.0


def test_agents_that_do_not_learn_are_random_players():
    assert random_score(SETTING, 8, seed=0) == pytest.approx(-0.5, abs=0.25)
    assert Candidate(REFERENCE, 5e-3).live(SETTING, 2, seed=0).shape == (2,)
    online = partial(OnlineTuning, tuner=Adam(0.01))
    assert Candidate(RULE, 5e-3, start(), online=online).live(SETTING, 2, seed=0).shape == (2,)
