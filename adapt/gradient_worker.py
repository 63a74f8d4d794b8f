"""The process beside a robot's control loop that computes proposals: `python -m adapt.gradient_worker`.

Reads named arrays from standard input and answers each on standard output, until its parent is gone. What is heavy is
imported when priority, signals and outputs are as they have to be.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import IO

import numpy as np

from adapt.errors import AdaptError
from adapt.online.pipes import read_arrays, write_arrays
from adapt.online.proposal import Proposal

_NICE = 10
_PR_SET_PDEATHSIG = 1

Propose = Callable[[Mapping[str, np.ndarray]], Proposal]


def serve(propose: Propose, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answers requests until there are no more; what goes wrong is an answer."""
    while True:
        try:
            arrays = read_arrays(requests)
        except EOFError:
            return
        try:
            proposal = propose(arrays)
        except (AdaptError, ArithmeticError, LookupError, RuntimeError, ValueError) as error:
            line = " ".join(f"{type(error).__name__}: {error}".split())
            proposal = Proposal(None, {"error": "".join(c for c in line if c.isprintable())[:500]})
        write_arrays(answers, proposal.arrays())


def make_propose(path: str, digest: str, settings: str) -> Propose:
    """The bundle's proposer; of a bundle that cannot be used, one that says so."""
    import torch

    from adapt.bundle import load_bundle
    from adapt.online.gates import GateSettings
    from adapt.proposer import Proposer

    torch.set_num_threads(1)
    try:
        bundle = load_bundle(path)
        if bundle.manifest["manifest_digest"] != digest:
            raise AdaptError(f"{path}: changed since the node was configured")
        return Proposer(bundle, GateSettings(**json.loads(settings)))
    except AdaptError as error:
        problem = error

    def refuse(arrays: Mapping[str, np.ndarray]) -> Proposal:
        raise problem

    return refuse


def main(path: str, digest: str, settings: str, parent: str) -> None:
    """Serves one parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent decides
    os.nice(_NICE)
    _end_with(int(parent))
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    serve(make_propose(path, digest, settings), requests, answers)


def _end_with(parent: int) -> None:
    """The kernel ends this process with its parent, also where it computes or hangs."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("whoever started this process is gone")


if __name__ == "__main__":
    main(*sys.argv[1:])
