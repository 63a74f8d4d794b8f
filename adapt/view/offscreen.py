"""Which of MuJoCo's offscreen renderers works on this machine, found out where a crash hurts nobody."""

from __future__ import annotations

import os
import subprocess
import sys

BACKENDS = ("egl", "osmesa", "glfw")
"""Values of MUJOCO_GL: graphics card or Mesa without a screen, Mesa in software, a window on a screen."""
INSTALL = "apt-get install libegl1 libgl1-mesa-dri, or libosmesa6"
"""What gives a machine without a graphics card a renderer (Debian, Ubuntu)."""
_PATIENCE = 60.0
"""A renderer that takes longer to draw one small picture, in [s], does not work."""
_PROBE = """
import os
import mujoco
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/><geom type='box' size='1 1 1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 32, 32)
renderer.update_scene(data)
print("drawn" if renderer.render().std() > 0 else "blank", flush=True)
os._exit(0)
"""


def find_backend() -> str | None:
    """The first that draws, or None; one that the environment names in MUJOCO_GL is tried alone."""
    named = os.environ.get("MUJOCO_GL", "").strip().lower()
    return next((backend for backend in ((named,) if named else BACKENDS) if _draws(backend)), None)


def environment(backend: str) -> dict[str, str]:
    """The environment of a process that renders with a backend: MuJoCo reads it when it is imported."""
    return {name: value for name, value in os.environ.items() if name != "PYOPENGL_PLATFORM"} | {
        "MUJOCO_GL": backend
    }


def _draws(backend: str) -> bool:
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE],
            env=environment(backend),
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return False
    return "drawn" in probe.stdout
