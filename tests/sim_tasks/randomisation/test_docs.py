"""The page on randomisation names every term, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mujoco import MjModel

from sim_tasks import randomisation

PAGE = (Path(__file__).parents[3] / "docs" / "randomisation.md").read_text()
NOT_TERMS = ("Parameter", "Property", "Readout", "SimFields", "Target", "Place", "Elements")
TERMS = [
    name
    for name in randomisation.__all__
    if name[0].isupper() and not name.isupper() and name not in NOT_TERMS
]


@pytest.mark.parametrize("name", TERMS)
def test_every_term_is_on_the_page(name):
    assert f"`{name}(" in PAGE


def test_the_page_says_which_fields_mujoco_derives_constants_from():
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    checked = 0
    for row in rows:
        if len(row) < 6 or row[4] not in ("yes", "no"):
            continue
        fields = set(re.findall(r"`((?:body|dof|geom|pair|actuator)_\w+)", row[1]))
        inputs = fields.intersection(MjModel._setconst_inputs)
        if fields:
            assert bool(inputs) == (row[4] == "yes"), row
            checked += 1
    assert checked > 12


def test_the_example_runs():
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    sim = names["sim"]
    sim.set_parameters(np.arange(128), sim.values)
    assert not sim.step(np.tile(names["robot"].default_position, (128, 1))).any()
