"""The ROS 2 side: message conversions, the adaptation node, a simulated robot, recording, replay and HIL."""
