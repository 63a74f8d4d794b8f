"""The adaptation node for a real robot, whose driver runs already.

ros2 launch launch/robot.launch.py bundle:=runs/demo/rma/bundle joint_states:=/left/joint_states
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration

JOINT_STATES, COMMANDS = "joint_states", "effort_controller/commands"
"""The topics in robots/pendulum/robot.yaml. A robot.yaml of your own names its topics itself: change them there."""

ARGUMENTS = {
    "bundle": ("runs/demo/rma/bundle", "Folder of the policy bundle."),
    "robot": ("", "Robot name or path of a robot.yaml; empty: the robot that the bundle names."),
    "namespace": ("", "ROS namespace of the node and its topics."),
    "record": ("", "Folder in which a bag is kept; empty: nothing is recorded."),
    "joint_states": (JOINT_STATES, "Topic of the robot's sensors."),
    "commands": (COMMANDS, "Topic that the robot takes commands on."),
    "managed": (
        "false",
        "true: a lifecycle manager configures and activates the node; false: it does so itself.",
    ),
}


def generate_launch_description():
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            OpaqueFunction(function=start_node),
        ]
    )


def start_node(context):
    """The process, once the arguments are known."""
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    if value["managed"] not in ("true", "false"):
        raise ValueError(f"managed: got {value['managed']!r}; valid: true, false")
    command = ["adapt", "deploy", value["bundle"], "--namespace", value["namespace"]]
    command += ["--robot", value["robot"]] if value["robot"] else []
    command += ["--record", value["record"]] if value["record"] else []
    command += ["--manual"] if value["managed"] == "true" else []
    command += ["--ros-args", "-r", f"{JOINT_STATES}:={value['joint_states']}"]
    command += ["-r", f"{COMMANDS}:={value['commands']}"]
    return [ExecuteProcess(cmd=command, name="adaptation", output="screen", on_exit=Shutdown())]
