"""What the node does when its own policy hangs, when it is told to stop learning, and before it falls silent."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from adapt.online.kinds import make_adapter
from adapt.online.saved_state import save_state
from ros_bridge.deploy import CONTEXT_LOST
from tests.ros_bridge.bench import PERIOD, SUCCESS, Bench, safe
from tests.ros_bridge.robot_stand_in import RobotStandIn

pytestmark = pytest.mark.ros

NAMESPACE = "careful"


def test_a_policy_that_hangs_is_answered_by_the_guard_and_its_own_command_is_safe(bench):
    bench.in_control()
    act, hung = bench.loop.controller.adapter.act, []

    def hangs_once(*arguments, **named):
        if not hung:
            hung.append(len(bench.commands))
            time.sleep(0.4)
        return act(*arguments, **named)

    bench.loop.controller.adapter.act = hangs_once
    bench.good_readings_until(lambda: hung)
    bench.serve(0.2)  # what the guard has sent arrives now: nobody listened while the test's thread hung
    after = bench.commands[hung[0] :]
    assert len(after) >= 4
    assert all(safe(command) for command in after[-4:])
    assert bench.node._guard.interventions >= 3
    assert bench.loop.counts["overrun"] == 1
    assert bench.loop.counts["sensor_stale"] >= 1, "the reading was no longer fresh when the policy answered"
    assert bench.node.state == "active"
    bench.good_readings_until(bench.at_full_effort)
    told = bench.told()
    assert int(told["guard interventions"]) >= 3


def test_frozen_it_learns_nothing_until_it_is_told_to(bench):
    bench.in_control()
    adapter = bench.loop.controller.adapter
    response = bench.call(Trigger, "freeze", Trigger.Request())
    assert (response.success, response.message) == (True, "what is understood stays as it is")
    heard, asked = adapter.heard, len(adapter.sent)
    bench.good_readings_until(lambda: len(adapter.sent) > asked + 5)
    assert adapter.heard == heard
    bench.good_readings_until(lambda: bench.told().get("adaptation") == "frozen")
    assert bench.call(Trigger, "unfreeze", Trigger.Request()).success
    bench.good_readings_until(lambda: adapter.heard > heard)


def configured(bench: Bench, file: Path) -> None:
    """With the bundle's own adapter."""
    bench.node.set_parameters([Parameter("belief_file", value=str(file))])
    assert bench.node.trigger_configure() == SUCCESS


def test_what_was_understood_comes_back_after_a_restart(bench, bundle, tmp_path):
    file = tmp_path / "understood.safetensors"
    configured(bench, file)
    bench.activate()
    bench.good_readings_until(lambda: bench.loop.steps > 20)
    assert bench.node.trigger_deactivate() == SUCCESS
    known = bench.loop.controller.adapter.state()  # type: ignore[attr-defined]
    assert np.abs(known["hidden"]).max() > 0
    assert bench.node.trigger_cleanup() == SUCCESS
    configured(bench, file)
    assert not bench.loop.controller.adapter.state()["hidden"].any()  # type: ignore[attr-defined]
    bench.activate()
    for name, array in bench.loop.controller.adapter.state().items():  # type: ignore[attr-defined]
        np.testing.assert_array_equal(array, known[name])


def test_a_belief_file_that_cannot_be_used_keeps_no_robot_from_running(bench, bundle, tmp_path):
    file = tmp_path / "understood.safetensors"
    save_state(file, make_adapter(bundle), bundle)
    file.write_bytes(file.read_bytes()[:-3])
    configured(bench, file)
    bench.activate()
    assert bench.node.state == "active"
    assert not bench.loop.controller.adapter.state()["hidden"].any()  # type: ignore[attr-defined]
    file.unlink()
    file.mkdir()  # and cannot be written either
    assert bench.node.trigger_deactivate() == SUCCESS


def test_a_robot_beyond_its_limits_is_not_switched_on(bench, pendulum):
    joint = replace(pendulum.joints[0], position=(-0.05, 0.05))
    bench.configure()
    bench.loop.spec = replace(pendulum, joints=(joint,))
    bench.good_readings_until(lambda: bench.loop.senses.refusal(time.monotonic()) is None)
    bench.robot.say_fine()  # at 0.1 rad
    refused = "joint_states: joint 'pivot' is at 0.1 rad; valid: -0.05 to 0.05 rad"
    bench.good_readings_until(lambda: bench.node.refusal() == refused)
    assert bench.node.trigger_activate() != SUCCESS
    bench.loop.spec = pendulum


LOST = """
import sys, threading, rclpy
from ros_bridge.deploy import deploy
threading.Timer(float(sys.argv[2]), rclpy.shutdown).start()
sys.exit(deploy(sys.argv[1], namespace="lost"))
"""


def test_when_ros_is_shut_down_under_it_the_safe_command_still_goes_out(bundle, pendulum):
    """Somebody in the process calls `rclpy.shutdown`: the node's own publishers are gone with the context."""
    robot = RobotStandIn(pendulum, "lost")
    command = [sys.executable, "-c", LOST, str(bundle.path), "4.0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            while process.poll() is None:
                robot.say_fine()
                robot.listen(PERIOD)
            robot.listen(0.5)
            assert process.returncode == CONTEXT_LOST
            assert process.stderr is not None
            said = process.stderr.read()
            assert "ROS was shut down; safe command sent" in said, said
            commands = robot.commands["lost"]
            assert any(not safe(each) for each in commands), "it was in control"
            assert safe(commands[-1])
        finally:
            process.kill()
            robot.close()
