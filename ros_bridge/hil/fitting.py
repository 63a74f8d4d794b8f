"""Which faults a robot can have, and why not the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from robots import RobotSpec
from ros_bridge.errors import BridgeError
from ros_bridge.hil.fault import Fault
from ros_bridge.hil.kinds import GOALS, IMU, KINDS, NODE

_CHANGED = {"slippery": "slippery", "slope": "tilted"}
"""What becomes of the ground, by kind."""


def possible_on(spec: RobotSpec, kind: str, target: str) -> str | None:
    """Why a fault cannot be on a robot, in words; None: it can.

    Raises:
        BridgeError: there is no such kind.
    """
    if kind not in KINDS:
        raise BridgeError(f"fault {kind!r}: valid: {', '.join(KINDS)}")
    about = KINDS[kind]
    if target not in about.targets:
        return f"{kind} is not a fault of {target!r}; valid: {', '.join(about.targets)}"
    if target == IMU and spec.imu is None:
        return f"{spec.name} has no IMU"
    if len(spec.joints) < about.least_joints:
        return f"{kind} needs {about.least_joints} joints, and {spec.name} has {len(spec.joints)}"
    if kind in _CHANGED and not spec.feet:
        return f"{spec.name} is fixed to the world by its base: it stands on no ground that could be {_CHANGED[kind]}"
    return None


def unfit(spec: RobotSpec, fault: Fault) -> str | None:
    """As `possible_on`, and whether the robot has the joints that the fault names."""
    why = possible_on(spec, fault.kind, fault.target)
    unknown = [name for name in fault.joints if name not in spec.joint_names]
    if why is None and unknown:
        why = f"{', '.join(unknown)}: not a joint of {spec.name}; valid: {', '.join(spec.joint_names)}"
    if why is None and fault.kind == "swapped" and not fault.joints and len(spec.joints) != 2:
        why = f"{fault.label}: name two of the joints of {spec.name}: {', '.join(spec.joint_names)}"
    return why


def require_fit(spec: RobotSpec, schedule: Iterable[Fault]) -> None:
    """Raises BridgeError if a fault cannot be on a robot; names its number, from 0, and says why not."""
    for number, fault in enumerate(schedule):
        why = unfit(spec, fault)
        if why is not None:
            raise BridgeError(f"fault {number} ({fault.label}): {why}")


def possible(spec: RobotSpec, kills: bool = False) -> list[tuple[str, str]]:
    """Kinds and targets that a schedule that is drawn may have; `kills`: the node's death is one of them.

    None of goals: whether there are any is the family's business, not the robot's.
    """
    return [
        (name, target)
        for name, kind in KINDS.items()
        for target in kind.targets
        if kind.drawn and target != GOALS and (kills or target != NODE)
        if possible_on(spec, name, target) is None
    ]
