"""Observation and action layouts: order, scale, clip and inverse, worked out by hand for two joints."""

from __future__ import annotations

import json

import numpy as np
import pytest

from robots import RobotError, SensorFrame
from robots.action import ActionLayout
from robots.observation import ObservationLayout, ObservationTerm
from tests.robots.two_joints import body, two_joints

TERMS = (
    ObservationTerm("velocity", scale=0.2, clip=1.0),
    ObservationTerm("sin_position"),
    ObservationTerm("cos_position", scale=2.0),
    ObservationTerm("position", scale=0.5, clip=10.0),
)
HALF_PI = np.pi / 2


def reading(position, velocity) -> SensorFrame:
    return SensorFrame(np.zeros(len(position)), np.array(position, float), np.array(velocity, float))


def test_terms_stand_in_order_each_over_all_joints():
    layout = ObservationLayout(TERMS, body())
    observation = layout.build(reading([[HALF_PI, 0.0], [-HALF_PI, 6.0]], [[2.0, -3.0], [0.5, 99.0]]))
    # velocity * 0.2, clipped at 1 | sin | 2 cos | position / 2; sin 6 = -0.279415, cos 6 = 0.960170
    expected = [
        [0.4, -0.6, 1.0, 0.0, 0.0, 2.0, HALF_PI / 2, 0.0],
        [0.1, 1.0, -1.0, -0.279415, 0.0, 1.920341, -HALF_PI / 2, 3.0],
    ]
    np.testing.assert_allclose(observation, expected, atol=1e-6)
    assert observation.dtype == np.float32
    assert layout.size == 8


def test_clip_is_of_the_scaled_value_and_on_both_sides():
    layout = ObservationLayout([ObservationTerm("velocity", scale=10.0, clip=3.0)], body(1))
    observation = layout.build(reading(np.zeros((4, 1)), [[0.25], [0.31], [-0.31], [np.inf]]))
    assert observation.ravel().tolist() == [2.5, 3.0, -3.0, 3.0]


def test_a_reading_that_is_nan_stays_nan_where_it_is():
    observation = ObservationLayout(TERMS, body()).build(reading([[np.nan, 0.0]], [[1.0, 1.0]]))
    # sin, cos and position of joint 0: columns 2, 4 and 6.
    assert np.flatnonzero(np.isnan(observation[0])).tolist() == [2, 4, 6]


def test_each_row_is_its_own_robot():
    rng = np.random.default_rng(0)
    position, velocity = rng.normal(size=(2, 5, 2))
    layout = ObservationLayout(TERMS, body())
    together = layout.build(reading(position, velocity))
    alone = [layout.build(reading(position[i : i + 1], velocity[i : i + 1]))[0] for i in range(5)]
    np.testing.assert_array_equal(together, alone)


def test_columns_find_a_term_and_its_scale():
    layout = ObservationLayout(TERMS, body())
    assert layout.columns("cos_position") == (slice(4, 6), 2.0)
    with pytest.raises(RobotError, match="no observation term 'cos_position'; this layout has velocity"):
        ObservationLayout(TERMS[:1], body()).columns("cos_position")


def test_an_unknown_term_names_the_valid_ones():
    valid = (
        "sin_position, cos_position, position, velocity, relative_position, gyro, gravity, goal, tool_position, "
        "tool_error"
    )
    with pytest.raises(RobotError, match=f"unknown observation term 'torque'; valid: {valid}"):
        ObservationTerm("torque")


def test_a_layout_survives_its_manifest():
    layout = ObservationLayout(TERMS, body())
    manifest = json.loads(json.dumps(layout.manifest()))
    sizes = {"history": 1, "size": 2, "goal": 0}
    assert manifest[0] == {"name": "velocity", "unit": "rad/s", "scale": 0.2, "clip": 1.0, **sizes}
    assert [term["unit"] for term in manifest] == ["rad/s", "1", "1", "rad"]
    assert ObservationLayout.from_manifest(manifest, body()).terms == layout.terms


def test_a_manifest_in_other_units_is_refused():
    manifest = ObservationLayout(TERMS, body()).manifest()
    manifest[3]["unit"] = "deg"
    with pytest.raises(RobotError, match="'position' is in rad, not in 'deg'"):
        ObservationLayout.from_manifest(manifest, body())


@pytest.mark.parametrize(
    ("interface", "action", "command"),
    [
        # shoulder +-3 N m, elbow +-1.5 N m
        ("effort", [0.5, -1.0], [1.5, -1.5]),
        # shoulder +-4 rad/s, elbow +-6 rad/s
        ("velocity", [-0.25, 0.5], [-1.0, 3.0]),
        # shoulder -2 to 1.5: centre -0.25, half 1.75; elbow -1 to 2.5: centre 0.75, half 1.75
        ("position", [0.0, 0.4], [-0.25, 1.45]),
        ("position", [-1.0, 1.0], [-2.0, 2.5]),
    ],
)
def test_actions_map_onto_the_limits(tmp_path, interface, action, command):
    layout = ActionLayout(two_joints(tmp_path, interface))
    assert layout.size == 2
    np.testing.assert_allclose(layout.to_command(np.array([action])), [command], atol=1e-12)
    np.testing.assert_allclose(layout.to_action(np.array([command])), [action], atol=1e-12)


def test_actions_beyond_one_ask_for_the_limit(tmp_path):
    layout = ActionLayout(two_joints(tmp_path, "position"))
    command = layout.to_command(np.array([[7.0, -1e300], [1e300, -1.5]]))
    assert command.tolist() == [[1.5, -1.0], [1.5, -1.0]]


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_an_action_that_is_not_finite_is_left_to_the_safety_filter(tmp_path, broken):
    command = ActionLayout(two_joints(tmp_path)).to_command(np.array([[broken, 0.5]]))
    assert np.isnan(command[0, 0])
    assert command[0, 1] == 0.75


def test_the_action_manifest_holds_centre_and_half_range(tmp_path):
    manifest = ActionLayout(two_joints(tmp_path, "position")).manifest()
    assert manifest == {"centre": [-0.25, 0.75], "half_range": [1.75, 1.75]}
