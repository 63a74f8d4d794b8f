"""`use_sim_time`: the node lives on the time that `/clock` tells, and is safe while that stands still or jumps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from adapt.bundle import PolicyBundle
from robots import RobotSpec
from robots.safety import Reason
from ros_bridge.conversions import to_seconds, to_stamp
from ros_bridge.intake import Verdict
from ros_bridge.node import AdaptationNode
from tests.ros_bridge.bench import FAILURE, PERIOD, SUCCESS, Bench, safe
from tests.ros_bridge.patience import until
from tests.ros_bridge.robot_stand_in import RobotStandIn
from tests.ros_bridge.stand_ins import joint_state

pytestmark = pytest.mark.ros

NAMESPACE = "simulated"
STALE = 0.06
"""The pendulum's `safety.stale_after`, in [s]."""


class Simulation:
    """A simulator beside the node: it says what time it is, and what its joint reads."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.now = 100.0
        """Simulated time in [s]."""
        self._clock = bench.robot.node.create_publisher(Clock, "/clock", 10)

    def tell_time(self) -> None:
        self._clock.publish(Clock(clock=to_stamp(self.now)))

    def tell_joints(self, stamp: float | None = None) -> None:
        self.bench.robot.say(joint_state(self.now if stamp is None else stamp, position=(0.1,)))

    def run(self, condition: Callable[[], object], turn: Callable[[], object] | None = None) -> None:
        """In real time, a control period after the other, until the condition holds; or what `turn` does."""

        def period() -> None:
            if turn is None:
                self.now += PERIOD
                self.tell_time()
                self.tell_joints()
            else:
                turn()
            self.bench.serve(PERIOD)

        until(condition, period)

    def drive(self) -> None:
        """Until the node is in control, at full effort."""
        if self.bench.node.state == "inactive":
            self.run(
                lambda: self.bench.node.refusal() is None and self.bench.node.trigger_activate() == SUCCESS
            )
        self.run(self.bench.at_full_effort)

    def close(self) -> None:
        self.bench.robot.node.destroy_publisher(self._clock)


@pytest.fixture
def bench(ros: None, pendulum: RobotSpec, bundle: PolicyBundle) -> Iterator[Bench]:
    robot = RobotStandIn(pendulum, NAMESPACE)
    node = AdaptationNode(str(bundle.path), namespace=NAMESPACE)
    assert node.set_parameters([Parameter("use_sim_time", value=True)])[0].successful
    made = Bench(node, robot)
    yield made
    made.close()
    robot.close()


@pytest.fixture
def simulation(bench: Bench) -> Iterator[Simulation]:
    made = Simulation(bench)
    yield made
    made.close()


def out_of_control(bench: Bench) -> bool:
    return bool(bench.reasons & Reason.STOPPED) and safe(bench.commands[-1])


def test_it_drives_in_simulated_time_and_its_commands_are_stamped_in_it(ros, pendulum, bundle, tmp_path):
    text = (pendulum.model.parent / "robot.yaml").read_text(encoding="utf-8")
    mine = text.replace("std_msgs/Float64MultiArray", "sensor_msgs/JointState")
    mine = mine.replace("effort_controller/commands", "joint_commands")
    (tmp_path / "robot.yaml").write_text(mine, encoding="utf-8")
    (tmp_path / "pendulum.xml").write_bytes(pendulum.model.read_bytes())
    robot = RobotStandIn(pendulum, NAMESPACE)
    node = AdaptationNode(str(bundle.path), str(tmp_path / "robot.yaml"), NAMESPACE)
    assert node.set_parameters([Parameter("use_sim_time", value=True)])[0].successful
    bench = Bench(node, robot)
    simulation = Simulation(bench)
    heard: list[float] = []
    topic = f"/{NAMESPACE}/joint_commands"
    robot.node.create_subscription(
        JointState,
        topic,
        lambda message: heard.append(to_seconds(message.header.stamp)),
        QoSProfile(depth=100),
    )
    try:
        bench.configure()
        began = simulation.now
        simulation.run(lambda: node.refusal() is None and node.trigger_activate() == SUCCESS)
        simulation.run(lambda: len(heard) > 20)
        assert heard == sorted(heard)
        assert began < heard[0] < heard[-1] <= simulation.now + 1e-9
    finally:
        simulation.close()
        bench.close()
        robot.close()


def test_where_nobody_tells_the_time_it_says_so_and_is_not_activated(bench):
    bench.configure()
    bench.good_readings_until(lambda: "/clock" in str(bench.told().get("senses")))
    assert bench.level() == DiagnosticStatus.WARN
    said = "/clock: use_sim_time is set, and no time has come (publishers: 0)"
    assert bench.message() == f"inactive: {said}"
    assert bench.node.refusal() == said
    assert bench.node.trigger_activate() == FAILURE
    simulation = Simulation(bench)
    simulation.drive()
    bench.robot.health.clear()
    simulation.run(lambda: bench.told().get("senses") == "ready")
    simulation.close()


@pytest.mark.parametrize("goes_on", [True, False], ids=["readings go on", "readings stand still too"])
def test_a_clock_that_stands_still_stops_the_robot_all_the_same(bench, simulation, goes_on):
    """Readings are from the future, or all the same; how long none is new is not a matter of ROS time."""
    bench.configure()
    simulation.drive()
    stamp, began, steps = simulation.now, time.monotonic(), bench.loop.steps

    def turn() -> None:
        nonlocal stamp
        stamp += PERIOD if goes_on else 0.0
        simulation.tell_time()
        simulation.tell_joints(stamp)

    simulation.run(lambda: out_of_control(bench), turn)
    assert time.monotonic() - began < 3 * STALE + 2.0  # the rest is a slow machine's
    assert bench.loop.steps <= steps + 2  # a reading may be a control period early
    steps, sent = bench.loop.steps, len(bench.commands)
    simulation.run(lambda: "/clock: has stood still at" in str(bench.told().get("senses")), turn)
    assert bench.loop.steps == steps
    assert len(bench.commands) > sent
    assert all(safe(command) for command in bench.commands[sent:])
    assert bench.level() == DiagnosticStatus.ERROR
    assert "(/clock: has stood still at" in bench.message()
    simulation.now = stamp
    simulation.drive()


@pytest.mark.parametrize("jump", [-90.0, 900.0])
def test_a_clock_that_jumps_is_met_with_safe_commands_until_readings_are_of_its_time(bench, simulation, jump):
    bench.configure()
    simulation.drive()
    before = simulation.now
    simulation.now += jump
    bench.serve(2 * PERIOD)
    steps = bench.loop.steps

    def of_before() -> None:
        nonlocal before
        before += PERIOD
        simulation.now += PERIOD
        simulation.tell_time()
        simulation.tell_joints(before)

    simulation.run(lambda: out_of_control(bench), of_before)
    simulation.run(lambda: len(bench.commands) > 20 and all(map(safe, bench.commands[-10:])), of_before)
    assert bench.loop.steps == steps, "nothing is done about a reading of another time"
    simulation.drive()
    assert bench.within_limits()


def test_a_simulation_that_begins_anew_is_driven_on(bench, simulation):
    """Clock and readings jump back together: nothing is acted upon until what came before is stale."""
    bench.configure()
    simulation.drive()
    verdicts = bench.loop.senses.joints.intake.counts
    simulation.now = 1.0
    simulation.run(lambda: verdicts[Verdict.OUT_OF_ORDER])
    steps = bench.loop.steps
    simulation.run(lambda: bench.loop.steps > steps)
    simulation.drive()
    assert simulation.now < 90.0
    assert bench.within_limits()
