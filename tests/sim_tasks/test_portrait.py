"""Every robot has a picture in the documentation, and it can be drawn again where OpenGL exists."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robots import robot_names

FOLDER = Path(__file__).parents[2] / "docs" / "robots"
DRAW = """
import sys
try:
    import mujoco
    mujoco.GLContext(8, 8)
except Exception as error:
    sys.exit(f"no OpenGL: {error}")
from sim_tasks.portrait import save_portraits
save_portraits(sys.argv[1])
"""


@pytest.mark.parametrize("name", robot_names())
def test_every_registered_robot_has_a_picture(name):
    with Image.open(FOLDER / f"{name}.png") as image:
        assert image.size == (400, 400)


def test_the_pictures_can_be_drawn_again(tmp_path):
    environment = os.environ | {"MUJOCO_GL": os.environ.get("MUJOCO_GL", "egl")}
    command = [sys.executable, "-c", DRAW, str(tmp_path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if "no OpenGL" in run.stderr:
        pytest.skip(run.stderr.strip())
    for name in robot_names():
        with Image.open(tmp_path / f"{name}.png") as drawn, Image.open(FOLDER / f"{name}.png") as kept:
            # Drivers differ at edges: 2 of 255 on average is the same picture.
            difference = np.abs(np.asarray(drawn, float) - np.asarray(kept, float)).mean()
        assert difference < 2.0, name
