"""What the tests of the judge share."""

from __future__ import annotations

import dataclasses

import pytest

from robots import RobotSpec


@pytest.fixture
def slow(pendulum: RobotSpec) -> RobotSpec:
    """A pendulum whose torque may change by 0.5 N m per control period."""
    joint = dataclasses.replace(pendulum.joints[0], command_rate=25.0)
    return dataclasses.replace(pendulum, joints=(joint,))
