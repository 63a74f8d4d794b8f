"""Reads `robot.yaml`: every key is known, nothing is missing, and its joints are those of the model."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import yaml

from robots.errors import RobotSpecError, UnknownRobotError
from robots.kinematics import Chain, ChainStep, Foot
from robots.reader import Reader
from robots.safety_reader import read_effort_sensor, read_safety
from robots.spec import (
    COMMAND_TYPES,
    INTERFACES,
    MENAGERIE,
    Gains,
    Imu,
    Joint,
    RobotSpec,
    RosTopics,
    passive_problem,
)

ROOT = Path(__file__).parent

_ROBOT_KEYS = ("name", "description", "model", "control", "joints", "safety", "ros")
_ROBOT_OPTIONS = ("imu", "tool", "feet", "effort_sensor")
_CONTROL_KEYS = ("period", "interface")
_JOINT_KEYS = ("name", "position", "velocity", "effort", "command_rate", "default_position")
_JOINT_OPTIONS = ("kp", "kd", "action", "passive", "command_acceleration")
_ROS_KEYS = ("joint_states", "commands", "command_type", "frame")
_ROS_OPTIONS = ("command_joints",)
_IMU_KEYS = ("site", "topic", "frame")
_CHAIN_KEYS = ("steps", "offset")
_FOOT_KEYS = (*_CHAIN_KEYS, "radius")
_STEP_KEYS = ("joint", "translation", "rpy", "axis")
_UNITS = {"position": "rad", "velocity": "rad/s", "effort": "N m"}


def robot_names() -> tuple[str, ...]:
    """Names of the robots that come with this package."""
    return tuple(sorted(path.parent.name for path in ROOT.glob("*/robot.yaml")))


def load_robot(robot: str | Path) -> RobotSpec:
    """Reads a robot by its registered name or by the path of a `robot.yaml` (or of its folder).

    Raises:
        UnknownRobotError: neither a registered name nor an existing path.
        RobotSpecError: the file, or its agreement with the model, is wrong; names file, key and valid values.
    """
    if isinstance(robot, str) and robot in robot_names():
        return _read(ROOT / robot / "robot.yaml")
    path = Path(robot)
    path = path / "robot.yaml" if path.is_dir() else path
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        raise UnknownRobotError(
            f"unknown robot {str(robot)!r}: expected one of {', '.join(robot_names())}, "
            "or the path of a robot.yaml"
        )
    return _read(path)


def _read(path: Path) -> RobotSpec:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RobotSpecError(f"{path}: not valid YAML: {error}") from error
    reader = Reader(path)
    top = reader.mapping(data, "", _ROBOT_KEYS, _ROBOT_OPTIONS)
    control = reader.mapping(top["control"], "control", _CONTROL_KEYS)
    interface = reader.choice(control["interface"], "control.interface", INTERFACES)
    joints = _joints(reader, top["joints"], interface)
    spec = RobotSpec(
        name=reader.text(top["name"], "name"),
        description=reader.text(top["description"], "description"),
        model=_model(reader, top["model"]),
        period=reader.positive(control["period"], "control.period"),
        interface=interface,
        joints=joints,
        safety=read_safety(reader, top, joints),
        ros=_ros(reader, top["ros"], joints),
        imu=_imu(reader, top["imu"]) if "imu" in top else None,
        tool=_chain(reader, top["tool"], "tool", joints) if "tool" in top else None,
        feet=_feet(reader, top["feet"], joints) if "feet" in top else (),
        effort_sensor=read_effort_sensor(reader, top["effort_sensor"]) if "effort_sensor" in top else None,
    )
    if isinstance(spec.model, Path):
        _check_model(path, spec, spec.model)
    return spec


def _model(reader: Reader, value: Any) -> Path | str:
    model = reader.text(value, "model")
    if not model.startswith(MENAGERIE):
        return reader.path.parent / model
    if not re.fullmatch(r"[\w-]+/[\w.-]+\.xml", model.removeprefix(MENAGERIE)):
        raise reader.fail("model", f"expected {MENAGERIE}<model>/<file>.xml, got {model!r}")
    return model


def _check_model(path: Path, spec: RobotSpec, model: Path) -> None:
    if not model.is_file():
        raise RobotSpecError(f"{path}: model: no such file: {model}")
    try:
        root = ElementTree.parse(model).getroot()
    except ElementTree.ParseError as error:
        raise RobotSpecError(f"{model}: not valid MJCF or URDF: {error}") from error
    valid = [name for element in root.iter("joint") if (name := element.get("name"))]
    for index, joint in enumerate(spec.joints):
        if joint.name not in valid:
            raise RobotSpecError(
                f"{path}: joints[{index}].name: {joint.name!r} is not a joint of {model.name}; "
                f"valid: {', '.join(valid)}"
            )
    sites = [name for element in root.iter("site") if (name := element.get("name"))]
    if spec.imu and root.tag == "mujoco" and spec.imu.site not in sites:
        raise RobotSpecError(
            f"{path}: imu.site: {spec.imu.site!r} is not a site of {model.name}; "
            f"valid: {', '.join(sites) or 'none, the model has no sites'}"
        )


def _joints(reader: Reader, value: Any, interface: str) -> tuple[Joint, ...]:
    items = reader.entries(value, "joints", "joint")
    joints = tuple(_joint(reader, item, f"joints[{i}]", interface) for i, item in enumerate(items))
    names = [joint.name for joint in joints]
    for name in names:
        if names.count(name) > 1:
            raise reader.fail("joints", f"joint {name!r} stands there twice")
    if problem := passive_problem(joints, interface):
        raise reader.fail("joints", problem)
    return joints


def _joint(reader: Reader, value: Any, key: str, interface: str) -> Joint:
    item = reader.mapping(value, key, _JOINT_KEYS, _JOINT_OPTIONS)
    low, high = reader.interval(item["position"], f"{key}.position", "rad")
    default = reader.number(item["default_position"], f"{key}.default_position")
    if not low <= default <= high or low == high:
        raise reader.fail(f"{key}.position", f"{default} (default_position) is not inside [{low}, {high}]")
    return Joint(
        name=reader.text(item["name"], f"{key}.name"),
        position=(low, high),
        velocity=reader.positive(item["velocity"], f"{key}.velocity"),
        effort=reader.positive(item["effort"], f"{key}.effort"),
        command_rate=reader.positive(item["command_rate"], f"{key}.command_rate"),
        default_position=default,
        gains=_gains(reader, item, key, interface),
        action=_action(reader, item, key, interface),
        passive=reader.flag(item.get("passive", False), f"{key}.passive"),
        command_acceleration=reader.positive(item["command_acceleration"], f"{key}.command_acceleration")
        if "command_acceleration" in item
        else math.inf,
    )


def _gains(reader: Reader, item: dict[str, Any], key: str, interface: str) -> Gains | None:
    given = [name for name in ("kp", "kd") if name in item]
    if not given:
        return None
    if interface != "position":
        raise reader.fail(f"{key}.{given[0]}", f"only for control.interface position, not {interface}")
    if len(given) == 1:
        raise reader.fail(
            key, f"{given[0]} without {'kd' if given == ['kp'] else 'kp'}; give both or neither"
        )
    return Gains(reader.positive(item["kp"], f"{key}.kp"), reader.not_negative(item["kd"], f"{key}.kd"))


def _action(reader: Reader, item: dict[str, Any], key: str, interface: str) -> tuple[float, float] | None:
    if "action" not in item:
        return None
    if item.get("passive"):
        raise reader.fail(f"{key}.action", "a passive joint has no action; remove one of the two")
    low, high = reader.interval(item["action"], f"{key}.action", _UNITS[interface])
    if not low < high:
        raise reader.fail(f"{key}.action", f"expected [lowest, highest], got [{low}, {high}]")
    return low, high


def _ros(reader: Reader, value: Any, joints: tuple[Joint, ...]) -> RosTopics:
    item = reader.mapping(value, "ros", _ROS_KEYS, _ROS_OPTIONS)
    return RosTopics(
        joint_states=_topic(reader, item["joint_states"], "ros.joint_states"),
        commands=_topic(reader, item["commands"], "ros.commands"),
        command_type=reader.choice(item["command_type"], "ros.command_type", COMMAND_TYPES),
        frame=reader.text(item["frame"], "ros.frame"),
        command_joints=_command_joints(reader, item.get("command_joints", []), joints),
    )


def _topic(reader: Reader, value: Any, key: str) -> str:
    """A relative name: a namespace separates robots."""
    topic = reader.text(value, key)
    if not re.fullmatch(r"[A-Za-z]\w*(/[A-Za-z]\w*)*", topic, re.ASCII):
        raise reader.fail(
            key, f"expected a relative topic of letters, digits, _ and /, such as joint_states, got {topic!r}"
        )
    return topic


def _command_joints(reader: Reader, value: Any, joints: tuple[Joint, ...]) -> tuple[str, ...]:
    key, names = "ros.command_joints", [joint.name for joint in joints]
    if not isinstance(value, list):
        raise reader.fail(key, f"expected a list of joints, got {value!r}")
    for name in value:
        reader.choice(name, key, tuple(names))
        if value.count(name) > 1:
            raise reader.fail(key, f"joint {name!r} stands there twice")
    missing = [joint.name for joint in joints if value and not joint.passive and joint.name not in value]
    if missing:
        raise reader.fail(key, f"joint {missing[0]!r} is missing; only passive joints may be left out")
    return tuple(value)


def _imu(reader: Reader, value: Any) -> Imu:
    item = reader.mapping(value, "imu", _IMU_KEYS)
    return Imu(
        reader.text(item["site"], "imu.site"),
        _topic(reader, item["topic"], "imu.topic"),
        reader.text(item["frame"], "imu.frame"),
    )


def _chain(
    reader: Reader, value: Any, key: str, joints: tuple[Joint, ...], keys: tuple[str, ...] = _CHAIN_KEYS
) -> Chain:
    item = reader.mapping(value, key, keys)
    steps = reader.entries(item["steps"], f"{key}.steps", "step")
    names = tuple(joint.name for joint in joints)
    chain = tuple(_step(reader, step, f"{key}.steps[{i}]", names) for i, step in enumerate(steps))
    return Chain(chain, reader.vector(item["offset"], f"{key}.offset"))


def _feet(reader: Reader, value: Any, joints: tuple[Joint, ...]) -> tuple[Foot, ...]:
    return tuple(
        Foot(
            _chain(reader, item, f"feet[{i}]", joints, _FOOT_KEYS),
            reader.not_negative(item["radius"], f"feet[{i}].radius"),
        )
        for i, item in enumerate(reader.entries(value, "feet", "foot"))
    )


def _step(reader: Reader, value: Any, key: str, joints: tuple[str, ...]) -> ChainStep:
    item = reader.mapping(value, key, _STEP_KEYS)
    axis = reader.vector(item["axis"], f"{key}.axis")
    if abs(math.hypot(*axis) - 1.0) > 1e-6:
        raise reader.fail(f"{key}.axis", f"expected a unit vector, got {list(axis)}")
    return ChainStep(
        joint=reader.choice(item["joint"], f"{key}.joint", joints),
        translation=reader.vector(item["translation"], f"{key}.translation"),
        rpy=reader.vector(item["rpy"], f"{key}.rpy"),
        axis=axis,
    )
