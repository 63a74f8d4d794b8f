"""The command of who holds learners against each other on Atari games."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from adapt.commands.common import Positional


@dataclass
class Atari:
    """Train and evaluate learners on Atari games, cell by cell, and make a table of all cells.

    A cell that is done is not run again; one that was stopped goes on. Machines may share the cells, and the folder.
    """

    what: Positional[Literal["run", "table"]]
    """`run`: the cells that are not done, then the table; `table`: of the cells that there are."""
    games: tuple[str, ...] = ("Pong", "Breakout", "Freeway", "Boxing", "MsPacman")
    learners: tuple[str, ...] = ("disco", "actor_critic", "sb3_discrete_ppo")
    """With the options that `adapt train LEARNER atari:GAME` has."""
    seeds: tuple[int, ...] = (0,)
    frames: int = 98_304
    """Of the emulator in each training: four for a decision."""
    episodes: int = 10
    """Of each evaluation."""
    out: Path = Path("runs/atari")
    """Folder of the cells, of table.json and table.md."""
    threads: int = 0
    """Of the emulators; 0: one per core."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.atari import AtariRequest, run_cells, table, table_lines
        from adapt.commands.common import print_report
        from adapt.console import TrainingProgress

        if self.what == "run":
            request = AtariRequest(
                self.games, self.learners, self.seeds, self.frames, self.episodes, self.out, self.threads
            )
            with TrainingProgress() as progress:
                run_cells(request, lambda name: lambda row: progress(name, row))
        result = table(self.out)
        lines = [*table_lines(result)]
        path = self.out / "table.md"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if not self.json:
            print_report(lines, path)
        return result
