"""Names of the task families in Gymnasium's registry.

Gymnasium has no plugins since its version 1.0: `import sim_tasks.doors` comes before `gymnasium.make`, or stands in
the name, `gymnasium.make("sim_tasks.doors:adapt/half_cheetah_vel-v0")`.
"""

from __future__ import annotations

import gymnasium

from sim_tasks.families import family_names

ANY = "adapt/family-v0"
"""For families without a name of their own: `gymnasium.make(ANY, family="dm_control:cheetah/run")`."""
_SINGLE = "sim_tasks.doors.gymnasium_env:AdaptEnv"
_VECTOR = "sim_tasks.doors.vector_env:AdaptVectorEnv"


def environment_id(family: str) -> str:
    """Gymnasium's name of a registered family."""
    return f"adapt/{family}-v0"


def register() -> tuple[str, ...]:
    """Registers what is not yet registered; returns the names of all families in Gymnasium's registry."""
    ids = {environment_id(name): {"family": name} for name in family_names()}
    for name, kwargs in ({ANY: {}} | ids).items():
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point=_SINGLE, vector_entry_point=_VECTOR, kwargs=kwargs)
    return tuple(ids)
