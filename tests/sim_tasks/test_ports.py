"""A policy's two ends of a simulation: a robot's own code, and the literature's direct access."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from robots import RobotSpec
from robots.observation import ObservationLayout, ObservationTerm
from robots.safety import Reason
from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.motion import Motion
from sim_tasks.plant import robot_plant
from sim_tasks.ports import Port, RobotInterface, StateInterface
from sim_tasks.row_random import RowRandom
from tests.robots.two_joints import two_joints
from tests.sim_tasks.slider import observe, slider

SLIDER = slider().plant
TERMS = (
    ObservationTerm("position", history=2),
    ObservationTerm("velocity", scale=0.5),
    ObservationTerm("goal"),
)
ALL = np.arange(3)


def connect(
    interface: RobotInterface | StateInterface, plant: Any, goal: int = 0
) -> tuple[Port, BatchSim, Motion]:
    """Three simulations with their port, not yet started."""
    sim = BatchSim(plant, (), 3, threads=1)
    goals = np.arange(3.0 * goal).reshape(3, goal) if goal else None
    return interface.connect(sim), sim, Motion.of(sim, np.zeros((3, interface.action_size)), goals)


def of_state(low: float = -2.0, high: float = 2.0) -> tuple[Port, BatchSim, Motion]:
    model = slider().plant.model
    model.actuator_ctrlrange[0] = low, high
    return connect(StateInterface(observe, 2, 1), replace(SLIDER, model=model))


def of_robot(robot: RobotSpec) -> tuple[Port, BatchSim, Motion]:
    port, sim, motion = connect(RobotInterface(robot, TERMS, goal=1), robot_plant(robot), goal=1)
    sim.reset(ALL, np.tile([0.1, -0.2], (3, 1)), np.tile([1.0, 2.0], (3, 1)))
    port.restart(ALL, motion, RowRandom([0], 3).all)
    return port, sim, motion


def test_actions_of_a_body_span_its_controls_range():
    port, _, _ = of_state(-1.0, 3.0)
    # Centre 1, half a range 2; beyond +-1 is cut.
    command = port.command(np.array([[-1.0], [0.25], [7.0]]))
    assert command.tolist() == [[-1.0], [1.5], [3.0]]
    assert port.sent(command).tolist() == [[-1.0], [0.25], [1.0]]
    assert port.reasons is None
    assert port.invalid_actions == 0


def test_actions_of_a_body_that_are_not_finite_are_the_middle_and_are_counted():
    port, _, _ = of_state(-1.0, 3.0)
    assert port.command(np.array([[np.nan], [np.inf], [-np.inf]])).tolist() == [[1.0], [1.0], [1.0]]
    assert port.invalid_actions == 3
    assert port.command(np.array([[1.0], [np.nan], [0.0]])).tolist() == [[3.0], [1.0], [1.0]]
    assert port.invalid_actions == 4
    assert port.command(np.full((3, 1), 3e38, np.float32)).tolist() == [[3.0]] * 3
    assert port.invalid_actions == 4, "large is not infinite"


def test_a_body_is_seen_as_it_is():
    port, sim, motion = of_state()
    rows = RowRandom([0], 3)
    live = port.observation
    sim.reset(ALL, np.array([[1.0], [2.0], [3.0]]), np.array([[4.0], [5.0], [6.0]]))
    port.restart(np.array([0, 2]), motion, rows.all)
    assert live.tolist() == [[1, 4], [0, 0], [3, 6]]
    port.observe(motion, rows.all)
    assert live.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert (live.dtype, live is port.observation) == (np.float32, True)
    with pytest.raises(TaskError, match="only families on robots have frames"):
        _ = port.frame


def test_a_robot_is_seen_by_its_own_observation_code(tmp_path):
    robot = two_joints(tmp_path)
    port, sim, motion = of_robot(robot)
    # Position, twice as it has just begun; half the velocity; its goal.
    for index in range(3):
        np.testing.assert_allclose(
            port.observation[index], [0.1, -0.2, 0.1, -0.2, 0.5, 1.0, index], atol=1e-7
        )
    layout = ObservationLayout(TERMS, robot, 1)
    assert port.observation.shape == (3, layout.size) == (3, 7)
    sim.qpos[:] = [0.3, -0.4]
    port.observe(motion, RowRandom([0], 3).all)
    np.testing.assert_allclose(port.observation[1], [0.3, -0.4, 0.1, -0.2, 0.5, 1.0, 1.0], atol=1e-7)
    np.testing.assert_array_equal(port.frame.position, sim.position)


def test_a_robot_that_begins_anew_fills_its_history_and_no_others(tmp_path):
    port, sim, motion = of_robot(two_joints(tmp_path))
    sim.qpos[:] = [0.3, -0.4]
    port.observe(motion, RowRandom([0], 3).all)
    before = port.observation.copy()
    sim.reset(np.array([1]), np.array([[0.7, 0.8]]), np.zeros((1, 2)))
    port.restart(np.array([1]), motion, RowRandom([0], 1).all)
    np.testing.assert_allclose(port.observation[1], [0.7, 0.8, 0.7, 0.8, 0.0, 0.0, 1.0], atol=1e-7)
    np.testing.assert_array_equal(port.observation[[0, 2]], before[[0, 2]])


def test_commands_to_a_robot_pass_its_safety_filter(tmp_path):
    robot = two_joints(tmp_path)
    port, _, _ = of_robot(robot)
    command = port.command(np.tile([1.0, 0.5], (3, 1)))
    # Soft start of 0.08 s at 0.02 s per step: a quarter of 3 N m and of half of 1.5 N m. The rates of 20 and 30 N m/s
    # allow 0.4 and 0.6 N m per step: the first joint's is cut.
    np.testing.assert_allclose(command, np.tile([0.4, 0.1875], (3, 1)))
    np.testing.assert_allclose(port.sent(command), np.tile([0.4 / 3, 0.125], (3, 1)))
    assert port.reasons is not None
    assert (port.reasons == Reason.SOFT_START | Reason.RATE_LIMIT).all()


def test_an_action_that_is_not_finite_stops_that_robot_alone_and_is_counted(tmp_path):
    port, _, _ = of_robot(two_joints(tmp_path))
    action = np.tile([1.0, 0.5], (3, 1))
    action[1] = [np.nan, 0.5]
    command = port.command(action)
    # Its joints are not damped, as no positions tell yet that they move; rates are 0.4 and 0.6 N m per step.
    np.testing.assert_allclose(command, [[0.4, 0.1875], [0.0, 0.0], [0.4, 0.1875]])
    assert port.reasons is not None
    assert ((port.reasons & Reason.POLICY_NOT_FINITE) != 0).tolist() == [False, True, False]
    assert port.invalid_actions == 1
    port.command(np.tile([np.inf, -np.inf], (3, 1)))
    assert port.invalid_actions == 4


@pytest.mark.parametrize("kind", ["robot", "state"])
def test_a_port_goes_on_from_a_saved_state(tmp_path, kind):
    robot = two_joints(tmp_path)
    (port, _, motion), (other, *_) = (of_robot(robot) if kind == "robot" else of_state() for _ in range(2))
    size = motion.action.shape[1]
    port.command(np.full((3, size), np.nan))
    port.observe(motion, RowRandom([0], 3).all)
    other.restore(port.state())
    np.testing.assert_array_equal(other.observation, port.observation)
    assert other.invalid_actions == port.invalid_actions == 3
    action = np.full((3, size), 0.9)
    np.testing.assert_array_equal(other.command(action), port.command(action))


def test_sizes_are_the_layouts(tmp_path):
    robot = two_joints(tmp_path)
    interface = RobotInterface(robot, TERMS, goal=1)
    assert (interface.observation_size, interface.action_size) == (7, 2)
    with pytest.raises(ValueError, match="goal"):
        _ = RobotInterface(robot, TERMS).observation_size
