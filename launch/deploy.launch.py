"""The adaptation node for a real robot, whose driver runs already.

ros2 launch launch/deploy.launch.py bundle:=runs/demo/rma/bundle namespace:=left joint_states:=/left/joint_states
"""

import json
from pathlib import Path

import yaml
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
    UnregisterEventHandler,
)
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

FOLDER = Path(__file__).resolve().parent
ROBOTS = FOLDER.parent / "robots"
RETRY = 0.5
"""Time in [s] between two attempts to activate: the node refuses as long as a sensor is silent."""

TEXTS = {
    "bundle": ("runs/demo/rma/bundle", "Folder of the policy bundle."),
    "robot": ("", "Robot name or path of a robot.yaml; empty: the robot that the bundle names."),
    "namespace": ("", "ROS namespace of the node and its topics."),
    "params": (str(FOLDER / "params" / "adaptation.yaml"), "ROS parameter file of the node."),
    "belief_file": ("", "File that keeps what was understood of the robot over restarts; empty: none."),
    "fallback": (
        "",
        "Folder of a bundle that drives while the robot is unfamiliar to the other; empty: none.",
    ),
    "record": ("", "Folder in which a bag is kept; empty: nothing is recorded."),
    "audit_log": ("", "File that keeps every decision of an adaptation by gradients; empty: none."),
}
FLAGS = {
    "autostart": ("true", "false: a lifecycle manager configures and activates the node."),
    "required": ("true", "true: when the node ends, or cannot be configured, all that was launched ends."),
}
ROBOT_TOPICS = {
    "joint_states": ("ros", "joint_states"),
    "commands": ("ros", "commands"),
    "imu": ("imu", "topic"),
}
"""Arguments, and where robot.yaml says what the topic is called unless it is remapped."""
GOAL_TOPICS = ("cmd_vel", "cmd_vel_stamped", "goal_pose", "goal_point", "goal")
"""Arguments that are called as the topics are."""


def generate_launch_description():
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in TEXTS.items()
            ),
            *(
                DeclareLaunchArgument(
                    name, default_value=default, description=description, choices=["true", "false"]
                )
                for name, (default, description) in FLAGS.items()
            ),
            *(
                DeclareLaunchArgument(
                    name, default_value="", description=f"Topic instead of {origin}; empty: that one."
                )
                for name, origin in origins().items()
            ),
            OpaqueFunction(function=start_node),
        ]
    )


def origins():
    """What each topic argument stands in for, in words."""
    robot = {name: f"robot.yaml's {section}.{key}" for name, (section, key) in ROBOT_TOPICS.items()}
    return robot | {name: name for name in GOAL_TOPICS}


def start_node(context):
    """The node and its transitions, once the arguments are known."""
    value = {
        name: LaunchConfiguration(name).perform(context)
        for name in (*TEXTS, *FLAGS, *ROBOT_TOPICS, *GOAL_TOPICS)
    }
    if not Path(value["params"]).is_file():  # ROS would go on without it
        raise ValueError(f"params: no such file: {value['params']!r}")
    required = value["required"] == "true"
    node = LifecycleNode(
        executable="adapt",
        arguments=command_line(value),
        exec_name="adaptation",
        name="adaptation",
        namespace=value["namespace"],
        parameters=[value["params"]],
        remappings=remappings(value),
        output="screen",
        on_exit=end_all if required else None,
    )
    transitions = autostart(node, required) if value["autostart"] == "true" else []
    return [*transitions, node]  # handlers first: they are to hear the start


def end_all(event, context):
    """Ends what was launched, unless it is ending: launch_ros fails on a second shutdown."""
    return [] if context.is_shutdown else [Shutdown(reason="the adaptation node ended")]


def command_line(value):
    """What `adapt` is told, before the arguments that ROS adds."""
    line = ["deploy", value["bundle"], "--manual"]
    for name in ("robot", "belief_file", "fallback", "record", "audit_log"):
        line += ["--" + name.replace("_", "-"), value[name]] if value[name] else []
    return line


def remappings(value):
    """From the topics of the robot's description, and of goals, to those that were asked for."""
    rules = [(name, value[name]) for name in GOAL_TOPICS if value[name]]
    asked = [name for name in ROBOT_TOPICS if value[name]]
    if not asked:
        return rules
    path = description(value["robot"] or robot_of(value["bundle"]))
    known = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in asked:
        section, key = ROBOT_TOPICS[name]
        if key not in known.get(section, {}):
            raise ValueError(f"{name}: got {value[name]!r}, but {path} has no {section}.{key}")
        rules.append((known[section][key], value[name]))
    return rules


def robot_of(bundle):
    """Name of the robot that a bundle was made for."""
    manifest = Path(bundle) / "manifest.json"
    if not manifest.is_file():
        raise ValueError(f"bundle: no such file: {manifest}")
    return json.loads(manifest.read_text(encoding="utf-8"))["robot"]["robot"]


def description(robot):
    """The robot.yaml of a robot, which is given as on `adapt`'s command line."""
    names = sorted(path.parent.name for path in ROBOTS.glob("*/robot.yaml"))
    path = ROBOTS / robot if robot in names else Path(robot)
    path = path / "robot.yaml" if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"robot: got {robot!r}; valid: {', '.join(names)}, or the path of a robot.yaml")
    return path


def autostart(node, required):
    """Configures the node as soon as it runs, and activates it as soon as its sensors are fresh.

    Once only: a robot that somebody has stopped does not start again by itself.
    """
    activate = request(node, Transition.TRANSITION_ACTIVATE)
    again = RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=node,
            start_state="activating",
            goal_state="inactive",
            entities=[TimerAction(period=RETRY, actions=[activate])],
        )
    )
    failed = Shutdown(reason="the adaptation node could not be configured")
    handlers = [
        OnProcessStart(target_action=node, on_start=[request(node, Transition.TRANSITION_CONFIGURE)]),
        once(node, "configuring", "inactive", [activate]),
        once(node, "activating", "active", [UnregisterEventHandler(again.event_handler)]),
        *([once(node, "configuring", "unconfigured", [failed])] if required else []),
    ]
    return [again, *(RegisterEventHandler(handler) for handler in handlers)]


def request(node, transition):
    """Asks the node for a transition."""
    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))


def once(node, start, goal, entities):
    """What is done when the node has gone from one state to another for the first time."""
    return OnStateTransition(
        target_lifecycle_node=node, start_state=start, goal_state=goal, entities=entities, handle_once=True
    )
