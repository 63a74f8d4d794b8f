"""How fast the learners train on the reference family, control steps per second with their updates."""

from __future__ import annotations

from typing import Any

import torch

from adapt.bench.clock import rate
from adapt.learners import LEARNERS, Setup
from adapt.learners.belief import BeliefConfig
from adapt.learners.bounds import BoundConfig, BoundLearner
from sim_tasks.families import load_family

FAMILY = "pendulum_swingup"


def measure_training(seconds: float) -> dict[str, Any]:
    """Control steps per second of one learner alone, by learner; `seconds` each."""
    torch.set_num_threads(1)  # as `train` does
    family = load_family(FAMILY)
    oracle = LEARNERS["oracle"].build(Setup(family, BoundConfig()))
    assert isinstance(oracle, BoundLearner)
    belief = LEARNERS["belief"].build(Setup(family, BeliefConfig(), teacher=(oracle.policy, oracle.critic)))
    rates = {}
    for name, learner in (("oracle", oracle), ("belief", belief)):

        def step() -> int:
            steps = learner.collect()  # noqa: B023
            learner.update()  # noqa: B023
            return steps

        rates[name] = rate(step, seconds)
    return rates
