"""Schedules are reproducible, complete, and leave time to recover."""

from __future__ import annotations

import dataclasses
import re

import pytest

from ros_bridge.errors import BridgeError
from ros_bridge.hil.schedule import (
    BODY,
    COMMANDS,
    GOALS,
    IMU,
    JOINTS,
    KINDS,
    MACHINE,
    NODE,
    Fault,
    from_json,
    possible,
    possible_on,
    random_schedule,
    read_schedule,
    require_fit,
    to_json,
)
from tests.documents import DOCS


def test_schedules_are_reproducible_and_have_every_kind_before_any_comes_twice(go2):
    schedule = random_schedule(3, 600.0, go2, kills=True)
    assert schedule == random_schedule(3, 600.0, go2, kills=True)
    assert schedule != random_schedule(4, 600.0, go2, kills=True)
    assert max(fault.end for fault in schedule) <= 600.0
    count = len(possible(go2, kills=True))
    assert {(fault.kind, fault.target) for fault in schedule[:count]} == set(possible(go2, kills=True))
    drawn = {name for name, kind in KINDS.items() if kind.drawn}
    assert {kind for kind, _ in possible(go2, kills=True)} == drawn


def test_a_robot_without_imu_and_with_one_joint_has_fewer_kinds(pendulum):
    kinds = possible(pendulum)
    assert {target for _, target in kinds} == {JOINTS, COMMANDS}
    assert not {"swapped", "names", "killed"} & {kind for kind, _ in kinds}


def test_magnitudes_are_within_their_kind_s_range(go2):
    for drawn in random_schedule(0, 2000.0, go2):
        kind = KINDS[drawn.kind]
        if kind.unit in ("s", "messages", "1"):
            assert kind.low <= drawn.magnitude <= kind.high


def test_biases_and_drifts_go_to_both_sides(go2):
    for name in ("bias", "drift"):
        signs = [drawn.magnitude > 0 for drawn in random_schedule(0, 2000.0, go2) if drawn.kind == name]
        assert 0.2 < sum(signs) / len(signs) < 0.8


def test_the_page_lists_every_kind_with_its_targets():
    rows = [
        line.split("|")[1:-1]
        for line in (DOCS / "hil_soak.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    listed = {
        name.strip().strip("`"): [
            target
            for target, x in zip((JOINTS, IMU, GOALS, COMMANDS, BODY, NODE, MACHINE), row[3:], strict=True)
            if "x" in x
        ]
        for row in rows
        if len(row) == 10
        for name in row[0].split(",")
    }
    assert listed == {name: list(kind.targets) for name, kind in KINDS.items()}


def test_between_faults_there_is_time_to_recover(go2):
    schedule = sorted(random_schedule(5, 600.0, go2), key=lambda fault: fault.begin)
    end, quiet = 0.0, 0.0
    for drawn in schedule:
        quiet += max(drawn.begin - end, 0.0)
        assert drawn.begin - end >= 1.0 or drawn.begin < end
        end = max(end, drawn.end)
    assert quiet > 200.0


def test_a_schedule_survives_its_file(go2):
    schedule = random_schedule(1, 60.0, go2, kills=True)
    assert from_json(to_json(schedule)) == schedule


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "explodes"}, "fault 'explodes': valid: off, stuck, garbage"),
        ({"target": NODE}, "fault bias: target 'node'; valid: joints, imu"),
        ({"field": "torque"}, "field 'torque'; valid: position, velocity"),
        ({"begin": float("nan")}, "expected 0 or more"),
        ({"duration": -1.0}, "expected 0 or more"),
        ({"colour": "red"}, "schedule: row 0: colour: unknown key; valid: kind, target"),
        ({"begin": "now"}, "row 0: begin: 'now'; expected int or float"),
        ({"seed": 1.5}, "row 0: seed: 1.5; expected int"),
        ({"joints": "knee"}, "row 0: joints: 'knee'; expected list of str"),
        ({"joints": ["knee"], "kind": "off"}, "off: joints knee; it is in no single joint"),
        ({"field": "position", "kind": "off"}, "field 'position'; valid: none"),
        ({"kind": "noise", "magnitude": -0.1}, "magnitude -0.1; expected 0 or more"),
        ({"kind": "loss", "magnitude": 1.5}, "magnitude 1.5; expected 0 or more, and 1 or less 1"),
        ({"kind": "slow", "magnitude": 0.0}, "magnitude 0.0; expected 1 or more"),
        ({"probability": 0.0}, "probability 0.0; valid: above 0, up to 1"),
        ({"kind": "push", "target": BODY, "probability": 0.5}, "of faults in messages alone"),
        ({"kind": "slow", "magnitude": 2.0, "ramp": 1.0}, "slow: ramp 1.0: it does not come in degrees"),
        ({"kind": "off", "ramp": 1.0}, "it does not come in degrees"),
        ({"ramp": 3.0}, "ramp 3.0; valid: up to its duration, 2.0 s"),
        ({"kind": "swapped", "joints": ["a", "b", "c"]}, "joints a, b, c; expected two"),
        ({"kind": "push", "target": BODY, "field": "position"}, "field 'position'; valid: x, y, z"),
    ],
)
def test_a_file_that_is_no_schedule_is_refused(change, words):
    (row,) = to_json([Fault("bias", JOINTS, 1.0, 2.0, 0.1)])
    with pytest.raises(BridgeError, match=words):
        from_json([row | change])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{", "no JSON: .*line 1 column 3"),
        ('{"kind": "off"}', "dict; expected a list"),
        ("[3]", "row 0: 3; expected an object with kind"),
        ('[{"kind": "off", "target": "imu", "begin": 1}]', "row 0: duration: missing"),
        (
            '[{"kind": "off", "target": "imu", "begin": 1, "duration": 1},'
            ' {"kind": "off", "target": "imu", "begin": 1, "duration": 1, "ramps": 2}]',
            "row 1: ramps: unknown key",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_file_row_and_key(tmp_path, text, words):
    path = tmp_path / "faults.json"
    path.write_text(text)
    with pytest.raises(BridgeError, match=f"faults.json: {words}"):
        read_schedule(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BridgeError, match=r"none\.json: No such file"):
        read_schedule(tmp_path / "none.json")


@pytest.mark.parametrize("kind", ["bias", "drift", "clock_jump", "encoder_offset", "push", "slope"])
def test_signs_are_taken_where_they_mean_something(kind):
    assert KINDS[kind].signed
    assert Fault(kind, KINDS[kind].targets[0], 0.0, 1.0, -0.5).magnitude == -0.5


@pytest.mark.parametrize(
    ("kind", "magnitude", "halfway"),
    [
        ("bias", -0.4, -0.2),
        ("wrong", 2.0, 0.5),  # numbers times -magnitude: from +1, so -1, half of the way to 2
        ("weak", 0.5, 0.75),
        ("saturated", 0.2, 0.6),
        ("payload", 3.0, 1.5),
        ("slippery", 2.0, 1.5),
    ],
)
def test_a_ramp_leads_from_no_fault_to_the_magnitude(kind, magnitude, halfway):
    fault = Fault(kind, KINDS[kind].targets[0], 0.0, 3.0, magnitude, ramp=2.0)
    assert fault.level(0.0) == KINDS[kind].none
    assert fault.level(1.0) == pytest.approx(halfway)
    assert [fault.level(time) for time in (2.0, 3.0)] == [magnitude, magnitude]
    assert dataclasses.replace(fault, ramp=0.0).level(0.0) == magnitude


@pytest.mark.parametrize(
    ("kind", "target", "words"),
    [
        ("off", IMU, "pendulum has no IMU"),
        ("swapped", JOINTS, "swapped needs 2 joints, and pendulum has 1"),
        ("slippery", BODY, "fixed to the world by its base: .* be slippery"),
        ("slope", BODY, "fixed to the world by its base: .* be tilted"),
        ("slope", JOINTS, "slope is not a fault of 'joints'; valid: body"),
    ],
)
def test_why_a_pendulum_cannot_have_a_fault(pendulum, kind, target, words):
    why = possible_on(pendulum, kind, target)
    assert why is not None
    assert re.search(words, why)


def test_a_go2_can_have_every_fault(go2):
    for name, kind in KINDS.items():
        assert [possible_on(go2, name, target) for target in kind.targets] == [None] * len(kind.targets)


def test_joints_that_a_robot_does_not_have_are_named_with_those_that_it_has(pendulum, go2):
    faults = [Fault("off", JOINTS, 0.0, 1.0), Fault("weak", BODY, 0.0, 1.0, 0.5, ("knee",))]
    with pytest.raises(
        BridgeError, match=r"fault 1 \(body weak\): knee: not a joint of pendulum; valid: pivot"
    ):
        require_fit(pendulum, faults)
    with pytest.raises(BridgeError, match="name two of the joints of go2"):
        require_fit(go2, [Fault("swapped", JOINTS, 0.0, 1.0)])
