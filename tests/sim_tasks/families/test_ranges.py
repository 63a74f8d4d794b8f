"""Ranges of the user's own: part of a family's name, drawn from, and refused where they cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.families.ranges import name_with_ranges, split_ranges
from sim_tasks.trial_env import TrialVecEnv


def test_a_name_is_taken_apart_and_put_together_again():
    name = name_with_ranges("half_cheetah_vel@roml", ["b=1e-3:1e+2", "a=0:0.5"])
    assert name == "half_cheetah_vel@roml+a=0:0.5+b=0.001:100"
    assert split_ranges(name) == ("half_cheetah_vel@roml", {"a": (0.0, 0.5), "b": (0.001, 100.0)})
    assert name_with_ranges(name, []) == name
    assert name_with_ranges(name, ["a=0.1:0.2"]) == "half_cheetah_vel@roml+a=0.1:0.2+b=0.001:100"
    assert split_ranges("my+families.py:one") == ("my+families.py:one", {})


@pytest.mark.parametrize(
    "wrong", ["action_delay", "action_delay=5", "action_delay=a:b", "action_delay=1:", "=0:1"]
)
def test_what_is_no_range_is_refused(wrong):
    with pytest.raises(TaskError, match=r"(range|unknown)"):
        load_family(name_with_ranges("pendulum_swingup", [wrong]))


def test_a_range_for_each_parameter_once():
    with pytest.raises(TaskError, match=r"range 'a=1:2': there is another one of a"):
        split_ranges("pendulum_swingup+a=0:1+a=1:2")


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("pendulum_swingup+delay=0:1", "unknown parameter 'delay'; valid: payload_mass, .*action_delay"),
        ("pendulum_swingup+action_delay=0.05:0.01", r"action_delay: not a uniform range: \[0.05, 0.01\]"),
        ("pendulum_swingup+action_delay=nan:0.1", "action_delay: not a uniform range"),
        ("pendulum_swingup+action_delay=-0.01:0.1", "action_delay: draws from -0.01 to .* valid: 0 to"),
        ("pendulum_swingup+action_delay=0:1e9", "action_delay: up to .* valid: up to 1 s"),
        ("pendulum_swingup+payload_mass=0:1", "payload_mass: not a log_uniform range"),
        ("go2_velocity+faulty_joint=0:1", "faulty_joint has no range: it is one of -1, 0, 1"),
        ("no_family+action_delay=0:1", "unknown family 'no_family'"),
    ],
)
def test_what_a_family_cannot_have_is_refused(family, words):
    with pytest.raises(TaskError, match=words):
        load_family(family)


def test_tasks_are_drawn_from_it_and_others_stay_as_they_are():
    own, wider = load_family("pendulum_swingup"), load_family("pendulum_swingup+action_delay=0.05:0.06")
    column = own.parameter_index("action_delay")
    others = np.arange(len(own.parameters)) != column
    for split in ("train", "test"):
        before, drawn = own.sample(split, 200, 0), wider.sample(split, 200, 0)
        assert drawn[:, column].min() >= 0.05
        assert drawn[:, column].max() <= 0.06
        assert np.ptp(drawn[:, column]) > 0.009
        assert (before[:, others] == drawn[:, others]).all()
    assert wider.parameters[column].source.startswith("the user's; the family's own is 0.01 to 0.04: ")
    assert wider.name == "pendulum_swingup+action_delay=0.05:0.06"


def test_a_range_in_units_of_the_model_is_meant_in_the_parameters_own():
    family = load_family("pendulum_swingup+payload_mass=0.3:0.8")  # the family's own is a factor on 0.546 kg
    assert family.bounds[:, family.parameter_index("payload_mass")].tolist() == [0.3, 0.8]


def test_a_longer_delay_than_the_plant_holds_really_delays():
    """0.3 s: without a longer buffer it would be refused, and without a delay the pendulum would move at once."""
    env = TrialVecEnv(load_family("go2_velocity+action_delay=0.298:0.3"), 2, 0, threads=1)
    assert (env.sim.model.actuator_history[:, 0] * env.sim.model.opt.timestep > 0.3).all()
    family = load_family("double_pendulum_swingup+action_delay=0.298:0.3")
    courses = {}
    for action in (-1.0, 1.0):
        env = TrialVecEnv(family, 4, 0, threads=1)
        courses[action] = []
        for _ in range(25):
            env.step(np.full((4, family.action_size), action))
            courses[action].append(env.sim.qpos.copy())
    apart = [bool((one != other).any()) for one, other in zip(*courses.values(), strict=True)]
    # The first command is given at time 0 and reaches the motor after 0.298 s at the earliest.
    assert apart.index(True) * family.period == pytest.approx(0.3, abs=family.period)
