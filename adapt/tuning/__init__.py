"""Hyperparameters and algorithms by themselves: meta-training over lifetimes, random search, a bandit over rules."""
