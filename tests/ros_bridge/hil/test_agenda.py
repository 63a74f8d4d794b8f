"""When faults begin and end, and how a schedule goes on whose relay was killed. Times are worked out by hand."""

from __future__ import annotations

import math

from ros_bridge.hil.agenda import Agenda, Turn
from ros_bridge.hil.fault import START
from ros_bridge.hil.schedule import BODY, JOINTS, MACHINE, NODE, Fault

ZERO = 100.0


def begins(index: int, news: bool = True) -> Turn:
    return Turn(index, begins=True, news=news)


def ends(index: int) -> Turn:
    return Turn(index, begins=False)


def test_faults_are_numbered_as_given_and_come_in_the_order_of_time():
    agenda = Agenda(
        [Fault("off", JOINTS, 2.0, 1.0), Fault("push", BODY, 1.0, 1.5, 5.0), Fault("killed", NODE, 2.5, 1.0)]
    )
    assert list(agenda.turns(1000.0)) == []
    assert agenda.next_due == math.inf
    agenda.start(ZERO)
    assert agenda.next_due == ZERO + 1.0
    assert list(agenda.turns(ZERO + 0.9)) == []
    # 1.0 the push begins, 2.0 off begins, 2.5 the push ends and then the kill begins.
    assert list(agenda.turns(ZERO + 2.6)) == [begins(1), begins(0), ends(1), begins(2)]
    assert not agenda.ends_now()
    assert list(agenda.turns(ZERO + 10.0)) == [ends(0), ends(2)]
    assert agenda.ends_now()
    assert not agenda.ends_now()


def test_a_step_of_simulated_time_is_not_missed_by_rounding():
    agenda = Agenda([Fault("off", JOINTS, 0.7, 0.1)])
    assert 0.1 + 0.7 < 0.8  # 0.7999999999999999
    agenda.start(0.1 + 1e-12)
    assert list(agenda.turns(0.8)) == [begins(0)]


# Killed at 3 s by the fault `lost`, back at 5.5 s.
SCHEDULE = [
    Fault("off", JOINTS, 0.5, 1.0),  # over before
    Fault("nan", JOINTS, 2.0, 2.0),  # at work then, over now
    Fault("weak", BODY, 2.5, 5.0, 0.5),  # at work then and now
    Fault("lost", MACHINE, 3.0, 2.0),
    Fault("push", BODY, 3.5, 1.0, 9.0),  # between
    Fault("bias", JOINTS, 4.0, 3.0, 0.1),  # began between
    Fault("inf", JOINTS, 6.0, 1.0),  # to come
]


def test_who_takes_over_from_a_relay_that_was_killed_says_only_what_is_new():
    agenda = Agenda(SCHEDULE)
    agenda.resume(ZERO, ZERO + 5.5)
    assert agenda.zero == ZERO
    assert list(agenda.turns(ZERO + 5.5)) == [
        begins(1, news=False),
        begins(2, news=False),
        begins(3, news=False),
        begins(4),
        ends(1),
        begins(5),
        ends(4),
        ends(3),
    ]
    assert list(agenda.turns(ZERO + 8.0)) == [begins(6), ends(5), ends(6), ends(2)]
    assert agenda.ends_now()


def test_without_a_fault_that_kills_it_everything_until_now_was_said():
    agenda = Agenda([fault for fault in SCHEDULE if fault.kind != "lost"])
    agenda.resume(ZERO, ZERO + 5.5)
    assert list(agenda.turns(ZERO + 5.5)) == [begins(2, news=False), begins(4, news=False)]


def test_after_the_end_nothing_is_said_again():
    agenda = Agenda(SCHEDULE[:1])
    agenda.resume(ZERO, ZERO + 5.5)
    assert list(agenda.turns(ZERO + 6.0)) == []
    assert not agenda.ends_now()


def test_a_fault_of_the_start_begins_with_the_robot_and_lasts_from_there():
    agenda = Agenda([Fault("off", JOINTS, 0.5, 1.0), Fault("nan", JOINTS, START, 2.0)])
    assert list(agenda.turns(1000.0)) == []
    agenda.wake(ZERO)
    agenda.wake(ZERO + 1.0)  # it speaks again
    assert list(agenda.turns(ZERO + 1.9)) == [begins(1)]
    assert list(agenda.turns(ZERO + 2.0)) == [ends(1)]
    assert not agenda.ends_now()  # nobody has commanded anything yet
    agenda.start(ZERO + 5.0)
    assert agenda.next_due == ZERO + 5.5
    assert list(agenda.turns(ZERO + 9.0)) == [begins(0), ends(0)]
    assert agenda.ends_now()


def test_what_was_at_work_from_the_start_is_over_for_who_takes_over():
    agenda = Agenda([Fault("nan", JOINTS, START, 2.0), Fault("off", JOINTS, 3.0, 1.0)])
    agenda.resume(ZERO, ZERO + 1.0)
    agenda.wake(ZERO + 1.0)
    assert list(agenda.turns(ZERO + 9.0)) == [begins(1), ends(1)]
