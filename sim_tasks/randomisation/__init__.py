"""Randomisation: which quantities differ between simulations, how they are drawn, and where they act."""

from sim_tasks.randomisation.actuator import ActionDelay, MotorGain
from sim_tasks.randomisation.inertia import BodyDistance, BodyMass
from sim_tasks.randomisation.joint import JointField
from sim_tasks.randomisation.parameter import OOD_MARGIN, Parameter, Readout, SimFields, Target
from sim_tasks.randomisation.sensing import Sensing
from sim_tasks.randomisation.splits import CELLS, SPLITS, TEST_EVERY, check_split, unit_draws
from sim_tasks.randomisation.task import FieldElement, TaskVariable

__all__ = [
    "CELLS",
    "OOD_MARGIN",
    "SPLITS",
    "TEST_EVERY",
    "ActionDelay",
    "BodyDistance",
    "BodyMass",
    "FieldElement",
    "JointField",
    "MotorGain",
    "Parameter",
    "Readout",
    "Sensing",
    "SimFields",
    "Target",
    "TaskVariable",
    "check_split",
    "unit_draws",
]
