"""`half_cheetah_mass`, `half_cheetah_body`: run forwards with a body that is lighter, stiffer or longer than told.

Definitions: RoML (arXiv:2301.11147) and its code. That code does other things than its text: see `as_published`.
"""

from __future__ import annotations

import numpy as np

from sim_tasks.families.cheetah_shape import Damping, HeadLength, Mass, TorsoLength
from sim_tasks.families.half_cheetah import control_cost, interface, plant, start
from sim_tasks.families.literature import STEPS, check_steps, forward_velocity
from sim_tasks.family import TaskFamily
from sim_tasks.motion import Motion
from sim_tasks.randomisation import Parameter, Target
from sim_tasks.reward import Reward

LOW, HIGH = 0.5, 2.0
"""Of every ratio; 2^U(-1, 1), which is log-uniform."""


def height(motion: Motion) -> np.ndarray:
    """Of the torso over its rest height in [m]: about -0.5 for a cheetah on its back. Shape (N,)."""
    return motion.qpos[:, 1]


def _ratio(name: str, target: Target, low: float, high: float, source: str) -> Parameter:
    return Parameter(name, "1", target, low, high, "abs", "log_uniform", source=source)


def half_cheetah_mass(
    low: float = LOW,
    high: float = HIGH,
    episode_steps: int = STEPS,
    torso_position: bool = False,
    as_published: bool = False,
) -> TaskFamily:
    """Run forwards with an unknown total mass: r = dx/dt - 0.05 |a|^2, all masses times 2^U(-1, 1).

    Source: RoML, HalfCheetahMass.

    Args:
        low: smallest ratio of mass to the model's.
        high: largest ratio.
        episode_steps: control steps per episode.
        torso_position: whether the torso's place in the world is seen too, as in RoML.
        as_published: as RoML's code has it: the inertia stays, all limbs get thicker with the mass, and the reward
            has the torso's height over rest added. Otherwise the inertia goes with the mass, and nothing else.

    Raises:
        TaskError: an empty range or one that is not positive, or no whole number of steps.
    """
    mass = _ratio("mass", Mass(as_published), low, high, "RoML: 2^U(-1, 1) of the model's")
    return _runner("half_cheetah_mass", (mass,), episode_steps, torso_position, as_published)


def half_cheetah_body(
    low: float = LOW,
    high: float = HIGH,
    episode_steps: int = STEPS,
    torso_position: bool = False,
    as_published: bool = False,
) -> TaskFamily:
    """Run forwards with an unknown body: r = dx/dt - 0.05 |a|^2; mass, damping, torso length times 2^U(-1, 1) each.

    Source: RoML, HalfCheetahBody.

    Args:
        low: smallest of the three ratios to the model's.
        high: largest.
        episode_steps: control steps per episode.
        torso_position: whether the torso's place in the world is seen too, as in RoML.
        as_published: as RoML's code has it: mass and reward as in `half_cheetah_mass`, and the third ratio is of the
            head's length, not the torso's: it is written to the geom with index 2. Otherwise the torso gets longer,
            with the legs and the head at its ends and its inertia along.

    Raises:
        TaskError: an empty range or one that is not positive, or no whole number of steps.
    """
    shape = ("head_length", HeadLength()) if as_published else ("torso_length", TorsoLength())
    parameters = (
        _ratio("mass", Mass(as_published), low, high, "RoML: 2^U(-1, 1) of the model's"),
        _ratio("damping", Damping(), low, high, "RoML: 2^U(-1, 1) of the model's"),
        _ratio(*shape, low, high, "RoML: 2^U(-1, 1) of the model's"),
    )
    return _runner("half_cheetah_body", parameters, episode_steps, torso_position, as_published)


def _runner(
    name: str, parameters: tuple[Parameter, ...], steps: int, torso_position: bool, as_published: bool
) -> TaskFamily:
    """A family of cheetahs that have to run forwards."""
    body = plant()
    terms = {"running": forward_velocity, "control": control_cost} | (
        {"height": height} if as_published else {}
    )
    return TaskFamily(
        name=name,
        plant=body,
        interface=interface(torso_position),
        parameters=parameters,
        reward=Reward.sum(**terms),
        start=start,
        episode_seconds=check_steps(steps) * body.period,
        about=f"run forwards with an unknown {', '.join(p.name.replace('_', ' ') for p in parameters)} (RoML)",
    )
