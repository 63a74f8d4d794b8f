"""A simulated robot with hidden physics, and the adaptation node that drives it with a bundle.

ros2 launch launch/sim.launch.py bundle:=runs/demo/rma/bundle task:=3
"""

import json
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

FOLDER = Path(__file__).resolve().parent
NODE = ("bundle", "robot", "namespace", "params")
"""Arguments that deploy.launch.py is told."""

ARGUMENTS = {
    "bundle": ("runs/demo/rma/bundle", "Folder of the policy bundle."),
    "robot": ("", "Path of a robot.yaml; empty: the robot that the bundle names."),
    "namespace": ("robot", "ROS namespace of both."),
    "params": (str(FOLDER / "params" / "adaptation.yaml"), "ROS parameter file of the node."),
    "family": ("", "Task family that the hidden physics are drawn from; empty: the bundle's."),
    "task": ("0", "Index of the held-out task."),
    "seed": ("0", "Seed of the held-out tasks."),
    "seconds": ("12.0", "Length of the run from the first command on, in s."),
    "change_time": ("", "When the payload changes and the robot is knocked, in s; empty: never."),
}


def generate_launch_description():
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            DeclareLaunchArgument(
                "goals",
                default_value="true",
                description="false: somebody else tells the node its goals.",
                choices=["true", "false"],
            ),
            OpaqueFunction(function=start_both),
        ]
    )


def start_both(context):
    """Robot and node, once the arguments are known."""
    value = {name: LaunchConfiguration(name).perform(context) for name in (*ARGUMENTS, "goals")}
    robot = Node(
        executable="adapt",
        arguments=command_line(value),
        namespace=value["namespace"],
        exec_name="sim_robot",
        output="screen",
        on_exit=end_all,
    )
    node = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(FOLDER / "deploy.launch.py")),
        launch_arguments=[(name, value[name]) for name in NODE],
    )
    return [robot, node]


def end_all(event, context):
    """Ends what was launched, unless it is ending: launch_ros fails on a second shutdown."""
    return [] if context.is_shutdown else [Shutdown(reason="the simulated robot ended")]


def command_line(value):
    """What `adapt` is told, before the arguments that ROS adds."""
    line = ["sim-robot", value["family"] or family_of(value["bundle"])]
    line += ["--task", value["task"], "--seed", value["seed"], "--seconds", value["seconds"]]
    line += ["--change-time", value["change_time"]] if value["change_time"] else []
    return line + (["--no-goals"] if value["goals"] == "false" else [])


def family_of(bundle):
    """Name of the family that a bundle was trained on."""
    manifest = Path(bundle) / "manifest.json"
    if not manifest.is_file():
        raise ValueError(f"bundle: no such file: {manifest}")
    return json.loads(manifest.read_text(encoding="utf-8"))["family"]["name"]
