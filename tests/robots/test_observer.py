"""Observations beyond joints, and their history: sizes, order and errors, worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from robots import RobotError, SensorFrame, load_robot, robot_names
from robots.kinematics import Chain, ChainStep
from robots.observation import ObservationLayout, ObservationTerm
from robots.observer import Observer
from robots.quantities import NAMES
from tests.robots.two_joints import body

HINGE = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
TOOL = Chain((ChainStep("joint0", *HINGE),), offset=(0.0, 0.0, -0.5))


def reading(position, velocity=None, gyro=None, gravity=None) -> SensorFrame:
    position = np.array(position, float)
    velocity = np.zeros_like(position) if velocity is None else np.array(velocity, float)
    inertial = [None if value is None else np.array(value, float) for value in (gyro, gravity)]
    return SensorFrame(np.zeros(len(position)), position, velocity, *inertial)


def test_each_term_has_its_own_size():
    terms = [ObservationTerm(name) for name in NAMES]
    layout = ObservationLayout(terms, body(2, imu=True, tool=TOOL), goal=4)
    # sin, cos, position, velocity, relative_position: 2 joints each; gyro, gravity: 3; goal: 4; tool: 3 each
    assert dict(zip(NAMES, layout.sizes, strict=True)) == {
        **dict.fromkeys(("sin_position", "cos_position", "position", "velocity", "relative_position"), 2),
        **{"gyro": 3, "gravity": 3, "goal": 4, "tool_position": 3, "tool_error": 3},
    }
    assert layout.size == layout.step_size == 10 + 6 + 4 + 6


def test_what_an_imu_and_a_goal_say_stands_where_it_should():
    terms = [
        ObservationTerm("gravity"),
        ObservationTerm("goal", scale=2.0),
        ObservationTerm("gyro", clip=1.0),
    ]
    layout = ObservationLayout(terms, body(1, imu=True), goal=2)
    frame = reading([[0.0]], gyro=[[0.5, -7.0, 0.0]], gravity=[[0.0, 0.6, -0.8]])
    built = layout.build(frame, goal=np.array([[0.25, -1.0]]))
    np.testing.assert_allclose(built, [[0.0, 0.6, -0.8, 0.5, -2.0, 0.5, -1.0, 0.0]], rtol=1e-6)


def test_a_relative_position_is_from_the_pose_at_rest():
    # At rest: 0.25 and 0.5 rad.
    layout = ObservationLayout([ObservationTerm("relative_position", scale=2.0)], body())
    np.testing.assert_allclose(layout.build(reading([[0.35, 0.0]])), [[0.2, -1.0]], rtol=1e-6)


def test_a_tool_error_is_the_goal_minus_the_measured_tool():
    layout = ObservationLayout([ObservationTerm("tool_error")], body(1, tool=TOOL), goal=4)
    # A rod of 0.5 m hangs from a hinge about y; at +90 deg its end is at (-0.5, 0, 0).
    built = layout.build(reading([[0.0], [np.pi / 2]]), goal=np.tile([0.1, 0.2, 0.3, 99.0], (2, 1)))
    np.testing.assert_allclose(built, [[0.1, 0.2, 0.8], [0.6, 0.2, 0.3]], atol=1e-7)


@pytest.mark.parametrize(
    ("term", "goal", "says"),
    [
        ("gyro", 0, "'gyro' needs an IMU; robot 'made_up' has none"),
        ("gravity", 0, "'gravity' needs an IMU"),
        ("goal", 0, "'goal' needs a goal; this task has none"),
        ("tool_error", 3, "'tool_error' needs a tool; robot 'made_up' has none"),
    ],
)
def test_a_layout_names_what_the_robot_or_the_task_lacks(term, goal, says):
    with pytest.raises(RobotError, match=says):
        ObservationLayout([ObservationTerm(term)], body(), goal)


def test_a_target_needs_three_numbers():
    with pytest.raises(RobotError, match="begins with a position; this one has size 2"):
        ObservationLayout([ObservationTerm("tool_error")], body(1, tool=TOOL), goal=2)


def test_a_frame_or_goal_that_lacks_something_is_refused():
    layout = ObservationLayout([ObservationTerm("gyro")], body(1, imu=True))
    with pytest.raises(RobotError, match="needs a gyro reading, and there is none"):
        layout.build(reading([[0.0]]))
    layout = ObservationLayout([ObservationTerm("goal")], body(1), goal=2)
    with pytest.raises(RobotError, match="needs a goal, and there is none"):
        layout.build(reading([[0.0]]))
    with pytest.raises(RobotError, match="'goal': 3 number"):
        layout.build(reading([[0.0]]), goal=np.zeros((1, 3)))


@pytest.mark.parametrize("history", [0, -1, 1001, 2.0, True])
def test_a_history_is_a_number_of_steps(history):
    with pytest.raises(RobotError, match=r"velocity: history is .*valid: 1 to 1000"):
        ObservationTerm("velocity", history=history)


STACKED = (ObservationTerm("position", history=3), ObservationTerm("velocity", scale=0.1))


def test_history_stands_newest_first_term_by_term():
    layout = ObservationLayout(STACKED, body(1))
    assert (layout.size, layout.step_size) == (4, 2)
    observer = Observer(layout)
    seen = [observer.observe(reading([[p]], [[10 * p]])).copy() for p in (1.0, 2.0, 3.0, 4.0)]
    # The first observation fills the whole history.
    np.testing.assert_allclose(np.concatenate(seen), [[1, 1, 1, 1], [2, 1, 1, 2], [3, 2, 1, 3], [4, 3, 2, 4]])
    assert layout.columns("velocity") == (slice(3, 4), 0.1)
    assert layout.columns("position") == (slice(0, 1), 1.0)


def test_two_joints_stay_together_in_each_step():
    observer = Observer(ObservationLayout([ObservationTerm("position", history=2)], body()))
    observer.observe(reading([[1.0, 2.0]]))
    assert observer.observe(reading([[3.0, 4.0]])).tolist() == [[3.0, 4.0, 1.0, 2.0]]


def test_without_history_an_observation_is_what_the_layout_builds():
    layout = ObservationLayout([ObservationTerm("position"), ObservationTerm("velocity")], body())
    observer, rng = Observer(layout, 4), np.random.default_rng(0)
    for _ in range(3):
        frame = reading(*rng.normal(size=(2, 4, 2)))
        np.testing.assert_array_equal(observer.observe(frame), layout.build(frame))


@pytest.mark.parametrize("terms", [STACKED, (ObservationTerm("position"),)])
def test_a_reading_that_is_not_fresh_changes_nothing(terms):
    observer = Observer(ObservationLayout(terms, body(1)), 2)
    observer.observe(reading([[1.0], [2.0]]))
    before = observer.observe(reading([[3.0], [4.0]])).copy()
    after = observer.observe(reading([[5.0], [np.nan]]), fresh=np.array([True, False])).copy()
    np.testing.assert_array_equal(after[1], before[1])
    assert after[0, 0] == 5.0
    np.testing.assert_array_equal(observer.observe(reading([[9.0], [9.0]]), fresh=np.zeros(2, bool)), after)


def test_after_a_reset_the_next_reading_fills_the_history():
    observer = Observer(ObservationLayout([ObservationTerm("position", history=3)], body(1)), 3)
    for value in (1.0, 2.0, 3.0):
        observer.observe(reading(np.full((3, 1), value)))
    observer.reset(np.array([1]))
    # Robot 1's reading is not fresh at first: it keeps what it had, and begins with the one after.
    observer.observe(reading(np.full((3, 1), 4.0)), fresh=np.array([True, False, True]))
    seen = observer.observe(reading(np.full((3, 1), 5.0)))
    assert seen.tolist() == [[5.0, 4.0, 3.0], [5.0, 5.0, 5.0], [5.0, 4.0, 3.0]]


def test_a_batch_is_its_robots_one_by_one():
    layout, rng = ObservationLayout(STACKED, body(2)), np.random.default_rng(1)
    together, alone = Observer(layout, 3), [Observer(layout) for _ in range(3)]
    for step in range(20):
        position, velocity = rng.normal(size=(2, 3, 2))
        fresh = rng.random(3) < 0.7
        if step == 9:
            together.reset(np.array([2]))
            alone[2].reset()
        seen = together.observe(reading(position, velocity), fresh=fresh)
        for i, one in enumerate(alone):
            part = slice(i, i + 1)
            own = one.observe(reading(position[part], velocity[part]), fresh=fresh[part])
            np.testing.assert_array_equal(own[0], seen[i])


def test_a_restored_observer_goes_on_bit_by_bit():
    layout, rng = ObservationLayout(STACKED, body(2)), np.random.default_rng(2)
    first, second = Observer(layout, 3), Observer(layout, 3)
    for _ in range(5):
        first.observe(reading(*rng.normal(size=(2, 3, 2))))
    first.reset(np.array([0]))
    second.restore(first.state())
    for _ in range(5):
        frame = reading(*rng.normal(size=(2, 3, 2)))
        np.testing.assert_array_equal(first.observe(frame), second.observe(frame))


@pytest.mark.parametrize("name", robot_names())
def test_every_registered_robot_is_observed_and_its_layout_survives_its_manifest(name):
    spec = load_robot(name)
    goal = 3
    needs = {"gyro": spec.imu, "gravity": spec.imu, "tool_position": spec.tool, "tool_error": spec.tool}
    terms = [ObservationTerm(term, history=2) for term in NAMES if needs.get(term, True)]
    layout = ObservationLayout(terms, spec, goal)
    again = ObservationLayout.from_manifest(json.loads(json.dumps(layout.manifest())), spec)
    assert (again.terms, again.size, again.goal) == (layout.terms, layout.size, goal)
    frame = SensorFrame.unheard(len(spec.joints), spec.imu is not None, robots=5)
    frame.position[:], frame.velocity[:] = spec.default_position, 0.0
    if frame.gyro is not None and frame.gravity is not None:
        frame.gyro[:], frame.gravity[:] = 0.0, (0.0, 0.0, -1.0)
    seen = Observer(again, 5).observe(frame, np.zeros((5, goal)))
    assert seen.shape == (5, layout.size)
    assert np.isfinite(seen).all()


@pytest.mark.parametrize("history", [1, 3])
def test_a_restart_is_a_reset_and_an_observation_of_those_robots_alone(history):
    layout = ObservationLayout([ObservationTerm("position", history=history)], body(1))
    one, two, ids = Observer(layout, 4), Observer(layout, 4), np.array([0, 2])
    for value in (1.0, 2.0):
        one.observe(reading(np.full((4, 1), value)))
        two.observe(reading(np.full((4, 1), value)))
    one.reset(ids)
    expected = one.observe(reading([[5.0], [6.0], [7.0], [8.0]]), fresh=np.array([True, False, True, False]))
    alone = two.restart(ids, reading([[5.0], [7.0]]))
    np.testing.assert_array_equal(alone, np.repeat([[5.0], [7.0]], history, axis=1))
    np.testing.assert_array_equal(two.state()["observation"], expected)
    np.testing.assert_array_equal(
        two.observe(reading(np.full((4, 1), 9.0))), one.observe(reading(np.full((4, 1), 9.0)))
    )
