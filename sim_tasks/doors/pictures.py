"""Pictures of simulations, offscreen or in a window, and clear words where a machine can draw neither."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import mujoco
import numpy as np

from sim_tasks.batch_sim import BatchSim
from sim_tasks.doors.mirror import Mirror
from sim_tasks.errors import TaskError

RENDER_MODES = ("human", "rgb_array")
WIDTH, HEIGHT = 480, 360
"""Of a picture, in [px]; less where the model's offscreen buffer is smaller."""
_NO_RENDERER = (
    "render_mode 'rgb_array': MuJoCo cannot draw on this machine ({error}); before Python starts, set MUJOCO_GL=egl "
    "(graphics card or Mesa, apt-get install libegl1 libgl1-mesa-dri) or MUJOCO_GL=osmesa (apt-get install libosmesa6)"
)
_NO_DISPLAY = "render_mode 'human': there is no display (DISPLAY is not set); valid here: 'rgb_array' or none"


def check_render_mode(mode: str | None, valid: tuple[str, ...] = RENDER_MODES) -> None:
    """Raises TaskError if there is no such mode, or no display for `human`."""
    if mode is not None and mode not in valid:
        raise TaskError(f"unknown render_mode {mode!r}; valid: {', '.join(valid)} or none")
    if mode == "human" and not has_display():
        raise TaskError(_NO_DISPLAY)


def has_display() -> bool:
    """Whether a window can be opened."""
    return not sys.platform.startswith("linux") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


class Camera:
    """Draws simulations offscreen, from the model's first camera, or MuJoCo's default one.

    Raises:
        TaskError: MuJoCo has no working renderer here; says how to get one.
    """

    def __init__(self, sim: BatchSim):
        self._mirror = Mirror(sim)
        buffer = self._mirror.model.vis.global_
        width, height = min(WIDTH, buffer.offwidth), min(HEIGHT, buffer.offheight)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # glfw's, about the missing display: said better below
                self._renderer = mujoco.Renderer(self._mirror.model, height, width)
        except Exception as error:  # each backend has its own kinds of failure
            raise TaskError(_NO_RENDERER.format(error=" ".join(str(error).split()))) from error
        self._camera = 0 if self._mirror.model.ncam else -1

    def picture(self, sim: BatchSim, simulation: int = 0) -> np.ndarray:
        """A picture of one simulation. RGB from 0 to 255. Shape (H, W, 3), uint8."""
        self._mirror.show(sim, simulation)
        self._renderer.update_scene(self._mirror.data, camera=self._camera)
        return self._renderer.render()

    def close(self) -> None:
        self._renderer.close()


class Window:
    """MuJoCo's viewer, which follows one simulation."""

    def __init__(self, sim: BatchSim):
        from mujoco import viewer

        self._mirror = Mirror(sim)
        self._viewer: Any = viewer.launch_passive(self._mirror.model, self._mirror.data)

    def show(self, sim: BatchSim) -> None:
        """Shows simulation 0 as it is now."""
        with self._viewer.lock():
            self._mirror.show(sim)
        self._viewer.sync()

    def close(self) -> None:
        self._viewer.close()
