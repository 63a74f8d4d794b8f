"""How many cores there are; and `side_by_side`: what does not depend on one another, on a core each.

torch's own threads wait for each other by spinning: as soon as another process wants a core, they are many times slower
than one thread. Threads that each run a whole piece of work with one torch thread lose nothing but the core.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_POOL = ThreadPoolExecutor(thread_name_prefix="side-by-side")


def cores() -> int:
    """Cores that this process may run on: fewer than the machine has where it is bound to some, as by taskset."""
    return len(os.sched_getaffinity(0))


def side_by_side(*work: Callable[[], Any]) -> list[Any]:
    """Calls the functions at the same time, the first in this thread; returns what they return, in their order.

    They must share no random numbers and write to nothing that another one reads. An exception of one is raised when
    all have ended.
    """
    others = [_POOL.submit(function) for function in work[1:]]
    try:
        first = work[0]()
    finally:
        for other in others:
            other.exception()
    return [first, *(other.result() for other in others)]
