"""A refusal is told when it changes, however often it is asked for, and a lifecycle manager cannot break the node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from adapt.bundle import PolicyBundle
from robots import RobotSpec
from ros_bridge.deploy import AutoStart
from ros_bridge.node import AdaptationNode
from ros_bridge.refusals import Refusals
from tests.ros_bridge.bench import FAILURE, PERIOD, Bench
from tests.ros_bridge.robot_stand_in import RobotStandIn
from tests.ros_bridge.stand_ins import joint_state

NAMESPACE = "refused"


def test_numbers_alone_make_no_new_refusal_but_joints_do():
    refusals = Refusals()
    old = "joint_states: the newest reading is {} s old"
    said = [
        (old.format("0.0712"), True),
        (old.format("0.0913"), False),
        (old.format("1.2e+03"), False),
        ("joint_states: joint 'wrist_1_joint' is at 6.3 rad; valid: -6.283 to 6.283 rad", True),
        ("joint_states: joint 'wrist_1_joint' is at -6.4 rad; valid: -6.283 to 6.283 rad", False),
        ("joint_states: joint 'wrist_2_joint' is at -6.4 rad; valid: -6.283 to 6.283 rad", True),
        (old.format("0.07"), True),
        (None, False),
        (old.format("0.07"), True),
    ]
    assert [refusals.new(refusal) for refusal, _ in said] == [new for _, new in said]


@pytest.fixture
def bench(ros: None, pendulum: RobotSpec, bundle: PolicyBundle) -> Iterator[Bench]:
    robot = RobotStandIn(pendulum, NAMESPACE)
    made = Bench(AdaptationNode(str(bundle.path), namespace=NAMESPACE), robot)
    yield made
    made.close()
    robot.close()


class Log:
    """Stands for a node's logger."""

    def __init__(self, node: AdaptationNode):
        self.lines: list[str] = []
        node.get_logger = lambda: self  # type: ignore[method-assign, assignment, return-value]

    def info(self, line: str) -> None:
        self.lines.append(line)

    warning = error = info


@pytest.mark.ros
def test_auto_start_says_what_it_waits_for_once_and_not_at_every_reading(bench):
    log = Log(bench.node)
    starter = AutoStart(bench.node)
    assert starter.configure()
    for _ in range(40):
        bench.robot.say(joint_state(bench.robot.now() - 1.0))  # older by another while every time
        bench.serve(PERIOD / 4)
        starter.poll()
    waiting = [line for line in log.lines if line.startswith("inactive, waiting: ")]
    assert len(waiting) == len({line.split(": ", 1)[1][:40] for line in waiting}) <= 2, waiting
    assert "s old" in waiting[-1]
    bench.say_until(bench.robot.say_broken, lambda: starter.poll() or "nan" in log.lines[-1])


@pytest.mark.ros
def test_a_manager_that_goes_on_asking_is_told_once_until_the_reason_changes(bench):
    bench.configure()
    log = Log(bench.node)
    for _ in range(5):
        assert bench.node.trigger_activate() == FAILURE
    silent = "not activated: joint_states: no reading younger than 0.06 s"
    assert log.lines == [silent]
    bench.say_until(bench.robot.say_broken, lambda: bench.loop.senses.joints.problem)
    assert [bench.node.trigger_activate() for _ in range(3)] == [FAILURE] * 3
    assert log.lines == [silent, "not activated: joint_states: velocity of 'pivot' is nan"]
    bench.activate()
    assert bench.node.trigger_deactivate() != FAILURE
    bench.serve(0.1)  # the readings are stale
    assert bench.node.trigger_activate() == FAILURE
    assert log.lines[-1] == silent, "it was active in between"


def older_rclpy(node: Any) -> None:
    """As in Humble to Jazzy: what is not possible raises in the service's callback."""

    def change(transition: int) -> None:
        node._state_machine.trigger_transition_by_id(transition, True)

    node._LifecycleNodeMixin__change_state = change


@pytest.mark.ros
@pytest.mark.parametrize("prepare", [lambda node: None, older_rclpy], ids=["this rclpy", "older"])
def test_a_transition_that_cannot_be_is_refused_and_control_goes_on(bench, prepare):
    bench.in_control()
    prepare(bench.node)
    for transition in (Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_CONFIGURE, 77):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert not bench.call(ChangeState, "change_state", request).success
    assert bench.node.state == "active"
    bench.good_readings_until(bench.at_full_effort)
    bench.node.__dict__.pop("_LifecycleNodeMixin__change_state", None)
