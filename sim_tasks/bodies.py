"""Bodies of the benchmarks, from the packages that ship them."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import mujoco

from sim_tasks.errors import TaskError
from sim_tasks.plant import Plant, model_plant

ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"


def gymnasium_plant(body: str, substeps: int, stage: int = 0) -> Plant:
    """One of Gymnasium's bodies, such as `half_cheetah`, unchanged.

    Raises:
        TaskError: Gymnasium ships no such body.
    """
    path = ASSETS / f"{body}.xml"
    if not path.is_file():
        valid = ", ".join(sorted(item.stem for item in ASSETS.glob("*.xml")))
        raise TaskError(f"unknown body {body!r}; valid: {valid}")
    return model_plant(body, mujoco.MjModel.from_xml_path(str(path)), substeps, stage=stage)
