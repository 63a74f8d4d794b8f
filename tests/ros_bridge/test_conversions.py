"""Messages to arrays and back: by name, in order, and nothing that is no number passes as one."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from adapt.online.familiarity import Judgement
from adapt.types import Belief
from robots import SensorFrame
from robots.spec import EffortSensor
from ros_bridge import conversions
from ros_bridge.errors import BridgeError
from tests.ros_bridge.stand_ins import joint_state

NAMES = ("shoulder", "elbow", "wrist", "")
VALUES = (0.0, -1.5, 3.0, 0.25, 1e308, 5e-324, -0.0, np.nan, np.inf, -np.inf)


@pytest.mark.parametrize(
    ("seconds", "sec", "nanosec"),
    [
        (1.5, 1, 500_000_000),
        (0.0, 0, 0),
        (-0.25, -1, 750_000_000),  # nanoseconds count upwards from the second below
        (2.9999999999, 2, 999_999_999),  # one more would be a second
        (1.7e9 + 0.125, 1_700_000_000, 125_000_000),
    ],
)
def test_stamps_by_hand(seconds, sec, nanosec):
    assert conversions.to_stamp(seconds) == Time(sec=sec, nanosec=nanosec)
    assert conversions.to_seconds(Time(sec=sec, nanosec=nanosec)) == pytest.approx(seconds, abs=1e-9)


def test_a_frame_survives_the_way_to_a_message_and_back(arm):
    sent = SensorFrame(np.array([1.7e9 + 0.25]), np.array([[0.1, -0.2]]), np.array([[3.0, -4.0]]))
    message = conversions.joint_state_message(sent, np.array([0.5, 0.25]), arm)
    assert list(message.effort) == [0.5, 0.25]
    assert message.header.frame_id == "base_link"
    got = conversions.to_reading(message, arm)
    assert got.problem is None
    assert got.frame.stamp == sent.stamp
    np.testing.assert_array_equal(got.frame.position, sent.position)
    np.testing.assert_array_equal(got.frame.velocity, sent.velocity)


def test_joints_are_found_by_name(arm):
    message = joint_state(1.0, ("gripper", "elbow", "shoulder"), (9.0, 2.0, 1.0), (90.0, 20.0, 10.0))
    got = conversions.to_reading(message, arm)
    assert got.problem is None
    assert got.frame.position.tolist() == [[1.0, 2.0]]
    assert got.frame.velocity.tolist() == [[10.0, 20.0]]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (JointState(), "header.stamp is not set"),
        (joint_state(1.0, (), (), ()), "joint 'pivot' stands in `name` 0 times"),
        (joint_state(1.0, ("pivot", "pivot"), (0.0, 1.0), (0.0, 1.0)), "stands in `name` 2 times"),
        (joint_state(1.0, ("other",)), "joint 'pivot' stands in `name` 0 times"),
        (joint_state(1.0, ("pivot", "x"), (0.0,), (0.0, 0.0)), "`position` has 1 numbers for 2 names"),
        (joint_state(1.0, velocity=()), "`velocity` is empty; the policy needs it of every joint"),
        (joint_state(1.0, ("pivot", "x"), velocity=(0.0,)), "`velocity` has 1 numbers for 2 names"),
        (joint_state(1.0, position=(np.nan,)), "position of 'pivot' is nan"),
        (joint_state(1.0, velocity=(-np.inf,)), "velocity of 'pivot' is -inf"),
    ],
)
def test_what_is_wrong_is_said_in_words_and_is_nan_in_the_frame(pendulum, message, words):
    got = conversions.to_reading(message, pendulum)
    assert got.problem is not None
    assert words in got.problem
    assert not got.frame.finite[0]


@pytest.fixture
def strong(pendulum):
    """A pendulum that measures torque."""
    return dataclasses.replace(pendulum, effort_sensor=EffortSensor(sustained=0.1))


def test_torque_is_read_where_the_robot_measures_it(arm, strong):
    both = dataclasses.replace(arm, effort_sensor=EffortSensor(sustained=0.1))
    message = joint_state(
        1.0, ("elbow", "x", "shoulder"), (2.0, 9.0, 1.0), (20.0, 9.0, 10.0), (0.2, 9.0, 0.1)
    )
    got = conversions.to_reading(message, both)
    assert got.problem is None
    assert got.frame.effort is not None
    assert got.frame.effort.tolist() == [[0.1, 0.2]]
    assert conversions.to_reading(message, arm).frame.effort is None


@pytest.mark.parametrize("effort", [(), (np.nan,), (np.inf,), (1.0, 2.0)])
def test_a_robot_that_does_not_measure_torque_is_not_asked_for_it(pendulum, effort):
    assert conversions.to_reading(joint_state(1.0, effort=effort), pendulum).problem is None


@pytest.mark.parametrize(
    ("effort", "words"),
    [
        ((), "`effort` is empty; robot.yaml says effort_sensor, which needs it of every joint"),
        ((np.nan,), "effort of 'pivot' is nan"),
        ((1.0, 2.0), "`effort` has 2 numbers for 1 names"),
    ],
)
def test_torque_that_is_not_told_is_a_problem(strong, effort, words):
    got = conversions.to_reading(joint_state(1.0, position=(0.5,), effort=effort), strong)
    assert got.problem == words
    assert not got.frame.finite[0]
    assert got.frame.position.tolist() == [[0.5]]  # what is sound stays


def test_a_reading_without_a_stamp_is_a_problem_even_if_its_numbers_are_fine(pendulum):
    got = conversions.to_reading(joint_state(0.0), pendulum)
    assert got.problem == "header.stamp is not set"


def test_names_of_messages_that_are_huge_are_not_kept_for_ever(pendulum):
    """100 messages with 2,000 other names each: as strings alone they are about 100 bytes each, 20 MB together."""
    tracemalloc.start()
    try:
        for k in range(100):
            names = ("pivot", *(f"{k} {index}" for index in range(2000)))
            numbers = (0.1,) * len(names)
            assert conversions.to_reading(joint_state(1.0, names, numbers, numbers), pendulum).problem is None
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 3e6


def test_one_bad_joint_leaves_the_other_as_it_is(arm):
    got = conversions.to_reading(joint_state(1.0, ("shoulder",), (1.0,), (2.0,)), arm)
    np.testing.assert_array_equal(got.frame.position, [[1.0, np.nan]])
    np.testing.assert_array_equal(got.frame.velocity, [[2.0, np.nan]])


def _any_message(rng: np.random.Generator) -> JointState:
    count = int(rng.integers(0, 5))
    names = rng.permutation(NAMES)[:count] if rng.random() < 0.8 else rng.choice(NAMES, count)
    lengths = [max(0, count + int(rng.choice([0, 0, 0, -1, 1]))) for _ in range(2)]
    return joint_state(
        float(rng.choice([0.0, 1.0, -1.0, 2e9])),
        tuple(names.tolist()),
        *(tuple(rng.choice(VALUES, length).tolist()) for length in lengths),
    )


def test_whatever_comes_only_finite_numbers_under_the_right_name_are_usable(arm):
    rng = np.random.default_rng(5)
    usable = 0
    for _ in range(1500):
        message = _any_message(rng)
        got = conversions.to_reading(message, arm)
        for values, source in (
            (got.frame.position, message.position),
            (got.frame.velocity, message.velocity),
        ):
            assert values.shape == (1, 2)
            assert not np.isinf(values).any()
            named = dict(zip(message.name, source, strict=False))
            assert all(
                np.isnan(v) or v == named[name] for name, v in zip(arm.joint_names, values[0], strict=True)
            )
        stamped = bool(message.header.stamp.sec or message.header.stamp.nanosec)
        assert (got.problem is None) == (bool(got.frame.finite[0]) and stamped)
        usable += got.problem is None
    assert usable > 10  # the draw is not all rubbish


def test_a_request_survives_with_its_reasons_and_labels():
    message = conversions.requested_message(np.array([np.nan, 2.0]), 264, ("shoulder", "elbow"))
    assert list(message.layout.dim)[1].label == "shoulder,elbow,reasons"
    requested, reasons = conversions.read_requested(message)
    np.testing.assert_array_equal(requested, [np.nan, 2.0])
    assert reasons == 264


@pytest.mark.parametrize("data", [[], [1.0], [1.0, np.nan], [1.0, np.inf]])
def test_a_request_that_is_none_is_refused(data):
    with pytest.raises(BridgeError, match="requested: expected"):
        conversions.read_requested(Float64MultiArray(data=data))


def _belief(mean: list[float], std: list[float]) -> Belief:
    latent = np.zeros((1, 3))
    return Belief(latent, latent, np.array([mean]), np.array([std]))


def test_familiarity_survives_with_its_labels():
    one, nothing = np.ones(1), np.full(1, np.nan)
    judged = Judgement(nothing, 0.25 * one, np.array([True]), 0.5 * one)
    message = conversions.familiarity_message(judged)
    assert list(message.layout.dim)[1].label == "score,confidence,unfamiliar,fallback"
    np.testing.assert_array_equal(conversions.read_familiarity(message), [np.nan, 0.25, 1.0, 0.5])
    with pytest.raises(BridgeError, match="familiarity: 3 numbers; expected score, confidence"):
        conversions.read_familiarity(Float64MultiArray(data=[1.0, 2.0, 3.0]))


def test_a_belief_survives_with_names_and_units():
    names, units = ("mass", "drive_authority"), ("kg", "rad/s^2 per N m")
    message = conversions.belief_message(_belief([0.5, 7.0], [0.1, 2.0]), names, units)
    assert list(message.data) == [0.5, 7.0, 0.1, 2.0]  # row by row
    got = conversions.read_belief(message)
    assert (got.names, got.units) == (names, units)
    assert got.mean.tolist() == [0.5, 7.0]
    assert got.std.tolist() == [0.1, 2.0]


def test_a_belief_needs_a_name_for_every_number():
    with pytest.raises(ValueError, match=r"zip\(\)"):
        conversions.belief_message(_belief([0.5, 7.0], [0.1, 2.0]), ("mass",), ("kg", "1"))


def test_a_belief_whose_layout_and_data_disagree_is_refused():
    message = conversions.belief_message(_belief([0.5], [0.1]), ("mass",), ("kg",))
    message.data.append(1.0)
    with pytest.raises(BridgeError, match="belief: 3 numbers for two rows of 1 labels"):
        conversions.read_belief(message)
    with pytest.raises(BridgeError, match="belief: 2 numbers for two rows of 0 labels"):
        conversions.read_belief(Float64MultiArray(data=[1.0, 2.0]))
