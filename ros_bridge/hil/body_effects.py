"""What each fault of the body makes of a simulated robot's physics: its model fields and the properties beside them.

Each multiplies or adds to what the family's randomisation and the faults before it have written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robots import RobotSpec
from ros_bridge.errors import BridgeError
from ros_bridge.hil.fault import Fault
from sim_tasks.anatomy import carrier, floats, touches
from sim_tasks.batch_sim import BatchSim
from sim_tasks.models import actuator_of
from sim_tasks.randomisation import SimFields
from sim_tasks.randomisation.actuator import is_servo

FREE_FRICTION = 0.1
"""Share of its friction that a joint keeps whose motor turns no more with it: the bearings', without gear and rotor."""
LOCKING_INERTIA = 1e9
"""Of the rotor of a joint that is locked, in [kg m^2]: 150 N m move it by less than 1e-6 rad in 3 s. Friction would
creep and a stop would bounce: both are soft in MuJoCo, and implicit integrators add what other joints do."""


@dataclass
class Effect:
    """One fault at work on one robot."""

    spec: RobotSpec
    sim: BatchSim
    fault: Fault
    begun: float
    """In [s]."""
    level: float
    """Its magnitude now."""

    def write(self, sim: SimFields) -> None:
        """Changes the physics of the one robot."""
        EFFECTS[self.fault.kind](self, sim)

    @cached_property
    def places(self) -> np.ndarray:
        """Of its joints among the robot's: all, if the fault names none."""
        names = self.fault.joints or self.spec.joint_names
        return np.array([self.spec.joint_names.index(name) for name in names])

    @cached_property
    def joints(self) -> np.ndarray:
        """Its joints in the model."""
        return np.array([self.sim.model.joint(self.spec.joint_names[place]).id for place in self.places])

    @property
    def dofs(self) -> np.ndarray:
        """Their degrees of freedom."""
        return self.sim.model.jnt_dofadr[self.joints]

    @cached_property
    def motors(self) -> np.ndarray:
        """Their actuators."""
        return np.array([actuator_of(self.sim.model, self.spec.joint_names[place]) for place in self.places])

    @cached_property
    def direction(self) -> np.ndarray:
        """Its axis of the world, or one in the horizontal plane that its seed draws. Shape (3,)."""
        if self.fault.field:
            return np.eye(3)["xyz".index(self.fault.field)]
        angle = np.random.default_rng(self.fault.seed).uniform(0.0, 2 * np.pi)
        return np.array([np.cos(angle), np.sin(angle), 0.0])


def require_model(sim: BatchSim, fault: Fault) -> None:
    """Raises BridgeError if a robot's model has nothing that the fault could be in."""
    if fault.kind == "slope" and not floats(sim.model):
        raise BridgeError(f"fault {fault.label}: the model has no floating base that could stand on a slope")
    if fault.kind == "slippery" and not touches(sim.model):
        raise BridgeError(f"fault {fault.label}: nothing in the model touches the ground")


def _weak(at: Effect, sim: SimFields) -> None:
    """All that a motor gives: what it is asked for, and its limits, also that of gravity compensation."""
    _limit(at, sim, at.level)
    for name in ("actuator_gainprm", "actuator_biasprm"):
        sim.field(name)[0, at.motors, :3] *= at.level


def _locked(at: Effect, sim: SimFields) -> None:
    """It has stopped (`anatomy.jam`), and nothing can set it in motion. A rotor's inertia does not weigh on the links.

    The ends of its range have nothing to hold any more; they would go on pushing, however large the inertia.
    """
    sim.field("dof_armature")[0, at.dofs] += LOCKING_INERTIA
    sim.field("jnt_limited")[0, at.joints] = False


def _free(at: Effect, sim: SimFields) -> None:
    for name in ("actuator_gainprm", "actuator_biasprm"):
        sim.field(name)[0, at.motors, :3] = 0.0
    sim.field("jnt_actfrclimited")[0, at.joints] = True
    sim.field("jnt_actfrcrange")[0, at.joints] = 0.0
    for name in ("dof_frictionloss", "dof_damping"):
        sim.field(name)[0, at.dofs] *= FREE_FRICTION


def _payload(at: Effect, sim: SimFields) -> None:
    """At the centre of mass, which stays where it is, and so does the inertia about it."""
    sim.field("body_mass")[0, carrier(sim.model, at.spec)] += at.level


def _friction(at: Effect, sim: SimFields) -> None:
    for name in ("dof_frictionloss", "dof_damping"):
        sim.field(name)[0, at.dofs] *= at.level


def _slippery(at: Effect, sim: SimFields) -> None:
    """Of a contact the larger one of both geoms counts: as both change, it changes as they do."""
    sim.field("geom_friction")[0, :, 0] *= at.level
    if sim.model.npair:
        sim.field("pair_friction")[0, :, :2] *= at.level


def _encoder_offset(at: Effect, sim: SimFields) -> None:
    sim.property("position_offset")[0, at.places] += at.level


def _sag(at: Effect, sim: SimFields) -> None:
    """A DC motor's stall torque and no-load speed go with the voltage; what needs less torque goes on as before."""
    _limit(at, sim, at.level)
    if at.sim.used("no_load_speed") is not None:
        sim.property("no_load_speed")[0] *= at.level


def _slope(at: Effect, sim: SimFields) -> None:
    """The ground turns about the axis, counter-clockwise; seen from it, gravity turns the other way (Rodrigues)."""
    gravity, axis = sim.field("opt.gravity")[0], at.direction
    cos, sin = np.cos(at.level), -np.sin(at.level)
    gravity[:] = gravity * cos + np.cross(axis, gravity) * sin + axis * (axis @ gravity) * (1 - cos)


def _push(at: Effect, sim: SimFields) -> None:
    """A force is no part of the physics: `BodyFaults` applies it."""


def _limit(at: Effect, sim: SimFields, share: float) -> None:
    """Cuts motors to a share of the torque that they give at most, and their joints' limits likewise.

    That is their limit in the model; without one, of a torque motor what the highest command makes it give, of a servo
    the effort in robot.yaml.
    """
    model, motors = sim.model, at.motors
    limited, force = sim.field("actuator_forcelimited")[0], sim.field("actuator_forcerange")[0]
    gain = np.where(is_servo(model, motors), 1.0, np.abs(sim.field("actuator_gainprm")[0, motors, 0]))
    most = gain * at.spec.effort_limit[at.places]
    bare = ~limited[motors].astype(bool)
    force[motors[bare]] = most[bare, None] * (-1.0, 1.0)
    limited[motors[bare]] = True
    force[motors] *= share
    chosen = at.joints[model.jnt_actfrclimited[at.joints].astype(bool)]
    if len(chosen):
        sim.field("jnt_actfrcrange")[0, chosen] *= share


EFFECTS: dict[str, Callable[[Effect, SimFields], None]] = {
    "weak": _weak,
    "locked": _locked,
    "free": _free,
    "payload": _payload,
    "friction": _friction,
    "slippery": _slippery,
    "encoder_offset": _encoder_offset,
    "sag": _sag,
    "push": _push,
    "slope": _slope,
}
