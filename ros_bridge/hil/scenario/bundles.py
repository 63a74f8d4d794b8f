"""Bundles that scenarios name: shipped ones, or folders beside the scenario's file; and whether they fit its family."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from adapt.bundle import open_bundle
from robots.errors import UserError
from ros_bridge.errors import BridgeError
from ros_bridge.hil.scenario.mistakes import valid_names
from sim_tasks.family import TaskFamily

SHIPPED = Path(__file__).parents[1] / "bundles"
"""Folder of the bundles that come with this package, one folder each."""


def shipped_names(shipped: Path = SHIPPED) -> list[str]:
    """Of all bundles that come with this package."""
    return sorted(manifest.parent.name for manifest in shipped.glob("*/manifest.json"))


def bundle_folder(name: str, near: Path | None = None, shipped: Path = SHIPPED) -> Path:
    """Folder of a bundle.

    Args:
        name: a shipped one's, or a folder, which goes before it.
        near: what a relative folder is relative to; None: the working directory.
        shipped: folder of the shipped ones.

    Raises:
        BridgeError: there is none; names the shipped ones.
    """
    for folder in ((near or Path()) / name, shipped / name):
        if (folder / "manifest.json").is_file():
            return folder.resolve()
    raise BridgeError(
        f"no bundle {name!r} in {(near or Path()).resolve()}; shipped ones, {valid_names(name, shipped_names(shipped))}"
    )


def is_shipped(name: str, folder: Path, shipped: Path = SHIPPED) -> bool:
    """Whether `bundle_folder` has found a shipped one by its name."""
    return Path(name).name == name and folder == (shipped / name).resolve()


def check_bundle(folder: Path, family: TaskFamily) -> None:
    """Refuses a bundle that is damaged, or that is not for a family's robot and goals.

    Raises:
        UserError: names what does not fit.
    """
    _fits(folder, family.name, family.robot.digest, family.goal.names if family.goal else ())


@lru_cache(maxsize=64)
def _fits(folder: Path, family: str, digest: str, goal: tuple[str, ...]) -> None:
    """Of a campaign's scenarios many have the same bundle: what is sound is read once."""
    bundle, spec = open_bundle(folder)
    told = bundle.goal.names if bundle.goal else ()
    if spec.digest != digest:
        raise UserError(
            f"{folder}: drives {spec.name}, which is not the robot of {family}, or has other numbers"
        )
    if told != goal:
        own, given = (", ".join(names) or "nothing" for names in (told, goal))
        raise UserError(f"{folder}: its policy is told {own}; {family} tells {given}")
