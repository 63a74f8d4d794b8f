"""Agents that live side by side in one process: what populations of meta-training and of tuning have in common."""
