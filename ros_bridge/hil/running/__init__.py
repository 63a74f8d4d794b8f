"""Runs of scenarios: their processes, in a ROS domain of their own, and what is left of them: nothing."""
