"""Every expectation, kept and missed, on runs whose answers were worked out by hand."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from robots.safety import Reason
from ros_bridge.errors import BridgeError
from ros_bridge.hil.judging.expectations import ALWAYS, EXPECTATIONS, findings
from ros_bridge.hil.judging.figures import FIGURES, figures
from ros_bridge.hil.judging.kinds import OPTIONS
from ros_bridge.hil.judging.trace import Trace
from ros_bridge.hil.scenario.scenario import Expectation, Limits
from ros_bridge.hil.schedule import BODY, COMMANDS, NODE
from tests.ros_bridge.hil.judging.played import (
    NEVER,
    STEPS,
    course,
    facts,
    in_safe_mode,
    judge,
    killed_node,
    played,
    scenario,
)

NEEDED = {"parameter": "payload_mass", "tolerance": 0.1, "reason": "sensor_stale"}


def options_of(name: str) -> dict:
    return {option: NEEDED[option] for option in EXPECTATIONS[name].needs}


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_kinds_are_sound(name):
    kind = EXPECTATIONS[name]
    assert kind.about
    assert set(kind.options) <= set(OPTIONS)
    assert set(kind.needs) <= set(kind.options)


@pytest.mark.parametrize("name", sorted(set(EXPECTATIONS) - set(ALWAYS)))
def test_what_nobody_heard_is_a_miss_with_a_reason(pendulum, name):
    limit = 1e9 if EXPECTATIONS[name].at_most else -1e9
    found = judge(pendulum, Trace(), facts(course()), name, limit, **options_of(name))
    assert (found.value, found.margin, found.passed) == (None, None, False)
    assert found.detail
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_one_sample_of_everything_breaks_nothing(go2, name):
    whole = played(go2)
    one = Trace(
        **{
            field.name: getattr(whole, field.name)[:1]
            for field in dataclasses.fields(Trace)
            if field.name != "belief_names"
        },
        belief_names=whole.belief_names,
    )
    found = judge(go2, one, facts(course()), name, 1.0, **options_of(name))
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_at_the_limit_exactly_is_kept_and_beyond_it_is_missed(go2, name):
    """In a run in which something happened to everything that can be expected."""
    trace = killed_node(in_safe_mode(played(go2), 4.0, 5.3), 7.0, 8.0)
    trace.velocity[100], trace.error[:], trace.latency[20] = 3.0, 0.2, 0.021
    trace.seen_position[200:250] = np.nan
    trace.on_target[:30], trace.upright[40:60], trace.unfamiliar[300:400] = False, 0.0, True
    trace.belief_mean[:100] = 0.7
    trace.belief_mean[100:] = 1.02
    trace.reasons[220] |= int(Reason.SENSOR_STALE)
    known = facts(
        course(),
        fell_at=6.0,
        processes_left=1,
        rejected_commands=2,
        drive_timeouts=3,
        restarts=[(7.0, 7.9)],
        bag_messages=500,
    )
    options = options_of(name)
    value = judge(go2, trace, known, name, 0.0, **options).value
    assert value is not None
    beyond = value - 1e-6 if EXPECTATIONS[name].at_most else value + 1e-6
    assert judge(go2, trace, known, name, value, **options).passed
    missed = judge(go2, trace, known, name, beyond, **options)
    assert not missed.passed
    assert missed.margin == pytest.approx(-1e-6, rel=1e-3)
    json.dumps(missed.to_json(), allow_nan=False)


def test_a_run_in_which_all_is_well(pendulum):
    expected = [
        Expectation("on_target", 1.0),
        Expectation("tracking_error", 0.0),
        Expectation("driven", 0.99),
        Expectation("missed_deadlines", 0.0),
        Expectation("belief_error", 0.0, parameter="payload_mass"),
    ]
    found = findings(scenario(*expected), pendulum, played(pendulum), facts())
    assert [finding.name for finding in found] == [*ALWAYS, *(each.name for each in expected)]
    assert [finding.detail for finding in found if not finding.passed] == []


def test_names_that_there_are_not_are_refused_with_the_valid_ones(pendulum):
    with pytest.raises(BridgeError, match=r"expectation 'speed'; valid: command_limits, "):
        findings(scenario(Expectation("speed", 1.0)), pendulum, played(pendulum), facts())
    with pytest.raises(BridgeError, match=r"reason 'tired'; valid: .*sensor_stale"):
        judge(pendulum, played(pendulum), facts(course()), "says", 1.0, reason="tired")
    with pytest.raises(BridgeError, match="expectation says: needs reason"):
        judge(pendulum, played(pendulum), facts(course()), "says", 1.0)


def test_what_always_holds_may_get_another_limit(pendulum):
    known = facts(processes_left=2)
    assert not judge(pendulum, played(pendulum), known, "processes_left", 1.0).passed
    found = findings(scenario(Expectation("processes_left", 2.0)), pendulum, played(pendulum), known)
    assert [(each.name, each.passed) for each in found if each.name == "processes_left"] == [
        ("processes_left", True)
    ]


# commands


def test_commands_at_their_limit_are_within_it(pendulum):
    trace = played(pendulum, 2.5)
    found = judge(pendulum, trace, facts(), "command_limits", 1.0)
    assert found.value == pytest.approx(1.0)
    assert found.passed
    assert found.detail.startswith("0 violations; most: node's side, pivot: 2.5 of -2.5 to 2.5")


@pytest.mark.parametrize("side", ["command", "applied"])
def test_a_command_beyond_its_limit_is_found_on_either_side(pendulum, side):
    trace = played(pendulum)
    getattr(trace, side)[100] = 2.75
    found = judge(pendulum, trace, facts(), "command_limits", 1.0)
    assert found.value == pytest.approx(1.1)  # 2.75 of 2.5; the change of 2.65 is 1.06 of 2.5
    assert not found.passed
    getattr(trace, side)[100] = np.nan
    found = judge(pendulum, trace, facts(), "command_limits", 1.0)
    assert (found.value, found.passed) == (None, False)
    assert "is not finite" in found.detail


def test_a_rate_is_judged_but_for_letting_go_and_new_nodes(slow):
    trace = played(slow)
    trace.command[100:] = 0.9  # a change of 0.8 where 0.5 is allowed
    found = judge(slow, trace, facts(), "command_limits", 1.0)
    assert found.value == pytest.approx(1.6)
    trace.command[100:] = 0.0
    assert judge(slow, trace, facts(), "command_limits", 1.0).passed
    trace.command[100:] = 0.9
    reborn = facts(restarts=[(trace.command_time[99] + 0.001, trace.command_time[100] - 0.001)])
    assert judge(slow, trace, reborn, "command_limits", 1.0).passed


def test_of_broken_commands_only_the_limits_hold_on_the_robot_s_side(slow):
    trace = played(slow)
    trace.applied[100:] = 0.9
    assert not judge(slow, trace, facts(), "command_limits", 1.0).passed
    assert judge(slow, trace, facts(course("loss", COMMANDS, magnitude=0.5)), "command_limits", 1.0).passed


def test_what_the_judge_found_counts_as_well(pendulum):
    rate = {"what": "rate", "side": "node", "joint": "pivot", "value": 3.0, "limit": 2.5, "time": 1.0}
    found = judge(
        pendulum, played(pendulum), facts(violations=[rate | {"detail": ""}]), "command_limits", 1.0
    )
    assert found.value == pytest.approx(1.2)
    unreadable = rate | {"what": "unreadable", "value": None, "limit": None, "detail": "2 numbers"}
    found = judge(pendulum, played(pendulum), facts(violations=[unreadable]), "command_limits", 1.0)
    assert (found.value, found.passed) == (None, False)
    other = rate | {"what": "no_recovery", "detail": ""}
    assert judge(pendulum, played(pendulum), facts(violations=[other]), "command_limits", 1.0).passed


def test_a_scenario_s_limits_are_findings(go2):
    trace = played(go2)
    trace.velocity[100, 1] = -6.0
    trace.position[50, 0] = 0.3
    name, thigh = go2.joint_names[:2]
    limits = Limits(position={name: (-0.2, 0.6)}, velocity={thigh: 5.0}, command={name: 0.5})
    found = {
        each.name: each for each in findings(scenario(limits=limits), go2, trace, facts())[len(ALWAYS) :]
    }
    assert list(found) == ["limits.position", "limits.velocity", "limits.command"]
    # Where the joint rests at -0.1 or 0.1, or came to 0.3: the furthest from the middle of 0.2, by half of 0.8.
    furthest = max(abs(go2.default_position[0] - 0.2), 0.1) / 0.4
    assert found["limits.position"].value == pytest.approx(furthest)
    assert found["limits.velocity"].value == pytest.approx(1.2)
    assert not found["limits.velocity"].passed
    assert found["limits.velocity"].detail == f"{thigh}: -6 rad/s at 2.00 s, of -5 to 5 rad/s"
    assert found["limits.command"].value == pytest.approx(abs(go2.default_position[0]) / 0.5)
    trace.velocity[10, 1] = np.nan
    nan = findings(scenario(limits=limits), go2, trace, facts())[len(ALWAYS) + 1]
    assert (nan.value, nan.passed) == (None, False)


def test_peaks_are_shares_of_the_robot_s_limits(pendulum):
    trace = played(pendulum)
    trace.velocity[100] = -15.0
    trace.command[200] = 2.0
    assert judge(pendulum, trace, facts(), "peak_velocity", 0.75).value == pytest.approx(0.75)
    assert judge(pendulum, trace, facts(), "peak_velocity", 0.75).passed
    assert not judge(pendulum, trace, facts(), "peak_velocity", 0.74).passed
    assert judge(pendulum, trace, facts(), "peak_velocity", 0.74, begin=3.0).value == 0.0
    assert judge(pendulum, trace, facts(), "peak_command", 0.8).value == pytest.approx(0.8)


# the node's words


def test_time_to_safe_and_to_recover(pendulum):
    trace = in_safe_mode(played(pendulum), 4.0, 5.3)
    found = judge(pendulum, trace, facts(course()), "time_to_safe", 0.01)
    assert found.value == pytest.approx(0.003)
    assert found.detail == "fault began at 4.000 s, safe mode at 4.003 s: sensor_not_finite"
    recovered = judge(pendulum, trace, facts(course()), "time_to_recover", 0.3)
    assert recovered.value == pytest.approx(0.303)
    assert not recovered.passed
    assert judge(pendulum, played(pendulum), facts(course()), "time_to_safe", 9.0).value is None


def test_a_node_has_recovered_when_it_stays_so(pendulum):
    trace = in_safe_mode(in_safe_mode(played(pendulum), 4.0, 5.1), 5.2, 5.4)
    assert judge(pendulum, trace, facts(course()), "time_to_recover", 1.0).value == pytest.approx(0.403)
    assert judge(pendulum, in_safe_mode(trace, 5.0, 9.9), facts(course()), "time_to_recover", 9.0).detail == (
        "after 5.000 s it never drove for 0.2 s"
    )
    lasting = facts(course(ended=NEVER))
    assert (
        judge(pendulum, trace, lasting, "time_to_recover", 9.0).detail == "the fault (joints nan) never ended"
    )


def test_a_killed_node_recovers_from_its_death_on(pendulum):
    trace = killed_node(played(pendulum), 4.0, 6.5)
    known = facts(course("killed", NODE, ended=16.0, messages=0), restarts=[(4.0, 6.4)])
    # The next command is that of 6.5 s, at 6.503 s.
    assert judge(pendulum, trace, known, "time_to_recover", 3.0).value == pytest.approx(2.503)
    assert judge(pendulum, trace, known, "restart_within", 3.0).value == pytest.approx(2.503)
    assert not judge(pendulum, trace, known, "restart_within", 2.5).passed
    assert judge(pendulum, trace, known, "silence", 0.03).passed
    assert judge(pendulum, trace, facts(), "silence", 0.03).value == pytest.approx(2.52)
    assert judge(pendulum, trace, known, "driven", 0.7).value == pytest.approx(0.75, abs=0.003)
    assert judge(pendulum, trace, known, "safe_share", 0.0).value == 0.0
    assert judge(pendulum, trace, known, "missed_deadlines", 0.0).passed
    assert judge(pendulum, trace, facts(), "missed_deadlines", 0.0).value == pytest.approx(
        125 / 499, abs=0.003
    )


def test_a_node_that_stays_dead_is_not_restarted(pendulum):
    trace = killed_node(played(pendulum), 4.0, 20.0)
    known = facts(course("killed", NODE, messages=0), restarts=[(4.0, NEVER)])
    found = judge(pendulum, trace, known, "restart_within", 99.0, fault=0)
    assert (found.value, found.detail) == (None, "a node that died had no successor that sent a command")
    assert judge(pendulum, trace, known, "time_to_recover", 99.0).value is None
    assert judge(pendulum, played(pendulum), facts(), "restart_within", 9.0).detail == "the node did not die"


def test_a_successor_that_says_nothing_is_silent(pendulum):
    trace = killed_node(played(pendulum), 4.0, 20.0)
    found = judge(pendulum, trace, facts(restarts=[(4.0, 6.0)]), "silence", 0.5)
    assert found.value == pytest.approx(9.981 - 3.983 - 2.0)  # up to the last reading, but for 4 to 6 s


def test_a_paused_node_is_not_silent(pendulum):
    trace = killed_node(played(pendulum), 4.0, 5.0)
    paused = facts(course("paused", NODE, messages=0))
    # From 3.983 s to its stop at 4 s, and from 5 s, when it goes on, to 5.003 s.
    assert judge(pendulum, trace, paused, "silence", 0.1).value == pytest.approx(0.02)


def test_safe_mode_as_shares_of_a_window(pendulum):
    trace = in_safe_mode(played(pendulum), 4.0, 5.0)
    assert judge(pendulum, trace, facts(), "safe_share", 0.1).value == pytest.approx(0.1)
    inside = judge(pendulum, trace, facts(), "safe_share", 0.95, begin=4.0, end=5.0)
    assert inside.value == pytest.approx(0.997)  # from 4.003 s on
    assert judge(pendulum, trace, facts(), "driven", 0.9, begin=5.1, end=9.0).value == pytest.approx(1.0)


def test_reasons_are_heard(pendulum):
    trace = played(pendulum)
    trace.reasons[210:220] = int(Reason.SENSOR_STALE | Reason.RECOVERING)
    assert judge(pendulum, trace, facts(course()), "says", 0.3, reason="sensor_stale").value == pytest.approx(
        0.203
    )
    assert judge(pendulum, trace, facts(), "says", 5.0, reason="recovering").value == pytest.approx(4.203)
    assert judge(pendulum, trace, facts(), "says", 5.0, reason="stopped").value is None
    # A fault and `from` together: the later of the two.
    late = {"reason": "sensor_stale", "begin": 4.3}
    for options in (late, late | {"fault": 0}):
        assert judge(pendulum, trace, facts(course()), "says", 5.0, **options).value == pytest.approx(0.003)


def test_drive_timeouts_and_rejected_commands(pendulum):
    known = facts(drive_timeouts=2, rejected_commands=1)
    assert judge(pendulum, played(pendulum), known, "drive_timeouts", 2.0).passed
    assert not judge(pendulum, played(pendulum), known, "drive_timeouts", 1.0).passed
    assert not judge(pendulum, played(pendulum), known, "rejected_commands", 0.0).passed


# time


def test_latency_quantiles_are_numpy_s(pendulum):
    trace = played(pendulum)
    trace.latency[:] = np.random.default_rng(0).exponential(2e-3, STEPS)
    for name, share in (("latency_p50", 0.5), ("latency_p99", 0.99)):
        expected = np.quantile(trace.latency, share) * 1000
        assert judge(pendulum, trace, facts(), name, 1.0).value == pytest.approx(expected)
    window = trace.latency[(trace.latency_time >= 2.0) & (trace.latency_time <= 3.0)]
    found = judge(pendulum, trace, facts(), "latency_p50", 1.0, begin=2.0, end=3.0)
    assert found.value == pytest.approx(1e3 * np.quantile(window, 0.5))
    trace.latency[5] = np.nan
    assert judge(pendulum, trace, facts(), "latency_p50", 9.0).value is None


def test_deadlines_are_missed_by_silence_and_by_being_late(pendulum):
    trace = played(pendulum)
    assert judge(pendulum, trace, facts(), "missed_deadlines", 0.0).value == 0.0
    trace.latency[[10, 11]] = 0.0201
    silent = killed_node(trace, 4.0, 4.1)  # five commands are missing
    # The reading of 4.08 s is answered by the command of 4.103 s, 22 ms later: five readings are missed, and two.
    # Those of the last period, from 9.961 s on, may still wait: 499 of 500 were due.
    found = judge(pendulum, silent, facts(), "missed_deadlines", 0.02)
    assert found.value == pytest.approx(7 / 499)
    assert found.detail == "7 of 499; the first at 0.201 s"


def test_bags(pendulum):
    assert judge(pendulum, played(pendulum), facts(bag_messages=100), "bag_messages", 100.0).passed
    assert not judge(pendulum, played(pendulum), facts(bag_messages=99), "bag_messages", 100.0).passed


# the robot


def test_shares_on_target(pendulum):
    trace = played(pendulum)
    trace.on_target[:100] = False
    assert judge(pendulum, trace, facts(), "on_target", 0.8).value == pytest.approx(0.8)
    assert judge(pendulum, trace, facts(), "on_target", 0.8).passed
    assert judge(pendulum, trace, facts(), "upright", 0.8).value == pytest.approx(0.8)
    assert judge(pendulum, trace, facts(), "on_target", 1.0, begin=2.0).passed


def test_time_that_nobody_saw_is_not_on_target(pendulum):
    trace = played(pendulum)
    short = dataclasses.replace(trace, truth_time=trace.truth_time[:250], on_target=trace.on_target[:250])
    found = judge(pendulum, short, facts(), "on_target", 0.6)
    assert found.value == pytest.approx(0.5)
    assert found.detail == "5.00 of 10.00 s; heard for 5.00 s alone"
    error = dataclasses.replace(short, error=trace.error[:250])
    assert judge(pendulum, error, facts(), "tracking_error", 1.0).value is None


def test_upright_by_the_imu(go2):
    trace = played(go2)
    limit = math.cos(go2.safety.tilt)
    trace.upright[:50], trace.upright[50:100], trace.upright[100] = limit, limit - 1e-6, np.nan
    assert judge(go2, trace, facts(), "upright", 0.9).value == pytest.approx((STEPS - 51) / STEPS)


def test_the_error_is_a_root_mean_square(ur5e):
    trace = played(ur5e)
    trace.error[:] = np.random.default_rng(1).normal(size=STEPS)
    found = judge(ur5e, trace, facts(), "tracking_error", 5.0)
    assert found.value == pytest.approx((sum(e * e for e in trace.error) / STEPS) ** 0.5)
    part = trace.error[(trace.truth_time >= 1.0) & (trace.truth_time <= 2.0)]
    found = judge(ur5e, trace, facts(), "tracking_error", 5.0, begin=1.0, end=2.0)
    assert found.value == pytest.approx(np.linalg.norm(part) / len(part) ** 0.5)
    trace.error[3] = np.nan
    assert judge(ur5e, trace, facts(), "tracking_error", 5.0).detail == "1 of 500 distances are not finite"


def test_time_to_target(pendulum):
    trace = played(pendulum)
    trace.on_target[:150] = False
    trace.on_target[100:149] = True  # from 2 s on for 0.98 s
    assert judge(pendulum, trace, facts(), "time_to_target", 3.0).value == pytest.approx(3.0)
    trace.on_target[149] = True
    assert judge(pendulum, trace, facts(), "time_to_target", 3.0).value == pytest.approx(2.0)
    trace.on_target[200:300] = False
    assert judge(pendulum, trace, facts(course()), "time_to_target", 1.0).value == pytest.approx(1.0)
    assert judge(pendulum, trace, facts(course()), "time_to_target", 9.0, begin=4.5).value == pytest.approx(
        1.5
    )
    lasting = facts(course("weak", BODY, ended=NEVER, magnitude=0.5, messages=0))
    assert judge(pendulum, trace, lasting, "time_to_target", 9.0).value == pytest.approx(2.0)
    trace.on_target[460:] = False
    never = judge(pendulum, trace, facts(), "time_to_target", 9.0, begin=9.0)
    assert (never.value, never.passed) == (None, False)


def test_falls_of_simulated_and_of_real_robots(go2, pendulum):
    assert judge(go2, played(go2), facts(), "falls", 0.0).passed
    fell = judge(go2, played(go2), facts(fell_at=3.2), "falls", 0.0)
    assert (fell.value, fell.margin, fell.detail) == (1.0, -1.0, "fell at 3.20 s")
    trace = played(go2)
    expected = scenario(Expectation("falls", 0.0), robot="real")
    assert findings(expected, go2, trace, facts())[-1].passed
    trace.upright[300] = 0.0
    assert findings(expected, go2, trace, facts())[-1].detail == "beyond its tilt limit at 6.00 s"
    assert findings(expected, pendulum, played(pendulum), facts())[-1].value is None


def test_figures_are_there_whether_or_not_they_are_expected(pendulum):
    trace = in_safe_mode(played(pendulum), 4.0, 5.0)
    trace.on_target[:50] = False
    found = figures(scenario(), pendulum, trace, facts(course(), fell_at=1.0))
    assert list(found) == list(FIGURES)
    assert found["on_target"] == pytest.approx(0.9)
    assert found["tracking_error"] == 0.0
    assert found["time_to_target"] == 0.0  # after the fault
    assert found["time_to_recover"] == pytest.approx(0.003)
    assert found["safe_share"] == pytest.approx(0.1)
    assert found["fell"] == 1.0
    nothing = figures(scenario(), pendulum, Trace(), facts())
    assert set(nothing.values()) == {None}


def test_the_last_word_is_the_safe_command(pendulum):
    trace = killed_node(played(pendulum), 4.05, 6.5)
    known = facts(course("restarted", NODE, ended=12.0, messages=0), restarts=[(4.06, 6.5)])
    # Commands reach the robot at 4.004, 4.024 and 4.044 s, with 0.1 N m; then the node is gone.
    found = judge(pendulum, trace, known, "last_word", 0.2)
    assert (found.value, found.detail) == (None, "the last command, at 4.044 s, was not the safe one")
    last = np.flatnonzero(trace.applied_time < 5.0)[-1]
    trace.applied[last] = 0.0
    assert judge(pendulum, trace, known, "last_word", 0.2).value == pytest.approx(0.044)
    assert judge(pendulum, trace, facts(course()), "last_word", 0.2).detail == "the node did not end"


def test_the_last_word_of_a_position_robot_is_where_its_joints_were_seen(ur5e):
    trace = killed_node(played(ur5e), 4.05, 6.5)
    known = facts(course("restarted", NODE, ended=12.0, messages=0), restarts=[(4.06, 6.5)])
    assert judge(ur5e, trace, known, "last_word", 0.2).value == pytest.approx(0.004)
    trace.applied[np.flatnonzero(trace.applied_time < 5.0)[-1], 2] += 0.01
    assert judge(ur5e, trace, known, "last_word", 0.2).value is None


def test_a_successor_s_belief_counts_from_its_first_command(pendulum):
    trace = killed_node(played(pendulum), 4.05, 6.5)
    known = facts(course("restarted", NODE, ended=9.0, messages=0), restarts=[(4.06, 6.503)])
    options = {"parameter": "payload_mass", "tolerance": 0.1, "fault": 0}
    assert judge(pendulum, trace, known, "adapted_within", 0.1, **options).value == pytest.approx(
        0.0, abs=1e-6
    )
    trace.belief_mean[(trace.belief_time > 6.4) & (trace.belief_time < 7.0), 0] = 1.3
    # Right from 7.003 s on.
    assert judge(pendulum, trace, known, "adapted_within", 0.1, **options).value == pytest.approx(0.5)
    dead = facts(course("restarted", NODE, ended=9.0, messages=0), restarts=[(4.06, NEVER)])
    assert judge(pendulum, trace, dead, "adapted_within", 9.0, **options).value is None


def test_commands_in_a_control_period(pendulum):
    trace = played(pendulum)
    assert judge(pendulum, trace, facts(), "commands_per_period", 1.1).value == pytest.approx(1.0, abs=0.01)
    assert judge(pendulum, killed_node(trace, 4.0, 6.0), facts(), "commands_per_period", 1.1).value is None
    twice = np.repeat(trace.command_time, 2), np.repeat(trace.command, 2, axis=0)
    trace.command_time, trace.command = twice
    assert judge(pendulum, trace, facts(), "commands_per_period", 1.1).value == pytest.approx(2.0, abs=0.01)


def test_commands_ahead_of_their_rate(slow):
    trace = played(slow, 0.0)
    # Three steps that a period each would allow, of which the last two come 3 ms after the one before: each is ahead by
    # 17 ms, and the next command is on time.
    step = slow.command_rate * slow.period
    for number in range(3):
        trace.command[100 + number :] += step
    trace.command_time[101:103] = trace.command_time[100] + [0.003, 0.006]
    assert judge(slow, trace, facts(), "ahead_of_rate", 30.0).value == pytest.approx(34.0)


def test_commands_that_a_fault_drives_beyond_their_limits_are_the_drive_s_to_refuse(pendulum):
    trace = played(pendulum)
    trace.applied[100:] = 9.0
    assert not judge(pendulum, trace, facts(), "command_limits", 1.0).passed
    amplified = facts(course("amplified", COMMANDS, magnitude=4.0))
    assert judge(pendulum, trace, amplified, "command_limits", 1.0).passed
    trace.command[100:] = 9.0
    assert not judge(pendulum, trace, amplified, "command_limits", 1.0).passed


def by_name(found: list) -> dict:
    return {finding.name: finding for finding in found}


def test_a_node_that_hangs_is_missed_whatever_else_was_expected(pendulum):
    trace = played(pendulum)
    heard = trace.command_time < 3.0
    trace.command_time, trace.command = trace.command_time[heard], trace.command[heard]
    found = by_name(findings(scenario(Expectation("peak_velocity", 1.0)), pendulum, trace, facts()))
    assert found["peak_velocity"].passed
    assert found["silence"].value == pytest.approx(10.0 - 3.0, abs=0.05)
    assert not found["silence"].passed


def test_a_node_that_is_told_to_end_may_be_silent_until_its_successor_speaks(pendulum):
    trace = played(pendulum)
    quiet = (trace.command_time > 4.0) & (trace.command_time < 6.0)
    trace.command_time, trace.command = trace.command_time[~quiet], trace.command[~quiet]
    told = course("restarted", NODE, begun=4.0, ended=6.5)
    known = facts(told, restarts=[(4.9, 5.9)])
    assert by_name(findings(scenario(), pendulum, trace, known))["silence"].passed


def test_a_run_without_its_faults_shows_nothing(pendulum):
    known = facts(course(), course(begun=NEVER), course(messages=0))
    found = by_name(findings(scenario(), pendulum, played(pendulum), known))["faults_missed"]
    assert (found.value, found.passed) == (2.0, False)
    assert "fault 1 (joints nan) never began" in found.detail
    assert "fault 2 (joints nan) met no message" in found.detail


def test_who_was_in_safe_mode_already_did_not_go_there_for_the_fault(pendulum):
    fault = course()
    trace = in_safe_mode(played(pendulum), fault.begun - 1.0, fault.begun + 1.0)
    found = judge(pendulum, trace, facts(fault), "time_to_safe", 9.0)
    assert found.value is None
    assert "in safe mode already" in found.detail
