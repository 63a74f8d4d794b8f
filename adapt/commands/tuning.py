"""Commands that leave choices to a meta-learner: tune (hyperparameters), choose (the rule)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.commands.common import Positional, print_report


@dataclass
class Tune:
    """Learn where hyperparameters start from whole lifetimes, and hold that against the best of a random search of the
    hand-written rule at the same frames, on held-out tasks.

    Writes tuning.json: trials, steps, every candidate's scores and hyperparameters, differences with intervals; and for
    each meta-training an .npz that `adapt train self_tuning --weights` begins with.
    """

    env: Positional[str]
    """An environment with discrete actions, such as point_robot or grid:dense (docs/discrete.md)."""
    trials: int = 64
    """Of a random search."""
    tasks: int = 2
    """Training tasks; a trial lives one lifetime on each, and meta-training has as many lifetimes together."""
    repeats: int = 3
    """Searches, and meta-trainings, each with other tasks and luck."""
    held_out: int = 32
    """Tasks that candidates are compared on."""
    updates: int = 200
    """Of a lifetime, 128 frames each."""
    tuner_rate: float = 0.01
    """Learning rate of hyperparameters that move within a lifetime."""
    seed: int = 0
    out: Path | None = None
    """Where the JSON goes. Default: runs/tuning/<env>-<seed>.json."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.tuning.comparison import Budget, report_tuning, table_lines

        budget = Budget(self.trials, self.tasks, self.repeats, self.held_out)
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
