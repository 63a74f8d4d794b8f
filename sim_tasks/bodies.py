"""Bodies of the benchmarks, from the packages that ship them."""

from __future__ import annotations

import warnings
from pathlib import Path

import gymnasium
import mujoco

from sim_tasks.errors import TaskError
from sim_tasks.plant import Plant, model_plant

ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"


def gymnasium_plant(
    body: str,
    substeps: int,
    stage: int = 0,
    *,
    timestep: float | None = None,
    contact_forces: bool = False,
) -> Plant:
    """One of Gymnasium's bodies, such as `half_cheetah`; its joints, masses and motors unchanged.

    Args:
        body: name of its file.
        substeps: time steps per control step.
        stage: see `Plant.stage`.
        timestep: in [s]; None: the file's.
        contact_forces: whether `cfrc_ext` is computed: MuJoCo does so only for a sensor that needs it. It tells of the
            state at the beginning of a control step's last time step.

    Raises:
        TaskError: Gymnasium ships no such body.
    """
    path = ASSETS / f"{body}.xml"
    if not path.is_file():
        valid = ", ".join(sorted(item.stem for item in ASSETS.glob("*.xml")))
        raise TaskError(f"unknown body {body!r}; valid: {valid}")
    edit = mujoco.MjSpec.from_file(str(path))
    if timestep is not None:
        edit.option.timestep = timestep
    if contact_forces:
        _add_accelerometer(edit)
    with warnings.catch_warnings():  # half_cheetah.xml has an attribute that MuJoCo is going to give up
        warnings.filterwarnings("ignore", "compiler attribute 'settotalmass'")
        model = edit.compile()
    return model_plant(body, model, substeps, stage=stage)


def _add_accelerometer(edit: mujoco.MjSpec) -> None:
    """Of what it says nothing is read: it makes MuJoCo compute the forces that act on each body."""
    edit.worldbody.first_body().add_site(name="accelerometer")
    edit.add_sensor(
        name="accelerometer",
        type=mujoco.mjtSensor.mjSENS_ACCELEROMETER,
        objtype=mujoco.mjtObj.mjOBJ_SITE,
        objname="accelerometer",
    )
