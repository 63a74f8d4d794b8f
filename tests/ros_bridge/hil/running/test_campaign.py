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
        return words | {"outcome": "invalid" if late else "passed", "stopped": ""}

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


class StandIn:
    """Stands for a `ScenarioRun` of a real robot or of a simulated one."""

    def __init__(self, part: Any, fails: str = "", stopped: str = ""):
        self.part, self.fails, self.error, self.stopped = part, fails, "", stopped
        self.state, self.closed, self.complete, self.folder = "ready", False, True, Path()

    def go(self) -> None:
        self.state = "running"

    def turn(self) -> None:
        if self.state == "running" and self.fails == "turn":
            raise ValueError("a belief of another size")
        self.state = "ended" if self.state == "running" else self.state

    def fail(self, error: Exception) -> None:
        self.error, self.state = str(error), "ended"

    def close(self) -> None:
        self.closed = True
        if self.fails == "close":
            raise OSError("cannot be closed")


def stood_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, parts: Any, **how: dict[str, str]) -> Any:
    """A campaign of stand-ins, by the names of their scenarios, two at a time; it, and its runs."""
    runs: list[StandIn] = []

    def start(self: Any, part: Any) -> StandIn:
        runs.append(StandIn(part, **how.get(part.scenario.name, {})))
        return runs[-1]

    def finish(self: Any, run: StandIn) -> dict[str, Any]:
        outcome = "error" if run.error else "failed" if run.stopped else "passed"
        return {"scenario": run.part.scenario.name, "outcome": outcome, "stopped": run.stopped}

    monkeypatch.setattr(Campaign, "_start", start)
    monkeypatch.setattr(Campaign, "_finish", finish)
    return Campaign(tmp_path, 2, None, None, len(parts), lambda results: None), runs  # type: ignore[arg-type]


def three(scenario: Any) -> Any:
    return parts_of([replace(scenario, name=name, seeds=(0,)) for name in ("one", "two", "three")])


def test_one_run_that_goes_wrong_costs_no_other(scenario, monkeypatch, tmp_path):
    parts = three(scenario)
    made, runs = stood_in(monkeypatch, tmp_path, parts, one={"fails": "turn"})
    made.run(parts, StopFlag())
    assert [row["outcome"] for row in made.results] == ["error", "passed", "passed"]
    assert runs[0].error == "a belief of another size"
    assert all(run.closed for run in runs)


def test_all_are_closed_whatever_becomes_of_one(scenario, monkeypatch, tmp_path):
    parts = three(scenario)
    made, runs = stood_in(monkeypatch, tmp_path, parts, one={"fails": "close"}, two={"fails": "close"})
    with pytest.raises(OSError, match="cannot be closed"):
        made.run(parts, StopFlag())
    assert [run.closed for run in runs] == [True, True]


def test_after_a_real_robot_was_stopped_nothing_goes_on_by_itself(scenario, monkeypatch, tmp_path):
    parts = three(scenario)
    made, runs = stood_in(monkeypatch, tmp_path, parts, two={"stopped": "pivot moves at 9 rad/s"})
    made.run(parts, StopFlag())
    assert [run.part.scenario.name for run in runs] == ["one", "two"]
    assert made.halted == "pivot moves at 9 rad/s"
