"""`adapt bench`: speed of simulation, training and control step on this machine, each beside what it stands on."""

from adapt.bench.run import bench

__all__ = ["bench"]
