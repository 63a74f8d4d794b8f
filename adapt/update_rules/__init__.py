"""Update rules: what an agent with discrete actions learns from a rollout, written by hand or discovered.

Nothing here simulates.
"""
