"""What `adapt hil run` checks before anything starts: bundles, seeds, and what real hardware needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from robots.errors import UserError
from ros_bridge.errors import BridgeError
from ros_bridge.hil.scenario.bundles import SHIPPED, bundle_folder, check_bundle
from ros_bridge.hil.scenario.families import family_named
from ros_bridge.hil.scenario.run_entries import LARGEST_SEED
from ros_bridge.hil.scenario.scenario import Scenario

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*", re.ASCII)


def bundles_by_label(
    given: Iterable[str], scenarios: Sequence[Scenario], shipped: Path = SHIPPED
) -> dict[str, str]:
    """Folders by label, of `LABEL=FOLDER`; each fits the families of all scenarios.

    Raises:
        BridgeError: no label, one that comes twice, or a bundle that is not there or does not fit.
    """
    folders = dict[str, str]()
    for pair in given:
        label, mark, name = pair.partition("=")
        if not (mark and name and _LABEL.fullmatch(label)):
            raise BridgeError(f"--bundle {pair!r}: expected LABEL=FOLDER, such as rma=runs/mine/rma/bundle")
        if label in folders:
            raise BridgeError(f"--bundle {pair!r}: label {label!r} is that of {folders[label]} already")
        folder = bundle_folder(name, shipped=shipped)
        for family in dict.fromkeys(scenario.family for scenario in scenarios):
            try:
                check_bundle(folder, family_named(family))
            except UserError as error:
                raise BridgeError(f"--bundle {label}: {error}") from error
        folders[label] = str(folder)
    return folders


def with_seeds(scenarios: Sequence[Scenario], seeds: Sequence[int]) -> list[Scenario]:
    """With these seeds in place of their own, where there are any.

    Raises:
        BridgeError: a seed that is none.
    """
    for seed in seeds:
        if not 0 <= seed <= LARGEST_SEED:
            raise BridgeError(f"--seed {seed}: valid: 0 to {LARGEST_SEED}")
    own = tuple(dict.fromkeys(seeds))
    return [replace(scenario, seeds=own) if own else scenario for scenario in scenarios]


def in_lock_step(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """As fast as the machine can.

    Raises:
        BridgeError: one is of a real robot, which waits for nobody.
    """
    if real := _real(scenarios):
        raise BridgeError(f"--lock-step: a real robot waits for nobody, got robot: real in {real}")
    return [replace(scenario, pace="lock_step") for scenario in scenarios]


def check_run(scenarios: Sequence[Scenario], parallel: int | None, at_the_emergency_stop: bool) -> None:
    """Refuses a real robot that nobody could stop, and numbers of runs at a time that make no sense.

    Raises:
        BridgeError: says what to do.
    """
    if parallel is not None and parallel < 1:
        raise BridgeError(f"--parallel {parallel}: valid: 1 or more")
    real = _real(scenarios)
    if real and not at_the_emergency_stop:
        raise BridgeError(
            f"robot: real in {real}: it moves, and things go wrong on purpose; stand at its emergency stop and say "
            "--i-am-at-the-emergency-stop"
        )
    if real and parallel is not None and parallel > 1:
        raise BridgeError(f"--parallel {parallel}: robot: real in {real}, of which there is one; valid: 1")


def _real(scenarios: Iterable[Scenario]) -> str:
    return ", ".join(scenario.name for scenario in scenarios if scenario.robot == "real")
