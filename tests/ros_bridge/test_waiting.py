"""`SensorsFirst`: messages are served at once and in order, all else in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger

from ros_bridge import topics
from ros_bridge.lifetime import POLL
from ros_bridge.waiting import SensorsFirst
from tests.ros_bridge.patience import until

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures("ros")]


class Listener:
    """A node with an IMU, joints, a service and a timer; a second node that speaks to it."""

    def __init__(self) -> None:
        self.node, self.speaker = Node("listener"), Node("speaker")
        self.heard: list[str] = []
        self.ticks = 0
        self.imu = self.node.create_subscription(
            Imu, "imu", lambda _: self.heard.append("imu"), topics.SENSOR_QOS
        )
        self.joints = self.node.create_subscription(
            JointState, "joints", lambda _: self.heard.append("joints"), topics.SENSOR_QOS
        )
        self.node.create_service(Trigger, "serve", self._serve)
        self.timer = self.node.create_timer(0.05, self._tick)
        self.spin = SensorsFirst()
        self.spin.add_node(self.node)
        self.says = {
            "imu": self.speaker.create_publisher(Imu, "imu", topics.COMMAND_QOS),
            "joints": self.speaker.create_publisher(JointState, "joints", topics.COMMAND_QOS),
        }
        self.client = self.speaker.create_client(Trigger, "serve")
        self.beyond = SingleThreadedExecutor()
        self.beyond.add_node(self.speaker)
        until(lambda: all(says.get_subscription_count() for says in self.says.values()))
        until(self.client.service_is_ready)

    def say(self, name: str) -> None:
        self.says[name].publish(Imu() if name == "imu" else JointState())

    def turn(self) -> None:
        self.spin.spin_once(0.01)

    def close(self) -> None:
        self.spin.shutdown()
        self.beyond.shutdown()
        self.node.destroy_node()
        self.speaker.destroy_node()

    def _tick(self) -> None:
        self.ticks += 1

    def _serve(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = True
        return response


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def test_messages_and_timers_are_served(listener):
    listener.say("joints")
    until(lambda: listener.heard == ["joints"] and listener.ticks >= 3, listener.turn)


def test_what_was_created_first_is_served_first_whatever_came_first(listener):
    for _ in range(20):
        listener.heard.clear()
        listener.say("joints")
        listener.say("imu")
        time.sleep(0.05)  # both are there
        until(lambda: len(listener.heard) == 2, listener.turn)
        assert listener.heard == ["imu", "joints"]


def test_one_message_of_each_at_a_turn(listener):
    """A stream that is faster than its callback leaves turns to the others."""
    listener.node.destroy_subscription(listener.joints)
    listener.node.create_subscription(JointState, "joints", lambda _: listener.heard.append("j"), 10)
    until(lambda: listener.says["joints"].get_subscription_count() == 1, listener.turn)
    deep = listener.speaker.create_publisher(JointState, "joints", 10)
    until(lambda: deep.get_subscription_count() == 1)
    listener.turn()
    for _ in range(3):
        deep.publish(JointState())
    time.sleep(0.1)
    listener.turn()
    assert listener.heard == ["j"]
    until(lambda: listener.heard == ["j"] * 3, listener.turn)


def test_services_are_answered_while_sensors_stream(listener):
    over = threading.Event()

    def stream() -> None:
        begin, count = time.monotonic(), 0
        while not over.is_set():
            listener.say("imu")
            listener.say("joints")
            count += 1
            time.sleep(max(begin + count / 500 - time.monotonic(), 0.0))

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        until(lambda: len(listener.heard) > 50, listener.turn)
        for _ in range(5):
            asked, ticks = time.monotonic(), listener.ticks
            future = listener.client.call_async(Trigger.Request())

            def turn() -> None:
                listener.turn()
                listener.beyond.spin_once(timeout_sec=0.0)

            until(future.done, turn)
            assert future.result().success
            assert time.monotonic() - asked < 1.0
            until(lambda before=ticks: listener.ticks > before, listener.turn)
    finally:
        over.set()
        thread.join()


def test_a_wait_ends_in_time_for_a_stop_flag(listener):
    listener.node.destroy_timer(listener.timer)
    for _ in range(3):  # what is left to do after the timer
        listener.spin.spin_once(POLL)
    began = time.monotonic()
    listener.spin.spin_once(POLL)
    assert time.monotonic() - began < POLL + 0.1  # a slow machine
    began = time.monotonic()
    listener.spin.spin_once(10.0)
    assert time.monotonic() - began < 1.0  # never longer than the others have to wait for their turn


def test_a_subscription_that_a_callback_destroys_is_not_served(listener):
    listener.node.destroy_subscription(listener.imu)
    listener.node.destroy_subscription(listener.joints)
    doomed = []

    def destroy(_: Imu) -> None:
        listener.heard.append("imu")
        listener.node.destroy_subscription(doomed[0])

    listener.node.create_subscription(Imu, "imu", destroy, topics.SENSOR_QOS)
    doomed.append(
        listener.node.create_subscription(
            JointState, "joints", lambda _: listener.heard.append("joints"), topics.SENSOR_QOS
        )
    )
    until(lambda: all(says.get_subscription_count() == 1 for says in listener.says.values()), listener.turn)
    listener.say("joints")
    listener.say("imu")
    time.sleep(0.05)
    until(lambda: listener.heard, listener.turn)
    for _ in range(5):
        listener.turn()
    assert listener.heard == ["imu"]
    until(lambda: listener.says["joints"].get_subscription_count() == 0, listener.turn)


def test_a_subscription_destroyed_while_it_is_waited_for(listener):
    listener.node.destroy_timer(listener.timer)
    listener.turn()
    thread = threading.Timer(0.03, listener.node.destroy_subscription, [listener.joints])
    thread.start()
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        listener.spin.spin_once(POLL)
    thread.join()
    listener.say("joints")
    listener.say("imu")
    until(lambda: listener.heard, listener.turn)
    assert listener.heard == ["imu"]


def test_a_new_subscription_is_served_too(listener):
    listener.turn()
    more = []
    listener.node.create_subscription(JointState, "joints", more.append, topics.SENSOR_QOS)
    until(lambda: listener.says["joints"].get_subscription_count() == 2, listener.turn)
    listener.say("joints")
    until(lambda: more and listener.heard == ["joints"], listener.turn)


def test_parameters_can_be_set_and_errors_are_raised(listener):
    assert listener.node.set_parameters([Parameter("use_sim_time", value=True)])[0].successful
    listener.turn()  # a subscription to /clock has come

    def fail(_: Imu) -> None:
        raise ArithmeticError("of a callback")

    listener.node.create_subscription(Imu, "imu", fail, topics.SENSOR_QOS)
    until(lambda: listener.says["imu"].get_subscription_count() == 2, listener.turn)
    listener.say("imu")
    with pytest.raises(ArithmeticError, match="of a callback"):
        until(lambda: False, listener.turn, timeout=10.0)


def test_afterwards_an_executor_serves_the_node(listener):
    listener.turn()
    listener.spin.shutdown()
    executor = SingleThreadedExecutor()
    executor.add_node(listener.node)
    listener.say("joints")
    until(lambda: listener.heard == ["joints"], lambda: executor.spin_once(timeout_sec=0.01))
    executor.shutdown()


def test_one_node_alone(listener):
    with pytest.raises(ValueError, match="speaker: serves listener already"):
        listener.spin.add_node(listener.speaker)
    assert rclpy.ok()
