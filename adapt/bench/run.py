"""Which measurements there are, and what is said with them."""

from __future__ import annotations

from typing import Any

from adapt import provenance
from adapt.console import say

FAMILY = "pendulum_swingup"
NUM_ENVS = 1024
_UNITS = {"ratio": "", "peak_rss_mib": "MiB", "num_envs": "", "cores": "", "diverged": "simulations"}


def bench(
    what: str, seconds: float, family: str = FAMILY, num_envs: int = NUM_ENVS, peers: bool = True
) -> dict[str, Any]:
    """Measures `sim`, `train`, `node` or `all` of them.

    Args:
        what: which of them.
        seconds: per measurement, in [s].
        family: of `sim`.
        num_envs: of `sim`, simulations side by side.
        peers: whether `sim` on a HalfCheetah also measures other simulators of it.

    Returns:
        Plain data with versions, commit and machine. `sim`: see `measure_simulation`, flat where nothing else is
        measured; `train`, control steps per second by learner; `node`, `p50` and `p99` in [us].
    """
    result: dict[str, Any] = {
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
    }
    if what in ("sim", "all"):
        from adapt.bench.simulation import measure_simulation

        say(f"measuring sim: {family}, {num_envs} environments")
        speed = measure_simulation(family, num_envs, seconds, peers)
        _tell(speed, "control steps/s")
        result |= speed if what == "sim" else {"sim": speed}
    if what in ("train", "all"):
        from adapt.bench.training import measure_training

        say("measuring train")
        result["train"] = measure_training(seconds)
        _tell(result["train"], "control steps/s")
    if what in ("node", "all"):
        from adapt.bench.control_step import measure_control_step

        say("measuring node")
        result["node"] = measure_control_step(seconds)
        _tell(result["node"], "us")
    return result


def _tell(figures: dict[str, Any], unit: str) -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            _tell(value, unit)
        elif isinstance(value, float | int):
            own = _UNITS.get(name, unit)
            shown = f"{value:,.2f}" if name == "ratio" else f"{value:,.0f}"
            say(f"  {name:<22} {shown} {own}")
