"""Scenarios: which robot does what for how long, what goes wrong meanwhile, and what has to come out."""
