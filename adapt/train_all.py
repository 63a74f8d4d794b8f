"""Trains RMA and both of its bounds: DR and oracle side by side on a core each, then RMA."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapt.errors import RunError
from adapt.files import write_json
from adapt.parallel import cores

LEARNERS_IN_ORDER = ("dr", "oracle", "rma")

Progress = Callable[[str, dict[str, Any]], None]
"""Called with the learner's name and its metrics after each of its iterations."""


def train_all(
    family: str,
    out: Path,
    *,
    seed: int = 0,
    scale: float = 1.0,
    iterations: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Trains `dr`, `oracle` and `rma` into folders of these names under `out`.

    Args:
        family: task family.
        out: folder of the three runs.
        seed: of all three.
        scale: of the default number of iterations; below 1 for a quick look.
        iterations: of each of the three, instead of `scale` times their default.
        resume: go on with what is there.
        progress: called after every iteration.

    Returns:
        steps, seconds (wall-clock), steps_per_s and peak_memory_mib of the three together, and each run's
        `result.json`; kept in `train.json`.

    Raises:
        RunError: one of the trainings failed; its message is passed on.
    """
    begin, record = time.monotonic(), out / "train.json"
    before = json.loads(record.read_text(encoding="utf-8"))["seconds"] if resume and record.is_file() else 0.0
    from adapt.options import learner_config

    length = {
        name: ("frames", max(1, round(scale * learner_config(name, family).frames)))
        if iterations is None
        else ("iterations", iterations)
        for name in LEARNERS_IN_ORDER
    }
    bounds = ("dr", "oracle")
    together = [_Training(name, family, out, seed, length[name], resume, threads=1) for name in bounds]
    _watch(together, progress)
    adaptive = _Training("rma", family, out, seed, length["rma"], resume, threads=cores())
    _watch([adaptive], progress)
    results = {name: json.loads((out / name / "result.json").read_text()) for name in LEARNERS_IN_ORDER}
    dr, oracle, adaptive = results.values()
    # What a killed attempt took is not in `record`; what its checkpoints took is in the results.
    trained = max(dr["seconds"], oracle["seconds"]) + adaptive["seconds"]
    seconds = before if before >= trained else max(before + time.monotonic() - begin, trained)
    steps = sum(result["steps"] for result in results.values())
    training = {
        "steps": steps,
        "seconds": seconds,
        "steps_per_s": steps / seconds,
        "peak_memory_mib": max(
            dr["peak_memory_mib"] + oracle["peak_memory_mib"], adaptive["peak_memory_mib"]
        ),
        "runs": results,
    }
    write_json(record, training, indent=2)
    return training


class _Training:
    """One training in a process of its own, whose metrics arrive as JSON lines."""

    def __init__(
        self,
        learner: str,
        family: str,
        out: Path,
        seed: int,
        length: tuple[str, int],
        resume: bool,
        threads: int,
    ):
        self.learner = learner
        command = [sys.executable, "-m", "adapt.cli", "train", learner, family, "--json"]
        command += ["--out", str(out / learner), "--seed", str(seed), "--threads", str(threads)]
        command += [f"--{length[0]}", str(length[1])]
        command += ["--teacher", str(out / "oracle")] if learner == "rma" else []
        command += ["--resume"] if resume else []
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )

    def read(self, progress: Progress | None) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            row = json.loads(line)
            if progress is not None and "iteration" in row:
                progress(self.learner, row)

    def close(self) -> str:
        """Waits for the end; returns what it complained of, or nothing."""
        assert self.process.stderr is not None
        complaint = self.process.stderr.read()
        return complaint if self.process.wait() else ""

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()  # it finishes its iteration and saves
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def _watch(trainings: list[_Training], progress: Progress | None) -> None:
    readers = [threading.Thread(target=t.read, args=(progress,), daemon=True) for t in trainings]
    try:
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        for training in trainings:
            if complaint := training.close():
                raise RunError(f"training {training.learner} failed:\n{complaint.strip()}")
    finally:
        for training in trainings:
            training.stop()
