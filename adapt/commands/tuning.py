"""Commands that leave choices to a meta-learner: tune (hyperparameters), choose (the rule)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.commands.common import Positional, print_report


@dataclass
class Tune:
    """Hold a rule that tunes itself against the best of a random search of the hand-written rule, on held-out tasks.

    Writes tuning.json: all trials, every candidate's scores and hyperparameters, differences with intervals.
    """

    env: Positional[str]
    """An environment with discrete actions, such as point_robot or grid:dense (docs/discrete.md)."""
    trials: int = 64
    """Of the random search."""
    tasks: int = 4
    """Training tasks; a trial lives one lifetime on each."""
    held_out: int = 32
    """Tasks that candidates are compared on."""
    generations: int = 4
    """In which hyperparameters are carried on from lifetime to lifetime, at the search's frames; 0 leaves that out."""
    updates: int = 400
    """Of a lifetime, 128 frames each."""
    tuner_rate: float = 0.01
    """Learning rate of the hyperparameters."""
    seed: int = 0
    out: Path | None = None
    """Where the JSON goes. Default: runs/tuning/<env>-<seed>.json."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.tuning.comparison import Budget, report_tuning, table_lines

        budget = Budget(self.trials, self.tasks, self.held_out, self.generations)
        path, result = report_tuning(self.env, self.updates, self.tuner_rate, budget, self.seed, self.out)
        if not self.json:
            print_report(table_lines(result), path)
        return result


@dataclass
class Choose:
    """Have a bandit choose the rule of each family, and hold it against the best single rule and against an oracle.

    Writes choice.json: scores of all lifetimes, regret curves, final choices.
    """

    envs: Positional[tuple[str, ...]] = (
        "catch:5x5", "point", "point_robot", "grid:dense", "grid:sparse", "grid:cliff",
    )  # fmt: skip
    """Environments with discrete actions (docs/discrete.md)."""
    disco: Path | None = None
    """Weights of a discovered rule, which is then one of the choices."""
    lifetimes: int = 32
    """Of each rule in each family; a pull draws one of them."""
    pulls: int = 60
    """Of a controller in a family."""
    controllers: int = 200
    """That are judged, each with draws of its own."""
    updates: int = 200
    """Of a lifetime, 128 frames each."""
    seed: int = 0
    out: Path | None = None
    """Where the JSON goes. Default: runs/tuning/choice-<seed>.json."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.tuning.rules import ChoiceRequest, report_choice, table_lines

        request = ChoiceRequest(
            self.envs,
            self.disco,
            self.lifetimes,
            self.pulls,
            self.controllers,
            self.updates,
            self.seed,
            self.out,
        )
        path, result = report_choice(request)
        if not self.json:
            print_report(table_lines(result), path)
        return result
