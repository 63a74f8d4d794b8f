"""The examples of docs/doors.md run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "doors.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number):
    code = EXAMPLES[number].replace("100_000", "2048")  # of PPO, to be quick
    exec(compile(code, f"{PAGE.name} example {number}", "exec"), {})


def test_there_is_an_example_of_each_door():
    assert len(EXAMPLES) == 4
