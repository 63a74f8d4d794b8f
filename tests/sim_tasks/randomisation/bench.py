"""Small models with round numbers, and simulations of them in which some terms are randomised."""

from __future__ import annotations

import mujoco
import numpy as np

from sim_tasks.batch_sim import BatchSim
from sim_tasks.plant import model_plant
from sim_tasks.randomisation import Parameter, Target

STEP = 0.01
"""Time step of `CART` and `ROTOR` in [s]."""

CART = f"""<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{STEP}" gravity="0 0 0" integrator="Euler"/>
  <worldbody>
    <body name="cart" simple="false">
      <joint name="rail" type="slide" axis="1 0 0"/>
      <joint name="turn" type="hinge" axis="0 0 1"/>
      <inertial pos="0 0 0" mass="2" diaginertia="0.1 0.2 0.25"/>
    </body>
    <body name="other" pos="5 0 0">
      <joint name="other" type="slide" axis="1 0 0"/>
      <inertial pos="0 0 0" mass="3" diaginertia="1 1 1"/>
    </body>
  </worldbody>
  <actuator>
    <motor name="push" joint="rail"/>
    <motor name="twist" joint="turn"/>
    <motor name="other" joint="other"/>
  </actuator>
</mujoco>"""
"""2 kg that slide along x and turn about z; the centre of mass is on the axis."""

ROTOR = f"""<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{STEP}" gravity="0 0 0" integrator="Euler"/>
  <worldbody>
    <body name="left">
      <joint name="left" axis="0 0 1"/>
      <inertial pos="0 0 0" mass="1" diaginertia="0.02 0.02 0.02"/>
    </body>
    <body name="right" pos="1 0 0">
      <joint name="right" axis="0 0 1" damping="0.1" armature="0.01"/>
      <inertial pos="0 0 0" mass="1" diaginertia="0.02 0.02 0.02"/>
    </body>
  </worldbody>
  <actuator>
    <position name="servo" joint="right" kp="30" kv="1" forcerange="-5 5" nsample="8" interp="linear"/>
    <motor name="motor" joint="left" forcerange="-2 3" nsample="8" interp="linear"/>
  </actuator>
</mujoco>"""
"""Two wheels of 0.02 kg m^2: a motor drives the left, a servo the right."""


def simulate(
    xml: str, *targets: Target, robots: int = 2, joints: tuple[str, ...] = (), threads: int = 1
) -> BatchSim:
    """Simulations in which all these targets are randomised, one time step per control step."""
    model = mujoco.MjModel.from_xml_string(xml)
    parameters = [Parameter(f"p{i}", "1", t, *_span(t), ood="none") for i, t in enumerate(targets)]
    return BatchSim(model_plant("bench", model, 1, joints), parameters, robots, threads)


def put(sim: BatchSim, *values: float | tuple[float, ...]) -> BatchSim:
    """Gives each simulation its value, or one tuple of all targets' values."""
    sim.set_parameters(np.arange(sim.robots), np.array(values, float).reshape(sim.robots, -1))
    return sim


def acceleration(sim: BatchSim, *command: float, dof: int = 0) -> np.ndarray:
    """Of a degree of freedom over one time step, with the same command for all. Shape (N,)."""
    before = sim.qvel[:, dof].copy()
    sim.step(np.tile(command, (sim.robots, 1)))
    return (sim.qvel[:, dof] - before) / sim.plant.model.opt.timestep


def _span(target: Target) -> tuple[float, float]:
    """Some range that the target can have."""
    low, high = target.valid
    low = low if np.isfinite(low) else -1.0
    return low, low + min(high - low, 1e-3)
