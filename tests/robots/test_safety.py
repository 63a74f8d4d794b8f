"""`SafetyFilter`: whatever is asked and measured, what is sent is finite, in limits, smooth and accounted for.

The arm's limits (`two_joints.py`), shoulder and elbow: +-3 and +-1.5 N m, +-4 and +-6 rad/s, [-2, 1.5] and [-1, 2.5]
rad; 20 and 30 units/s at 50 Hz are 0.4 and 0.6 units per step; the soft start takes 0.08 s, four steps of 0.25.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from robots import SensorFrame, load_robot
from robots.safety import SAFE_MODE, Certified, Reason, SafetyFilter, reason_names
from tests.robots.arm import (
    AT_REST,
    HIGH,
    INTERFACES,
    LOW,
    RAMP,
    REST,
    STEP,
    Storm,
    awake,
    causes,
    frame,
    moving,
)
from tests.robots.two_joints import two_joints, write_robot

UNSET = {
    Reason.TILT_LIMIT, Reason.RECOVERING, Reason.ACCELERATION_LIMIT, Reason.OVERRUN, Reason.EFFORT_LIMIT,
    Reason.SERVO_EFFORT, Reason.BASE_HEIGHT,
}  # fmt: skip
"""What the arm's description does not ask for, and what is for who calls the filter to say."""


@pytest.fixture(params=INTERFACES)
def interface(request) -> str:
    return request.param


@pytest.fixture
def make(tmp_path, interface):
    """A filter of the interface under test, for as many robots as wanted."""
    spec = two_joints(tmp_path, interface)
    return lambda robots=1: SafetyFilter(spec, robots)


@pytest.fixture
def effort(tmp_path) -> SafetyFilter:
    return SafetyFilter(two_joints(tmp_path, "effort"))


@pytest.fixture
def hold(tmp_path) -> SafetyFilter:
    return SafetyFilter(two_joints(tmp_path, "position"))


def test_no_storm_gets_through(make, interface):
    """Of the three interfaces together 105,600 requests and readings."""
    robots, steps = 16, 2200
    storm, filter_ = Storm(0, interface, robots), make(robots)
    last, seen = np.tile(REST[interface], (robots, 1)), 0
    for _ in range(steps):
        request, reading, age = storm.gust()
        out = filter_.certify(request, reading, age)
        assert ((out.command >= LOW[interface]) & (out.command <= HIGH[interface])).all()  # NaN is neither
        assert (np.abs(out.command - last) <= STEP + 1e-12).all()
        np.testing.assert_array_equal(out.reasons & SAFE_MODE, causes(request, reading, age))
        last, seen = out.command, seen | int(np.bitwise_or.reduce(out.reasons))
    assert {reason for reason in Reason if reason and not seen & reason} == UNSET | {Reason.STOPPED}


def test_stops_and_restarts_in_a_storm(make, interface):
    robots = 6
    storm, filter_ = Storm(2, interface, robots), make(robots)
    last, rng = np.tile(REST[interface], (robots, 1)), np.random.default_rng(3)
    for _ in range(600):
        event = rng.random()
        if event < 0.03:
            command = filter_.stop().command
            if interface != "effort":  # torque is let go of at once
                assert (np.abs(command - last) <= STEP + 1e-12).all()
            last = command
        elif event < 0.06:
            ids = rng.permutation(robots)[:2]
            filter_.reset(ids, np.where(rng.random((2, 2)) < 0.2, np.nan, rng.normal(0, 3, (2, 2))))
            last = filter_.state()["last"]
        assert np.isfinite(last).all()
        assert ((last >= LOW[interface]) & (last <= HIGH[interface])).all()
        command = filter_.certify(*storm.gust()).command
        assert (np.abs(command - last) <= STEP + 1e-12).all()
        last = command


def test_counts_are_the_sum_of_the_reasons(make, interface):
    storm, filter_ = Storm(4, interface, 8), make(8)
    tally = dict.fromkeys(filter_.counts, 0)
    for step in range(200):
        out = filter_.stop() if step % 50 == 49 else filter_.certify(*storm.gust())
        for bits, reason in itertools.product(out.reasons, tally):
            tally[reason] += bool(bits & reason)
    assert filter_.counts == tally
    assert {reason for reason, count in tally.items() if not count} == UNSET


def test_a_batch_is_its_robots_one_by_one(make, interface):
    storm, together, alone = Storm(5, interface, 4), make(4), [make() for _ in range(4)]
    for _ in range(150):
        request, reading, age = storm.gust()
        out = together.certify(request, reading, age)
        for i, single in enumerate(alone):
            part = slice(i, i + 1)
            own = SensorFrame(reading.stamp[part], reading.position[part], reading.velocity[part])
            result = single.certify(request[part], own, age[part])
            np.testing.assert_array_equal(result.command[0], out.command[i])
            assert result.reasons[0] == out.reasons[i]


def test_a_restored_filter_goes_on_bit_by_bit(make, interface):
    storm, first = Storm(6, interface, 5), make(5)
    for _ in range(137):
        first.certify(*storm.gust())
    saved, second = first.state(), make(5)
    second.restore(saved)
    for _ in range(200):
        gust = storm.gust()
        one, two = first.certify(*gust), second.certify(*gust)
        np.testing.assert_array_equal(one.command, two.command)
        np.testing.assert_array_equal(one.reasons, two.reasons)


def test_a_saved_state_does_not_change_with_the_filter(make, interface):
    filter_ = make()
    saved = filter_.state()
    filter_.certify(np.array([[0.2, 0.4]]), frame((0.3, 0.3), (1.0, 1.0)))
    assert saved["last"].tolist() == [REST[interface].tolist()]
    assert saved["ramp"].tolist() == [0.0]


CAUSES = {
    "stale": (Reason.SENSOR_STALE, {"age": 0.0601}),
    "age unknown": (Reason.SENSOR_STALE, {"age": np.nan}),
    "position nan": (Reason.SENSOR_NOT_FINITE, {"position": (np.nan, 0.0)}),
    "position inf": (Reason.SENSOR_NOT_FINITE, {"position": (0.0, np.inf)}),
    "velocity nan": (Reason.SENSOR_NOT_FINITE, {"velocity": (0.0, np.nan)}),
    "stamp nan": (Reason.SENSOR_NOT_FINITE, {"stamp": np.nan}),
    "request nan": (Reason.POLICY_NOT_FINITE, {"request": (np.nan, 0.0)}),
    "request inf": (Reason.POLICY_NOT_FINITE, {"request": (0.0, -np.inf)}),
    "too fast": (Reason.VELOCITY_LIMIT, {"velocity": (0.0, 6.001)}),
    "too fast backwards": (Reason.VELOCITY_LIMIT, {"velocity": (-4.001, 0.0)}),
    "too far": (Reason.POSITION_LIMIT, {"position": (1.501, 0.0)}),
    "too far back": (Reason.POSITION_LIMIT, {"position": (0.0, -1.001)}),
    "just fresh": (Reason.OK, {"age": 0.06}),
    "just slow": (Reason.OK, {"velocity": (-4.0, 6.0)}),
    "just inside": (Reason.OK, {"position": (1.5, -1.0)}),
    "a small request": (Reason.OK, {"request": (0.3, 0.6)}),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_each_safe_mode_reason_has_exactly_its_cause(make, interface, cause):
    reason, what = CAUSES[cause]
    filter_ = awake(make(3), interface)
    before = dict(filter_.counts)
    # Robot 1 of three; the others' rest command and reading are sound.
    request, reading, age = np.tile(REST[interface], (3, 1)), frame(robots=3), np.zeros(3)
    request[1] = what.get("request", REST[interface])
    reading.position[1] = what.get("position", AT_REST)
    reading.velocity[1] = what.get("velocity", (0.0, 0.0))
    reading.stamp[1], age[1] = what.get("stamp", 0.0), what.get("age", 0.0)
    out = filter_.certify(request, reading, age)
    assert (out.reasons & ~int(Reason.RATE_LIMIT)).tolist() == [0, int(reason), 0]
    raised = {key for key in before if filter_.counts[key] > before[key]} - {Reason.RATE_LIMIT}
    assert raised == ({reason} if reason else set())


def test_a_jump_raises_the_rate_limit_alone(make, interface):
    filter_ = awake(make(), interface)
    out = filter_.certify(REST[interface][None] + [[1.0, -0.7]], frame())
    assert out.reasons.tolist() == [Reason.RATE_LIMIT]
    np.testing.assert_allclose(out.command[0], REST[interface] + [0.4, -0.6], atol=1e-12)


def test_a_request_beyond_the_limit_raises_the_command_limit_alone(make, interface):
    filter_ = awake(make(), interface)
    for _ in range(16):  # 6 rad/s at 0.6 per step take ten steps, 4 rad/s at 0.4 too
        filter_.certify(HIGH[interface][None], frame())
    out = filter_.certify(HIGH[interface][None] + [[0.0, 1e-6]], frame())
    assert out.reasons.tolist() == [Reason.COMMAND_LIMIT]
    assert out.command.tolist() == [HIGH[interface].tolist()]


def test_a_sound_request_passes_as_it_is(make, interface):
    filter_ = awake(make(), interface)
    request = REST[interface][None] + [[0.1, -0.2]]
    out = filter_.certify(request, frame((0.5, 0.1), (1.0, -1.0)))
    assert out.reasons.tolist() == [Reason.OK]
    np.testing.assert_allclose(out.command, request, atol=1e-15)


def test_commands_ramp_in_softly(make, interface):
    filter_, asked = make(), REST[interface] + [0.3, -0.2]
    sent = [filter_.certify(asked[None], frame()) for _ in range(6)]
    # From rest (position: from the measured 0.25 and 0.5 rad) in quarters: 0.075, 0.15, ... and -0.05, ...
    way = np.outer([*RAMP, 1.0, 1.0], [0.3, -0.2])
    np.testing.assert_allclose([out.command[0] for out in sent], REST[interface] + way, atol=1e-12)
    soft = [out.reasons[0] for out in sent]
    assert soft == [Reason.SOFT_START] * 3 + [Reason.OK] * 3
    assert filter_.counts[Reason.SOFT_START] == 3


def test_the_pendulum_ramps_in_over_a_fifth_of_a_second():
    filter_ = SafetyFilter(load_robot("pendulum"))
    hanging = SensorFrame(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1)))
    sent = [filter_.certify(np.array([[2.5]]), hanging).command[0, 0] for _ in range(12)]
    # 0.2 s at 50 Hz are ten steps of a tenth of 2.5 N m each; 125 N m/s would allow it all at once.
    np.testing.assert_allclose(sent, np.minimum(np.arange(1, 13) * 0.25, 2.5), atol=1e-12)


def test_safe_mode_damps_an_effort_robot(effort):
    awake(effort, "effort")
    velocity = np.array([-4.1, 2.0])  # the shoulder is too fast
    sent = [effort.certify(np.array([[0.0, 0.0]]), moving(step, velocity)) for step in range(7)][1:]
    # One step until three positions tell. -0.4 * -4.1 = 1.64 N m, 0.4 at a time; -0.2 * 2.0 = -0.4 N m at once.
    expected = [[0.4, -0.4], [0.8, -0.4], [1.2, -0.4], [1.6, -0.4], [1.64, -0.4], [1.64, -0.4]]
    np.testing.assert_allclose([out.command[0] for out in sent], expected, atol=1e-12)
    rate = [bool(out.reasons[0] & Reason.RATE_LIMIT) for out in sent]
    assert rate == [True] * 4 + [False] * 2


def test_damping_stays_within_the_effort_limit(effort):
    awake(effort, "effort")
    course = [moving(step, (100.0, -100.0), 1e-4) for step in range(14)]
    out = [effort.certify(np.zeros((1, 2)), reading) for reading in course][-1]
    # -0.4 * 100 = -40 and 0.2 * 100 = 20 N m, cut to -3 and 1.5.
    assert out.command.tolist() == [[-3.0, 1.5]]
    assert out.reasons.tolist() == [Reason.VELOCITY_LIMIT]


def test_without_a_speed_there_is_nothing_to_damp(effort):
    awake(effort, "effort")
    effort.certify(np.array([[0.3, 0.3]]), frame(velocity=(3.0, 3.0)))
    out = effort.certify(np.array([[0.3, 0.3]]), frame(velocity=(np.nan, 3.0)))
    assert out.command.tolist() == [[0.0, 0.0]]


def test_a_speed_that_is_long_gone_is_not_damped(effort):
    awake(effort, "effort")
    out = effort.certify(np.array([[0.3, 0.3]]), frame(velocity=(3.0, 3.0)), age=1.0)
    assert out.command.tolist() == [[0.0, 0.0]]
    assert out.reasons.tolist() == [Reason.SENSOR_STALE]


def test_safe_mode_stops_a_velocity_robot(tmp_path):
    filter_ = awake(SafetyFilter(two_joints(tmp_path, "velocity")), "velocity")
    for _ in range(3):
        filter_.certify(np.array([[1.0, 1.0]]), frame())
    sent = [filter_.certify(np.array([[1.0, 1.0]]), frame(), age=1.0).command[0] for _ in range(3)]
    # From 1 rad/s down by 0.4 and 0.6 per step.
    np.testing.assert_allclose(sent, [[0.6, 0.4], [0.2, 0.0], [0.0, 0.0]], atol=1e-12)


def test_safe_mode_holds_a_position_robot_where_it_began(hold):
    awake(hold, "position")
    hold.certify(np.array([[0.3, 0.6]]), frame((0.3, 0.6)))
    # The sensor dies, comes back elsewhere while the policy is broken, and dies again.
    for position, asked in (((np.nan, 0.6), 0.0), ((0.9, 0.1), np.nan), ((1.1, 0.1), np.nan)):
        out = hold.certify(np.array([[asked, asked]]), frame(position))
        np.testing.assert_allclose(out.command, [[0.3, 0.6]], atol=1e-12)


def test_a_filter_restored_in_safe_mode_still_holds_where_it_began(hold):
    broken = np.full((1, 2), np.nan)
    awake(hold, "position").certify(broken, frame((0.3, 0.6)))
    other = SafetyFilter(hold.spec)
    other.restore(hold.state())
    out = other.certify(broken, frame((0.9, 0.1)))
    np.testing.assert_allclose(out.command, [[0.3, 0.6]], atol=1e-12)


def test_a_joint_outside_its_limits_is_held_where_it_was_inside(hold):
    awake(hold, "position")
    hold.certify(np.array([[0.3, 0.6]]), frame((1.4, 0.5), stamp=1.0))
    out = [hold.certify(np.array([[1.0, 1.0]]), frame((1.7, 0.5), stamp=1.02)) for _ in range(10)][-1]
    np.testing.assert_allclose(out.command, [[1.4, 0.5]], atol=1e-12)
    assert out.reasons.tolist() == [Reason.POSITION_LIMIT]


def test_a_joint_that_was_never_inside_its_limits_is_held_at_the_limit(hold):
    hold.reset(position=np.array([[1.7, 0.5]]))
    out = [hold.certify(np.array([[1.0, 1.0]]), frame((1.7, 0.5))) for _ in range(10)][-1]
    np.testing.assert_allclose(out.command, [[1.5, 0.5]], atol=1e-12)


def test_a_place_that_a_joint_cannot_have_come_to_is_not_held_until_it_can(hold):
    broken = np.full((1, 2), np.nan)
    for seconds, held in ((0.02, 0.25), (0.1, 0.25), (0.2, 0.95)):  # 0.7 rad at 4 rad/s take 0.175 s
        hold.reset(position=AT_REST[None])
        hold.certify(AT_REST[None], frame(stamp=1.0))
        at = frame((0.95, 0.5), stamp=1.0 + seconds)
        sent = [hold.certify(broken, at) for _ in range(4)]
        np.testing.assert_allclose(sent[-1].command, [[held, 0.5]], atol=1e-12)


SPEEDS = {
    "borne out": ((0.0, 0.04, 0.08), (0.0, 0.02, 0.04), 2.0, 2.0),
    "smaller than told": ((0.0, 0.04, 0.08), (0.0, 0.02, 0.04), 0.5, 0.5),
    "larger than told": ((0.0, 0.04, 0.06), (0.0, 0.02, 0.04), 40.0, 1.0),
    "a reading was lost": ((0.0, 0.04, 0.12), (0.0, 0.02, 0.06), 40.0, 2.0),
    "of the other sign": ((0.0, 0.04, 0.08), (0.0, 0.02, 0.04), -40.0, 0.0),
    "does not move": ((0.3, 0.3, 0.3), (0.0, 0.02, 0.04), 40.0, 0.0),
    "jumps once": ((0.3, 0.3, 1.3), (0.0, 0.02, 0.04), 40.0, 0.0),
    "turned round": ((0.0, -0.04, 0.04), (0.0, 0.02, 0.04), 40.0, 0.0),
    "twice the same stamp": ((0.0, 0.04, 0.08), (0.0, 0.02, 0.02), 40.0, 0.0),
    "the clock went back": ((0.0, 0.04, 0.08), (5.0, 5.02, 0.04), 40.0, 0.0),
    "a long silence": ((0.0, 0.04, 0.08), (0.0, 0.02, 1.04), 40.0, 0.0),
    "beyond all numbers": ((-1.7e308, 0.0, 1.7e308), (0.0, 0.02, 0.04), 40.0, 40.0),
}
"""Of the shoulder: positions, stamps, the speed that is reported, and the one that is damped."""


@pytest.mark.parametrize("case", SPEEDS)
def test_damping_goes_by_a_speed_that_positions_bear_out(effort, case):
    positions, stamps, reported, damped = SPEEDS[case]
    effort.reset()
    for position, stamp in zip(positions, stamps, strict=True):
        said = frame((position, 0.5), (reported, 0.0), stamp=stamp)
        effort.certify(np.full((1, 2), np.nan), said)
    assert effort.state()["speed"][0, 0] == pytest.approx(damped)


def test_a_state_of_before_goes_on_without_what_it_does_not_know(make, interface):
    storm, first, second = Storm(6, interface, 5), make(5), make(5)
    for _ in range(20):
        first.certify(*storm.gust())
        second.certify(*storm.gust())
    saved = first.state()
    second.restore({name: saved[name] for name in saved if name not in ("seen", "places", "placed")})
    again = second.state()
    for name in ("last", "ramp", "anchor", "measured", "speed", "safe", "recovers", "moved"):
        np.testing.assert_array_equal(again[name], saved[name])
    assert np.isnan(again["placed"]).all()
    assert np.isneginf(again["seen"]).all()
    with pytest.raises(KeyError, match="measured"):
        second.restore({name: saved[name] for name in saved if name != "measured"})


def test_commands_come_back_softly_after_safe_mode(make, interface):
    filter_, asked = awake(make(), interface), REST[interface] + [0.3, -0.2]
    for _ in range(3):
        filter_.certify(asked[None], frame(), age=1.0)
    sent = [filter_.certify(asked[None], frame()) for _ in range(4)]
    np.testing.assert_allclose(
        [out.command[0] for out in sent], REST[interface] + np.outer(RAMP, [0.3, -0.2]), atol=1e-12
    )
    assert [out.reasons[0] for out in sent] == [Reason.SOFT_START] * 3 + [Reason.OK]


@pytest.fixture
def careful(tmp_path, interface) -> SafetyFilter:
    """Three control periods of recovery, and joints that accelerate by no more than 100 and 200 units/s^2."""
    path = write_robot(tmp_path, lambda data: _careful(data, interface))
    return SafetyFilter(load_robot(path))


def _careful(data: dict, interface: str) -> None:
    data["control"]["interface"] = interface
    data["safety"]["recovery"] = 0.06
    for joint, most in zip(data["joints"], (100.0, 200.0), strict=True):
        joint["command_acceleration"] = most


CHANGE = np.array([0.04, 0.08])
"""100 and 200 units/s^2 over 20 ms, twice."""


@pytest.mark.parametrize("cause", ["stale", "position nan", "request inf"])
def test_who_could_not_be_believed_has_to_be_sound_for_a_while(careful, interface, cause):
    reason, what = CAUSES[cause]
    rest = REST[interface][None]
    for _ in range(5):
        careful.certify(rest, frame())
    broken = frame(what.get("position", AT_REST)), what.get("age", 0.0)
    sequence = [(np.array([what.get("request", rest[0])]), *broken), *[(rest, frame(), 0.0)] * 2]
    # A second time in the middle of the recovery: the whole of it begins anew.
    reasons = [careful.certify(*given).reasons[0] & int(SAFE_MODE) for given in sequence + sequence]
    assert reasons == [reason, Reason.RECOVERING, Reason.RECOVERING] * 2
    after = [careful.certify(rest, frame()).reasons[0] for _ in range(3)]
    assert [each & int(SAFE_MODE) for each in after] == [Reason.RECOVERING, 0, 0]
    assert after[1] & Reason.SOFT_START


def test_a_joint_that_was_too_fast_needs_no_recovery(careful, interface):
    for _ in range(5):
        careful.certify(REST[interface][None], frame())
    assert (
        careful.certify(REST[interface][None], frame(velocity=(4.1, 0.0))).reasons[0] & Reason.VELOCITY_LIMIT
    )
    assert not careful.certify(REST[interface][None], frame()).reasons[0] & int(SAFE_MODE)


def test_commands_accelerate_and_brake_within_the_limit_and_stop_where_they_should(careful, interface):
    for _ in range(5):
        careful.certify(REST[interface][None], frame())
    asked = REST[interface] + [0.5, -0.5]
    sent = np.array([careful.certify(asked[None], frame()).command[0] for _ in range(12)])
    assert (np.abs(np.diff(sent, 2, axis=0)) <= CHANGE + 1e-12).all()
    # Never beyond the goal, and there after: 0.5 in steps of 0.04, 0.08, ... up and down again.
    assert (np.abs(sent - REST[interface]) <= 0.5 + 1e-9).all()
    np.testing.assert_allclose(sent[-1], asked, atol=1e-9)
    first = sent[0] - REST[interface]
    np.testing.assert_allclose(first, [0.04, -0.08], atol=1e-12)
    assert careful.counts[Reason.ACCELERATION_LIMIT] > 0


def test_no_storm_makes_a_command_jerk(careful, interface):
    """But where the limits of command or rate cut it short, which go before the acceleration's."""
    storm = Storm(7, interface, 1)
    low, high = LOW[interface], HIGH[interface]
    last, moved = REST[interface], np.zeros(2)
    for _ in range(3000):
        command = careful.certify(*storm.gust()).command[0]
        assert ((command >= low) & (command <= high)).all()
        move = command - last
        assert (np.abs(move) <= STEP + 1e-12).all()
        cut = (command == low) | (command == high)
        assert (cut | (np.abs(move - moved) <= CHANGE + 1e-12)).all()
        last, moved = command, move


def test_a_robot_that_falls_over_goes_into_safe_mode():
    spec = load_robot("go2")
    filter_, legs = SafetyFilter(spec, 3), spec.default_position
    tilts = np.array([spec.safety.tilt - 0.01, spec.safety.tilt + 0.01, np.pi])
    gravity = np.stack([np.sin(tilts), np.zeros(3), -np.cos(tilts)], axis=1)
    still = np.zeros((3, 12))
    reading = SensorFrame(np.zeros(3), np.tile(legs, (3, 1)), still, np.zeros((3, 3)), gravity)
    reasons = filter_.certify(np.tile(legs, (3, 1)), reading).reasons
    assert [bool(bits & Reason.TILT_LIMIT) for bits in reasons] == [False, True, True]
    assert spec.safety.tilt > np.radians(70), "beyond what ends an episode: training meets it in no state"


def test_only_the_robot_in_trouble_starts_anew(make, interface):
    filter_ = awake(make(2), interface)
    asked = np.tile(REST[interface], (2, 1))
    filter_.certify(asked, frame(robots=2), age=np.array([0.0, 1.0]))
    assert filter_.certify(asked, frame(robots=2)).reasons.tolist() == [Reason.OK, Reason.SOFT_START]


STOPS = {
    # From 1 and -1 N m, which are what was asked for: nothing at once.
    "effort": [[0.0, 0.0]],
    # From 1 and -1 rad/s: by 0.4 and 0.6 a step.
    "velocity": [[0.6, -0.4], [0.2, 0.0], [0.0, 0.0]],
    # From 1.25 and -0.5 rad to the last measured 0.7 and 0.8.
    "position": [[0.85, 0.1], [0.7, 0.7], [0.7, 0.8]],
}


def test_stop_needs_no_speed_and_lets_go_of_torque_at_once(make, interface):
    filter_ = awake(make(), interface)
    for _ in range(3):
        filter_.certify(REST[interface][None] + [[1.0, -1.0]], frame((0.7, 0.8), (1.0, 1.0)))
    for number, expected in enumerate(STOPS[interface], 1):
        out = filter_.stop()
        np.testing.assert_allclose(out.command, [expected], atol=1e-12)
        assert out.reasons[0] & Reason.STOPPED
        assert filter_.settled == (number == len(STOPS[interface]))
        assert filter_.counts[Reason.STOPPED] == number
    out = filter_.stop()
    assert out.reasons.tolist() == [Reason.STOPPED]
    assert filter_.certify(out.command, frame((0.7, 0.8))).reasons.tolist() == [Reason.SOFT_START]


def test_a_stopped_position_robot_holds_where_it_stopped(hold):
    awake(hold, "position")
    hold.certify(np.array([[0.3, 0.6]]), frame((0.3, 0.6)))
    hold.stop()
    out = hold.certify(np.full((1, 2), np.nan), frame((0.9, 0.1)))
    np.testing.assert_allclose(out.command, [[0.3, 0.6]], atol=1e-12)


def test_what_is_handed_out_is_the_callers(make, interface):
    filter_ = awake(make(), interface)
    for out in (filter_.certify(REST[interface][None], frame()), filter_.stop()):
        out.command[:] = 1e9
    assert np.abs(filter_.state()["last"]).max() < 1.0


def test_reset_starts_the_given_robots_alone(make, interface):
    filter_ = awake(make(3), interface)
    filter_.reset(np.array([1]))
    reasons = filter_.certify(np.tile(REST[interface], (3, 1)), frame(robots=3)).reasons
    assert reasons.tolist() == [Reason.OK, Reason.SOFT_START, Reason.OK]


def test_a_position_robot_starts_where_it_is(hold):
    hold.reset(position=np.array([[1.0, -0.4]]))
    first: Certified = hold.certify(np.array([[1.2, 0.0]]), frame((1.0, -0.4)))
    # A quarter of the way from 1.0 to 1.2 and from -0.4 to 0.0.
    np.testing.assert_allclose(first.command, [[1.05, -0.3]], atol=1e-12)
    hold.reset(position=np.array([[9.0, -9.0]]))
    assert hold.stop().command.tolist() == [[1.5, -1.0]]


def test_a_position_robot_ramps_from_where_it_was_and_does_not_follow_what_sinks(hold):
    hold.reset(position=np.array([[1.0, -0.4]]))
    measured = [(1.0, -0.4), (0.9, -0.3), (0.8, -0.2), (0.7, -0.1)]
    sent = [hold.certify(np.array([[1.2, 0.0]]), frame(position)).command[0] for position in measured]
    # Quarters of the way from the first reading, 1.0 and -0.4, to 1.2 and 0.0, whatever is measured on the way.
    np.testing.assert_allclose(sent, [[1.05, -0.3], [1.1, -0.2], [1.15, -0.1], [1.2, 0.0]], atol=1e-12)


def test_a_start_that_is_not_finite_falls_back_to_the_default(hold):
    hold.reset(position=np.array([[np.nan, 2.0]]))
    assert hold.stop().command.tolist() == [[0.25, 2.0]]
    hold.reset(position=np.array([[np.inf, 2.0]]))
    out = hold.certify(np.array([[0.0, 0.0]]), frame((np.nan, np.nan)))
    assert out.command.tolist() == [[0.25, 2.0]]


def test_reasons_have_names_and_a_fixed_numbering():
    assert reason_names(0) == []
    assert reason_names(2 | 8 | 256) == ["command_limit", "sensor_stale", "stopped"]
    reason_names(2).append("changed by a caller")
    assert reason_names(2) == ["command_limit"]
    assert reason_names(8192 | 16384 | 32768) == ["effort_limit", "servo_effort", "base_height"]
    assert [int(reason) for reason in Reason if reason] == [2**bit for bit in range(16)]
    assert int(SAFE_MODE) == 8 + 16 + 32 + 64 + 128 + 256 + 512 + 1024 + 8192 + 32768
