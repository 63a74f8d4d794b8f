"""Every fault breaks what it says, and nothing else. Numbers are worked out by hand."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest

from ros_bridge.errors import BridgeError
from ros_bridge.hil.faults import Alteration, Sample
from ros_bridge.hil.line import Disturbance, Line
from ros_bridge.hil.schedule import (
    COMMANDS,
    FIELDS,
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

STAMP = 5_000_000_000


def joints() -> Sample:
    return Sample(
        STAMP,
        ["hip", "knee", "foot"],
        {"position": [0.1, 0.2, 0.3], "velocity": [1.0, 2.0, 3.0], "effort": [7.0, 8.0, 9.0]},
    )


def imu() -> Sample:
    return Sample(STAMP, [], {"angular_velocity": [0.1, 0.2, 0.3], "orientation": [0.0, 0.0, 0.6, 0.8]})


def broken(fault: Fault, sample: Sample, elapsed: float = 0.5) -> Sample:
    result = copy.deepcopy(sample)
    Alteration(fault).alter(result, elapsed)
    return result


def fault(kind: str, target: str = JOINTS, **more) -> Fault:
    return Fault(kind, target, begin=1.0, duration=2.0, **more)


@pytest.mark.parametrize(
    ("kind", "magnitude", "seed", "expected"),
    [
        ("bias", 0.5, 1, 0.7),
        ("bias", 0.5, 2, -0.3),  # the sign is drawn with the seed: an even one is minus
        ("drift", 0.5, 1, 0.45),  # 0.5 rad/s for 0.5 s
        ("wrong", 2.0, 1, -0.4),
    ],
)
def test_one_joint_s_position_is_changed_and_nothing_else(kind, magnitude, seed, expected):
    one = fault(kind, magnitude=magnitude, joints=("knee",), field="position", seed=seed)
    result = broken(one, joints())
    assert result.values["position"] == pytest.approx([0.1, expected, 0.3])
    result.values["position"] = joints().values["position"]
    assert result == joints()


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("nan", math.isnan),
        ("inf", math.isinf),
        ("garbage", lambda value: value not in (0.2, 2.0)),
        ("noise", lambda value: math.isfinite(value) and value not in (0.2, 2.0)),
    ],
)
@pytest.mark.parametrize("field", FIELDS[JOINTS])
def test_numbers_of_one_joint_and_field_are_spoilt(kind: str, holds: Callable[[float], bool], field):
    result = broken(fault(kind, magnitude=0.1, joints=("knee",), field=field, seed=3), joints())
    assert holds(result.values[field][1])
    result.values[field][1] = joints().values[field][1]
    assert result == joints()


def test_without_field_and_joints_all_that_the_node_reads_is_spoilt():
    result = broken(fault("nan"), joints())
    assert np.isnan([*result.values["position"], *result.values["velocity"]]).all()
    assert result.values["effort"] == [7.0, 8.0, 9.0]
    assert np.isnan(
        [number for numbers in broken(fault("nan", IMU), imu()).values.values() for number in numbers]
    ).all()


def test_joints_are_found_by_name_in_a_short_message():
    short = Sample(STAMP, ["foot", "knee"], {"position": [0.3], "velocity": []})
    result = broken(fault("nan", joints=("knee", "foot")), short)
    assert math.isnan(result.values["position"][0])
    assert result.values["velocity"] == []


def test_a_stuck_joint_says_the_first_number_again_while_stamps_and_others_go_on():
    alteration = Alteration(fault("stuck", joints=("hip",), field="position"))
    alteration.alter(joints(), 0.0)
    later = joints()
    later.stamp, later.values["position"] = STAMP + 1, [1.1, 1.2, 1.3]
    alteration.alter(later, 0.1)
    assert later.values["position"] == [0.1, 1.2, 1.3]
    assert later.values["velocity"] == [1.0, 2.0, 3.0]
    assert later.stamp == STAMP + 1


def test_swapped_joints_have_each_other_s_numbers():
    result = broken(fault("swapped", joints=("hip", "foot")), joints())
    assert result.values["position"] == [0.3, 0.2, 0.1]
    assert result.values["velocity"] == [3.0, 2.0, 1.0]
    assert result.names == joints().names


def test_names_go_round_and_numbers_stay():
    result = broken(fault("names"), joints())
    assert result.names == ["knee", "foot", "hip"]
    assert result.values == joints().values


def test_a_missing_field_is_gone():
    assert list(broken(fault("missing", field="velocity"), joints()).values) == ["position", "effort"]
    assert list(broken(fault("missing", IMU, field="orientation"), imu()).values) == ["angular_velocity"]


@pytest.mark.parametrize(("kind", "shift"), [("unstamped", -STAMP), ("stale", -250_000_000)])
def test_stamps_are_shifted_and_nothing_else(kind, shift):
    result = broken(fault(kind, magnitude=0.25), joints())
    assert result.stamp - STAMP == shift
    result.stamp = STAMP
    assert result == joints()


def test_jumping_stamps_go_both_ways_and_no_further_than_the_magnitude():
    alteration, shifts = Alteration(fault("jumping", magnitude=0.1, seed=4)), []
    for _ in range(50):
        sample = joints()
        alteration.alter(sample, 0.0)
        shifts.append(sample.stamp - STAMP)
    assert min(shifts) < -50_000_000 < 50_000_000 < max(shifts)
    assert max(abs(shift) for shift in shifts) <= 100_000_000


def test_saturated_commands_are_cut():
    sample = Sample(0, ["hip", "knee"], {"command": [0.9, -0.2]})
    assert broken(fault("saturated", COMMANDS, magnitude=0.5), sample).values["command"] == [0.5, -0.2]


def passed(
    kind: str, magnitude: float = 0.0, count: int = 8, period: float = 0.02, seed: int = 0
) -> list[tuple[float, int]]:
    """When messages 0, 1, ... come out, in control periods, under a fault that begins with the first."""
    line, out = Line(), list[tuple[float, int]]()
    disturbance = Disturbance(fault(kind, magnitude=magnitude, seed=seed), begin=0.0)
    for step in range(count + 100):
        if step < count:
            line.push(step, step * period, [disturbance])
        out += [(step, message) for message in line.release(step * period + 1e-9)]
    return out


def test_off_lets_nothing_through():
    assert passed("off") == []


def test_slow_lets_one_of_three_through():
    assert passed("slow", 3.0) == [(2, 2), (5, 5)]


def test_delayed_messages_come_two_periods_later_in_order():
    assert passed("delayed", 0.04, count=4) == [(2, 0), (3, 1), (4, 2), (5, 3)]


def test_an_intermittent_line_is_away_first_and_back_after_the_magnitude():
    # Away for 0.00 to 0.05 s, back until 0.10 s, away until 0.15 s: messages 3 and 4 of 0.06 and 0.08 s, then none.
    assert passed("intermittent", 0.05) == [(3, 3), (4, 4)]


def test_duplicates_come_at_once():
    assert passed("duplicates", count=2) == [(0, 0), (0, 0), (1, 1), (1, 1)]


def test_reordered_messages_come_after_the_next():
    assert passed("reordered", count=4) == [(1, 1), (1, 0), (3, 3), (3, 2)]


def test_bursts_come_together():
    assert passed("bursts", 3.0, count=7) == [(2, 0), (2, 1), (2, 2), (5, 3), (5, 4), (5, 5)]


def test_loss_has_its_share():
    assert len(passed("loss", 0.25, count=2000)) == pytest.approx(1500, abs=80)  # 4 standard deviations: 77


def test_two_faults_act_on_what_the_first_leaves():
    line = Line()
    twice, later = Disturbance(fault("duplicates"), 0.0), Disturbance(fault("delayed", magnitude=0.1), 0.0)
    line.push("a", 0.0, [twice, later])
    assert line.release(0.09) == []
    assert line.release(0.1) == ["a", "a"]


def test_what_comes_after_a_delay_does_not_overtake():
    line = Line()
    line.push("late", 0.0, [Disturbance(fault("delayed", magnitude=0.1), 0.0)])
    line.push("fresh", 0.02)
    assert line.release(0.05) == []
    assert line.next_due == pytest.approx(0.1)
    assert line.release(0.1) == ["late", "fresh"]


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
    (row,) = to_json([fault("bias", magnitude=0.1)])
    with pytest.raises(BridgeError, match=words):
        from_json([row | change])
