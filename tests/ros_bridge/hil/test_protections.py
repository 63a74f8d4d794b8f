"""Every protection stops something, and without it that comes through; then it is there again. No process, no DDS.

Numbers are the pendulum's: 2.5 N m, 20 rad/s, a soft start and full torque of 0.2 s and 0.02 s, stale after 0.06 s.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Twist, Vector3
from sensor_msgs.msg import JointState

from adapt.online import learning
from adapt.online.fallback import Fallback
from adapt.online.familiarity import Familiarity
from robots import RobotSpec, SensorFrame, load_robot
from robots.goal import GoalLayout
from robots.reason import Reason
from robots.safety import SafetyFilter
from robots.spec import EffortSensor
from ros_bridge import imu
from ros_bridge.budget import MotionBudget
from ros_bridge.control_loop import ControlLoop
from ros_bridge.conversions import to_reading
from ros_bridge.drive import Drive
from ros_bridge.errors import BridgeError
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.goals import GoalReading, to_goal
from ros_bridge.guard import Guard
from ros_bridge.hil.protections import PROTECTIONS, without
from ros_bridge.node import AdaptationNode
from ros_bridge.recorder import Recorder, Subject
from ros_bridge.understood import Understood
from tests.ros_bridge.stand_ins import Steadfast, controller, imu_state, joint_state, reading

PERIOD = 0.02
PENDULUM, GO2 = load_robot("pendulum"), load_robot("go2")
LAYOUT = GoalLayout(
    "velocity", ("forward", "left", "turning"), ("m/s", "m/s", "rad/s"), (-1.0, -0.5, -1.0), (1.0, 0.5, 1.0)
)


def frame(spec: RobotSpec, position: Any = None, velocity: float = 0.0, **also: Any) -> SensorFrame:
    """A reading of a robot at rest, unless said."""
    position = spec.default_position if position is None else np.asarray(position, float)
    size = len(spec.joints)
    if spec.imu is not None:
        also = {"gyro": np.zeros((1, 3)), "gravity": np.array([[0.0, 0.0, -1.0]])} | also
    return SensorFrame(np.array([1.0]), np.tile(position, (1, 1)), np.full((1, size), velocity), **also)


def awake(spec: RobotSpec) -> SafetyFilter:
    """A filter past its soft start, that has said nothing but the robot's pose at rest."""
    made = SafetyFilter(spec)
    for _ in range(round(spec.safety.soft_start / spec.period) + 1):
        made.certify(spec.default_position[None] * (spec.interface == "position"), frame(spec))
    return made


def certified(spec: RobotSpec, request: Any, said: SensorFrame) -> tuple[np.ndarray, int]:
    """Command, shape (J,), and reasons of one step."""
    answer = awake(spec).certify(np.broadcast_to(np.asarray(request, float), (1, len(spec.joints))), said)
    return answer.command[0], int(answer.reasons[0])


def safe_by(reason: Reason, spec: RobotSpec, said: SensorFrame) -> bool:
    request = spec.default_position if spec.interface == "position" else 0.1
    return bool(certified(spec, request, said)[1] & reason)


def started(spec: RobotSpec = PENDULUM, steps: int = 15) -> tuple[ControlLoop, float]:
    """A loop in control, whose policy asks for full torque, and when it was heard last, in [s]."""
    loop = ControlLoop(spec, controller(spec, Steadfast(joints=1)), clock=lambda: 0.0)
    loop.hear(reading(1.0), 1.0, 1.0)
    loop.start()
    for k in range(1, steps + 1):
        loop.hear(reading(1.0 + k * PERIOD), 1.0 + k * PERIOD, 1.0 + k * PERIOD)
    return loop, 1.0 + steps * PERIOD


def answered(stamp: float, arrival: float) -> bool:
    """Whether full torque is the answer to a reading of a stamp, at a time, both in [s] after the last one."""
    loop, last = started()
    output = loop.hear(reading(last + stamp), last + arrival, last + arrival)
    return output is not None and output.command[0] == 2.5


def finite() -> bool:
    return bool(np.isfinite(certified(PENDULUM, np.nan, frame(PENDULUM, velocity=np.nan))[0]).all())


def stale() -> bool:
    return not answered(PERIOD, PERIOD + 0.1)


def future() -> bool:
    return not answered(2.0, PERIOD)


def once() -> bool:
    return not answered(0.0, 0.001)


def watchdog() -> bool:
    loop, last = started()
    return loop.watch(last + 0.07) is not None


def readiness() -> bool:
    loop = ControlLoop(PENDULUM, controller(PENDULUM, Steadfast(joints=1)))
    return loop.refusal(1.0) is not None


def names() -> bool:
    spec = load_robot("double_pendulum")
    said = to_reading(joint_state(1.0, ("elbow", "shoulder"), (2.0, 1.0), (0.0, 0.0)), spec)
    return said.frame.position.tolist() == [[1.0, 2.0]]


def missing() -> bool:
    """Of joints; the IMU's is a test of its own."""
    said = to_reading(joint_state(1.0, velocity=()), PENDULUM)
    return bool(np.isnan(said.frame.velocity).all())


def unit_orientation() -> bool:
    said = imu.to_imu_reading(imu_state(1.0, orientation=(0.0, 0.0, 0.0, 2.0)), GO2)
    assert said.frame.gravity is not None
    return bool(np.isnan(said.frame.gravity).all())


def policy_finite() -> bool:
    return bool(np.isfinite(certified(PENDULUM, np.nan, frame(PENDULUM))[0]).all())


def command_limit() -> bool:
    # The damping of 0.15 N m s/rad of 30 rad/s, beyond the limit of 20: 4.5 N m.
    return float(np.abs(_braked(30.0)).max()) <= 2.5


def _braked(speed: float) -> np.ndarray:
    """The fourth command of a stay in safe mode: three positions tell a speed, and one may not jump that far.
    Shape (J,)."""
    made, sent = awake(PENDULUM), np.zeros((1, 1))
    for step in range(4):
        said = frame(PENDULUM, position=[speed * step * PERIOD], velocity=speed)
        said.stamp[:] += step * PERIOD
        sent = made.certify(np.zeros((1, 1)), said).command
    return sent[0]


def rate_limit() -> bool:
    made = awake(PENDULUM)
    first = made.certify(np.full((1, 1), -2.5), frame(PENDULUM)).command
    return float(made.certify(np.full((1, 1), 2.5), frame(PENDULUM)).command[0, 0] - first[0, 0]) <= 2.5


def acceleration_limit() -> bool:
    joint = dataclasses.replace(PENDULUM.joints[0], command_acceleration=1000.0)
    # 1000 N m/s^2 at 50 Hz: the first step is 0.4 N m at most.
    return float(certified(dataclasses.replace(PENDULUM, joints=(joint,)), 2.0, frame(PENDULUM))[0][0]) <= 0.4


def motion_budget() -> bool:
    budget = MotionBudget(PERIOD, np.array([125.0]))
    budget.spend(1.0, np.array([0.0]))
    return budget.available(1.001) < PERIOD


def velocity_limit() -> bool:
    return safe_by(Reason.VELOCITY_LIMIT, PENDULUM, frame(PENDULUM, velocity=21.0))


def position_limit() -> bool:
    return safe_by(Reason.POSITION_LIMIT, PENDULUM, frame(PENDULUM, position=[32.0]))


def tilt_limit() -> bool:
    return safe_by(Reason.TILT_LIMIT, GO2, frame(GO2, gravity=np.array([[0.0, 1.0, 0.0]])))


def base_height() -> bool:
    folded = np.tile([0.0, 2.5, -2.7], 4)
    return safe_by(Reason.BASE_HEIGHT, GO2, frame(GO2, position=folded))


def effort_limit() -> bool:
    spec = dataclasses.replace(PENDULUM, effort_sensor=EffortSensor(sustained=PERIOD))
    made = SafetyFilter(spec)
    said = frame(spec, effort=np.full((1, 1), 3.0))
    answers = [made.certify(np.zeros((1, 1)), said) for _ in range(4)]
    return bool(answers[-1].reasons[0] & Reason.EFFORT_LIMIT)


def servo_effort() -> bool:
    spec = dataclasses.replace(GO2, safety=dataclasses.replace(GO2.safety, servo_effort=0.1))
    # A tenth of 23.7 N m is 0.059 rad of a servo of 40 N m/rad.
    command, _ = certified(spec, GO2.default_position + 0.3, frame(GO2))
    return float(np.abs(command - GO2.default_position)[0]) <= 0.06


def soft_start() -> bool:
    return float(SafetyFilter(PENDULUM).certify(np.full((1, 1), 2.5), frame(PENDULUM)).command[0, 0]) < 0.3


def recovery() -> bool:
    made = awake(PENDULUM)
    made.certify(np.zeros((1, 1)), frame(PENDULUM, velocity=np.nan))
    return bool(made.certify(np.zeros((1, 1)), frame(PENDULUM)).reasons[0] & Reason.RECOVERING)


def goal_timeout() -> bool:
    keeper = GoalKeeper(LAYOUT)
    keeper.hear(GoalReading(np.array([0.5, 0.0, 0.0]), None, None), "cmd_vel", 1.0, 1.0)
    goal = keeper.current(2.0, lambda: None)
    assert goal is not None
    return not goal.any()


def goal_limits() -> bool:
    return float(LAYOUT.within(np.array([5.0, 0.0, 0.0]))[0]) == 1.0


def goal_checks() -> bool:
    return to_goal(Twist(linear=Vector3(x=math.nan)), LAYOUT, "base").problem is not None


class Ports:
    """Of a node: what it says."""

    def __init__(self) -> None:
        self.commands: list[np.ndarray] = []

    def command(self, command: np.ndarray) -> None:
        self.commands.append(command)

    def flush(self) -> None:
        pass


def last_word() -> bool:
    loop, _ = started()
    ports = Ports()
    AdaptationNode._end(_node(loop=loop, _ports=ports, _understood=SimpleNamespace(save=lambda: None)))
    assert not loop.running
    return [command.tolist() for command in ports.commands] == [[0.0]]


def _node(**parts: Any) -> Any:
    return SimpleNamespace(**parts)


def giving_up() -> bool:
    ended = list[str]()
    node = _node(
        context=SimpleNamespace(ok=lambda: True),
        get_logger=lambda: SimpleNamespace(error=lambda words: None),
        state="active",
        trigger_deactivate=lambda: ended.append("deactivated"),
    )
    try:
        with AdaptationNode._giving_up(node):
            raise ValueError("broken")
    except ValueError:
        return False
    return ended == ["deactivated"]


def guard() -> bool:
    sent = list[np.ndarray]()
    made = Guard(0.005, 0.01, sent.append)
    with made.watching(np.zeros(1)):
        time.sleep(0.1)
    made.close()
    return bool(sent)


def belief_file() -> bool:
    """Where there can be no file, whoever tries to write one has something to say."""
    bundle: Any = _node(manifest={"files": {"step.onnx": "0"}})
    adapter: Any = _node(state=lambda: {"hidden": np.zeros(1)})
    return Understood("/dev/null/belief.npz", adapter, bundle).save() is not None


def adaptation() -> bool:
    loop, _ = started()
    return loop.controller.adapter.heard > 0  # pyright: ignore[reportAttributeAccessIssue]


def familiarity() -> bool:
    judged = _node(
        _statistic=np.array([2.0]),
        calibration=SimpleNamespace(threshold=1.0),
        unfamiliar=np.array([False]),
        probe=SimpleNamespace(begin=lambda who: None),
    )
    Familiarity._judge(judged, None)  # pyright: ignore[reportArgumentType]
    return bool(judged.unfamiliar[0])


def fallback() -> bool:
    asked = np.ones((1, 1))
    made = _node(
        _observer=SimpleNamespace(observe=lambda *_: None),
        _taken=np.array([9]),
        _ramp=10,
        _doubtful=np.array([0]),
        _sound_again=100,
        share=np.zeros(1),
        _adapter=SimpleNamespace(act=lambda *_: -asked),
        _action=SimpleNamespace(to_command=lambda action: action),
        _unheard=None,
    )
    everybody = np.array([True])
    command = Fallback.__call__(made, asked, None, None, everybody, asked, everybody)  # pyright: ignore[reportArgumentType]
    return command.tolist() == [[-1.0]]


def trial() -> bool:
    before, after = _window(np.linspace(1.0, 1.01, 5)), _window(np.zeros(5))
    return learning.fallen(before, after, 5, 1.0)


def _window(rewards: np.ndarray) -> Any:
    return SimpleNamespace(rewards=lambda blocks: rewards[:blocks])


def recorder_thread() -> bool:
    """A disk that takes nothing."""

    def full(folder: Path, header: object) -> Any:
        raise OSError("no space left on device")

    made = Recorder(Path("/nowhere"), Subject(PENDULUM, {}, None, {}), writer=full)  # pyright: ignore[reportArgumentType]
    try:
        made._put((0, None))  # pyright: ignore[reportArgumentType]
    except OSError:
        return False
    finally:
        made.close()
    return True


def drive_timeout() -> bool:
    drive = Drive(PENDULUM)
    drive.accept(np.array([2.5]), 1.0)
    return drive.applied(1.2, np.zeros(1)).tolist() == [0.0]


def drive_limits() -> bool:
    return not Drive(PENDULUM).accept(np.array([np.nan]), 1.0)


CASES: dict[str, Callable[[], bool]] = {
    each.__name__: each
    for each in (
        finite, stale, future, once, watchdog, readiness, names, missing, unit_orientation, policy_finite,
        command_limit, rate_limit, acceleration_limit, motion_budget, velocity_limit, position_limit, tilt_limit,
        base_height, effort_limit, servo_effort, soft_start, recovery, goal_timeout, goal_limits, goal_checks,
        last_word, giving_up, guard, belief_file, adaptation, familiarity, fallback, trial, recorder_thread,
        drive_timeout, drive_limits,
    )
}  # fmt: skip
"""Whether the protection of this name stops what it is there for."""


def test_every_protection_has_a_case():
    assert list(CASES) == [name for name in PROTECTIONS if name in CASES]
    assert set(CASES) == set(PROTECTIONS)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # what a naive filter makes of NaN
@pytest.mark.parametrize("name", PROTECTIONS)
def test_without_it_what_it_stops_comes_through(name):
    stops = CASES[name]
    assert stops()
    with without([name]):
        assert not stops()
    assert stops()


def test_an_imu_that_says_that_it_does_not_know_is_believed_without_the_protection():
    message = imu_state(1.0, rate=(1.0, 2.0, 3.0))
    message.angular_velocity_covariance[0] = imu.ABSENT
    said = imu.to_imu_reading(message, GO2).frame.gyro
    assert said is not None
    assert np.isnan(said).all()
    with without(["missing"]):
        believed = imu.to_imu_reading(message, GO2).frame.gyro
    assert believed is not None
    assert believed.tolist() == [[1.0, 2.0, 3.0]]


QUIET = [name for name in PROTECTIONS if name not in ("soft_start", "adaptation")]
"""Those two are seen by everybody: at the start, and in what is believed."""


@pytest.mark.parametrize("name", QUIET)
def test_where_nothing_is_wrong_it_makes_no_difference(name):
    expected = told()
    with without([name]):
        assert told() == expected


def told() -> list[tuple[float, int, float]]:
    """Commands, reasons and beliefs of a pendulum that sways."""
    loop, last = started(steps=0)
    outputs = list[tuple[float, int, float]]()
    for k in range(1, 31):
        now = last + k * PERIOD
        message = JointState(name=["pivot"], position=[math.sin(k / 5)], velocity=[math.cos(k / 5)])
        said = joint_state(now, position=tuple(message.position), velocity=tuple(message.velocity))
        output = loop.hear(to_reading(said, PENDULUM), now, now)
        assert output is not None
        assert output.belief is not None
        outputs.append((float(output.command[0]), output.reasons, float(output.belief.mean[0, 0])))
    return outputs


def test_several_at_once_come_off_and_on_again():
    with without(PROTECTIONS):
        through = Counter(stops() for stops in (velocity_limit, position_limit, tilt_limit, stale, future))
    assert through == {False: 5}
    assert all(stops() for stops in (velocity_limit, position_limit, tilt_limit, stale, future))


def test_they_are_on_again_after_an_error():
    with pytest.raises(ValueError, match="end"), without(["finite"]):
        raise ValueError("end")
    assert finite()


def test_an_unknown_one_is_named_with_the_valid_ones_and_nothing_is_switched_off():
    with (
        pytest.raises(BridgeError, match="protection 'seatbelt': valid: finite, stale"),
        without(["finite", "seatbelt"]),
    ):
        pass
    assert finite()
