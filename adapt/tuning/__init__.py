"""Hyperparameters and algorithms by search: random trials as one population, and a bandit over rules."""
