"""YAML with lines: what is read, and that nothing is run."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ros_bridge.hil.scenario.lines import MAX_BYTES, Item, read_lines
from ros_bridge.hil.scenario.mistakes import Mistake


def plain(item: Item) -> Any:
    if isinstance(item.value, dict):
        return {key: plain(each) for key, each in item.value.items()}
    return [plain(each) for each in item.value] if isinstance(item.value, list) else item.value


def read(tmp_path, text: str | bytes) -> Item:
    path = tmp_path / "file.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_lines(path)


def mistake(tmp_path, text: str | bytes) -> str:
    with pytest.raises(Mistake) as caught:
        read(tmp_path, text)
    return caught.value.told(None)


def test_every_key_and_value_knows_its_line(tmp_path):
    item = read(tmp_path, "# a comment\na: 1\nb:\n  - {c: 2,\n     d: 3}\n  - e:\n      4\n")
    b = item.value["b"]
    assert (item.value["a"].line, b.key_line, b.line) == (2, 3, 4)
    first, second = b.value
    assert [(each.key, each.line) for each in first.value.values()] == [("b[0].c", 4), ("b[0].d", 5)]
    e = second.value["e"]
    assert (e.key, e.key_line, e.line, e.value) == ("b[1].e", 6, 7, 4)


def test_scalars_are_those_of_yaml_1_2(tmp_path):
    text = "[off, yes, no, on, true, 1e-3, 1:30, 010, '5', ~, 2026-01-02, .inf, nan, -.5, 3.]"
    words = ["off", "yes", "no", "on", True, 0.001, "1:30", 10, "5", None, "2026-01-02"]
    assert plain(read(tmp_path, text)) == [*words, math.inf, "nan", -0.5, 3.0]


def test_anchors_aliases_and_merges_are_followed(tmp_path):
    text = "base: &base {kind: nan, at: 1}\nfaults:\n  - *base\n  - {<<: *base, at: 2}\n"
    item = read(tmp_path, text)
    assert plain(item)["faults"] == [{"kind": "nan", "at": 1}, {"kind": "nan", "at": 2}]
    # Where it has to be mended: at the anchor. The path is that of the alias.
    alias = item.value["faults"].value[0].value["kind"]
    assert (alias.key, alias.line) == ("faults[0].kind", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4: b.c: stands there twice, first in line 3; remove one"),
        ("a: 1\nb: !!python/object/apply:os.system [true]\n", "line 2: b: no tags here"),
        ("a: !!binary aGk=\n", "line 1: a: no tags here"),
        ("a: 1\nb: [1, 2\nc: 3\n", "not valid YAML"),
        ("a: 1\n\tb: 2\n", "line 2: not valid YAML"),
        ("a: 1\nb: \x01\n", "line 2: not valid YAML: character"),
        ("a: 1\n---\nb: 2\n", "line 2: not valid YAML: expected a single document"),
        ("a: *nobody\n", "line 1: not valid YAML: found undefined alias"),
        (b"a: 1\nb: \xff\n", "line 2: not UTF-8 text"),
        ("", "line 1: an empty file"),
        ("# only a comment\n", "line 1: an empty file"),
        ("? [a]\n: 1\n", "line 1: expected a word as key"),
        ("a: &a [*a]\n", "more than 16 lists and mappings in one another"),
        ("a: &a {<<: *a}\n", "more than 16 lists and mappings in one another"),
        ("a: " + "[" * 1000, "lists and mappings in one another"),
        ("a: " + "x" * MAX_BYTES, f"more than {MAX_BYTES} bytes"),
        ("a: {<<: 3}\n", "line 1: a: `<<` needs a mapping"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, text, said):
    told = mistake(tmp_path, text)
    assert said in told
    assert "\n" not in told


def test_aliases_cannot_fill_the_memory(tmp_path):
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 20000 values" in mistake(tmp_path, "\n".join(["a0: &a0 [1]", *levels]))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(Mistake, match="cannot be read: Is a directory"):
        read_lines(tmp_path)
