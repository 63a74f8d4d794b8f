"""`BodyFaults`: faults of a simulated robot's body, while it runs."""

from __future__ import annotations

import numpy as np

from robots import RobotSpec
from ros_bridge.errors import BridgeError
from ros_bridge.hil.body_effects import EFFECTS, Effect, require_model
from ros_bridge.hil.fault import Fault
from ros_bridge.hil.fitting import unfit
from sim_tasks.anatomy import carrier, jam
from sim_tasks.batch_sim import BatchSim
from sim_tasks.family import TaskFamily
from sim_tasks.randomisation import SimFields

_ONE = np.zeros(1, dtype=int)


class BodyFaults:
    """Changes one robot's physics, and takes every change back exactly. Faults act together, in the order of numbers.

    Whenever something changes, the family's parameters are written anew and the faults upon them: nothing accumulates.
    """

    def __init__(self, family: TaskFamily, sim: BatchSim, spec: RobotSpec):
        """
        Raises:
            BridgeError: the simulation has more robots than one.
        """
        if sim.robots != 1:
            raise BridgeError(f"{family.name}: {sim.robots} robots; faults of a body are in one")
        self._sim, self._spec = sim, spec
        self._effects: dict[int, Effect] = {}
        """Faults that are at work, by their numbers."""
        self._now = 0.0
        self._values = sim.values.copy()
        self._force = sim.bind("xfrc_applied")
        self._carrier = carrier(sim.model, spec)

    def check(self, fault: Fault) -> None:
        """Whether the robot can have it.

        Raises:
            BridgeError: it cannot; says why not.
        """
        if fault.kind not in EFFECTS:
            raise BridgeError(f"fault {fault.label}: not one of the body; valid: {', '.join(EFFECTS)}")
        why = unfit(self._spec, fault)
        if why is not None:
            raise BridgeError(f"fault {fault.label}: {why}")
        require_model(self._sim, fault)

    def begin(self, index: int, fault: Fault) -> None:
        """Fault number `index` is at work from now on; once it is, saying so again changes nothing.

        Raises:
            BridgeError: the robot cannot have it.
        """
        if index in self._effects:
            return
        self.check(fault)
        effect = Effect(self._spec, self._sim, fault, self._now, fault.level(0.0))
        if fault.kind == "locked":
            self._sim.push(_ONE, jam(self._sim, effect.dofs))
        self._effects[index] = effect
        self._write()

    def end(self, index: int) -> None:
        """Fault number `index` is at work no more; one that was not changes nothing."""
        if self._effects.pop(index, None) is not None:
            self._write()

    def step(self, now: float) -> None:
        """Time has gone on to `now` [s]: ramps grow. To be called before every control step.

        Also after the robot was given other parameters, or was reset: faults stay.
        """
        self._now = now
        changed = not np.array_equal(self._values, self._sim.values)
        for effect in self._effects.values():
            level = effect.fault.level(now - effect.begun)
            changed |= level != effect.level
            effect.level = level
        if changed:
            self._write()
        elif self._effects:
            self._hold()

    def _write(self) -> None:
        self._values[:] = self._sim.values
        self._sim.set_parameters(_ONE, self._values, self._change)
        self._hold()

    def _change(self, sim: SimFields) -> None:
        for index in sorted(self._effects):
            self._effects[index].write(sim)

    def _hold(self) -> None:
        """What is in the state and not in the physics: forces, and joints that stand still whoever knocks at them."""
        force = np.zeros(3)
        for effect in self._effects.values():
            if effect.fault.kind == "push":
                force += effect.level * effect.direction
            if effect.fault.kind == "locked":
                self._sim.qvel[0, effect.dofs] = 0.0
        self._force[0, self._carrier, :3] = force  # at the centre of mass, in the axes of the world, in [N]
