"""Doors for other libraries to the task families: Gymnasium, stable-baselines3 and dm_env.

Importing this package registers every family with Gymnasium as `adapt/<family>-v0`. The other doors are imported from
their own modules, so that only who uses stable-baselines3 loads torch.
"""

from sim_tasks.doors.registration import register

__all__ = ["register"]

register()
