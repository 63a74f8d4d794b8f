"""Evaluation of learners with discrete actions, and what other commands say of their runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from adapt.cli import main
from adapt.discrete_evaluation import DiscreteRequest, _LastSecond, evaluate_discrete
from adapt.errors import AdaptError, RunError
from adapt.learners import LEARNERS
from adapt.learners.rule_learner import RuleLearner
from adapt.runs import export_run
from adapt.train import TrainRequest, train
from sim_tasks.discrete import make
from sim_tasks.discrete.binned import Binned
from tests.adapt.small import SMALL

FEW = DiscreteRequest(envs=16)


def trained(out: Path, env: str, learner: str = "actor_critic", seed: int = 0, **changes: object) -> Path:
    config = dataclasses.replace(SMALL[type(LEARNERS[learner].config)], **changes)
    train(TrainRequest(learner, env, out, seed, config, iterations=3, threads=1))
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with two runs on Catch; not to be changed but for evaluations."""
    out = tmp_path_factory.mktemp("discrete")
    for seed in (0, 1):
        trained(out / f"run{seed}", "catch:4x3", seed=seed)
    return out


@pytest.fixture
def perfect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that catch every ball: the paddle goes to the ball's column."""

    def act(self, observation: np.ndarray, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
        ball, paddle = observation[:, :-1].sum(axis=1).argmax(axis=1), observation[:, -1].argmax(axis=1)
        return np.zeros(0), (1 + np.sign(ball - paddle))[:, None]

    monkeypatch.setattr(RuleLearner, "act", act)


@pytest.mark.usefixtures("perfect")
def test_a_perfect_player_earns_1_and_a_random_one_does_not(runs):
    path, result = evaluate_discrete([runs / "run0"], FEW, quiet=True)
    assert path == runs / "run0" / "evaluation.json"
    assert json.loads(path.read_text()) == result
    learner, random = result["policies"]["learner"], result["policies"]["random"]
    assert (learner["mean"], learner["interval"], len(learner["returns"])) == (1.0, [1.0, 1.0], 16)
    assert -1.0 <= random["interval"][0] <= random["mean"] <= random["interval"][1] < 1.0
    assert (result["learner"], result["family"], result["split"]) == ("actor_critic", "catch:4x3", "test")
    assert result["own_task"] is False
    assert {"commit", "versions", "machine"} <= result.keys()
    (run,) = result["runs"]["learner"]
    assert run["steps"] == 42


def test_an_evaluation_repeats_itself_and_another_seed_is_another(runs):
    first, again, other = (
        evaluate_discrete([runs / "run0"], dataclasses.replace(FEW, seed=seed), quiet=True)[1]["policies"]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first["learner"]["returns"] != other["learner"]["returns"]


def test_several_runs_are_one_result_over_seeds(runs):
    path, result = evaluate_discrete([runs / "run0", runs / "run1"], FEW, quiet=True)
    assert path == runs / "evaluation_actor_critic.json"
    assert len(result["policies"]["learner"]["returns"]) == 32
    assert [run["seed"] for run in result["runs"]["learner"]] == [0, 1]


def test_every_environment_counts_the_same(tmp_path, monkeypatch):
    """Its first episodes, as many as were asked for, however short they are."""
    run = trained(tmp_path / "run", "grid:sparse")
    request = DiscreteRequest(envs=6, episodes=2)
    result = evaluate_discrete([run], request, quiet=True)[1]
    assert len(result["policies"]["learner"]["returns"]) == 6
    assert result["episodes"] == 2


def test_an_agent_that_lives_in_one_task_plays_on_in_it_where_it_has_not_been(tmp_path, monkeypatch):
    """Environments that training had come first, and do not count."""
    run = trained(tmp_path / "run", "grid:dense", seed=5)
    made = []

    def numbered(*args, **options):
        """The return of every episode is its environment's number."""
        env = make(*args, **options)
        made.append(env)
        monkeypatch.setattr(env, "ended", lambda ended=env.ended: (lambda ids: (ids, ids))(ended()[0]))
        return env

    monkeypatch.setattr("adapt.learners.environments.make", numbered)
    result = evaluate_discrete([run], DiscreteRequest(envs=6, seed=9), quiet=True)[1]
    training, evaluation = made[0], made[1]
    assert result["own_task"] is True
    assert (training.envs, evaluation.envs, evaluation.split) == (2, 8, "train")
    assert training.layouts[0].key() == evaluation.layouts[0].key()
    assert result["policies"]["learner"]["returns"] == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(("one_task", "own", "robots"), [(False, False, 6), (True, True, 1)])
def test_robots_are_held_out_unless_the_agent_knows_one_alone(one_task, own, robots, tmp_path, monkeypatch):
    run = trained(tmp_path / "run", "pendulum_swingup", one_task=one_task)
    made = []

    def watched(*args, **options):
        made.append(make(*args, **options))
        return made[-1]

    monkeypatch.setattr("adapt.learners.environments.make", watched)
    result = evaluate_discrete([run], DiscreteRequest(envs=6), quiet=True)[1]
    assert result["own_task"] is own
    assert made[1].split == ("train" if own else "test")
    assert len({values.tobytes() for values in made[1].values}) == robots
    assert 0 <= result["policies"]["learner"]["mean"] <= 300


def test_robots_are_on_target_in_their_last_second_or_not(tmp_path, monkeypatch):
    run = trained(tmp_path / "run", "point_robot", bins=5)
    made = []
    monkeypatch.setattr(
        "adapt.learners.environments.make", lambda *a, **o: made.append(make(*a, **o)) or made[-1]
    )

    def to_the_goal(
        self, observation: np.ndarray, generator: torch.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        angle = made[-1].values[:, :1]
        goal = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
        return np.zeros(0), np.clip(np.rint(20 * (goal - observation[:, :2])) + 2, 0, 4).astype(np.int64)

    monkeypatch.setattr(RuleLearner, "act", to_the_goal)
    policies = evaluate_discrete([run], FEW, quiet=True)[1]["policies"]
    assert policies["learner"]["success"] == 1.0
    assert policies["random"]["success"] < 0.5


def test_the_last_second_is_of_whole_episodes_alone():
    env = SimpleNamespace(
        envs=3, period=0.5, episode_steps=4, success=np.zeros(3, bool), last=np.zeros(3, bool)
    )
    watch, shares = _LastSecond(cast("Binned", env)), []
    for step in range(9):  # episodes of environment 2 end early; the step after an end begins the next
        env.success[:] = [step in (3, 8), step in (2, 3, 7, 8), True]
        env.last[:] = [step in (3, 8), step in (3, 8), step in (2, 5)]
        shares.append(watch.after_step().tolist())
    assert shares[3] == shares[8] == [0.5, 1.0, 0.0]
    assert not np.any(np.delete(shares, [3, 8], axis=0))


def test_simulations_have_as_many_threads_as_asked_for(tmp_path, monkeypatch):
    run, asked = trained(tmp_path / "run", "pendulum_swingup"), []

    def watched(*args, **options):
        asked.append(options["threads"])
        return make(*args, **options)

    monkeypatch.setattr("adapt.learners.environments.make", watched)
    assert main(["evaluate", str(run), "--tasks", "3", "--threads", "2", "--json"]) == 0
    assert asked == [2, 2, 2], "the agent's own, its held-out ones and the random player's"


def test_games_are_also_told_on_the_scale_of_a_human(tmp_path):
    pytest.importorskip("ale_py")
    from adapt import discrete_evaluation

    summary = {"mean": 14.6, "interval": [-20.7, 14.6], "cvar5": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discrete_evaluation, "returns_summary", lambda _: dict(summary))
        patch.setattr(discrete_evaluation, "run_facts", lambda _: {})
        config = {"learner": "disco", "family": "atari:Pong"}
        played = {who: [discrete_evaluation.Played(np.zeros(2), None)] for who in ("learner", "random")}
        result = discrete_evaluation._result([tmp_path], {tmp_path: config}, FEW, played, False)
    # Pong: random -20.7, human 14.6.
    assert result["policies"]["learner"]["human_normalised"] == {"mean": 1.0, "interval": [0.0, 1.0]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"envs": 0}, "tasks: 0; valid: 1 or more"),
        ({"episodes": 0}, "episodes: 0; valid: 1 or more"),
        ({"threads": -1}, "threads: -1; valid: 0, one per core, or more"),
        ({"split": "train"}, "split: 'train'; valid: test, ood"),
    ],
)
def test_impossible_evaluations_are_refused(runs, changes, words):
    with pytest.raises(AdaptError, match=words):
        evaluate_discrete([runs / "run0"], dataclasses.replace(FEW, **changes), quiet=True)


def test_runs_of_different_environments_are_not_put_together(runs, tmp_path):
    other = trained(tmp_path / "other", "catch:5x3")
    with pytest.raises(
        RunError, match=r"a run of actor_critic on catch:5x3; expected actor_critic on catch:4x3"
    ):
        evaluate_discrete([runs / "run0", other], FEW, quiet=True)


def test_the_commands_answer_for_such_runs(runs, capsys):
    run = str(runs / "run0")
    assert main(["evaluate", run, "--tasks", "8"]) == 0
    said = capsys.readouterr().err
    assert "actor_critic on catch:4x3: 8 environments, 1 episode each, held out (test)" in said
    assert "random  return" in said
    assert main(["evaluate", run, "--tasks", "8", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == str(runs / "run0" / "evaluation.json")
    assert told["returns"].keys() == told["intervals"].keys() == {"learner", "random"}
    assert main(["evaluate", run, "--dr", run]) == 2
    assert "--dr: not of learners with discrete actions" in capsys.readouterr().err
    assert main(["compare", run, str(runs / "run1")]) == 0
    assert "actor_critic" in capsys.readouterr().out
    for command in ("familiarity", "rehearse", "experts"):
        assert main([command, run]) == 2, command
        assert capsys.readouterr().err.startswith("adapt: ")


def test_a_run_with_discrete_actions_is_no_bundle(runs, capsys):
    assert main(["export", str(runs / "run0")]) == 2
    assert "actor_critic chooses among discrete actions, which no bundle has" in capsys.readouterr().err
    with pytest.raises(RunError):
        export_run(runs / "run0")
    assert not (runs / "run0" / "bundle").exists()


def test_environments_are_listed(capsys):
    assert main(["list", "environments", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"catch", "grid:maze", "point", "pendulum_swingup", "atari:Pong"} <= told.keys()
    assert all(isinstance(about, str) and len(about) > 5 for about in told.values())
