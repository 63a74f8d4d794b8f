"""Inner steps: what a policy's parameters become after a phase of experience, by name and as data.

Nothing here simulates, so that a step is also taken on a robot's computer, where torch is but no simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapt.errors import AdaptError
from adapt.inner_steps.clipped_adam import ClippedAdam
from adapt.inner_steps.inner_step import InnerStep
from adapt.inner_steps.learned_step import LearnedStep
from adapt.inner_steps.low_variance_curvature import LowVarianceCurvature
from adapt.inner_steps.policy_gradient import PolicyGradient

__all__ = ["INNER_STEPS", "InnerStep", "inner_step_from_manifest"]

INNER_STEPS: dict[str, type[InnerStep]] = {
    step.name: step for step in (PolicyGradient, LowVarianceCurvature, ClippedAdam, LearnedStep)
}


def inner_step_from_manifest(recorded: Mapping[str, Any]) -> InnerStep:
    """The inner step that `InnerStep.manifest` recorded.

    Raises:
        AdaptError: no inner step has that name, or it has other settings; names the valid ones.
    """
    settings = dict(recorded)
    name = settings.pop("name", None)
    if name not in INNER_STEPS:
        raise AdaptError(f"inner step {name!r:.80}; valid: {', '.join(INNER_STEPS)}")
    try:
        return INNER_STEPS[name](**settings)
    except TypeError as error:
        raise AdaptError(f"inner step {name!r}: {error}") from error
