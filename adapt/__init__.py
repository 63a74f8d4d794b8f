"""Meta-train on a family of simulated robots; deploy a policy that finds out which robot it is driving."""

__version__ = "0.1.0"
