"""What holds for every term that changes physics: it acts, on its own simulation alone, and leaves no trace."""

from __future__ import annotations

import copy
from typing import Any

import mujoco
import numpy as np
import pytest
from mujoco.batch import MODEL_FIELDS

from sim_tasks.batch_sim import BatchSim
from sim_tasks.errors import TaskError
from sim_tasks.plant import model_plant
from sim_tasks.randomisation import (
    ActionDelay,
    Armature,
    BodyDistance,
    BodyInertia,
    BodyMass,
    ComOffset,
    EffortLimit,
    FieldElement,
    FrictionLoss,
    GeomFriction,
    GravityTilt,
    JointDamping,
    MotorGain,
    MotorLag,
    MotorStrength,
    NoLoadSpeed,
    PairFriction,
    Parameter,
    Payload,
    ServoKd,
    ServoKp,
    Target,
    TerrainSlope,
    TotalMass,
)

XML = """<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" friction="0.2 0.005 0.0001"/>
    <body name="block" pos="0 0 0.05" simple="false">
      <freejoint/>
      <geom name="block" type="box" size="0.1 0.1 0.05" mass="2" friction="0.3 0.005 0.0001"/>
    </body>
    <body name="puck" pos="3 0 0.02">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="z" type="slide" axis="0 0 1"/>
      <geom name="puck" type="box" size="0.1 0.1 0.02" mass="1" contype="0" conaffinity="0"/>
    </body>
    <body name="upper" pos="0 2 2">
      <joint name="shoulder" axis="0 1 0" damping="0.1" armature="0.01" frictionloss="0.05"/>
      <inertial pos="0 0 -0.1" mass="0.5" diaginertia="0.002 0.003 0.004"/>
      <body name="lower" pos="0 0 -0.3" gravcomp="1">
        <joint name="elbow" axis="0 1 0" damping="0.1" armature="0.01" frictionloss="0.05"/>
        <inertial pos="0 0 -0.1" quat="0.9 0.1 0.3 0.2" mass="0.3" diaginertia="0.001 0.002 0.0025"/>
      </body>
    </body>
  </worldbody>
  <contact>
    <pair name="sole" geom1="floor" geom2="puck" condim="3" friction="0.2 0.2 0.005 0.0001 0.0001"/>
  </contact>
  <actuator>
    <position name="shoulder" joint="shoulder" kp="30" kv="1" timeconst="0.02" forcerange="-5 5" nsample="12"
      interp="linear"/>
    <motor name="elbow" joint="elbow" gear="2" forcerange="-1 1" nsample="12" interp="linear"/>
  </actuator>
</mujoco>"""

TERMS: dict[str, tuple[Target, float, float]] = {
    # With a value, and one that is not valid.
    "mass": (BodyMass("lower"), 0.6, -0.1),
    "total_mass": (TotalMass(), 1.4, 0.0),
    "distance": (BodyDistance("lower"), 0.4, -0.1),
    "com": (ComOffset("lower", "x"), 0.05, np.inf),
    "com_of_a_free_body": (ComOffset("block", "z"), 0.02, np.nan),
    "inertia": (BodyInertia("lower", "y"), 3.0, 0.0),
    "payload": (Payload("lower", (0.05, 0.02, -0.2)), 0.4, -0.1),
    "friction": (GeomFriction(("block", "floor"), factor=True), 2.0, -0.1),
    "pair_friction": (PairFriction("sole"), 0.6, -0.1),
    "damping": (JointDamping(("shoulder", "elbow")), 0.3, -0.1),
    "friction_loss": (FrictionLoss("elbow"), 0.3, -0.1),
    "armature": (Armature(("shoulder", "elbow")), 0.03, -0.1),
    "kp": (ServoKp("shoulder"), 45.0, -1.0),
    "kd": (ServoKd("shoulder"), 2.0, -1.0),
    "gain": (MotorGain("elbow"), 0.6, -0.1),
    "strength": (MotorStrength(), 0.7, -0.1),
    "limit": (EffortLimit(factor=True), 0.4, -0.1),
    "delay": (ActionDelay(), 0.04, 0.06),
    "lag": (MotorLag("shoulder"), 0.1, -0.1),
    "no_load_speed": (NoLoadSpeed(0), 1.0, 0.0),
    "gravity_tilt": (GravityTilt("x"), 0.2, 1.6),
    "slope": (TerrainSlope("floor", "y"), 0.3, -1.6),
    "element": (FieldElement("dof_damping", (8,)), 4.0, -0.1),
}
MOVES_MASS = ("mass", "total_mass", "com", "inertia", "payload", "armature", "distance")
DERIVED = ("body_subtreemass", "dof_invweight0", "body_invweight0", "actuator_acc0", "dof_M0")
STEPS = 60


def simulate(target: Target, robots: int = 3, threads: int = 1) -> BatchSim:
    model = mujoco.MjModel.from_xml_string(XML)
    low = max(target.valid[0], -1.0)
    parameter = Parameter("term", "1", target, low, low + 1e-3, ood="none")
    return BatchSim(model_plant("bench", model, 1, ("shoulder", "elbow")), [parameter], robots, threads)


def put(sim: BatchSim, *values: float) -> BatchSim:
    sim.set_parameters(np.arange(len(values)), np.array(values)[:, None])
    return sim


def track(sim: BatchSim) -> np.ndarray:
    """Motion of all simulations from the same start under the same commands. Shape (T, N, nv)."""
    model = sim.plant.model
    qvel = np.zeros(model.nv)
    qvel[0] = qvel[6] = 2.0  # block and puck slide
    ids = np.arange(sim.robots)
    sim.reset(ids, np.tile(model.qpos0, (sim.robots, 1)), np.tile(qvel, (sim.robots, 1)))
    out = []
    for step in range(STEPS):
        assert not sim.step(np.tile([0.8 * np.sin(0.2 * step), np.cos(0.1 * step)], (sim.robots, 1))).any()
        out.append(sim.qvel.copy())
    return np.array(out)


def fields(model: mujoco.MjModel) -> dict[str, Any]:
    """Every array of numbers that may differ between simulations, and gravity."""
    names = [name for name in sorted(MODEL_FIELDS) if not name.startswith("opt.")]
    return {name: np.array(getattr(model, name)) for name in names} | {"gravity": model.opt.gravity.copy()}


@pytest.fixture(params=TERMS)
def term(request) -> tuple[str, Target, float, float]:
    return (request.param, *TERMS[request.param])


def test_two_simulations_in_one_batch_really_differ(term):
    name, target, value, _ = term
    sim = simulate(target)
    default = sim.values[0, 0]
    motion = track(put(sim, default, value, default))
    difference = np.abs(motion[:, 1] - motion[:, 0]).max()
    assert difference > 1e-3, f"{name} changes nothing: {difference}"
    np.testing.assert_array_equal(motion[:, 2], motion[:, 0])


def test_default_values_are_the_model_itself(term):
    _, target, _, _ = term
    sim = simulate(target)
    untouched = track(sim)
    default = sim.values[0, 0]
    # A payload of nothing names the principal axes anew: the same to rounding.
    np.testing.assert_allclose(track(put(sim, default, default, default)), untouched, rtol=1e-9, atol=1e-9)


def test_derived_constants_are_those_of_a_model_made_this_way(term):
    name, target, value, _ = term
    sim = put(simulate(target), sim_default(target), value, value)
    changed = sim.get_model(1)
    fresh = copy.deepcopy(sim.plant.model)
    for field in sorted(MODEL_FIELDS):
        own = sim.expanded(field)
        if own is not None:
            owner, _, attribute = field.rpartition(".")
            getattr(fresh.opt if owner else fresh, attribute)[:] = own[1]
    mujoco.mj_setConst(fresh, mujoco.MjData(fresh))
    expected = fields(fresh)
    for field, array in fields(changed).items():
        np.testing.assert_array_equal(array, expected[field], err_msg=field)
    if name in MOVES_MASS:
        before = fields(sim.plant.model)
        assert any((before[field] != expected[field]).any() for field in DERIVED)


def sim_default(target: Target) -> float:
    return target.default(mujoco.MjModel.from_xml_string(XML))


def test_twice_is_once_and_back_is_as_if_nothing_had_been(term):
    _, target, value, _ = term
    once, twice = simulate(target), simulate(target)
    default = once.values[0, 0]
    put(once, value, default, value)
    put(twice, value, value, default)
    put(twice, value, default, value)
    put(twice, value, default, value)
    for robot in range(3):
        one, two = fields(once.get_model(robot)), fields(twice.get_model(robot))
        for name, array in one.items():
            np.testing.assert_array_equal(array, two[name], err_msg=name)
    np.testing.assert_array_equal(track(once), track(twice))


def test_only_the_simulations_that_are_named_change(term):
    _, target, value, _ = term
    sim = put(simulate(target), *[sim_default(target)] * 3)
    before = [fields(sim.get_model(robot)) for robot in range(3)]
    sim.set_parameters(np.array([1]), np.array([[value]]))
    for robot in (0, 2):
        after = fields(sim.get_model(robot))
        for name, array in before[robot].items():
            np.testing.assert_array_equal(array, after[name], err_msg=name)


def test_alone_and_with_two_threads_it_is_the_same(term):
    _, target, value, _ = term
    together = track(put(simulate(target, 4, threads=2), sim_default(target), value, value, value))
    alone = track(put(simulate(target, 1), value))
    np.testing.assert_array_equal(together[:, 3], alone[:, 0])


def test_values_that_are_not_physical_are_refused(term):
    _, target, value, wrong = term
    sim = put(simulate(target), value, value, value)
    for bad in (wrong, np.nan):
        with pytest.raises(TaskError, match=r"term: -?[\d.naif]+ 1; valid: "):
            put(sim, value, bad, value)
        np.testing.assert_array_equal(sim.values[:, 0], value)


@pytest.mark.parametrize("name", [name for name, (*_, wrong) in TERMS.items() if np.isfinite(wrong)])
def test_a_range_that_is_not_physical_is_refused(name):
    target, value, wrong = TERMS[name]
    low, high = sorted((wrong, value))
    parameter = Parameter("term", "1", target, low, high, ood="none" if wrong else "both")
    with pytest.raises(TaskError, match=r"term: draws from .*; valid: "):
        BatchSim(simulate(target).plant, [parameter], 1)


def test_every_term_starts_from_the_models_own_value():
    defaults = {name: sim_default(target) for name, (target, _, _) in TERMS.items()}
    assert defaults == {
        "mass": 0.3,
        "total_mass": 1.0,
        "distance": 0.3,
        "com": 0.0,
        "com_of_a_free_body": 0.0,
        "inertia": 1.0,
        "payload": 0.0,
        "friction": 1.0,
        "pair_friction": 0.2,
        "damping": 0.1,
        "friction_loss": 0.05,
        "armature": 0.01,
        "kp": 30.0,
        "kd": 1.0,
        "gain": 1.0,
        "strength": 1.0,
        "limit": 1.0,
        "delay": 0.0,
        "lag": 0.02,
        "no_load_speed": np.inf,
        "gravity_tilt": 0.0,
        "slope": 0.0,
        "element": 1.0,
    }
