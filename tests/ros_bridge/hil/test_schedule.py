"""Schedules are reproducible, complete, and leave time to recover."""

from __future__ import annotations

import pytest

from ros_bridge.errors import BridgeError
from ros_bridge.hil.schedule import (
    COMMANDS,
    IMU,
    JOINTS,
    KINDS,
    NODE,
    Fault,
    from_json,
    possible,
    random_schedule,
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
    assert {kind for kind, _ in possible(go2, kills=True)} == set(KINDS)


def test_a_robot_without_imu_and_with_one_joint_has_fewer_kinds(pendulum):
    kinds = possible(pendulum)
    assert {target for _, target in kinds} == {JOINTS, COMMANDS}
    assert not {"swapped", "names", "killed"} & {kind for kind, _ in kinds}


def test_magnitudes_are_within_their_kind_s_range(go2):
    for drawn in random_schedule(0, 2000.0, go2):
        kind = KINDS[drawn.kind]
        if kind.unit in ("s", "messages", "1"):
            assert kind.low <= drawn.magnitude <= kind.high


def test_the_page_lists_every_kind_with_its_targets():
    rows = [
        line.split("|")[1:-1] for line in (DOCS / "hil.md").read_text().splitlines() if line.startswith("| `")
    ]
    listed = {
        name.strip().strip("`"): [
            target for target, x in zip((JOINTS, IMU, COMMANDS), row[3:], strict=True) if "x" in x
        ]
        for row in rows
        if len(row) == 6
        for name in row[0].split(",")
    }
    assert listed == {name: [t for t in kind.targets if t != NODE] for name, kind in KINDS.items()}


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
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_file_that_is_no_schedule_is_refused(change, words):
    (row,) = to_json([Fault("bias", JOINTS, 1.0, 2.0, 0.1)])
    with pytest.raises(BridgeError, match=words):
        from_json([row | change])
