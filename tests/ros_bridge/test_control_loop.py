"""What follows from every reading and every silence, without ROS. The adapter asks for full effort, 2.5 N m."""

from __future__ import annotations

import numpy as np
import pytest

from robots import load_robot
from robots.safety import Reason
from ros_bridge.control_loop import ControlLoop, Output
from tests.ros_bridge.stand_ins import Steadfast, controller, reading

PERIOD = 0.02


@pytest.fixture
def adapter() -> Steadfast:
    return Steadfast(joints=1)


@pytest.fixture
def loop(pendulum, adapter) -> ControlLoop:
    return ControlLoop(pendulum, controller(pendulum, adapter))


def hear(loop: ControlLoop, stamp: float, **reading_of) -> Output | None:
    return loop.hear(reading(stamp, **reading_of), stamp, stamp)


def run(loop: ControlLoop, begin: float = 1.0, steps: int = 20) -> float:
    """Into control: past the soft start. Returns the time of the last reading."""
    hear(loop, begin)
    loop.start()
    for k in range(1, steps + 1):
        hear(loop, begin + k * PERIOD)
    assert loop.latest == Reason.OK
    return begin + steps * PERIOD


def asserted(output: Output | None) -> Output:
    assert output is not None
    return output


def test_nothing_is_sent_before_the_start(loop, adapter):
    assert hear(loop, 1.0) is None
    assert loop.watch(9.0) is None
    assert adapter.sent == []


def test_the_start_is_soft(loop):
    hear(loop, 1.0)
    loop.start()
    # Soft start of 0.2 s at 0.02 s a step: a tenth more of 2.5 N m per step.
    for k in range(1, 10):
        output = asserted(hear(loop, 1.0 + k * PERIOD))
        assert output.command[0] == pytest.approx(0.25 * k)
        assert output.reasons == Reason.SOFT_START
        assert output.requested.tolist() == [2.5]
    hear(loop, 1.2)
    output = asserted(hear(loop, 1.22))
    assert output.command.tolist() == [2.5]
    assert output.reasons == Reason.OK


def after_recovery(loop: ControlLoop, time: float) -> Output:
    """Five sound readings, 0.1 s of them, are still answered safely; the sixth begins softly."""
    for k in range(5):
        output = asserted(hear(loop, time + k * PERIOD))
        assert output.reasons == Reason.RECOVERING
        assert output.command.tolist() == [0.0]
    output = asserted(hear(loop, time + 5 * PERIOD))
    assert output.reasons == Reason.SOFT_START
    return output


def test_it_is_refused_until_all_sensors_are_fresh_and_finite(loop):
    assert loop.refusal(1.0) == "joint_states: no reading younger than 0.06 s"
    hear(loop, 1.0, velocity=np.nan)
    assert loop.refusal(1.0) == "joint_states: not finite"
    hear(loop, 1.02)
    assert loop.refusal(1.02) is None
    assert loop.refusal(1.09) == "joint_states: no reading younger than 0.06 s"


def test_an_old_reading_is_named_as_what_holds_up_the_start(loop):
    loop.hear(reading(1.0), 3.0, 3.0)
    assert loop.refusal(3.0) == "joint_states: the newest reading is 2 s old"


def test_readings_in_between_and_again_bring_no_command(loop, adapter):
    time = run(loop)
    asked = len(adapter.sent)
    assert hear(loop, time) is None
    assert hear(loop, time - 0.01) is None
    assert hear(loop, time + 0.005) is None
    assert len(adapter.sent) == asked


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("field", ["position", "velocity"])
def test_the_command_after_a_reading_that_is_no_number_is_safe(loop, adapter, field, value):
    time, heard = run(loop), adapter.heard
    output = asserted(hear(loop, time + PERIOD, **{field: value}))
    assert output.command.tolist() == [0.0]
    assert output.reasons & Reason.SENSOR_NOT_FINITE
    assert adapter.heard == heard  # nothing is learnt from it
    output = after_recovery(loop, time + 2 * PERIOD)
    assert output.command[0] == pytest.approx(0.25)


@pytest.mark.parametrize("age", [0.5, -0.5])
def test_the_command_after_a_reading_from_another_time_is_safe(loop, adapter, age):
    time = run(loop) + PERIOD
    asked = len(adapter.sent)
    output = asserted(loop.hear(reading(time), time + age, time))
    assert output.command.tolist() == [0.0]
    assert output.reasons == Reason.STOPPED | Reason.SENSOR_STALE
    assert np.isnan(output.requested).all()
    assert len(adapter.sent) == asked
    after_recovery(loop, time + PERIOD)


def test_silence_is_answered_with_the_safe_command(loop):
    time = run(loop)
    assert loop.watch(time + 0.05) is None
    for silence in (0.07, 0.1, 60.0):
        output = asserted(loop.watch(time + silence))
        assert output.command.tolist() == [0.0]
        assert output.reasons == Reason.STOPPED | Reason.SENSOR_STALE
    after_recovery(loop, time + 61.0)


def test_a_sensor_stuck_on_one_reading_is_silence(loop):
    time = run(loop)
    times = [time + k * 0.025 for k in range(1, 4)]
    outputs = [loop.hear(reading(time), now, now) or loop.watch(now) for now in times]
    assert outputs[:2] == [None, None]
    assert asserted(outputs[2]).reasons == Reason.STOPPED | Reason.SENSOR_STALE


def test_too_fast_a_robot_is_damped(loop):
    time = run(loop)
    # Allowed are 20 rad/s; three positions tell a speed, and full torque may not jump.
    steps = [(time + k * PERIOD, -30.0 * k * PERIOD) for k in range(1, 5)]
    output = [asserted(hear(loop, now, position=at, velocity=-30.0)) for now, at in steps][-1]
    assert output.reasons & Reason.VELOCITY_LIMIT
    # 0.15 N m s/rad x 30 rad/s is 4.5 N m against the motion, of which the drive may get 2.5.
    assert output.command.tolist() == [2.5]


def test_halted_it_sends_safe_commands_until_the_next_start(loop, adapter):
    time = run(loop)
    assert loop.halt(time).command.tolist() == [0.0]
    asked = len(adapter.sent)
    for k in range(1, 5):
        output = asserted(hear(loop, time + k * PERIOD))
        assert output.command.tolist() == [0.0]
        assert output.reasons == Reason.STOPPED
    assert len(adapter.sent) == asked
    loop.start()
    assert asserted(hear(loop, time + 5 * PERIOD)).command[0] == pytest.approx(0.25)


def test_the_end_is_a_safe_command_and_then_silence(loop):
    time = run(loop)
    assert loop.end(time).command.tolist() == [0.0]
    assert hear(loop, time + PERIOD) is None
    assert loop.watch(time + 9.0) is None


def test_the_policy_hears_what_was_sent_not_what_it_asked_for(loop, adapter):
    hear(loop, 1.0)
    loop.start()
    commands = [asserted(hear(loop, 1.0 + k * PERIOD)).command[0] for k in range(1, 6)]
    told = [action[0, 0] * 2.5 for action in adapter.sent]
    assert told == pytest.approx([0.0, *commands[:-1]])


def test_a_forgotten_belief_begins_anew_while_control_goes_on(loop, adapter):
    time = run(loop, steps=20)
    assert adapter.heard == 20
    loop.forget()
    output = asserted(hear(loop, time + PERIOD))
    assert adapter.heard == 1
    assert output.reasons == Reason.OK  # no second soft start


def test_every_start_is_a_new_trial(loop, adapter):
    time = run(loop)
    resets = adapter.resets
    loop.end(time)
    loop.start()
    assert adapter.resets == resets + 1
    assert adapter.heard == 0


def test_the_newest_belief_is_kept_while_the_policy_is_not_asked(loop):
    time = run(loop, steps=20)
    assert asserted(loop.watch(time + 1.0)).belief is None
    assert loop.belief is not None
    assert loop.belief.parameters.tolist() == [[20.0]]


def test_reasons_are_counted_and_collected(loop):
    time = run(loop, steps=20)
    loop.watch(time + 1.0)
    # Nine steps of soft start below full effort; the tenth is at 1 but for rounding.
    assert loop.counts.pop("soft_start") in (9, 10)
    assert loop.counts == {"sensor_stale": 1, "stopped": 1}
    assert loop.seen == Reason.SOFT_START | Reason.SENSOR_STALE | Reason.STOPPED
    assert loop.steps == 20


def test_a_rehearsal_meets_the_policy_s_faults_and_teaches_it_nothing(loop, adapter):
    loop.rehearse()
    assert (len(adapter.sent), adapter.heard) == (1, 0)
    adapter.act = lambda *_, **__: 1 / 0
    with pytest.raises(ZeroDivisionError):
        loop.rehearse()


def test_whatever_comes_every_command_is_finite_and_within_limits(loop):
    rng = np.random.default_rng(2)
    values = np.array([0.0, 1.0, -35.0, 40.0, np.nan, np.inf, -np.inf, 1e300])
    hear(loop, 0.99)
    loop.start()
    now, sent = 1.0, 0
    for _ in range(1500):
        now += rng.choice([0.0, 0.002, 0.02, 0.1])
        stamp = now + rng.choice([0.0, 0.0, 0.0, -0.01, -1.0, 1.0])
        given = reading(stamp, *rng.choice(values, 2))
        for output in (loop.hear(given, now, now), loop.watch(now + rng.choice([0.0, 0.1]))):
            if output is not None:
                sent += 1
                assert np.isfinite(output.command).all()
                assert np.abs(output.command).max() <= 2.5
    assert sent > 500


def test_many_stale_readings_bring_no_more_commands_than_there_are_control_periods(loop):
    """A second publisher whose clock is wrong sends a thousand times a second."""
    time = run(loop)
    sent = sum(
        loop.hear(reading(time - 5.0 + k * 1e-3), time + k * 1e-3, time + k * 1e-3) is not None
        for k in range(1, 1001)
    )
    assert 50 <= sent <= 100  # one second at 50 Hz; half a period apart at the least


def test_a_step_that_took_longer_than_a_period_is_an_overrun_and_is_judged_when_it_is_sent(pendulum, adapter):
    # Each step asks twice: before the policy, and after it.
    ticks = iter([0.0, 0.019, 1.0, 1.021, 2.0, 2.061])
    loop = ControlLoop(pendulum, controller(pendulum, adapter), clock=lambda: next(ticks))
    hear(loop, 1.0)
    loop.start()
    quick, slow, too_slow = (asserted(hear(loop, 1.0 + k * PERIOD)) for k in (1, 2, 3))
    assert (quick.took, quick.reasons) == (0.019, Reason.SOFT_START)
    assert slow.reasons == Reason.SOFT_START | Reason.OVERRUN
    assert too_slow.reasons == Reason.OVERRUN | Reason.SENSOR_STALE
    assert too_slow.command.tolist() == [0.0]


@pytest.fixture
def prompt(pendulum, adapter) -> ControlLoop:
    """Its policy answers at once."""
    return ControlLoop(pendulum, controller(pendulum, adapter), clock=lambda: 0.0)


def test_a_burst_after_a_hiccup_moves_the_command_as_far_as_time_allows(prompt, adapter):
    """Readings that were held up are all new, fresh and a period apart, and so are all acted upon, within 3 ms."""
    time = run(prompt)
    adapter.action[:] = -1.0
    last, late = 2.5, time + 3 * PERIOD
    # 125 N m/s: for a period, for what was saved up, half a period, and 1 ms, and for 2 ms.
    for k, arrival, moves in ((1, 0.0, PERIOD), (2, 0.001, PERIOD / 2 + 0.001), (3, 0.003, 0.002)):
        output = asserted(prompt.hear(reading(time + k * PERIOD), late, late + arrival))
        assert output.command[0] == pytest.approx(last - 125.0 * moves, abs=1e-6)
        last = output.command[0]
    assert prompt.steps == 20 + 3


def test_readings_that_come_a_little_early_or_late_are_no_burst(prompt, adapter):
    time = run(prompt)
    for k in range(1, 40):
        adapter.action[:] = (-1.0) ** k
        stamp, jitter = time + k * PERIOD, 0.4 * PERIOD * (k % 2)
        command = asserted(prompt.hear(reading(stamp), stamp + jitter, stamp + jitter)).command[0]
        # From 2.5 to 0 N m and back: the whole of a step, every time.
        assert command == pytest.approx(0.0 if k % 2 else 2.5, abs=1e-6)


def test_the_time_that_the_policy_takes_counts_between_two_commands(pendulum, adapter):
    """An answer that comes 15 ms late and one in time after it are 5 ms apart."""
    ticks: list[float] = []
    loop = ControlLoop(pendulum, controller(pendulum, adapter), clock=lambda: ticks.pop(0) if ticks else 0.0)
    time = run(loop)
    ticks += [0.0, 0.015]
    adapter.action[:] = -1.0
    asserted(hear(loop, time + PERIOD))  # a whole step, to 0 N m; half a period is left
    output = asserted(hear(loop, time + 2 * PERIOD))
    assert output.command[0] == pytest.approx(-125.0 * (0.005 + PERIOD / 2), abs=1e-6)


def test_a_stop_right_after_a_command_moves_a_position_no_further_than_time_allows():
    """The safe command of a position is on its way from the last one, as every other is."""
    arm = load_robot("ur5e")
    loop = ControlLoop(arm, controller(arm, Steadfast(joints=6)), clock=lambda: 0.0)
    hear(loop, 1.0, joints=6)
    loop.start()
    commands = [asserted(hear(loop, 1.0 + k * PERIOD, joints=6)).command for k in range(1, 60)]
    assert np.abs(commands[-1]).max() > 0.5
    begins = 1.0 + 59 * PERIOD
    halted = [loop.halt(begins).command for _ in range(4)]
    moved = np.abs(np.diff([commands[-1], *halted], axis=0)).max(axis=1)
    # A period's and what was saved up beyond it, of 3.1416 rad/s; then nothing is left.
    assert moved[0] <= 3.1416 * PERIOD + 1e-9
    np.testing.assert_allclose(moved[2:], 0.0, atol=1e-9)
    assert moved.sum() <= 3.1416 * 1.5 * PERIOD + 1e-9
