"""What scenario files may say, and what is said of those that say something else."""

from __future__ import annotations

import math

import pytest

from ros_bridge.hil.fault import START
from ros_bridge.hil.judging.kinds import ExpectationKind
from ros_bridge.hil.scenario.reading import read_scenario
from ros_bridge.hil.scenario.scenario import Expectation, GoalStep, Limits, NodeOptions, TaskChoice
from ros_bridge.hil.scenario.vocabulary import Vocabulary
from ros_bridge.hil.schedule import Fault
from tests.documents import blocks
from tests.ros_bridge.hil.scenario.written import UNCHECKED, mistakes, read, write

GO2 = {"family": "go2_velocity"}


def test_the_shortest_file(tmp_path):
    scenario = read(tmp_path)
    assert (scenario.name, scenario.duration, scenario.seeds) == ("trial", 10.0, (0,))
    assert (scenario.robot, scenario.pace, scenario.task) == ("simulated", "real_time", TaskChoice())
    assert (scenario.goal, scenario.faults, scenario.expect) == ((), (), ())
    assert (scenario.limits, scenario.node) == (Limits(), NodeOptions())
    assert scenario.source == (tmp_path / "trial.yaml").resolve()


def test_everything(tmp_path):
    scenario = read(
        tmp_path,
        """\
name: other
protects: finite
task: {values: {payload_mass: 50 g}}
repetitions: 3
faults:
  - {kind: nan, target: joints, joints: [pivot], field: velocity, at: 4 s, for: 500 ms, name: blind}
  - {kind: bias, target: joints, field: position, magnitude: -90 deg, at: 4, ramp: 1 s, probability: 0.5}
  - {kind: weak, magnitude: 50 %, at: 0.1 min, for: 1}
expect:
  periods_to_safe: 2
  time_to_recover:
    - {at_most: 1.5, fault: blind}
    - {at_most: 500 ms, fault: 1}
  on_target: {at_least: 80 %, from: 8 s, to: 10 s}
  adapted_within: {at_most: 4 s, parameter: payload_mass, tolerance: 0.15}
  says: {at_most: 0.1, reason: sensor_not_finite}
limits: {lateness: 20 ms, velocity: {pivot: 20}, position: {pivot: [-180 deg, 9]}, command: {pivot: 2}}
node: {record: false, belief_file: true, fallback: another}
pace: lock_step
tags: [quick, own]
""",
        duration="0.2 min",
    )
    assert (scenario.name, scenario.protects, scenario.duration) == ("other", "finite", 12.0)
    assert scenario.seeds == (0, 1, 2)
    assert scenario.task == TaskChoice("values", values={"payload_mass": 0.05})
    # A fault without an end lasts to that of the run, and its seed is its number.
    assert scenario.faults == (
        Fault("nan", "joints", 4.0, 0.5, joints=("pivot",), field="velocity", seed=0),
        Fault("bias", "joints", 4.0, 8.0, -math.pi / 2, (), "position", 1, 0.5, 1.0),
        Fault("weak", "body", 6.0, 1.0, 0.5, seed=2),
    )
    assert scenario.expect == (
        Expectation("periods_to_safe", 2.0, line=14),
        Expectation("time_to_recover", 1.5, 0, line=16),
        Expectation("time_to_recover", 0.5, 1, line=17),
        Expectation("on_target", 0.8, None, 8.0, 10.0, line=18),
        Expectation("adapted_within", 4.0, parameter="payload_mass", tolerance=0.15, line=19),
        Expectation("says", 0.1, reason="sensor_not_finite", line=20),
    )
    position = {"pivot": (-math.pi, 9.0)}
    assert scenario.limits == Limits(0.02, position, {"pivot": 20.0}, {"pivot": 2.0})
    assert scenario.node == NodeOptions(False, True, "another")
    assert (scenario.pace, scenario.tags) == ("lock_step", ("quick", "own"))


def test_a_goal_is_held_until_the_next_step(tmp_path):
    goal = "goal:\n  - {at: 0, forward: 0.5, left: 0, turning: 30 deg/s}\n  - {at: 2 s, left: 0.1}\n"
    turning = math.radians(30)
    assert read(tmp_path, goal, **GO2).goal == (
        GoalStep(0.0, (0.5, 0.0, turning)),
        GoalStep(2.0, (0.5, 0.1, turning)),
    )


def test_all_mistakes_of_a_file_are_told_in_the_order_of_its_lines(tmp_path):
    told = mistakes(
        tmp_path,
        "protects: finte\nfaults:\n  - {kind: nan, target: joints, joints: [pivto], at: 4}\n"
        "expect: {on_taget: 0.5}\nsed: [1]\n",
        duration="10 h",
    )
    assert [line.partition(" got")[0] for line in told] == [
        "4: duration: unit 'h'; valid: s, ms, min",
        "5: protects:",
        "7: faults[0].joints[0]:",
        "8: expect.on_taget: unknown expectation; valid: " + told[3].partition("valid: ")[2],
        "9: sed: unknown key; valid: " + told[4].partition("valid: ")[2],
    ]
    assert "(did you mean finite?)" in told[1]
    assert told[2].endswith("got 'pivto'; valid: pivot (did you mean pivot?)")
    assert "(did you mean on_target?)" in told[3]
    assert "(did you mean seeds?)" in told[4]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("name: a/b", "5: name: expected a word of letters, digits, _ . and -, got 'a/b'"),
        ("robot: reel", "5: robot: got 'reel'; valid: simulated, real (did you mean real?)"),
        ("seeds: []", "5: seeds: expected a list of seeds, got a list of 0"),
        ("seeds: [1, 1]", "5: seeds[1]: 1 stands there twice"),
        ("seeds: [-1]", "5: seeds[0]: expected a whole number from 0 to"),
        ("seeds: [true]", "5: seeds[0]: expected a whole number"),
        ("seeds: [1]\nrepetitions: 2", "6: repetitions: stands beside seeds"),
        ("repetitions: 0", "5: repetitions: expected a whole number from 1 to 1000, got 0"),
        ("task: held_out", "5: task: expected a mapping with keys of held_out, out_of_family, values"),
        ("task: {held_out: 64}", "5: task.held_out: expected a whole number from 0 to 63, got 64"),
        ("task: {held_out: any}", "5: task.held_out: expected drawn, or a whole number from 0 to 63"),
        ("task: {held_out: 1, out_of_family: 1}", "5: task: expected one of held_out, out_of_family, values"),
        ("task: {values: {mass: 1}}", "5: task.values.mass: unknown key; valid: payload_mass,"),
        (
            "task: {values: {payload_mass: .nan}}",
            "5: task.values.payload_mass: expected a finite number in kg",
        ),
        (
            "task: {values: {payload_mass: -1}}",
            "5: task.values.payload_mass: got -1; valid: 1e-06 or more kg",
        ),
        ("goal: [{at: 0}]", "5: goal: pendulum_swingup tells its policy nothing; remove it"),
        ("limits: {velocity: {pivot: 0}}", "5: limits.velocity.pivot: got 0; valid: above 0 rad/s"),
        ("limits: {velocity: {elbow: 1}}", "5: limits.velocity.elbow: unknown key; valid: pivot"),
        (
            "limits: {position: {pivot: [1, -1]}}",
            "5: limits.position.pivot: lowest 1 is not below highest -1",
        ),
        ("limits: {command: {pivot: 2 A}}", "5: limits.command.pivot: unit 'A'; valid: N m"),
        ("node: {record: 1}", "5: node.record: expected true or false, got 1"),
        ("robot: real\npace: lock_step", "6: pace: a real robot waits for nobody, got lock_step"),
        ("tags: quick", "5: tags: expected a list of words, got 'quick'"),
        ("expect: [1]", "5: expect: expected a mapping"),
    ],
)
def test_what_is_wrong_with_the_run(tmp_path, more, said):
    (told,) = mistakes(tmp_path, more)
    assert told.startswith(said)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("kind: nam, at: 1", ".kind: got 'nam'; valid: off,"),
        ("at: 1", ": key 'kind' is missing; needed: kind, at"),
        ("kind: nan, at: 1", ": key 'target' is missing; valid for nan: joints, imu"),
        ("kind: nan, target: commands, at: 1", ".target: got 'commands'; valid: joints, imu"),
        ("kind: nan, target: imu, at: 1", ".target: pendulum has no IMU"),
        (
            "kind: nan, target: joints, at: 10",
            ".at: begins at 10 s, when the run has ended; valid: below 10 s",
        ),
        ("kind: nan, target: joints, at: -1", ".at: got -1; valid: 0 or more s"),
        ("kind: nan, target: joints, at: 1, for: 0", ".for: got 0; valid: above 0 s"),
        ("kind: nan, target: joints, at: 1, magnitude: 1", ".magnitude: nan has no magnitude; remove it"),
        (
            "kind: nan, target: joints, at: 1, field: effort",
            ".field: got 'effort'; valid: position, velocity",
        ),
        ("kind: nan, target: joints, at: 1, ramp: 1", ".ramp: nan does not come in degrees; these do: "),
        ("kind: off, target: joints, at: 1, field: position", ".field: joints off is in no part"),
        (
            "kind: off, target: joints, at: 1, joints: [pivot]",
            ".joints: joints off is not in some joints alone",
        ),
        (
            "kind: bias, target: joints, at: 1, magnitude: 1",
            ": key 'field' is missing: bias has another unit",
        ),
        (
            "kind: bias, target: joints, field: position, at: 1",
            ": key 'magnitude' is missing; bias: a constant",
        ),
        (
            "kind: bias, target: joints, field: position, at: 1, magnitude: 1 kg",
            ".magnitude: unit 'kg'; valid: rad, deg",
        ),
        (
            "kind: bias, target: joints, field: position, at: 1, magnitude: .inf",
            ".magnitude: expected a finite number in rad, got inf",
        ),
        # Delays are 0.5 s at most where they are drawn; ten times that is the most: 200 was meant in ms.
        ("kind: delayed, target: joints, at: 1, magnitude: 200", ".magnitude: got 200; valid: 0 to 5 s"),
        (
            "kind: delayed, target: joints, at: 1, magnitude: -1 ms",
            ".magnitude: got '-1 ms'; valid: 0 to 5 s",
        ),
        ("kind: loss, target: joints, at: 1, magnitude: 120 %", ".magnitude: got '120 %'; valid: 0 to 1"),
        (
            "kind: slow, target: joints, at: 1, magnitude: 2.5",
            ".magnitude: expected a whole number from 1 to 100",
        ),
        (
            "kind: swapped, target: joints, at: 1, joints: [pivot]",
            ".target: swapped needs 2 joints, and pendulum",
        ),
        (
            "kind: killed, at: 1, probability: 0.5",
            ".probability: only of faults in messages, not of node killed",
        ),
        (
            "kind: bias, target: joints, field: position, magnitude: 1, at: 1, for: 1, ramp: 2",
            ".ramp: got 2; valid",
        ),
        ("kind: slope, at: 1, magnitude: 0.1", ".kind: pendulum is fixed to the world by its base"),
        ("kind: nan, target: joints, at: 1, whom: me", ".whom: unknown key; valid: kind, at, target,"),
    ],
)
def test_what_is_wrong_with_a_fault(tmp_path, fault, said):
    told = mistakes(tmp_path, f"faults:\n  - {{{fault}}}\n")
    assert any(line.startswith(f"6: faults[0]{said}") for line in told), told


def test_faults_in_the_body_are_refused_of_a_real_robot(tmp_path):
    told = mistakes(tmp_path, "robot: real\nfaults:\n  - {kind: weak, at: 1, magnitude: 0.5}\n")
    assert len(told) == 1
    assert told[0].startswith("7: faults[0].kind: weak is in the robot's body")
    assert read(tmp_path, "robot: real\nfaults:\n  - {kind: 'off', target: joints, at: 1}\n").robot == "real"


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("{at: 1, forward: 0, left: 0, turning: 0}", "6: goal[0].at: got 1; the first step begins at 0 s"),
        ("{at: 0, forward: 0, left: 0}", "6: goal[0]: key 'turning' is missing"),
        ("{at: 0, forward: 9, left: 0, turning: 0}", "6: goal[0].forward: got 9; valid: -"),
        ("{at: 0, forward: 0, left: 0, turning: 0, up: 1}", "6: goal[0].up: unknown key; valid: at, forward"),
        (
            "{at: 0, forward: 0, left: 0, turning: 0}\n  - {at: 0, left: 0}",
            "7: goal[1].at: got 0; valid: after",
        ),
        ("{at: 0, forward: 0, left: 0, turning: 0}\n  - {at: 10, left: 0}", "7: goal[1].at: begins at 10 s"),
    ],
)
def test_what_is_wrong_with_a_goal(tmp_path, steps, said):
    (told,) = mistakes(tmp_path, f"goal:\n  - {steps}\n", **GO2)
    assert told.startswith(said)


def test_what_tests_that_goals_are_cut_may_ask_for_too_much(tmp_path):
    goal = "protects: goal_limits\ngoal: [{at: 0, forward: 9, left: 0, turning: 0}]\n"
    assert read(tmp_path, goal, **GO2).goal == (GoalStep(0.0, (9.0, 0.0, 0.0)),)


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("periods_to_safe: {at_least: 2}", ".periods_to_safe.at_least: periods_to_safe has an at_most"),
        ("periods_to_safe: {fault: blind}", ".periods_to_safe: key 'at_most' is missing"),
        (
            "periods_to_safe: {at_most: 2, fault: deaf}",
            ".periods_to_safe.fault: no fault 'deaf'; valid: blind",
        ),
        ("periods_to_safe: {at_most: 2, fault: 1}", ".periods_to_safe.fault: no fault 1; valid: blind"),
        (
            "periods_to_safe: {at_most: 2, from: 1}",
            ".periods_to_safe.from: unknown key; valid: at_most, fault",
        ),
        (
            "periods_to_safe: soon",
            ".periods_to_safe: expected a finite number in control periods, got 'soon'",
        ),
        (
            "adapted_within: 4",
            ".adapted_within: expected a mapping with the keys at_most, parameter, tolerance",
        ),
        (
            "belief_error: {at_most: 1, parameter: mass}",
            ".belief_error.parameter: got 'mass'; valid: payload_mass",
        ),
        ("driven: {at_least: 1, from: 4, to: 2}", ".driven.to: got 2; valid: after 4 s, when it begins"),
        ("driven: {at_least: 1, to: 11}", ".driven.to: got 11; valid: 0 to 10 s"),
        ("says: {at_most: 1, reason: NaN}", ".says.reason: got 'NaN'; valid: soft_start"),
        ("time_to_safe: 1 rad", ".time_to_safe: unit 'rad'; valid: s, ms, min"),
    ],
)
def test_what_is_wrong_with_an_expectation(tmp_path, expect, said):
    faults = "faults: [{kind: nan, target: joints, at: 1, name: blind}]\n"
    (told,) = mistakes(tmp_path, f"{faults}expect:\n  {expect}\n")
    assert told.startswith(f"7: expect{said}")


def test_names_of_faults_are_their_own(tmp_path):
    fault = "  - {kind: nan, target: joints, at: 1, name: blind}\n"
    (told,) = mistakes(tmp_path, f"faults:\n{fault}{fault}")
    assert told == "7: faults[1].name: 'blind' is the name of faults[0] already"


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ("pendulum_swing", "unknown family 'pendulum_swing'"),
        ("half_cheetah_vel", "half_cheetah_vel is about a body that no node drives; valid: pendulum_swingup"),
        ("os:getcwd", "loading 'os:getcwd' would run code, which needs --own-families"),
        ("mine.py:family", "loading 'mine.py:family' would run code, which needs --own-families"),
    ],
)
def test_families(tmp_path, family, said):
    (told,) = mistakes(tmp_path, "faults: [{kind: nan}]\n", family=family)
    assert told.startswith(f"2: family: {said}")


def test_the_example_of_the_page_is_valid(tmp_path):
    example = next(block.text for block in blocks("hil_scenarios.md") if block.language == "yaml")
    (tmp_path / "example.yaml").write_text(example, encoding="utf-8")
    scenario = read_scenario(tmp_path / "example.yaml", UNCHECKED)
    assert (scenario.name, len(scenario.faults), len(scenario.expect)) == ("encoder_says_nan", 2, 5)


def test_another_table_of_expectations(tmp_path):
    words = Vocabulary({"beauty": ExpectationKind("how it looks", "1", False)}, check_bundles=False)
    assert read_scenario(write(tmp_path, "expect: {beauty: 1}\n"), words).expect == (
        Expectation("beauty", 1.0, line=5),
    )


def test_faults_of_goals_and_of_the_start(tmp_path):
    more = "faults:\n  - {kind: nan, target: goals, at: start, for: 2 s}\n"
    (early,) = read(tmp_path, more, **GO2).faults
    assert (early.target, early.begin, early.duration) == ("goals", START, 2.0)


@pytest.mark.parametrize(
    ("fault", "family", "said"),
    [
        ("kind: nan, target: goals, at: 1", "pendulum_swingup", "the family has no goals that could be told"),
        (
            "kind: frame, target: goals, at: 1",
            "go2_velocity",
            "goals of kind velocity are in no frame; valid: tool_position",
        ),
        ("kind: nan, target: joints, at: start", "pendulum_swingup", "key 'for' is missing"),
        (
            "kind: weak, magnitude: 0.5, at: start, for: 1",
            "pendulum_swingup",
            "start: only of faults in what the node hears",
        ),
    ],
)
def test_faults_of_goals_and_of_the_start_that_make_no_sense(tmp_path, fault, family, said):
    (told,) = mistakes(tmp_path, f"faults:\n  - {{{fault}}}\n", family=family)
    assert said in told
