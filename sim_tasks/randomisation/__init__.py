"""Randomisation: which quantities differ between simulations, how they are drawn, and where they act."""

from sim_tasks.randomisation.actuator import EffortLimit, MotorGain, MotorStrength, ServoKd, ServoKp
from sim_tasks.randomisation.elements import Elements, Place
from sim_tasks.randomisation.fault import JointFault
from sim_tasks.randomisation.inertia import BodyDistance, BodyInertia, BodyMass, ComOffset, TotalMass
from sim_tasks.randomisation.joint import Armature, FrictionLoss, JointDamping, JointField
from sim_tasks.randomisation.parameter import OOD_MARGIN, Parameter, Readout, SimFields, Target
from sim_tasks.randomisation.payload import Payload
from sim_tasks.randomisation.property import NoLoadSpeed, Property, PushSpeed
from sim_tasks.randomisation.sensing import (
    DroppedSamples,
    EncoderOffset,
    GravityNoise,
    GyroBias,
    GyroNoise,
    ObservationDelay,
    PositionNoise,
    Sensing,
    VelocityNoise,
)
from sim_tasks.randomisation.splits import CELLS, SPLITS, TEST_EVERY, check_split, unit_draws
from sim_tasks.randomisation.task import FieldElement, TaskVariable
from sim_tasks.randomisation.timing import ActionDelay, ControlJitter, MotorLag, check_delays
from sim_tasks.randomisation.world import GeomFriction, GravityTilt, PairFriction, TerrainSlope

__all__ = [
    "CELLS",
    "OOD_MARGIN",
    "SPLITS",
    "TEST_EVERY",
    "ActionDelay",
    "Armature",
    "BodyDistance",
    "BodyInertia",
    "BodyMass",
    "ComOffset",
    "ControlJitter",
    "DroppedSamples",
    "EffortLimit",
    "Elements",
    "EncoderOffset",
    "FieldElement",
    "FrictionLoss",
    "GeomFriction",
    "GravityNoise",
    "GravityTilt",
    "GyroBias",
    "GyroNoise",
    "JointDamping",
    "JointFault",
    "JointField",
    "MotorGain",
    "MotorLag",
    "MotorStrength",
    "NoLoadSpeed",
    "ObservationDelay",
    "PairFriction",
    "Parameter",
    "Payload",
    "Place",
    "PositionNoise",
    "Property",
    "PushSpeed",
    "Readout",
    "Sensing",
    "ServoKd",
    "ServoKp",
    "SimFields",
    "Target",
    "TaskVariable",
    "TerrainSlope",
    "TotalMass",
    "VelocityNoise",
    "check_delays",
    "check_split",
    "unit_draws",
]
