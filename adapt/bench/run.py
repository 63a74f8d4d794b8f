"""Which measurements there are, and what is said with them."""

from __future__ import annotations

from typing import Any

from adapt import provenance
from adapt.console import say

FAMILY = "pendulum_swingup"
LEARNER = "oracle"
NUM_ENVS = 1024
_UNITS = {"peak_rss_mib": "MiB", "num_envs": "", "cores": "", "diverged": "simulations"}
_SHARES = ("ratio", "sim", "inference", "update")


def bench(
    what: str,
    seconds: float,
    family: str = FAMILY,
    num_envs: int = NUM_ENVS,
    peers: bool = True,
    learner: str = LEARNER,
    rate_hz: float = 500.0,
    rounds: int = 3,
) -> dict[str, Any]:
    """Measures `sim`, `train`, `node` or `all` of them; or `relay`, or `meta`.

    Args:
        what: which of them.
        seconds: per measurement, in [s].
        family: of `sim` and `train`.
        num_envs: of `sim`, simulations side by side.
        peers: whether `sim` on a HalfCheetah also measures other simulators of it.
        learner: of `train`.
        rate_hz: of the readings that `node` and `relay` send, in [Hz].
        rounds: of `node`, how often node and echo have their turn; of `relay`, the four relays.

    Returns:
        Plain data with versions, commit and machine. `sim`: see `measure_simulation`; `train`: see `measure_training`;
        `node`: see `measure_node`; `relay`: see `measure_relay`; `meta`: see `measure_meta`; flat where nothing else is
        measured.
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

        say(f"measuring train: {learner} on {family}")
        speed = measure_training(learner, family, seconds)
        _tell(speed, "control steps/s")
        result |= speed if what == "train" else {"train": speed}
    if what in ("node", "all"):
        from adapt.bench.node import measure_node, told

        say("measuring node: 12 joints, IMU, belief of 128 units")
        trips = measure_node(seconds, rate_hz, rounds)
        for line in told(trips):
            say(f"  {line}")
        result |= trips if what == "node" else {"node": trips}
    if what == "relay":
        from adapt.bench import relay

        say("measuring relay: joint states of 12 joints")
        hops = relay.measure_relay(seconds, rate_hz, rounds)
        for line in relay.told(hops):
            say(f"  {line}")
        result |= hops
    if what == "meta":
        from adapt.bench.meta import measure_meta

        say("measuring meta: outer steps in grid:dense, by both methods")
        result |= measure_meta()
        for row in result["rows"]:
            say(f"  {row['updates']:>2} updates, {row['agents']:>2} agents: {_costs(row)}")
    return result


def _costs(row: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {row[name]['seconds']:.2f} s {row[name]['peak_mib']:.0f} MiB"
        for name in ("checkpointed", "plain")
    )


def _tell(figures: dict[str, Any], unit: str) -> None:
    for name, value in figures.items():
        if isinstance(value, dict):
            _tell(value, unit)
        elif isinstance(value, float | int):
            own = "" if name in _SHARES else _UNITS.get(name, unit)
            shown = f"{value:,.2f}" if name in _SHARES else f"{value:,.0f}"
            say(f"  {name:<22} {shown} {own}")
