"""Rules beside each other, and what an outer step costs."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from adapt.bench.meta import measure_meta
from adapt.cli import main
from adapt.meta.blind import Blind
from adapt.meta.judge import Contestant, difference, judge
from adapt.meta.population import Group, GroupConfig
from adapt.networks.agent import AgentSizes
from adapt.report.rules import costs_figure, lives_figure
from adapt.side_by_side.agents import joined
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.disco import Disco
from adapt.update_rules.disco_network import Sizes
from adapt.update_rules.rule import Rollout, Tensors

GROUP = GroupConfig(
    ("catch:4x3",), agents=4, trajectories=16, steps=6, lifetime=40, sizes=AgentSizes((16,), 4, 4)
)
BY_HAND = ActorCritic(bins=3, largest=1.0, discount=0.99, entropy_weight=0.02, normalise=True)


@dataclass(frozen=True)
class Idle(ActorCritic):
    """Teaches nothing."""

    def loss(self, rollout: Rollout, said: Tensors, targets: Tensors) -> torch.Tensor:
        return 0.0 * super().loss(rollout, said, targets)


def test_who_learns_wins_at_the_best_of_its_rates() -> None:
    idle = Contestant(Idle(bins=3, largest=1.0), {}, (3e-2,))
    found = judge(GROUP, {"learns": Contestant(BY_HAND, {}, (1e-5, 3e-2)), "idle": idle}, seed=0)
    assert found["learns"]["rate"] == 3e-2
    assert found["learns"]["rates"].keys() == {"1e-05", "0.03"}
    assert found["learns"]["interval"][0] > found["idle"]["interval"][1]
    assert found["learns"]["updates"][-1] == 40
    gap = difference(found["learns"], found["idle"])
    assert gap == found["learns"]["beyond"]["idle"]
    assert gap["interval"][0] > 0
    assert gap["mean"] == pytest.approx(found["learns"]["last"] - found["idle"]["last"])


def test_same_agents_and_luck_for_all() -> None:
    """Rules that do nothing live the same life."""
    idle = Contestant(Idle(bins=3, largest=1.0), {}, (3e-2,))
    found = judge(replace(GROUP, lifetime=4), {"one": idle, "other": idle}, seed=0)
    assert found["one"]["agents"] == found["other"]["agents"]
    assert found["one"]["beyond"] == {"other": {"mean": 0.0, "interval": [0.0, 0.0]}}


def test_a_blind_rule_sees_no_rewards() -> None:
    """Its targets do not change with them; those of the rule that it is a copy of do."""
    rule = Disco(Sizes(4, 5, 3, 3, (3, 2)), bins=3, largest=1.0)
    meta_params = rule.initial_meta_params(torch.Generator().manual_seed(0))
    targets = []
    for each in (rule, Blind.of(rule)):
        group = Group(GROUP, each, seed=0)
        rollout = joined(group.roll())
        more = replace(rollout, reward=rollout.reward + 1.0)
        told = [group.learning.update(meta_params, group.life, each)[1]["pi"] for each in (rollout, more)]
        targets.append(torch.equal(*told))
    assert targets == [False, True]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = tmp_path / "run", tmp_path / "lives.json"
    small = ["--agents", "2", "--trajectories", "2", "--updates", "2", "--rollout", "4", "--steps", "1"]
    assert main(["discover", "catch:4x3", "--out", str(run), *small, "--json"]) == 0
    capsys.readouterr()
    lives = [
        "lives",
        "catch:5x4",
        "point",
        "--rule",
        str(run),
        "--out",
        str(out),
        "--agents",
        "2",
        "--updates",
        "3",
    ]
    assert main([*lives, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed == json.loads(out.read_text())
    assert printed["environments"]["point"].keys() == {"run", "run, blind", "random weights", "actor_critic"}
    lines = [trace.name for trace in lives_figure(printed).data if trace.mode == "lines" and trace.name]
    assert lines == 2 * ["run", "random weights", "actor_critic"]
    assert main(["lives", "catch", "--out", str(out)]) == 2
    assert "--rule: none" in capsys.readouterr().err
    again = shutil.copytree(run, tmp_path / "other" / "run")
    assert main(["lives", "catch:5x4", "--rule", str(run), "--rule", str(again), "--out", str(out)]) == 2
    assert f"{run}, {again}; valid: folders whose last names differ" in capsys.readouterr().err
    assert main(["lives", "catch", "--rule", str(tmp_path), "--out", str(out)]) == 2
    assert "not a run of discovery" in capsys.readouterr().err


def test_costs_of_an_outer_step() -> None:
    result = measure_meta(updates=(1, 2), agents=(1, 2), both=(2, 1))
    assert [(row["updates"], row["agents"]) for row in result["rows"]] == [(1, 1), (2, 1), (2, 2)]
    assert all(row[method]["seconds"] > 0 for row in result["rows"] for method in ("checkpointed", "plain"))
    assert result["agreement"] < 1e-3  # single precision
    figure = costs_figure(result, (2, 1))
    assert [len(trace.x) for trace in figure.data] == [2] * 8
