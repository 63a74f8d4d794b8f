"""Discovery: outer steps, its runs, and the command."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapt.checkpoint import save_checkpoint
from adapt.cli import main
from adapt.errors import AdaptError, RunError
from adapt.meta.comparison import compare_rules
from adapt.meta.discovery import Discovery, OuterConfig
from adapt.meta.evolution import EvolutionConfig
from adapt.meta.population import GroupConfig
from adapt.meta.run import DiscoverRequest, discover, load_rule
from adapt.meta.site import Site, Stretch
from adapt.networks.agent import AgentSizes
from adapt.update_rules.actor_critic import ActorCritic
from adapt.update_rules.disco import Disco
from adapt.update_rules.disco_network import Sizes
from adapt.update_rules.disco_weights import load_disco, weights_sha256
from adapt.update_rules.rule import Tensors

RULE = Disco(Sizes(4, 5, 3, 3, (3, 2)), bins=7, largest=5.0)
GROUP = GroupConfig(
    ("catch:4x3",), agents=2, trajectories=2, steps=4, lifetime=4, floor=1e-4, sizes=AgentSizes((6,), 4, 4)
)
OTHER = dataclasses.replace(GROUP, environments=("point",))
FIRST = RULE.initial_meta_params(torch.Generator().manual_seed(0))


def request(out: Path, steps: int, **other: object) -> DiscoverRequest:
    outer = OuterConfig(updates=2, validation=1)
    asked = DiscoverRequest((GROUP, OTHER), out, steps, RULE, outer=outer, seed=3)
    return dataclasses.replace(asked, **other)


@pytest.mark.parametrize("evolution", [None, EvolutionConfig(pairs=2, spread=0.5)])
def test_a_run_that_was_stopped_goes_on_exactly(tmp_path: Path, evolution: EvolutionConfig | None) -> None:
    group = dataclasses.replace(GROUP, rate=0.3)
    groups = (group,) if evolution else (group, OTHER)
    whole = discover(request(tmp_path / "whole", 4, evolution=evolution, groups=groups))
    assert whole["outer_steps"] == 4

    def stop(row: dict[str, float]) -> None:
        if row["iteration"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    stopped = request(tmp_path / "stopped", 4, evolution=evolution, groups=groups)
    with pytest.raises(RunError, match="stopped after outer step 2 of 4"):
        discover(stopped, stop)
    halfway = (tmp_path / "stopped" / "rule.npz").read_bytes()
    with pytest.raises(RunError, match="holds a run already"):
        discover(stopped)
    discover(dataclasses.replace(stopped, resume=True))
    rules = [load_disco(tmp_path / name / "rule.npz")[1] for name in ("whole", "stopped")]
    for name, value in rules[0].items():
        assert torch.equal(value, rules[1][name]), name
    assert (tmp_path / "stopped" / "rule.npz").read_bytes() != halfway
    lines = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "stopped")]
    rows = [[json.loads(line) for line in each] for each in lines]
    assert [row["reward"] for row in rows[0]] == [row["reward"] for row in rows[1]]
    with pytest.raises(RunError, match="seed was 3, now 4"):
        discover(dataclasses.replace(stopped, resume=True, seed=4))


def test_agreement_tells_a_direction_from_noise() -> None:
    """A site whose gradient stays the same agrees with itself; the first has nothing to agree with."""
    loop = Discovery(OuterConfig(updates=2, validation=1), RULE, FIRST, [GROUP], seed=0)
    site = loop.sites[0]
    found = site.gradient(loop.meta_params, site.live(loop.meta_params, 2, 1))
    site.gradient = lambda *_: found  # type: ignore[method-assign]
    rows = [loop.step() for _ in range(3)]
    assert [row["agreement"] for row in rows] == pytest.approx([0.0, 1.0, 1.0], abs=1e-5)
    assert all(0 < row["relative_step"] < 0.1 for row in rows)


def test_weights_are_read_again_with_their_settings(tmp_path: Path) -> None:
    discover(request(tmp_path / "first", 1))
    rule, meta_params = load_rule(tmp_path / "first")
    assert rule == RULE
    begun = request(
        tmp_path / "second", 1, begin=tmp_path / "first" / "rule.npz", rule=Disco(bins=7, largest=5.0)
    )
    discover(begun)
    rule, after = load_rule(tmp_path / "second")
    assert rule.sizes == RULE.sizes
    moved = max(float((after[name] - value).abs().max()) for name, value in meta_params.items())
    assert 0 < moved <= 1.01 * begun.outer.rate  # one step of Adam
    config = json.loads((tmp_path / "second" / "config.json").read_text())
    assert {"seed", "versions", "commit", "groups", "outer"} <= config.keys()
    assert config["begin_sha256"] == weights_sha256(begun.begin)
    compare = partial(
        compare_rules, [tmp_path / "second"], ["catch:4x3"], 2, 2, (1e-2,), 0, tmp_path / "lives.json"
    )
    found = compare()["environments"]["catch:4x3"]
    assert found.keys() == {"second", "second, blind", "first weights", "actor_critic"}
    (tmp_path / "first" / "rule.npz").write_bytes((tmp_path / "second" / "rule.npz").read_bytes())
    with pytest.raises(AdaptError, match="sha256"):
        compare()
    with pytest.raises(RunError, match="not a run of discovery"):
        load_rule(tmp_path)


def test_a_checkpoint_is_never_newer_than_its_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed between the two files goes on from the older checkpoint, and writes the rule again."""
    seen = []

    def watched(path: Path, state: dict[str, Any]) -> None:
        rule = load_disco(tmp_path / "rule.npz")[1]
        seen.append(
            all(torch.equal(value, rule[name]) for name, value in state["loop"]["meta_params"].items())
        )
        save_checkpoint(path, state)

    monkeypatch.setattr("adapt.meta.run.save_checkpoint", watched)
    monkeypatch.setattr("adapt.meta.run.CHECKPOINT_SECONDS", 0.0)
    discover(request(tmp_path, 2))
    assert seen == [True, True]


def test_frames_are_of_the_sites_that_there_are() -> None:
    begun = RULE.initial_meta_params(torch.Generator().manual_seed(0))
    frames = [
        Discovery(
            OuterConfig(updates=2, validation=1, at_once=at_once), RULE, begun, (GROUP, GROUP), seed=0
        ).frames
        for at_once in (1, 2, 0, 5)
    ]
    one = 2 * 2 * 4 * 3  # agents, trajectories, steps of a rollout, updates and validation
    assert frames == [one, 2 * one, 2 * one, 2 * one]


def test_sites_have_their_turns() -> None:
    """Only the site whose turn it is lives on; all at once, all do."""
    begun = RULE.initial_meta_params(torch.Generator().manual_seed(0))
    ages = []
    for at_once in (1, 0):
        config = OuterConfig(updates=2, validation=1, at_once=at_once)
        discovery = Discovery(config, RULE, begun, (GROUP, OTHER), seed=0)
        discovery.step()
        ages.append([site.group.age.tolist() for site in discovery.sites])
    assert ages == [[[2, 2], [0, 0]], [[2, 2], [2, 2]]]


def test_a_checkpoint_does_not_grow_with_the_run() -> None:
    """Environments remember every episode that ended until they are asked."""
    begun = RULE.initial_meta_params(torch.Generator().manual_seed(0))
    loop = Discovery(OuterConfig(updates=2, validation=1), RULE, begun, (GROUP,), seed=3)
    sizes = []
    for _ in range(4):
        loop.step()
        env = loop.state()["sites"]["0"]["group"]["env"]["0"]
        sizes.append(len(env["ended_ids"]))
    assert sizes == [0, 0, 0, 0]


def test_the_outer_loss_falls_on_the_same_lives() -> None:
    """A small step down the gradient lowers what it is the gradient of, were the stretch lived again."""
    begun = RULE.initial_meta_params(torch.Generator().manual_seed(0))
    group = dataclasses.replace(GROUP, rate=0.05, trajectories=8, agents=4)
    discovery = Discovery(OuterConfig(updates=3), RULE, begun, (group,), seed=0)
    site = discovery.sites[0]
    stretch = site.live(begun, 3, 4)
    found = site.gradient(begun, stretch)
    norm = float(np.sqrt(sum(float(value.square().sum()) for value in found.of_meta_params.values())))
    losses = []
    for step in (0.0, 1e-2, -1e-2):
        moved = {name: value - step / norm * found.of_meta_params[name] for name, value in begun.items()}
        losses.append(_again(site, moved, stretch))
    assert losses[1] < losses[0] < losses[2]


def _again(site: Site, meta_params: Tensors, stretch: Stretch) -> float:
    life, course = stretch.course.lives[0], stretch.course
    lives = [life]
    for rollout in course.rollouts:
        life, _ = site.group.learning.update(meta_params, life, rollout)
        lives.append(life)
    again = dataclasses.replace(stretch, course=dataclasses.replace(course, lives=lives))
    found = site.gradient(meta_params, again)
    return found.end_loss + found.update_loss


def test_what_cannot_be_discovered(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="'actor_critic' has no meta-parameters"):
        Discovery(OuterConfig(), ActorCritic(), {}, (GROUP,), seed=0)
    with pytest.raises(AdaptError, match="truncate: 30; valid: 1 to 20"):
        OuterConfig(truncate=30)
    with pytest.raises(AdaptError, match="updates: 0; valid: 1 or more"):
        OuterConfig(updates=0)
    with pytest.raises(AdaptError, match="steps: 0"):
        discover(request(tmp_path, 0))
    with pytest.raises(AdaptError, match="seed: -1; valid: 0 or more"):
        discover(request(tmp_path / "run", 1, seed=-1, evolution=EvolutionConfig(pairs=1)))
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    discover(request(tmp_path, 1))
    kept = (tmp_path / "rule.npz").read_bytes()
    monkeypatch.setattr(Discovery, "step", lambda self: {"end_loss": float("nan")})
    with pytest.raises(RunError, match=r"end_loss is nan: discovery stopped; the last good state is in"):
        discover(request(tmp_path, 2, resume=True))
    assert (tmp_path / "rule.npz").read_bytes() == kept


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--agents", "2", "--trajectories", "2", "--updates", "2", "--rollout", "4", "--steps", "2"]
    command = ["discover", "grid:dense+grid:sparse", "catch:4x3", "--out", str(tmp_path / "run"), *small]
    assert main([*command, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["iteration"] for row in rows] == [1, 2]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert [group["environments"] for group in config["groups"]] == [
        ["grid:dense", "grid:sparse"],
        ["catch:4x3"],
    ]
    assert main(command) == 2
    assert "add --resume" in capsys.readouterr().err
    assert main(["discover", "nowhere", "--out", str(tmp_path / "other"), *small]) == 2
    assert "unknown environment 'nowhere'" in capsys.readouterr().err
