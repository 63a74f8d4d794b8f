"""From bundles to a controller, as the node and a replay of its bags run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from adapt.bundle import PolicyBundle, load_bundle
from adapt.errors import AdaptError
from adapt.online.controller import AdaptiveController
from adapt.online.fallback import Fallback
from adapt.online.familiarity import Familiarity
from adapt.online.kinds import make_adapter
from adapt.online.learning import OnRobotLearning
from adapt.types import OnlineAdapter
from robots import RobotSpec
from robots.goal import GoalLayout

C = TypeVar("C", bound=AdaptiveController)


def open_fallback(path: str | Path | None, bundle: PolicyBundle) -> PolicyBundle | None:
    """The bundle that is to drive robots that `bundle` finds unfamiliar; None where no `path` is given.

    Raises:
        BundleError: it cannot be read.
        AdaptError: `bundle` has no familiarity, so that nobody would ever call it.
    """
    if not path:
        return None
    if bundle.manifest.get("familiarity") is None:
        raise AdaptError(
            f"fallback {path}: {bundle.path} has no familiarity, which says when a fallback drives; needed: a policy "
            "with a forecast, exported with its calibration, or no fallback"
        )
    return load_bundle(path)


def controller_of(
    bundle: PolicyBundle,
    spec: RobotSpec,
    fallback: PolicyBundle | None = None,
    make: Callable[..., C] = AdaptiveController,
    learn: Callable[[OnlineAdapter], OnRobotLearning | None] = lambda adapter: None,
) -> C:
    """The controller of one robot, with all that its bundle brings.

    `make`: its class; `learn`: what proposes other parameters to its adapter, if it is one by gradients.

    Raises:
        BundleError: a graph cannot be run, or the fallback is for another robot.
        AdaptError: the fallback adapts, or is told another goal.
    """
    judged = bundle.manifest.get("familiarity") is not None
    adapter = make_adapter(bundle)
    parts = {
        "familiarity": Familiarity(bundle) if judged else None,
        "fallback": None if fallback is None else _fallback(fallback, bundle, spec),
        "reward": bundle.reward,
    }
    return make(spec, bundle.observation, adapter, **parts, learning=learn(adapter))


def _fallback(fallback: PolicyBundle, bundle: PolicyBundle, spec: RobotSpec) -> Fallback:
    own, other = bundle.goal, fallback.goal
    if other is not None and (own is None or _meaning(own) != _meaning(other)):
        raise AdaptError(
            f"fallback {fallback.path}: goal: {_words(other)}; valid: nothing, or that of {bundle.path}: {_words(own)}"
        )
    try:
        return Fallback(fallback, spec)
    except AdaptError as error:
        raise type(error)(f"fallback {error}") from error


def _meaning(goal: GoalLayout) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return goal.kind, goal.names, goal.units


def _words(goal: GoalLayout | None) -> str:
    return "nothing" if goal is None else f"{goal.kind} ({', '.join(goal.names)})"
