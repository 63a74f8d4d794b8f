"""Update rules: what a policy's parameters become after a phase of experience, by name and as data.

Nothing here simulates, so that a rule also learns on a robot's computer, where torch is but no simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapt.errors import AdaptError
from adapt.update_rules.clipped_adam import ClippedAdam
from adapt.update_rules.low_variance_curvature import LowVarianceCurvature
from adapt.update_rules.policy_gradient import PolicyGradient
from adapt.update_rules.inner_step import UpdateRule

__all__ = ["RULES", "UpdateRule", "rule_from_manifest"]

RULES: dict[str, type[UpdateRule]] = {
    rule.name: rule for rule in (PolicyGradient, LowVarianceCurvature, ClippedAdam)
}


def rule_from_manifest(recorded: Mapping[str, Any]) -> UpdateRule:
    """The rule that `UpdateRule.manifest` recorded.

    Raises:
        AdaptError: no rule has that name, or it has other settings; names the valid ones.
    """
    settings = dict(recorded)
    name = settings.pop("name", None)
    if name not in RULES:
        raise AdaptError(f"update rule {name!r:.80}; valid: {', '.join(RULES)}")
    try:
        return RULES[name](**settings)
    except TypeError as error:
        raise AdaptError(f"update rule {name!r}: {error}") from error
