"""Evolution strategies: they climb, and it does not matter who does the work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from adapt.errors import AdaptError
from adapt.meta.evolution import EndOfLife, Evolution, EvolutionConfig, centred_ranks, workers
from adapt.meta.lifetimes import rewards_of_lives, rewards_under
from adapt.meta.population import GroupConfig
from adapt.networks.agent import AgentSizes
from adapt.update_rules.disco import Disco
from adapt.update_rules.disco_network import Sizes
from adapt.update_rules.rule import Tensors

RULE = Disco(Sizes(4, 5, 3, 3, (3, 2)), bins=7, largest=5.0)
GROUP = GroupConfig(
    ("catch:4x3",), agents=2, trajectories=2, steps=4, lifetime=4, rate=0.3, sizes=AgentSizes((6,), 4, 4)
)


def near_three(rules: Sequence[Tensors], seed: int) -> np.ndarray:
    """Highest where all parameters are 3; with luck that pairs share."""
    luck = np.random.default_rng(seed).normal()
    return np.array([luck - float(((rule["a"] - 3) ** 2).sum()) for rule in rules])


def test_centred_ranks() -> None:
    # 5 is the worst of four, the two 7 share ranks 1 and 2, 9 is the best: (0, 1.5, 1.5, 3) / 3 - 0.5
    ranks = centred_ranks(np.array([[7.0, 5.0], [9.0, 7.0]]))
    np.testing.assert_allclose(ranks, [[0.0, -0.5], [0.5, 0.0]])


def test_climbs() -> None:
    evolution = Evolution(EvolutionConfig(pairs=8, rate=0.1), {"a": torch.zeros(5)}, near_three, seed=0)
    for _ in range(80):
        evolution.step()
    assert (evolution.meta_params["a"] - 3).abs().max() < 0.3


def test_plain_steps_leave_alone_what_does_not_matter() -> None:
    begun = {"a": torch.zeros(2), "b": torch.zeros(2)}
    drifts = []
    for config in (EvolutionConfig(8, 0.7, 2.0, plain=True), EvolutionConfig(8, 0.7, 0.3)):
        evolution = Evolution(config, begun, near_three, seed=0)
        for _ in range(8):
            evolution.step()
        assert (evolution.meta_params["a"] > 1.0).all()
        drifts.append(float((evolution.meta_params["b"] / evolution.meta_params["a"]).abs().max()))
    assert drifts[0] < 0.5 * drifts[1]


def test_descends_with_the_opposite_fitness() -> None:
    """The climb is the fitness's doing."""

    def opposite(rules: Sequence[Tensors], seed: int) -> np.ndarray:
        return -near_three(rules, seed)

    evolution = Evolution(EvolutionConfig(pairs=8, rate=0.1), {"a": torch.zeros(5)}, opposite, seed=0)
    for _ in range(20):
        evolution.step()
    assert (evolution.meta_params["a"] < -0.5).all()


def test_does_not_depend_on_the_number_of_workers() -> None:
    begun = RULE.initial_meta_params(torch.Generator().manual_seed(0))
    results = []
    for count in (1, 2):
        evolution = Evolution(EvolutionConfig(pairs=3, spread=0.5), begun, EndOfLife(RULE, (GROUP,)), seed=1)
        with workers(count) as pool:
            metrics = [evolution.step(pool) for _ in range(2)]
        results.append((evolution.meta_params, metrics))
    for name, value in results[0][0].items():
        assert torch.equal(value, results[1][0][name]), name
        assert not torch.equal(value, begun[name]), name
    assert results[0][1] == results[1][1]


def test_rules_side_by_side_are_rules_alone() -> None:
    """Two rules in one population live as each does by itself; other rules live otherwise."""
    first, second = (RULE.initial_meta_params(torch.Generator().manual_seed(seed)) for seed in (0, 1))
    second = {name: 3 * value for name, value in second.items()}
    rewards, returns = rewards_under(GROUP, RULE, [first, second, first], seed=4)
    assert rewards.shape == (3, GROUP.lifetime, GROUP.agents)
    for index, rule in enumerate((first, second, first)):
        alone = rewards_of_lives(GROUP, RULE, rule, seed=4)
        np.testing.assert_allclose(rewards[index], alone[0], atol=1e-6)
        np.testing.assert_allclose(returns[index], alone[1], atol=1e-6)


def test_pairs_together_are_the_same_pairs_with_the_same_luck() -> None:
    found, asked = [], []

    def watched(rules: Sequence[Tensors], seed: int) -> np.ndarray:
        asked.append((len(rules), seed))
        return -np.array([float(((rule["a"] - 3) ** 2).sum()) for rule in rules])

    for together in (1, 2, 4):
        evolution = Evolution(EvolutionConfig(4, 0.5, together=together), {"a": torch.zeros(5)}, watched, 0)
        evolution.step()
        found.append(evolution.meta_params["a"])
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    assert [count for count, _ in asked] == [2, 2, 2, 2, 4, 4, 8]
    assert len({seed for _, seed in asked[:4]}) == 4
    with pytest.raises(AdaptError, match="together: 3; valid: a divisor of pairs, 4"):
        EvolutionConfig(pairs=4, together=3)


@pytest.mark.parametrize(("pairs", "spread"), [(0, 0.1), (1, 0.0)])
def test_impossible_settings(pairs: int, spread: float) -> None:
    with pytest.raises(AdaptError, match="valid: 1 or more"):
        EvolutionConfig(pairs, spread)
    with pytest.raises(AdaptError, match="workers: 0"):
        workers(0)


def test_fitness_that_is_no_number() -> None:
    evolution = Evolution(EvolutionConfig(pairs=2), {"a": torch.zeros(1)}, _nan, seed=0)
    with pytest.raises(AdaptError, match="fitness of outer step 1: nan"):
        evolution.step()


def _nan(rules: Sequence[Tensors], seed: int) -> np.ndarray:
    return np.full(len(rules), np.nan)
