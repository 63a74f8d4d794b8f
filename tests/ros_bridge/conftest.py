"""What the tests of the ROS side share: an own ROS domain, robots, and one untrained bundle."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapt.bundle import PolicyBundle
from robots import RobotSpec, load_robot
from ros_bridge.processes import own_domain

if TYPE_CHECKING:
    from tests.ros_bridge.bench import Bench
    from tests.ros_bridge.robot_stand_in import RobotStandIn


@pytest.fixture(scope="session", autouse=True)
def own_ros_domain() -> Iterator[None]:
    """Nobody else's nodes are heard, and these are heard by nobody else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ROS_DOMAIN_ID", raising=False)
        for name, value in own_domain().items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """A belief bundle of an untrained learner for the pendulum."""
    from tests.small_bundle import untrained_bundle

    return untrained_bundle(tmp_path_factory.mktemp("bundle") / "untrained")


@pytest.fixture(scope="session")
def hearing_bundle(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """A policy for the pendulum whose action is made of the rewards that it has heard."""
    from tests.small_bundle import hearing_policy

    return hearing_policy(tmp_path_factory.mktemp("hearing") / "untrained", "pendulum_swingup")


@pytest.fixture(scope="session")
def gradient_bundle(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """An untrained policy for the pendulum that adapts by gradients, on windows of 1.6 s."""
    from tests.small_bundle import gradient_family, untrained_gradient

    return untrained_gradient(tmp_path_factory.mktemp("gradient") / "untrained", gradient_family(0.8))


@pytest.fixture(scope="session")
def strange(bundle: PolicyBundle, tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """The same, but to this one every robot is unfamiliar."""
    from tests.small_bundle import strange_bundle

    return strange_bundle(tmp_path_factory.mktemp("strange") / "bundle", bundle)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """An untrained policy for the pendulum that does not adapt."""
    from tests.small_bundle import untrained_policy

    return untrained_policy(tmp_path_factory.mktemp("plain") / "untrained", "pendulum_swingup")


@pytest.fixture(scope="session")
def go2_bundle(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """An untrained policy that is told velocities and has an IMU."""
    from tests.small_bundle import untrained_policy

    return untrained_policy(tmp_path_factory.mktemp("go2") / "untrained", "go2_velocity")


@pytest.fixture(scope="session")
def ur5e_bundle(tmp_path_factory: pytest.TempPathFactory) -> PolicyBundle:
    """An untrained policy that is told where to bring its tool."""
    from tests.small_bundle import untrained_policy

    return untrained_policy(tmp_path_factory.mktemp("ur5e") / "untrained", "ur5e_reach")


@pytest.fixture(scope="module")
def ros() -> Iterator[None]:
    """ROS in this process, for nodes under test; their listeners bring a context of their own."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    yield
    rclpy.try_shutdown()


@pytest.fixture(scope="session")
def pendulum() -> RobotSpec:
    return load_robot("pendulum")


@pytest.fixture(scope="session")
def go2() -> RobotSpec:
    """Twelve joints and an IMU."""
    return load_robot("go2")


@pytest.fixture(scope="session")
def ur5e() -> RobotSpec:
    """Six joints and a tool."""
    return load_robot("ur5e")


@pytest.fixture(scope="session")
def arm(pendulum: RobotSpec) -> RobotSpec:
    """A robot with two joints, 2.5 and 1.5 N m."""
    shoulder = dataclasses.replace(pendulum.joints[0], name="shoulder")
    elbow = dataclasses.replace(shoulder, name="elbow", effort=1.5)
    safety = dataclasses.replace(pendulum.safety, damping=(0.15, 0.15))
    return dataclasses.replace(pendulum, name="arm", joints=(shoulder, elbow), safety=safety)


@pytest.fixture
def recordings() -> list[Path]:
    """Recordings of the real pendulum, which lie beside the repository."""
    found = sorted((Path(__file__).parents[3] / "shared/data/real/pendulum").glob("*.csv"))
    if not found:
        pytest.skip("no recordings of the real pendulum in ../shared/data/real/pendulum")
    return found


@pytest.fixture(scope="module")
def robot(ros: None, pendulum: RobotSpec, request: pytest.FixtureRequest) -> Iterator[RobotStandIn]:
    """A pendulum in the `NAMESPACE` of the tests' module, for all of them."""
    from tests.ros_bridge.robot_stand_in import RobotStandIn

    stand_in = RobotStandIn(pendulum, request.module.NAMESPACE)
    yield stand_in
    stand_in.close()


@pytest.fixture
def bench(robot: RobotStandIn, bundle: PolicyBundle, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A node that drives it, one for each test."""
    from ros_bridge.node import AdaptationNode
    from tests.ros_bridge.bench import Bench

    made = Bench(AdaptationNode(str(bundle.path), namespace=request.module.NAMESPACE), robot)
    yield made
    made.close()
