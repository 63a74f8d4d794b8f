"""`double_pendulum_swingup`: heights, the passive joint and the cables, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.families.double_pendulum_swingup import tip_height
from sim_tasks.motion import Motion
from sim_tasks.trial_env import TrialVecEnv

FAMILY = load_family("double_pendulum_swingup")


def at(shoulder: float, elbow: float) -> Motion:
    position = np.array([[shoulder, elbow]])
    return Motion(
        position, np.zeros((1, 2)), np.zeros((1, 1)), before=position, previous_action=np.zeros((1, 1))
    )


@pytest.mark.parametrize(
    ("shoulder", "elbow", "height"),
    # Links of 0.2 and 0.3 m; hanging, upright, upper link up and lower one folded down, upper link level.
    [(0.0, 0.0, -0.5), (np.pi, 0.0, 0.5), (np.pi, np.pi, -0.1), (np.pi / 2, np.pi / 2, 0.3)],
)
def test_height_of_the_tip(shoulder, elbow, height):
    assert tip_height(np.array([[shoulder, elbow]]))[0] == pytest.approx(height)


def test_upright_and_at_rest_pays_all_and_is_success():
    # upright 0.2 + 0.8, steady 1, no effort 1.
    assert FAMILY.reward(at(np.pi, 0.0))[0] == pytest.approx(1.0)
    assert FAMILY.success is not None
    assert FAMILY.success(at(np.pi, 0.0))[0]
    assert not FAMILY.success(at(0.0, 0.0))[0]
    assert FAMILY.reward(at(0.0, 0.0))[0] < 0.01


@pytest.mark.parametrize(("angle", "ends"), [(12.5, False), (12.6, True), (-12.6, True)])
def test_an_episode_ends_where_the_cables_do(angle, ends):
    assert FAMILY.terminal is not None  # robot.yaml: 12.566 rad, two turns
    assert FAMILY.terminal(at(angle, 0.0))[0] == FAMILY.terminal(at(0.0, angle))[0] == ends


@pytest.mark.parametrize(("protocol", "passive"), [("acrobot", 0), ("pendubot", 1)])
def test_one_motor_alone_drives(protocol, passive):
    family = load_family(f"double_pendulum_swingup@{protocol}")
    env = TrialVecEnv(family, 4, 0, threads=1)
    env.step(np.ones((4, 1)))
    command = env.port.command(np.ones((4, 1)))
    assert command.shape == (4, 2)
    assert (command[:, passive] == 0.0).all()
    assert (command[:, 1 - passive] > 0.0).all()


def test_an_unknown_way_to_drive_it_names_the_valid_ones():
    with pytest.raises(TaskError, match="actuated: 'both'; valid: acrobot, pendubot"):
        load_family("double_pendulum_swingup", actuated="both")
