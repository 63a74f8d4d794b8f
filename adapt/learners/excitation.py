"""`Excitation`: makes some robots act unlike the policy, so that a belief learns of motions that others cause."""

from __future__ import annotations

import torch

SWITCH = 0.04
"""Chance of a new gain and level per control step."""
LEVEL = 0.5
"""Largest level, in action units."""


class Excitation:
    """Action' = gain x action + level, with a gain from U(0, 1) and a level from U(-0.5, 0.5), held for a while.

    A recording of somebody else's controller, a safety filter that steps in or a hand on the robot give such motions;
    a belief that has only ever heard its own policy would take them for strange physics. n robots, A actions.
    """

    def __init__(self, robots: int, action: int):
        self.robots = robots
        self.held = torch.zeros(2, robots, action)
        """Gain and level. Shape (2, n, A)."""

    def __call__(self, action: torch.Tensor) -> torch.Tensor:
        """What the n robots do in place of `action`, shape (n, A) both."""
        fresh = torch.rand_like(self.held)
        fresh[1] = LEVEL * (2 * fresh[1] - 1)
        switch = torch.rand(self.robots, 1) < SWITCH
        self.held = torch.where(switch, fresh, self.held)
        return self.held[0] * action + self.held[1]
