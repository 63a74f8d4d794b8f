"""What an outer step of discovery costs in time and memory as the number of inner updates and of agents grows.

Beside it, on the same lives and rollouts, ordinary backpropagation through all updates.
"""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from adapt.meta.discovery import OuterConfig
from adapt.meta.meta_gradient import MetaGradient, checkpointed, plain
from adapt.meta.population import GroupConfig
from adapt.meta.site import Site
from adapt.networks.agent import AgentSizes
from adapt.update_rules.disco import Disco
from adapt.update_rules.disco_network import Sizes

UPDATES = (1, 2, 5, 10, 20, 40)
AGENTS = (1, 2, 4, 8, 16)
BOTH = (20, 4)
"""Inner updates, where agents grow in number; agents, where updates do."""
RULE = Disco(Sizes(16, 32, 16, 16, (16, 4)), bins=31, largest=6.0)
GROUP = GroupConfig(("grid:dense",), steps=8, trajectories=8, sizes=AgentSizes((24,), 12, 12))
_METHODS = {"checkpointed": checkpointed, "plain": plain}


def measure_meta(
    updates: tuple[int, ...] = UPDATES, agents: tuple[int, ...] = AGENTS, both: tuple[int, int] = BOTH
) -> dict[str, Any]:
    """An outer step in grid:dense, by both methods of the gradient.

    Returns:
        `rows`: each with `updates`, `agents`, `live_s` (rollouts and inner updates, in [s] of one core), and by method
        `seconds`, of one core, and `peak_mib`, how far the process's memory rose above what it held before, both of
        the gradient.
        `agreement`: largest difference of the two gradients, as a share of the largest entry.
    """
    torch.set_num_threads(1)
    sizes = [(count, both[1]) for count in updates]
    sizes += [(both[0], count) for count in agents if (both[0], count) not in sizes]
    meta_params = RULE.initial_meta_params(torch.Generator().manual_seed(0))
    _row(meta_params, 1, 1)  # warms up
    rows = [_row(meta_params, *size) for size in sizes]
    return {"rows": rows, "agreement": max(row.pop("difference") for row in rows)}


def _row(meta_params: dict[str, torch.Tensor], updates: int, agents: int) -> dict[str, Any]:
    group = GroupConfig(
        GROUP.environments, agents, GROUP.trajectories, GROUP.steps, sizes=GROUP.sizes, floor=1e-4
    )
    outer = OuterConfig(updates)
    site = Site(group, RULE, 0, outer.loss, outer.value)
    begin = time.process_time()
    stretch = site.live(meta_params, updates)
    row: dict[str, Any] = {"updates": updates, "agents": agents, "live_s": time.process_time() - begin}
    found: dict[str, MetaGradient] = {}
    for name, method in _METHODS.items():
        gradient, row[name] = _measured(
            lambda method=method: site.gradient(meta_params, stretch, method=method)
        )
        found[name] = gradient
    one, other = (found[name].of_meta_params for name in _METHODS)
    largest = max(value.abs().max() for value in other.values())
    row["difference"] = float(max((one[n] - other[n]).abs().max() for n in other) / largest)
    return row


def _measured(work: Callable[[], MetaGradient]) -> tuple[MetaGradient, dict[str, float]]:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free already is to count when it is taken again
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    held = _memory("VmRSS")
    begin = time.process_time()
    result = work()
    seconds = time.process_time() - begin
    return result, {"seconds": seconds, "peak_mib": (_memory("VmHWM") - held) / 1024}


def _memory(name: str) -> int:
    """A line of this process's memory, in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {name}")
