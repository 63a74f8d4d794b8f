"""A simulated robot with hidden physics, and the adaptation node that drives it with a bundle.

ros2 launch launch/sim.launch.py bundle:=runs/demo/rma/bundle task:=3
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, Shutdown
from launch.substitutions import LaunchConfiguration

ARGUMENTS = {
    "bundle": ("runs/demo/rma/bundle", "Folder of the policy bundle."),
    "family": ("pendulum_swingup", "Task family that the hidden physics are drawn from."),
    "task": ("0", "Index of the held-out task."),
    "seconds": ("12.0", "Length of the run from the first command on, in s."),
    "namespace": ("robot", "ROS namespace of both."),
}


def generate_launch_description():
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    namespace = ["--namespace", value["namespace"]]
    robot = ["adapt", "sim-robot", value["family"], "--task", value["task"], "--seconds", value["seconds"]]
    node = ["adapt", "deploy", value["bundle"]]
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, (default, description) in ARGUMENTS.items()
            ),
            ExecuteProcess(cmd=[*robot, *namespace], name="sim_robot", output="screen", on_exit=Shutdown()),
            ExecuteProcess(cmd=[*node, *namespace], name="adaptation", output="screen", on_exit=Shutdown()),
        ]
    )
