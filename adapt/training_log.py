"""What a training keeps of itself while it runs, and how it is asked to stop."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter


@contextmanager
def stop_flag() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask for a stop after the present iteration, so that what is saved is whole."""
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        asked = True

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class TrainingLog:
    """Metrics as JSON lines and for TensorBoard; lines past the checkpoint that is resumed are dropped."""

    def __init__(self, out: Path, done: int):
        path = out / "metrics.jsonl"
        kept = path.read_text(encoding="utf-8").splitlines()[:done] if done and path.is_file() else []
        self._file = path.open("w", encoding="utf-8")
        self._file.writelines(line + "\n" for line in kept)
        self._board = SummaryWriter(str(out / "tensorboard"), purge_step=done or None)

    def write(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        for name, value in row.items():
            if isinstance(value, float):
                self._board.add_scalar(name, value, row["iteration"])

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._board.close()
