"""Which runs there are, which are refused, and which are tried again, without any process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapt.bundle import PolicyBundle
from ros_bridge.errors import BridgeError
from ros_bridge.hil.running import campaign
from ros_bridge.hil.running.campaign import OWN, Campaign, UnsafeError, parts_of, run_campaign
from ros_bridge.hil.scenario.scenario import GoalStep, Scenario, TaskChoice
from ros_bridge.hil.schedule import Fault
from ros_bridge.lifetime import StopFlag


@pytest.fixture
def scenario(bundle: PolicyBundle) -> Scenario:
    return Scenario("one", "", "pendulum_swingup", str(bundle.path), 5.0, seeds=(4, 5))


def test_every_scenario_runs_with_every_seed_and_bundle(scenario, bundle):
    fixed = replace(scenario, name="two", task=TaskChoice(index=7), protects="stale", pace="lock_step")
    bundles = {"a": str(bundle.path), "b": str(bundle.path)}
    parts = parts_of([scenario, fixed], bundles, switched_off=OWN)
    told = [(part.scenario.name, part.label, part.seed, part.task) for part in parts]
    assert told[:4] == [("one", "a", 4, 0), ("one", "a", 5, 1), ("one", "b", 4, 0), ("one", "b", 5, 1)]
    assert told[4:] == [("two", label, seed, 7) for label in "ab" for seed in (4, 5)]
    assert {part.switched_off for part in parts} == {"", "stale"}
    assert [part.lock_step for part in parts] == [False] * 4 + [True] * 4
    assert not any(part.lock_step for part in parts_of([fixed], pace="real_time"))
    assert parts_of([fixed], namespaces=("/left/", "/"))[0].namespaces == ("left", "")


def test_what_cannot_be_run_is_refused_before_anything_is_started(scenario, monkeypatch, tmp_path):
    monkeypatch.setattr(campaign, "Warden", None)
    with pytest.raises(BridgeError, match="twice"):
        run_campaign([scenario, scenario], tmp_path)
    with pytest.raises(BridgeError, match="drives pendulum; ur5e_reach has ur5e"):
        run_campaign([replace(scenario, family="ur5e_reach")], tmp_path)
    real = replace(scenario, robot="real")
    with pytest.raises(UnsafeError, match="expected --i-am-at-the-emergency-stop"):
        run_campaign([real], tmp_path)
    weak = replace(real, faults=(Fault("weak", "body", 1.0, 1.0, 0.5),))
    with pytest.raises(UnsafeError, match="body weak: nobody can do that to a real robot"):
        run_campaign([weak], tmp_path, at_the_emergency_stop=True)
    early = replace(real, faults=(Fault("nan", "joints", 1.0, 1.0),))
    goal = replace(real, goal=(GoalStep(0.0, (1.0,)),))
    there = {"at_the_emergency_stop": True}
    for scenario, options, words in (
        (early, there, "joints nan begins at 1.0 s; expected 3.0 s or later"),
        (real, there | {"switched_off": "stale"}, "keeps its protections and real time"),
        (real, there | {"pace": "lock_step"}, "keeps its protections and real time"),
        (real, there | {"parallel": 2}, "of which there is one; got parallel 2"),
        (goal, there, "told by its own planner"),
    ):
        with pytest.raises(UnsafeError, match=words):
            run_campaign([scenario], tmp_path, **options)  # type: ignore[arg-type]


def test_an_invalid_run_is_tried_again_alone(scenario, monkeypatch, tmp_path):
    rounds: list[list[tuple[str, int]]] = []

    def result(part: Any) -> dict[str, Any]:
        late = part.scenario.name == "late" and (part.seed == 5 or len(rounds) < 3)
        words = {"scenario": part.scenario.name, "label": part.label, "seed": part.seed}
        return words | {"outcome": "invalid" if late else "passed"}

    def play(self: Any, parts: Any, stop: Any) -> list[Any]:
        rounds.append([(part.scenario.name, part.seed) for part in parts])
        return [(part, result(part)) for part in parts]

    monkeypatch.setattr(Campaign, "_round", play)
    told, written = list[tuple[str, int, int]](), list[int]()
    parts = parts_of([scenario, replace(scenario, name="late", duration=9.0)])
    run = Campaign(
        tmp_path,
        2,
        None,  # type: ignore[arg-type]
        lambda *words: told.append(words),
        len(parts),
        lambda results: written.append(len(results)),
    )
    run.run(parts, StopFlag())
    assert written == [1, 2, 3, 4, 4, 4, 4], "nothing is lost of what has ended"
    alone = [[("late", 4)], [("late", 5)], [("late", 5)]]
    assert rounds == [[("late", 4), ("late", 5)], [("one", 4), ("one", 5)], *alone]
    assert [(row["scenario"], row["outcome"], row["tries"]) for row in run.results] == [
        ("one", "passed", 1),
        ("one", "passed", 1),
        ("late", "passed", 2),
        ("late", "invalid", 3),
    ], "in the order in which they were asked for"
    assert [words[1:] for words in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert told[-1][0].endswith("-5: invalid")


def test_a_folder_of_before_is_emptied_of_what_would_be_taken_for_the_new_run_s(tmp_path):
    for name in ("robot.json", "belief.npz", "bag/old/old.mcap", "logs/node_1.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "notes.txt").write_text("somebody's own")
    assert campaign._emptied(tmp_path) == Path(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]
