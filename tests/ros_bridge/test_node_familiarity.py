"""A node whose robot is not of the family: what it says, who drives, what a bag keeps of it, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.parameter import Parameter

from adapt.bundle import PolicyBundle
from adapt.cli import main
from adapt.online.familiarity import JUDGED
from adapt.online.from_bundle import controller_of
from robots import RobotSpec
from robots.safety import Reason
from ros_bridge.bag_replay import replay_bag
from ros_bridge.control_loop import ControlLoop
from ros_bridge.diagnostics import Reporter
from ros_bridge.node import AdaptationNode
from tests.ros_bridge.bench import FAILURE, SUCCESS, Bench
from tests.ros_bridge.recorded import Run
from tests.ros_bridge.robot_stand_in import RobotStandIn
from tests.ros_bridge.stand_ins import reading

pytestmark = pytest.mark.ros
NAMESPACE = "strange"
WARN = DiagnosticStatus.WARN


@pytest.fixture
def bench(robot: RobotStandIn, strange: PolicyBundle, plain: PolicyBundle) -> Iterator[Bench]:
    made = Bench(AdaptationNode(str(strange.path), "", NAMESPACE, fallback=str(plain.path)), robot)
    yield made
    made.close()


def test_a_robot_of_no_family_is_warned_of_and_left_to_the_fallback(bench, robot):
    robot.familiarity[NAMESPACE].clear()
    assert bench.node.trigger_configure() == SUCCESS
    bench.activate()
    bench.good_readings_until(lambda: bench.told().get("unfamiliarity") == "not judged yet")
    assert bench.told()["adaptation"] == "learning"
    bench.good_readings_until(lambda: bench.told().get("fallback") == "100 % of the command")
    told = bench.told()
    assert bench.level() == WARN
    assert bench.message().startswith("unfamiliar robot: ")
    assert bench.message().endswith(", nothing is learnt; the fallback drives")
    assert told["adaptation"] == "frozen (unfamiliar)"
    assert float(told["unfamiliarity"].split()[0]) > 1
    assert float(told["familiarity confidence"]) <= 0.01
    assert 0 < int(told["commands fallback"]) <= int(told["commands unfamiliar"])
    said = np.array(robot.familiarity[NAMESPACE])
    assert np.isnan(said[0, :2]).all()
    assert said[-1, 0] > 1
    assert said[-1, 2:].tolist() == [1.0, 1.0]
    assert bench.within_limits()


@pytest.mark.parametrize(
    ("bundle_name", "fallback_name", "words"),
    [
        ("strange", None, "/nowhere"),
        ("strange", "bundle", "adapter.kind: 'belief'; a fallback does not adapt: 'none'"),
        ("strange", "go2_bundle", "goal: velocity (forward, left, turning); valid: nothing, or that of"),
        ("plain", "plain", "has no familiarity, which says when a fallback drives"),
    ],
)
def test_a_fallback_that_cannot_be_one_is_refused(bench, request, bundle_name, fallback_name, words):
    path = str(request.getfixturevalue(fallback_name).path) if fallback_name else "/nowhere"
    bundle = str(request.getfixturevalue(bundle_name).path)
    bench.node.set_parameters([Parameter("bundle", value=bundle), Parameter("fallback", value=path)])
    assert bench.node.trigger_configure() == FAILURE
    assert bench.node.fault.startswith("not configured: ")
    assert words in bench.node.fault
    assert path in bench.node.fault
    bench.node.set_parameters([Parameter("fallback", value="")])
    assert bench.node.trigger_configure() == SUCCESS
    (refused,) = bench.node.set_parameters([Parameter("fallback", value=path)])
    assert refused.reason == "fallback: clean the node up first (it is inactive)"


def looped(bundle: PolicyBundle, spec: RobotSpec) -> ControlLoop:
    loop = ControlLoop(spec, controller_of(bundle, spec))
    loop.rehearse()
    loop.hear(reading(1.0), 1.0, 1.0)
    loop.start()
    return loop


def test_readings_that_are_not_finite_make_no_robot_unfamiliar(strange, pendulum):
    """Not alone, and not between good ones: of every two readings one is not a number."""
    loop = looped(strange, pendulum)
    for k in range(1, 501):
        position = np.nan if k <= 200 or k % 2 else 0.1
        loop.hear(reading(1.0 + 0.02 * k, position=position), 1.0 + 0.02 * k, 1.0 + 0.02 * k)
    assert loop.counts["sensor_not_finite"] > 300
    assert loop.familiarity is not None
    assert np.isnan(loop.familiarity.score[0])
    assert loop.counts["unfamiliar"] == 0
    for k in range(501, 701):  # but what follows does
        loop.hear(reading(1.0 + 0.02 * k, position=0.1), 1.0 + 0.02 * k, 1.0 + 0.02 * k)
    assert loop.counts["unfamiliar"] > 0


def test_a_new_activation_is_judged_anew(strange, pendulum):
    loop = looped(strange, pendulum)
    for k in range(1, 201):
        loop.hear(reading(1.0 + 0.02 * k), 1.0 + 0.02 * k, 1.0 + 0.02 * k)
    assert loop.familiarity is not None
    assert loop.familiarity.unfamiliar[0]
    loop.start()
    assert loop.familiarity is None
    reporter = Reporter("node")
    reporter.begin(loop, strange.manifest["family"])
    values = {pair.key: pair.value for pair in reporter.report("active", None, 6.0)[0].values}
    assert (values["unfamiliarity"], values["fallback"]) == ("not judged yet", "none")


@pytest.fixture(scope="module")
def bag(strange, plain, pendulum, tmp_path_factory) -> Path:
    """Long enough to be unfamiliar; then silence, a stop and a second life."""
    run = Run(strange, pendulum, tmp_path_factory.mktemp("bags"), fallback=plain)
    run.step()
    run.loop.start()
    for _ in range(200):
        run.step()
    run.silence(0.2)
    for _ in range(60):
        run.step()
    run.loop.halt(run.clock + 100.0)
    run.step()
    run.loop.start()
    for _ in range(60):
        run.step()
    run.loop.end(run.clock + 100.0)
    return run.close()


def test_a_bag_keeps_it_and_a_replay_makes_it_again_to_the_last_bit(bag, strange, plain):
    result = replay_bag(bag, strange.path, fallback=plain.path)
    assert (result["same_policy"], result["identical"], result["ended_early"]) == (True, True, None)
    recorded = result["familiarity"]["recorded"]
    assert tuple(recorded) == JUDGED
    assert 1.0 in recorded["fallback"]
    assert 1.0 in recorded["unfamiliar"]
    assert recorded == result["familiarity"]["replayed"]


def test_a_replay_that_judges_otherwise_is_not_identical(bag, strange, plain, monkeypatch):
    from adapt.online.familiarity import Familiarity

    judge = Familiarity.judgement

    def wrong(self, fallback=None):
        found = judge(self, fallback)
        found.confidence[:] = np.nextafter(found.confidence, 2.0)
        return found

    monkeypatch.setattr(Familiarity, "judgement", wrong)
    result = replay_bag(bag, strange.path, fallback=plain.path)
    assert not result["identical"]
    first = result["first_difference"]
    assert first["certified"]["most"] == 0.0
    assert first["familiarity"]["recorded"] != first["familiarity"]["replayed"]


def test_a_replay_without_its_fallback_is_of_another_policy(bag, strange, plain, tmp_path, capsys):
    assert main(["replay", str(bag), str(strange.path), "--out", str(tmp_path)]) == 0
    err = " ".join(capsys.readouterr().err.split())
    assert "another policy than the one recorded" in err
    assert f"fallback {plain.path}" in err
    own = ["replay", str(bag), str(strange.path), "--out", str(tmp_path), "--fallback", str(plain.path)]
    assert main(own) == 0
    assert "bit-identical" in capsys.readouterr().err
    log = tmp_path / "log.csv"
    log.write_text("time\n")
    assert main(["replay", str(log), str(strange.path), "--fallback", str(plain.path)]) == 2
    assert "valid with a bag" in capsys.readouterr().err


def test_a_policy_that_is_not_finite_is_warned_of_while_the_fallback_drives(bundle, plain, pendulum):
    loop = ControlLoop(pendulum, controller_of(bundle, pendulum, plain))
    loop.hear(reading(1.0), 1.0, 1.0)
    loop.start()
    reporter = Reporter("node")
    reporter.begin(loop, bundle.manifest["family"])
    asks = loop.controller.adapter.act
    loop.controller.adapter.act = lambda *given, **named: np.nan * asks(*given, **named)  # type: ignore[method-assign]
    for k in range(1, 101):
        loop.hear(reading(1.0 + 0.02 * k), 1.0 + 0.02 * k, 1.0 + 0.02 * k)
        if k == 50:
            reporter.report("active", None, 2.0)
    assert loop.counts["policy_not_finite"] == 1
    assert loop.latest == Reason.OK
    (control, _) = reporter.report("active", None, 3.0)
    assert control.level == WARN
    assert control.message == "the fallback drives, until the policy can be trusted again"
