"""All that may become of a bundle on its way, by mistake or by malice: seeded changes of files and manifest."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from adapt.bundle import manifest_digest

Rng = np.random.Generator
RAW = {
    "@digits": "7" * 5000,
    "@large": "1" + "0" * 400,
    "@nan": "NaN",
    "@inf": "-Infinity",
    "@over": "1e999",
    "@deep": "[" * 900 + "]" * 900,
    "@deeper": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "@twice": '{"a": 1, "a": 2}',
    "@half": '"\\ud800"',
}
"""JSON that no Python value gives, by the text that stands in its place until it is written."""
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 0.0, -0.5, 1e-320, 1e308, 10**18, "", "x", "belief", "none", "a\nb", "\0",
    "../../outside", "/etc/passwd", "robot.yaml", "~", "%s%n", "x" * 100_000, [], [0.0], [[]], [1] * 1000, {}, {"a": 1},
    {"__class__": "os.system", "args": ["touch outside"]}, "__import__('os').system('touch outside')", *RAW,
)  # fmt: skip
NAMES = (
    "../outside.onnx", "/tmp/outside.onnx", "a/../../outside", "..", ".", "", "manifest.json", "a\\b", "con", "x" * 300,
    "a\0b", "step.onnx ", "STEP.ONNX", "-rf", "step.onnx/", "weights.bin", "robot.yaml", "\u202e.onnx",
)  # fmt: skip


@dataclass
class Draft:
    """A bundle that is being changed, before it is written."""

    manifest: Any
    files: dict[str, bytes]
    others: dict[str, str | None] = field(default_factory=dict)
    """What stands in place of a file: a link to somewhere, or None: a folder."""
    text: Callable[[bytes], bytes] = bytes
    """What becomes of the manifest's bytes at last."""

    @classmethod
    def of(cls, folder: Path) -> Draft:
        manifest = json.loads((folder / "manifest.json").read_text())
        return cls(manifest, {name: (folder / name).read_bytes() for name in manifest["files"]})

    def seal(self) -> None:
        """Gives all files and the manifest the digests that they must have, as who made the changes could."""
        if not isinstance(self.manifest, dict):
            return
        listed = self.manifest.get("files")
        if isinstance(listed, dict):
            for name in listed:
                if name in self.files and not str(listed[name]).startswith("@"):
                    listed[name] = hashlib.sha256(self.files[name]).hexdigest()
        try:
            read = json.loads(_written(self.manifest))
            if "manifest_digest" in self.manifest:
                self.manifest["manifest_digest"] = manifest_digest(read)
        except (ValueError, RecursionError):
            pass  # no digest fits what cannot be read

    def write(self, folder: Path) -> None:
        """Puts it into an empty folder."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        manifest = self.text(_written(self.manifest).encode())
        for name, content in ({"manifest.json": manifest} | self.files).items():
            if name not in self.others:
                (folder / name).write_bytes(content)
        for name, target in self.others.items():
            (folder / name).mkdir() if target is None else (folder / name).symlink_to(target)


def _written(manifest: Any) -> str:
    text = json.dumps(manifest, indent=1)
    for mark, raw in RAW.items():
        text = text.replace(json.dumps(mark), raw)
    return text


def _flip(rng: Rng, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if changed:
            changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(rng: Rng, content: bytes) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def _splice(rng: Rng, content: bytes) -> bytes:
    """Bytes that stood somewhere stand somewhere else too, or are zero, or are new."""
    at, size = int(rng.integers(len(content) + 1)), int(rng.integers(1, 65))
    source = int(rng.integers(len(content) + 1))
    piece = (content[source : source + size], bytes(size), rng.bytes(size))[int(rng.integers(3))]
    keep = at if rng.random() < 0.5 else at + size
    return content[:at] + piece + content[keep:]


def _bytes(change: Callable[[Rng, bytes], bytes]) -> Callable[[Rng, Draft], None]:
    """Changes the bytes of any file, the manifest among them."""

    def mutate(rng: Rng, draft: Draft) -> None:
        name = str(rng.choice([*draft.files, "step.onnx", "manifest.json"]))
        if name in draft.files:
            draft.files[name] = change(rng, draft.files[name])
            return
        content = change(rng, _written(draft.manifest).encode())
        try:
            draft.manifest = json.loads(content)  # so that it can be sealed
        except (ValueError, RecursionError):
            draft.text = lambda _: content

    return mutate


def swap_files(rng: Rng, draft: Draft) -> None:
    first, second = rng.choice(list(draft.files), 2)
    draft.files[first], draft.files[second] = draft.files[second], draft.files[first]


def delete_file(rng: Rng, draft: Draft) -> None:
    name = str(rng.choice([*draft.files, "manifest.json"]))
    if name == "manifest.json":
        draft.others[name] = None
    draft.files.pop(name, None)


def duplicate_file(rng: Rng, draft: Draft) -> None:
    name = str(rng.choice(list(draft.files)))
    draft.files[f"copy_of_{name}"] = draft.files[name]
    if rng.random() < 0.5 and isinstance(draft.manifest, dict):
        draft.manifest["files"] = {**_dict(draft.manifest.get("files")), f"copy_of_{name}": "0" * 64}


def rename_file(rng: Rng, draft: Draft) -> None:
    name = str(rng.choice(list(draft.files)))
    new = str(rng.choice(["step.onnx", "predict.onnx", "renamed", "step.onnx.bak"]))
    draft.files[new] = draft.files.pop(name)


def link_file(rng: Rng, draft: Draft) -> None:
    name = str(rng.choice([*draft.files, "manifest.json"]))
    draft.files.pop(name, None)
    target = str(rng.choice(["/etc/hostname", "/dev/zero", "../original", name, "nowhere"]))
    draft.others[name] = target


def name_elsewhere(rng: Rng, draft: Draft) -> None:
    """The manifest lists a file of another name, which may lead out of the bundle."""
    if isinstance(draft.manifest, dict):
        listed = _dict(draft.manifest.get("files"))
        digest = listed.pop(str(rng.choice(list(listed))), "0" * 64) if listed else "0" * 64
        draft.manifest["files"] = {**listed, str(rng.choice(NAMES)): digest}


def replace_value(rng: Rng, draft: Draft) -> None:
    place, key = _any(rng, draft)
    place[key] = HOSTILE[int(rng.integers(len(HOSTILE)))]


def change_number(rng: Rng, draft: Draft) -> None:
    numbers = [(place, key) for place, key in _places(draft.manifest) if type(place[key]) in (int, float)]
    if numbers:
        place, key = numbers[int(rng.integers(len(numbers)))]
        factor = (-1, 0, 10, 0.1, 1.0001, 1e200, float("nan"))[int(rng.integers(7))]
        value = place[key]
        place[key] = value + 1 if rng.random() < 0.3 else value * factor


def delete_value(rng: Rng, draft: Draft) -> None:
    place, key = _any(rng, draft)
    del place[key]


def add_value(rng: Rng, draft: Draft) -> None:
    place, key = _any(rng, draft)
    value = HOSTILE[int(rng.integers(len(HOSTILE)))]
    if isinstance(place, list):
        place.insert(key, place[key] if rng.random() < 0.5 else value)
    else:
        place[str(rng.choice(["on_load", "__reduce__", "latent", "action_history", "reward", "x" * 500]))] = (
            value
        )


def reorder(rng: Rng, draft: Draft) -> None:
    lists = [place[key] for place, key in _places(draft.manifest) if isinstance(place[key], list)]
    if lists and rng.random() < 0.7:
        chosen = lists[int(rng.integers(len(lists)))]
        chosen[:] = [chosen[index] for index in rng.permutation(len(chosen))]
    elif isinstance(draft.manifest, dict):
        names = list(draft.manifest)
        draft.manifest = {names[index]: draft.manifest[names[index]] for index in rng.permutation(len(names))}


def exchange_values(rng: Rng, draft: Draft) -> None:
    (first, one), (second, other) = _any(rng, draft), _any(rng, draft)
    copy = json.dumps(first[one])
    first[one] = json.loads(json.dumps(second[other]))
    if isinstance(second, dict) or other < len(second):
        second[other] = json.loads(copy)


def change_weights(rng: Rng, draft: Draft) -> None:
    """Start parameters of another type, shape or name, more of them, or none that are finite."""
    if "weights.safetensors" not in draft.files:
        return
    try:
        (found,) = safetensors.numpy.load(draft.files["weights.safetensors"]).values()
    except Exception:  # changed before
        return
    spoilt = found.copy()
    if spoilt.size:
        spoilt.flat[int(rng.integers(spoilt.size))] = rng.choice(
            [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45]
        )
    choices: tuple[dict[str, np.ndarray], ...] = (
        {"parameters": spoilt},
        {"parameters": found.astype(rng.choice(["<f8", "<f2", "<i4", "|u1", "|b1"]))},
        {"parameters": found[:-1]},
        {"parameters": found.reshape(1, -1)},
        {"parameters": np.zeros((0, 3), np.float32)},
        {"weights": found},
        {"parameters": found, "more": found},
        {},
        {"parameters": (found * rng.normal(0, 10, found.shape)).astype(np.float32)},
    )
    draft.files["weights.safetensors"] = safetensors.numpy.save(choices[int(rng.integers(len(choices)))])


def wrap_text(rng: Rng, draft: Draft) -> None:
    before = draft.text
    wrap = (
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.decode(errors="replace").encode("utf-16"),
        lambda content: b"// a comment\n" + content,
        lambda content: content + content,
        lambda content: b"[" + content + b"]",
        lambda content: b" " * 2**20 + content,
        lambda content: content.replace(b"{", b'{"schema": 3,', 1),
    )[int(rng.integers(7))]
    draft.text = lambda content: wrap(before(content))


MUTATIONS: dict[str, Callable[[Rng, Draft], None]] = {
    "flip bits": _bytes(_flip),
    "cut": _bytes(_cut),
    "splice": _bytes(_splice),
    "swap files": swap_files,
    "delete a file": delete_file,
    "duplicate a file": duplicate_file,
    "rename a file": rename_file,
    "link a file": link_file,
    "name a file elsewhere": name_elsewhere,
    "replace a value": replace_value,
    "change a number": change_number,
    "delete a value": delete_value,
    "add a value": add_value,
    "reorder": reorder,
    "exchange values": exchange_values,
    "wrap the text": wrap_text,
    "change the weights": change_weights,
}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _any(rng: Rng, draft: Draft) -> tuple[Any, Any]:
    """A place in the manifest; as likely near its top as deep in it."""
    places = list(_places(draft.manifest))
    if not places:
        return {"": None}, ""
    if rng.random() < 0.3 and isinstance(draft.manifest, dict):
        return draft.manifest, str(rng.choice(list(draft.manifest)))
    return places[int(rng.integers(len(places)))]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every value in nested lists and objects, as container and key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
