"""What is known of a real robot before it is driven, and what stops it, by clocks that tests turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robots import RobotSpec
from ros_bridge.errors import ProcessError
from ros_bridge.hil.running.domains import UsersDomain
from ros_bridge.hil.running.real_robot import RealRobot, too_early
from ros_bridge.hil.scenario.scenario import Limits, Scenario
from ros_bridge.hil.schedule import Fault
from tests.ros_bridge.stand_ins import imu_reading, reading

WALL = 1e9
"""System time when the steady clock is at 0, in [s]."""


class Watched:
    """A robot and its clock. `speed` and `tilt` are what its readings say."""

    def __init__(self, spec: RobotSpec):
        self.spec, self.now = spec, 0.0
        self.robot = RealRobot(spec, Limits(), lambda: self.now)

    def pass_time(self, seconds: float, joints: int = 1, imu: int = 1, speed: float = 0.0) -> None:
        """Of every so many periods each sensor is heard in one; 0: in none."""
        spec = self.spec
        for step in range(round(seconds / spec.period)):
            self.now += spec.period
            stamp, count = WALL + self.now, len(spec.joints)
            if joints and step % joints == 0:
                frame = replace(
                    reading(stamp).frame,
                    position=spec.default_position[None],
                    velocity=np.full((1, count), speed),
                )
                self.robot.hear_joints(replace(reading(stamp), frame=frame), stamp)
            if spec.imu and imu and step % imu == 0:
                self.robot.hear_imu(imu_reading(stamp, joints=count), stamp)


def test_it_is_looked_at_for_two_seconds_from_when_all_its_sensors_speak(go2):
    late = Watched(go2)
    late.pass_time(6.0, imu=0)
    assert not late.robot.looked_at
    late.pass_time(1.9)
    assert not late.robot.looked_at
    late.pass_time(0.2)
    assert late.robot.looked_at
    assert late.robot.problems([]) == [], "that the IMU came later is no fault"


def test_what_a_sensor_said_before_the_others_does_not_count_as_more_of_it(go2):
    slow = Watched(go2)
    slow.pass_time(8.0, joints=0, imu=3)  # a third of the rate: over 10 s as many readings as are due in 2 s
    slow.pass_time(2.1, imu=3)
    assert slow.robot.looked_at
    (problem, *_) = slow.robot.problems([])
    assert problem.startswith(f"{go2.imu.topic}: ")
    assert "readings per s; expected at least" in problem


def test_a_robot_that_is_not_to_be_found_is_given_up(go2):
    lost = Watched(go2)
    lost.pass_time(14.9, joints=0)
    assert not lost.robot.looked_at
    lost.pass_time(0.2, joints=0)
    assert lost.robot.looked_at
    assert lost.robot.problems([]) == [f"{go2.ros.joint_states}: nothing came in 15.1 s"]


def test_each_thing_that_is_wrong_is_said_once(pendulum):
    noisy = Watched(pendulum)
    for speed in (3.0, 4.0, 5.0):
        noisy.pass_time(0.8, speed=speed)
    assert noisy.robot.problems(["/a"]) == [
        f"{pendulum.ros.commands}: /a commands the robot already",
        "pivot: moves at 3 rad/s; expected a robot at rest",
    ]


def test_no_stamps_are_a_problem(pendulum):
    watched = Watched(pendulum)
    watched.robot.hear_joints(replace(reading(0.0), problem="header.stamp is not set"), WALL)
    watched.pass_time(2.1)
    assert watched.robot.problems([])[-1] == f"{pendulum.ros.joint_states}: header.stamp is not set"


def driven(spec: RobotSpec) -> Watched:
    watched = Watched(spec)
    watched.pass_time(2.1)
    watched.robot.drive()
    return watched


def test_the_first_thing_beyond_a_limit_is_what_it_was_stopped_by(pendulum):
    watched = driven(pendulum)
    watched.pass_time(0.1)
    assert watched.robot.stopped == ""
    watched.pass_time(0.04, speed=1e3)
    watched.robot.hear_command("4 numbers for 1 joints")
    assert watched.robot.stopped.startswith("pivot moves at 1000 rad/s; valid")


@pytest.mark.parametrize("command", [np.array([np.nan]), np.array([1e3]), "4 numbers for 1 joints"])
def test_a_command_that_no_robot_may_get_stops_it(pendulum, command):
    watched = driven(pendulum)
    watched.robot.hear_command(command)
    assert watched.robot.stopped


def test_silence_of_any_sensor_stops_it(go2):
    for silent in ("joints", "imu"):
        watched = driven(go2)
        watched.pass_time(0.48, **{silent: 0})
        watched.robot.look([])
        assert watched.robot.stopped == ""
        watched.pass_time(0.1, **{silent: 0})
        watched.robot.look([])
        topic = go2.ros.joint_states if silent == "joints" else go2.imu.topic
        assert watched.robot.stopped.startswith(f"{topic}: nothing came in 0.58 s")


def test_somebody_else_who_commands_it_stops_it(pendulum):
    watched = driven(pendulum)
    for others, seconds in ((["/?"], 0.44), ([], 0.02), (["/teleop"], 0.44)):
        watched.robot.look(others)
        watched.pass_time(seconds)
        watched.robot.look(others)
    assert watched.robot.stopped == "", "each for less than 0.5 s"
    watched.pass_time(0.1)
    watched.robot.look(["/teleop"])
    assert watched.robot.stopped == f"{pendulum.ros.commands}: /teleop commands the robot, too"


def test_what_it_does_when_it_was_let_go_of_breaks_no_limit(pendulum):
    watched = driven(pendulum)
    watched.robot.let_go()
    watched.pass_time(1.0, speed=1e3)
    watched.pass_time(1.0, joints=0)
    watched.robot.look(["/teleop"])
    assert watched.robot.stopped == ""


def test_faults_while_commands_are_eased_in_are_too_early():
    early, late = Fault("nan", "joints", 2.99, 1.0), Fault("nan", "joints", 3.0, 1.0)
    assert too_early(Scenario("", "", "", "", 9.0, faults=(late, early))) == [early]


def test_one_runner_at_a_time_has_the_users_domain(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    with UsersDomain(tmp_path) as first:
        assert first.domain == 42
        assert first.environment == {"ROS_DOMAIN_ID": "42"}, "the robot may be another computer"
        with pytest.raises(ProcessError, match="ROS domain 42: another runner drives a robot there"):
            UsersDomain(tmp_path)
    UsersDomain(tmp_path).release()
    for unset in ("", None):
        monkeypatch.delenv("ROS_DOMAIN_ID") if unset is None else monkeypatch.setenv("ROS_DOMAIN_ID", unset)
        with UsersDomain(tmp_path) as usual:
            assert usual.domain == 0
    for wrong in ("-1", "seven", "233", "4.0"):
        monkeypatch.setenv("ROS_DOMAIN_ID", wrong)
        with pytest.raises(ProcessError, match=f"ROS_DOMAIN_ID '{wrong}': expected a number from 0 to 232"):
            UsersDomain(tmp_path)
