"""What passes the relay's streams: bytes as they came, or what faults make of them. Publishers are lists here."""

from __future__ import annotations

import dataclasses
import math
from array import array
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Point, PointStamped, Pose, PoseStamped, Quaternion, Twist, TwistStamped, Vector3
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, Header

from robots import RobotSpec
from ros_bridge.commands import command_codec
from ros_bridge.conversions import to_reading, to_stamp
from ros_bridge.errors import BridgeError
from ros_bridge.hil.events import Event, event_message, read_event
from ros_bridge.hil.fault import START
from ros_bridge.hil.relay import Relay
from ros_bridge.hil.samples import IMU_SAMPLES, JOINT_SAMPLES, SampleCodec, command_samples, goal_samples
from ros_bridge.hil.schedule import BODY, COMMANDS, GOALS, IMU, JOINTS, MACHINE, NODE, Fault
from ros_bridge.hil.stream import Stream
from ros_bridge.imu import ABSENT, to_imu_reading
from tests.ros_bridge.stand_ins import imu_state, joint_state

STAMP = 1_700_000_000.25


class Published(list[Any]):
    """In the place of a publisher."""

    def publish(self, message: Any) -> None:
        self.append(message)


def stream(codec: SampleCodec) -> tuple[Stream, Published]:
    out = Published()
    return Stream(codec, out), out  # pyright: ignore[reportArgumentType]


def joints(go2: RobotSpec) -> JointState:
    names = go2.joint_names
    message = joint_state(STAMP, names, tuple(np.linspace(0.1, 1.2, 12)), tuple(np.linspace(-1, 1, 12)))
    message.effort = array("d", range(12))
    message.header.frame_id = "base_link"
    return message


def fault(kind: str, target: str = JOINTS, **more: Any) -> Fault:
    return Fault(kind, target, 0.0, 1.0, **more)


@pytest.mark.parametrize("codec", [JOINT_SAMPLES, IMU_SAMPLES])
def test_without_a_fault_the_very_bytes_pass_at_once(codec):
    through, out = stream(codec)
    assert through.pass_on(b"not even a message", 1.0) == []
    assert out == [b"not even a message"]


def test_a_message_that_is_read_and_written_is_the_same(go2):
    for codec, message in ((JOINT_SAMPLES, joints(go2)), (IMU_SAMPLES, imu_state(STAMP))):
        sample = codec.read(message)
        assert sample is not None
        again = codec.write(deserialize_message(serialize_message(message), codec.kind), sample)
        assert serialize_message(again) == serialize_message(message)


def test_the_node_sees_the_broken_joint_and_nothing_else_changed(go2):
    through, out = stream(JOINT_SAMPLES)
    through.begin(7, fault("nan", joints=("FR_calf_joint",), field="velocity"), 1.0)
    assert through.pass_on(serialize_message(joints(go2)), 1.0) == [7]
    assert through.pass_on(serialize_message(joints(go2)), 1.02) == []
    through.release(1.02)
    assert through.end(7, 1.04) == 2
    (message, _), whole = out, joints(go2)
    assert to_reading(message, go2).problem == "velocity of 'FR_calf_joint' is nan"
    place = go2.joint_names.index("FR_calf_joint")
    assert math.isnan(message.velocity[place])
    message.velocity[place] = whole.velocity[place]
    assert message == whole


def test_a_missing_field_of_the_imu_is_marked_as_absent(go2):
    through, out = stream(IMU_SAMPLES)
    through.begin(0, fault("missing", IMU, field="orientation"), 1.0)
    through.pass_on(serialize_message(imu_state(STAMP)), 1.0)
    through.release(1.0)
    assert out[0].orientation_covariance[0] == ABSENT
    reading = to_imu_reading(out[0], go2)
    assert reading.problem is not None
    assert "`orientation` is marked as absent" in reading.problem
    assert out[0].angular_velocity == imu_state(STAMP).angular_velocity


def test_messages_that_wait_for_others_come_when_the_fault_is_over():
    through, out = stream(JOINT_SAMPLES)
    through.begin(0, fault("bursts", magnitude=5.0), 1.0)
    for number in range(3):
        through.pass_on(bytes([number]), 1.0 + 0.02 * number)
    through.release(1.1)
    assert out == []
    assert through.end(0, 1.1) == 3
    through.pass_on(b"next", 1.11)
    through.release(1.11)
    assert out == [b"\0", b"\1", b"\2", b"next"]


def test_numbers_break_before_messages_are_late(go2):
    through, out = stream(JOINT_SAMPLES)
    through.begin(0, fault("unstamped"), 1.0)
    through.begin(1, fault("delayed", magnitude=0.1), 1.0)
    through.pass_on(serialize_message(joints(go2)), 1.0)
    through.release(1.09)
    assert out == []
    through.release(1.11)
    assert to_reading(out[0], go2).problem == "header.stamp is not set"


def test_saturated_commands_are_cut_to_their_share_of_the_limits(pendulum):
    through, out = stream(command_samples(pendulum))
    through.begin(0, fault("saturated", COMMANDS, magnitude=0.4), 1.0)
    for torque in (2.5, -2.5, 0.3):
        through.pass_on(serialize_message(Float64MultiArray(data=array("d", [torque]))), 1.0)
    through.release(1.0)
    assert [message.data[0] for message in out] == pytest.approx([1.0, -1.0, 0.3])  # 0.4 x 2.5 N m


@pytest.mark.parametrize(
    "kind", ["std_msgs/Float64MultiArray", "trajectory_msgs/JointTrajectory", "sensor_msgs/JointState"]
)
def test_saturated_commands_stay_of_their_type(go2, kind):
    spec = dataclasses.replace(go2, ros=dataclasses.replace(go2.ros, command_type=kind))
    codec, (through, out) = command_codec(spec), stream(command_samples(spec))
    through.begin(0, fault("saturated", COMMANDS, magnitude=0.1), 1.0)
    through.pass_on(serialize_message(codec.message(spec.command_limits[1], STAMP)), 1.0)
    through.release(1.0)
    low, high = spec.command_limits
    assert codec.read(out[0]) == pytest.approx((low + high) / 2 + 0.1 * (high - low) / 2)


@pytest.mark.parametrize("data", [[0.1, 0.2], []])
def test_commands_that_cannot_be_read_pass_as_they_are(pendulum, data):
    through, out = stream(command_samples(pendulum))
    raw = serialize_message(Float64MultiArray(data=array("d", data)))
    through.begin(0, fault("saturated", COMMANDS, magnitude=0.4), 1.0)
    through.pass_on(raw, 1.0)
    through.release(1.0)
    assert out == [raw]


def test_a_nan_command_is_not_made_sound_by_saturation(pendulum):
    through, out = stream(command_samples(pendulum))
    through.begin(0, fault("saturated", COMMANDS, magnitude=0.4), 1.0)
    through.pass_on(serialize_message(Float64MultiArray(data=array("d", [math.nan]))), 1.0)
    through.release(1.0)
    assert math.isnan(out[0].data[0])


def test_events_survive_their_message():
    event = Event("begun", 1.25, 3, 4)
    assert read_event(event_message(event)) == event


def test_robot_and_node_need_namespaces_of_their_own(ros, pendulum):
    with pytest.raises(BridgeError, match="robot and node need one each"):
        Relay(pendulum, [], "left", "/left")


def test_the_relay_of_a_robot_without_namespace_is_between_it_and_the_node(ros, go2):
    relay = Relay(go2, [], "", "node")
    try:
        heard = {subscription.topic_name for subscription in relay.subscriptions}
        assert {"/joint_states", "/imu", "/cmd_vel", "/node/position_controller/commands"} <= heard
        said = {publisher.topic_name for publisher in relay.publishers}
        assert {"/node/joint_states", "/node/imu", "/node/cmd_vel", "/position_controller/commands"} <= said
        assert not heard & said
    finally:
        relay.destroy_node()


def said(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, float, int]]:
    """What the relay says of its faults: what, number, when, messages."""
    heard = list[tuple[str, int, float, int]]()

    class Ears:
        def publish(self, message: Any) -> None:
            event = read_event(message)
            heard.append((event.what, event.index, round(event.at, 6), event.touched))

    monkeypatch.setattr(relay, "_events", Ears())
    return heard


def clock(relay: Relay, now: float) -> None:
    """`/clock` says so."""
    relay._on_clock(Clock(clock=to_stamp(now)))


def test_the_relay_tells_of_all_faults_and_goes_by_the_clock_that_it_is_given(ros, go2, monkeypatch):
    faults = [
        Fault("delayed", JOINTS, 0.06, 1.0, 0.1),
        Fault("push", BODY, 0.02, 0.1, 50.0),
        Fault("paused", NODE, 0.2, 0.02),
    ]
    relay = Relay(go2, faults, "robot", "node", sim_time=True)
    try:
        heard, out, count = said(relay, monkeypatch), Published(), list[int]()
        monkeypatch.setattr(relay._streams[JOINTS], "_publisher", out)
        relay._on_message(JOINTS, b"before there is a clock")
        for step in range(60):
            clock(relay, 10.0 + 0.02 * step)
            relay._on_message(JOINTS, bytes([step]))
            if step == 1:
                relay._on_message(COMMANDS, b"the first one")  # zero: 10.02
            count.append(len(out))
    finally:
        relay.destroy_node()
    assert heard == [
        ("started", -1, 10.02, 0),
        ("begun", 1, 10.04, 0),
        ("begun", 0, 10.08, 0),
        ("touched", 0, 10.08, 0),
        ("ended", 1, 10.14, 0),
        ("begun", 2, 10.22, 0),
        ("ended", 2, 10.24, 0),
        ("ended", 0, 11.08, 50),
        ("over", -1, 11.08, 0),
    ]
    # Delayed by five steps from 10.08 on, which is step 4; what was held up comes before what follows the fault.
    assert out == [b"before there is a clock", *(bytes([step]) for step in range(60))]
    assert count[3:10] == [5, 5, 5, 5, 5, 5, 6]
    assert count[53:59] == [50, 51, 52, 53, 54, 60]


def test_a_relay_that_takes_over_goes_on_in_the_middle(ros, pendulum, monkeypatch):
    faults = [Fault("lost", MACHINE, 1.0, 1.0), Fault("bias", JOINTS, 0.5, 3.0, 0.4, ramp=2.0)]
    relay = Relay(pendulum, faults, "robot", "node", sim_time=True)
    try:
        relay.resume(5.0)
        heard, out = said(relay, monkeypatch), Published()
        monkeypatch.setattr(relay._streams[JOINTS], "_publisher", out)
        relay._on_message(COMMANDS, b"nobody starts it again")
        clock(relay, 7.0)
        relay._on_message(JOINTS, serialize_message(joint_state(STAMP, ("pivot",), (0.1,), (0.0,))))
    finally:
        relay.destroy_node()
    assert heard == [("ended", 0, 7.0, 0), ("touched", 1, 7.0, 0)]
    assert out[0].position[0] == pytest.approx(0.4)  # 1.5 s of a ramp of 2 s to 0.4: 0.1 + 0.3


def test_a_fault_that_the_robot_cannot_have_is_refused(ros, pendulum):
    with pytest.raises(BridgeError, match=r"fault 0 \(imu off\): pendulum has no IMU"):
        Relay(pendulum, [fault("off", IMU)], "robot", "node")


def test_what_a_probability_spares_has_the_very_bytes_and_is_not_counted(go2):
    through, out = stream(JOINT_SAMPLES)
    through.begin(3, fault("nan", probability=0.5, seed=1), 1.0)
    raw = serialize_message(joints(go2))
    first = [through.pass_on(raw, 1.0) for _ in range(40)]
    through.release(1.0)
    met = [message for message in out if message != raw]
    assert 10 < len(met) < 30
    assert [index for new in first for index in new] == [3]
    assert through.end(3, 1.1) == len(met)


POSE = PoseStamped(
    header=Header(stamp=to_stamp(STAMP), frame_id="base"),
    pose=Pose(position=Point(x=0.4, y=-0.2, z=0.3), orientation=Quaternion(w=1.0)),
)
POINT = PointStamped(header=POSE.header, point=POSE.pose.position)
TWIST = Twist(linear=Vector3(x=0.5, y=-0.1, z=7.0), angular=Vector3(z=0.3))
NUMBERS = Float64MultiArray(data=array("d", [0.1, 0.2]))


@pytest.mark.parametrize("message", [POSE, POINT, TWIST, TwistStamped(twist=TWIST), NUMBERS])
def test_a_goal_that_is_read_and_written_is_the_same_and_its_numbers_can_be_nan(message):
    codec = goal_samples(type(message))
    sample = codec.read(message)
    assert sample is not None
    raw = serialize_message(message)
    assert serialize_message(codec.write(deserialize_message(raw, codec.kind), sample)) == raw
    through, out = stream(codec)
    through.begin(0, fault("nan", GOALS), 1.0)
    through.pass_on(raw, 1.0)
    through.release(1.0)
    told = codec.read(out[0])
    assert told is not None
    assert np.isnan(told.values["goal"]).all()


def test_a_goal_in_another_frame_is_the_same_place_there():
    through, out = stream(goal_samples(PoseStamped))
    through.begin(0, fault("frame", GOALS), 1.0)
    assert through.pass_on(serialize_message(POSE), 1.0) == [0]
    through.release(1.0)
    place = out[0].pose.position
    assert (out[0].header.frame_id, place.x, place.y, place.z) == ("turned", -0.4, 0.2, 0.3)
    assert out[0].header.stamp == POSE.header.stamp


def test_goals_without_a_frame_do_not_meet_that_fault():
    through, out = stream(goal_samples(Twist))
    through.begin(0, fault("frame", GOALS), 1.0)
    raw = serialize_message(TWIST)
    assert through.pass_on(raw, 1.0) == []
    through.release(1.0)
    assert out == [raw]
    assert through.end(0, 2.0) == 0


def test_amplified_commands_go_beyond_their_limits(pendulum):
    through, out = stream(command_samples(pendulum))
    through.begin(0, fault("amplified", COMMANDS, magnitude=4.0), 1.0)
    for torque in (2.5, -0.5):
        through.pass_on(serialize_message(Float64MultiArray(data=array("d", [torque]))), 1.0)
    through.release(1.0)
    assert [message.data[0] for message in out] == pytest.approx([10.0, -2.0])  # of 2.5 N m at most


def test_goals_are_lost_from_the_robot_s_first_word_on(ros, go2, monkeypatch):
    relay = Relay(go2, [Fault("off", GOALS, START, 1.0)], "robot", "node", sim_time=True)
    try:
        heard, out, raw = said(relay, monkeypatch), Published(), serialize_message(TWIST)
        monkeypatch.setattr(relay._streams["goals/cmd_vel"], "_publisher", out)
        clock(relay, 10.0)
        relay._on_message("goals/cmd_vel", raw)
        clock(relay, 10.9)
        relay._on_message("goals/cmd_vel", raw)
        assert out == []
        clock(relay, 11.0)
        relay._on_message("goals/cmd_vel", raw)
    finally:
        relay.destroy_node()
    assert out == [raw]
    assert heard == [("begun", 0, 10.0, 0), ("touched", 0, 10.0, 0), ("ended", 0, 11.0, 2)]
