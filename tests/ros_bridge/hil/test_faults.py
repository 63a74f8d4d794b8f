"""Every fault breaks what it says, and nothing else. Numbers are worked out by hand."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest

from ros_bridge.hil.faults import Alteration, Sample
from ros_bridge.hil.schedule import (
    COMMANDS,
    FIELDS,
    IMU,
    JOINTS,
    Fault,
)

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
    ("kind", "magnitude", "ramp", "expected"),
    [
        ("bias", 0.5, 0.0, 0.7),
        ("bias", -0.5, 0.0, -0.3),
        ("bias", 0.5, 2.0, 0.325),  # after 0.5 s of the ramp a quarter of it: 0.2 + 0.125
        ("drift", 0.5, 0.0, 0.45),  # 0.5 rad/s for 0.5 s
        ("drift", -0.5, 0.0, -0.05),
        ("drift", 0.5, 1.0, 0.2625),  # the rate is 0.25 rad/s by now: 0.25 * 0.5 / 2 = 0.0625
        ("drift", 0.5, 0.4, 0.35),  # 0.5 * 0.4 / 2 + 0.5 * 0.1 = 0.15
        ("wrong", 2.0, 0.0, -0.4),
        ("wrong", 2.0, 1.0, -0.1),  # the factor goes from 1 to -2: -0.5 halfway
        ("units", 0.0, 0.0, 11.459155902616466),  # 0.2 * 180 / pi
    ],
)
def test_one_joint_s_position_is_changed_and_nothing_else(kind, magnitude, ramp, expected):
    one = fault(kind, magnitude=magnitude, joints=("knee",), field="position", ramp=ramp)
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


def test_shuffled_joints_keep_their_numbers():
    before, result = joints(), broken(fault("shuffled"), joints())
    assert result.names == before.names[::-1]
    for field, numbers in before.values.items():
        assert dict(zip(result.names, result.values[field], strict=True)) == dict(
            zip(before.names, numbers, strict=True)
        )


def test_names_go_round_and_numbers_stay():
    result = broken(fault("names"), joints())
    assert result.names == ["knee", "foot", "hip"]
    assert result.values == joints().values


def test_a_missing_field_is_gone():
    assert list(broken(fault("missing", field="velocity"), joints()).values) == ["position", "effort"]
    assert list(broken(fault("missing", IMU, field="orientation"), imu()).values) == ["angular_velocity"]


@pytest.mark.parametrize(
    ("kind", "more", "shift"),
    [
        ("unstamped", {}, -STAMP),
        ("stale", {"magnitude": 0.25}, -250_000_000),
        ("stale", {"magnitude": 0.25, "ramp": 1.0}, -125_000_000),  # half of the ramp has passed
        ("clock_jump", {"magnitude": 7.5}, 7_500_000_000),
        (
            "clock_jump",
            {"magnitude": -7.5},
            -7_500_000_000,
        ),  # before the epoch, as after a clock that was set to 0
    ],
)
def test_stamps_are_shifted_and_nothing_else(kind, more, shift):
    result = broken(fault(kind, **more), joints())
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


def test_a_ramp_cuts_commands_more_and_more():
    sample = Sample(0, ["hip", "knee"], {"command": [0.9, -0.7]})
    one = fault("saturated", COMMANDS, magnitude=0.2, ramp=1.0)
    # From 1 to 0.2 in a second: 0.6 after half of it.
    assert broken(one, sample).values["command"] == pytest.approx([0.6, -0.6])


def test_a_probability_is_the_share_of_messages_that_it_meets():
    alteration, met = Alteration(fault("nan", probability=0.25, seed=5)), 0
    for _ in range(2000):
        sample = joints()
        said = alteration.alter(sample, 0.0)
        assert math.isnan(sample.values["position"][0]) == said
        met += said
    assert met == pytest.approx(500, abs=78)  # 4 standard deviations of sqrt(2000 * 0.25 * 0.75) = 19.4


def test_a_fault_is_in_named_joints_with_a_probability_and_in_a_ramp_at_once():
    one = fault("bias", magnitude=-0.4, joints=("knee",), field="position", probability=0.5, ramp=1.0, seed=1)
    alteration, shifts = Alteration(one), []
    for _ in range(20):
        sample = joints()
        alteration.alter(sample, 0.5)
        shifts.append(round(sample.values["position"][1] - 0.2, 9))
    assert set(shifts) == {0.0, -0.2}


def test_a_sensor_that_is_stuck_bears_messages_of_another_size_than_the_one_it_is_stuck_on():
    stuck = Alteration(Fault("stuck", JOINTS, 0.0, 1.0))
    stuck.alter(Sample(STAMP, ["hip"], {"position": [0.1]}), 0.0)
    longer = Sample(STAMP, ["hip", "knee"], {"position": [0.5, 0.6], "velocity": [1.0, 2.0]})
    stuck.alter(longer, 0.1)
    assert longer.values == {"position": [0.1, 0.6], "velocity": [1.0, 2.0]}
    bare = Sample(STAMP, ["hip"], {})
    stuck.alter(bare, 0.2)
    assert bare.values == {}
