"""The Atari table: statistics by hand, and what it says of whom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from adapt.atari.cells import CELL
from adapt.atari.table import (
    PUBLISHED,
    human_normalised_scores,
    interquartile_mean,
    overall,
    table,
    table_lines,
)
from adapt.errors import AdaptError
from sim_tasks.discrete.atari_scores import human_normalised


def write(out: Path, game: str, learner: str, seed: int, scores: list[float], frames: int = 400) -> None:
    path = out / game / learner / str(seed) / CELL
    path.parent.mkdir(parents=True)
    cell = {
        "game": game, "learner": learner, "seed": seed, "frames": frames, "episodes": len(scores),
        "hyperparameters": {}, "scores": scores, "random_scores": [0.0, 1.0], "train_cpu_s": 2.0 + seed,
    }  # fmt: skip
    path.write_text(json.dumps(cell))


def test_a_row_has_means_over_seeds_and_episodes_beside_random_play(tmp_path):
    write(tmp_path, "Boxing", "disco", 0, [4.0, 8.0])
    write(tmp_path, "Boxing", "disco", 1, [4.0, 8.0])
    result = table(tmp_path)
    random, disco = result["rows"]
    assert (random["learner"], random["score"]["mean"], random["above_random"]) == ("random", 0.5, None)
    assert (disco["learner"], disco["seeds"], disco["score"]["mean"]) == ("disco", 2, 6.0)
    assert disco["score"]["interval"] == [4.0, 8.0]  # two episodes: both may be the same one
    assert disco["human_normalised"]["mean"] == pytest.approx(5.9 / 12.0)
    assert disco["above_random"]["mean"] == 5.5
    assert disco["train_cpu_s"] == 2.5
    assert json.loads((tmp_path / "table.json").read_text()) == result


def test_what_others_published_stands_apart(tmp_path):
    write(tmp_path, "Pong", "disco", 0, [-20.0, -21.0])
    result = table(tmp_path)
    assert result["published"]["ours"] is False
    assert result["published"]["frames"] == 200_000_000
    last = [*table_lines(result)][-1]
    assert last.startswith("Not ours")
    assert all(f"{name} {value}" in last for name, value in PUBLISHED.items())
    assert not any(each["learner"] in PUBLISHED for each in (*result["rows"], *result["overall"]))


def test_cells_of_other_lengths_are_not_mixed(tmp_path):
    write(tmp_path, "Pong", "disco", 0, [-20.0, -21.0])
    write(tmp_path, "Boxing", "disco", 0, [0.0, 1.0], frames=800)
    with pytest.raises(AdaptError, match="cells with 400 and 800 frames"):
        table(tmp_path)


def test_interquartile_means_by_hand():
    assert interquartile_mean(np.array([9.0, 1.0, 2.0, 4.0])) == 3.0  # of 2 and 4
    # of five the middle one counts whole, its neighbours three quarters: (0.75 x 2 + 3 + 0.75 x 7) / 2.5
    assert interquartile_mean(np.array([2.0, 100.0, 3.0, -50.0, 7.0])) == pytest.approx(3.9)
    assert interquartile_mean(np.array([5.0])) == 5.0
    np.testing.assert_allclose(interquartile_mean(np.arange(8.0).reshape(2, 4)), [1.5, 5.5])


def test_over_all_games_draws_are_of_each_game_alone():
    """Games of certain scores leave nothing to chance, however far apart they are."""
    result = overall("disco", {"Pong": np.full((3, 4), 0.1), "Boxing": np.full((2, 4), 0.9)})
    assert result["mean"]["mean"] == pytest.approx((3 * 0.1 + 2 * 0.9) / 5)
    np.testing.assert_allclose(result["mean"]["interval"], result["mean"]["mean"])
    uncertain = overall("disco", {"Pong": np.array([[0.0, 0.0], [1.0, 1.0]])})
    np.testing.assert_allclose(uncertain["mean"]["interval"], [0.0, 1.0])  # both seeds may be the same one


def test_human_normalised_scores_are_those_of_single_games():
    scores = np.array([[-20.7, 14.6], [0.0, 21.0]])
    expected = [[human_normalised("Pong", score) for score in row] for row in scores]
    np.testing.assert_allclose(human_normalised_scores("Pong", scores), expected, atol=1e-12)
