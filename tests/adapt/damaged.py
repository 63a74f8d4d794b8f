"""Changes to a bundle's manifest, and what must become of bundles that are not sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapt.bundle import PolicyBundle, load_bundle, manifest_digest
from adapt.errors import BundleError
from robots import RobotSpec


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


def write(folder: Path, manifest: dict[str, Any], sealed: bool = True) -> None:
    """Puts another manifest in place, with the digest that it then must have or with the one that it had."""
    if sealed:
        manifest = manifest | {"manifest_digest": manifest_digest(manifest)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def change(folder: Path, *keys: str | int, to: object, sealed: bool = True) -> None:
    """Changes one value of the manifest."""
    manifest = read(folder)
    place: Any = manifest
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    write(folder, manifest, sealed)


def refused(folder: Path, *words: str, robot: RobotSpec | None = None) -> None:
    with pytest.raises(BundleError) as error:
        load_bundle(folder, robot)
    message = str(error.value)
    assert str(folder) in message
    assert "\n" not in message
    for word in words:
        assert word in message, message


def unsealed(bundle: PolicyBundle) -> dict[str, Any]:
    """What `save_bundle` is given."""
    own = ("schema", "files", "manifest_digest")
    return {name: value for name, value in bundle.manifest.items() if name not in own}
