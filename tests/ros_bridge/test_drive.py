"""What motor controllers do with commands: wrong ones are refused, old ones are let go of."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ros_bridge.drive import Drive

REST = np.zeros(1)


@pytest.fixture
def drive(pendulum) -> Drive:
    return Drive(pendulum, timeout=0.5)


def test_a_command_acts_until_the_timeout(drive):
    assert drive.accept(np.array([1.5]), now=1.0)
    assert drive.applied(1.0, REST).tolist() == [1.5]
    assert drive.applied(1.5, REST).tolist() == [1.5]
    assert drive.timeouts == 0
    assert drive.applied(1.5625, REST).tolist() == [0.0]
    assert drive.timeouts == 1


@pytest.mark.parametrize("limit", [-2.5, 2.5])
def test_the_limit_itself_is_allowed(drive, limit):
    assert drive.accept(np.array([limit]), 0.0)
    assert drive.applied(0.0, REST).tolist() == [limit]


@pytest.mark.parametrize(
    "command", [[np.nan], [np.inf], [-np.inf], [2.5001], [-2.5001], [], [0.0, 0.0], [[0.0]]]
)
def test_what_no_robot_may_get_is_rejected_and_keeps_nothing_alive(drive, command):
    drive.accept(np.array([1.0]), 0.0)
    assert not drive.accept(np.array(command), 0.25)
    assert drive.rejected == 1
    assert drive.heard == 0.0
    assert drive.applied(0.25, REST).tolist() == [1.0]  # the last good one goes on until its own timeout
    assert drive.applied(0.75, REST).tolist() == [0.0]


def test_before_the_first_command_nothing_is_applied(drive):
    assert drive.applied(0.0, REST).tolist() == [0.0]


def test_letting_go_counts_once_until_the_next_command(drive):
    for now in (0.0, 2.0, 4.0):
        drive.accept(np.array([1.0]), now)
        drive.applied(now + 1.0, REST)
        drive.applied(now + 1.5, REST)
    assert drive.timeouts == 3


def test_the_caller_keeps_its_array(drive):
    command = np.array([1.0])
    drive.accept(command, 0.0)
    command[:] = 2.0
    assert drive.applied(0.0, REST).tolist() == [1.0]


def test_a_position_drive_holds_the_place_where_it_let_go(pendulum):
    drive = Drive(dataclasses.replace(pendulum, interface="position"), timeout=0.5)
    drive.accept(np.array([3.0]), 0.0)
    assert drive.applied(1.0, np.array([2.0])).tolist() == [2.0]
    assert drive.applied(1.5, np.array([1.0])).tolist() == [2.0]
