"""Who lies on the ground is not expected to be driven."""

from __future__ import annotations

import numpy as np
import pytest

from robots import load_robot
from ros_bridge.hil.posture import Posture

DOWN = np.array([[0.0, 0.0, -1.0]])


@pytest.mark.parametrize(
    ("robot", "gravity", "folded", "stands"),
    [
        ("go2", DOWN, False, True),
        ("go2", DOWN, True, False),
        ("go2", np.array([[1.0, 0.0, 0.0]]), False, False),
        ("go2", np.array([[np.nan, 0.0, -1.0]]), False, False),
        ("go2", None, True, True),
        ("pendulum", None, True, True),
    ],
)
def test_a_robot_stands(robot, gravity, folded, stands):
    """Folded: every foot is 0.07 m below its hip."""
    spec = load_robot(robot)
    posture, position = Posture(spec), spec.default_position[None].copy()
    if folded and robot == "go2":
        position[0] = np.tile([0.0, 2.4, -2.7], 4)
    if gravity is not None:
        posture.feel(gravity)
    assert posture.stands(position) == stands
