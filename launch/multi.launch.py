"""Several robots, each with a node in a namespace of its own, from one file.

ros2 launch launch/multi.launch.py robots:=launch/params/robots.yaml
"""

from pathlib import Path

import yaml
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

FOLDER = Path(__file__).resolve().parent
NEEDED = ("namespace", "bundle")
OPTIONS = (
    *("robot", "params", "belief_file", "fallback", "record", "audit_log", "autostart", "required"),
    *("joint_states", "commands", "imu"),
    *("cmd_vel", "cmd_vel_stamped", "goal_pose", "goal_point", "goal"),
)
"""Both together: the arguments of deploy.launch.py."""


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "robots",
                default_value=str(FOLDER / "params" / "robots.yaml"),
                description="File that lists the robots.",
            ),
            DeclareLaunchArgument(
                "autostart",
                default_value="true",
                description="false: a lifecycle manager configures and activates the nodes.",
                choices=["true", "false"],
            ),
            DeclareLaunchArgument(
                "required",
                default_value="false",
                description="true: when one of the nodes ends, all end.",
                choices=["true", "false"],
            ),
            OpaqueFunction(function=start_robots),
        ]
    )


def start_robots(context):
    """One node per robot. A group keeps what one is told from the next."""
    path = LaunchConfiguration("robots").perform(context)
    source = str(FOLDER / "deploy.launch.py")
    return [
        GroupAction(
            [
                IncludeLaunchDescription(
                    PythonLaunchDescriptionSource(source), launch_arguments=list(robot.items())
                )
            ]
        )
        for robot in read(path)
    ]


def read(path):
    """The robots of a file, each as arguments of deploy.launch.py."""
    data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(data, dict) or list(data) != ["robots"] or not isinstance(data["robots"], list):
        raise ValueError(f"{path}: expected one key, robots, with a list")
    robots = [arguments(f"{path}: robots[{i}]", item) for i, item in enumerate(data["robots"])]
    namespaces = [robot["namespace"].strip("/") for robot in robots]
    for namespace in namespaces:
        if namespaces.count(namespace) > 1:
            raise ValueError(f"{path}: namespace {namespace!r} stands there twice")
    return robots


def arguments(where, item):
    """One robot's arguments, all of them texts."""
    if not isinstance(item, dict):
        raise ValueError(f"{where}: got {item!r}; expected keys: {', '.join((*NEEDED, *OPTIONS))}")
    for name, value in item.items():
        if name not in (*NEEDED, *OPTIONS):
            raise ValueError(f"{where}: unknown key {name!r}; valid: {', '.join((*NEEDED, *OPTIONS))}")
        if not isinstance(value, str | bool):
            raise ValueError(f"{where}.{name}: got {value!r}; expected a text")
    for name in NEEDED:
        if not item.get(name):
            raise ValueError(f"{where}.{name}: missing")
    # YAML reads `false` as a boolean; launch arguments are texts.
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in item.items()}
