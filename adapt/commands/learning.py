"""Commands of who trains: train, evaluate, compare, export."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import tyro

from adapt.commands.common import Positional, print_json


@dataclass
class Train:
    """Meta-train a learner on a task family. `adapt train LEARNER FAMILY -h` shows the learner's options."""

    learner: Positional[str]
    """A registered learner (`adapt list learners`), or all: dr, oracle and rma, bounds first."""
    family: Positional[str]
    """Task family, such as pendulum_swingup."""
    out: Path | None = None
    """Folder of the run. Default: runs/<family>/<learner>."""
    config: Path | None = None
    """YAML file with some of the learner's options; those of the command line go before it."""
    seed: int = 0
    iterations: int | None = None
    """Instead of --frames: one iteration is one rollout and one update; of `all`, of each of the three."""
    threads: int = 0
    """Threads of the simulation; 0 for all cores."""
    teacher: Path | None = None
    """Run of oracle or dr that some learners learn from. Default: the folder `oracle` beside --out."""
    width: float = 1.0
    """Train on the middle share of every parameter's distribution only; evaluation stays on the whole family."""
    task: int | None = None
    """Train on one held-out task alone: number so many of those that `adapt evaluate` plays, from 0. An expert."""
    resume: bool = False
    """Go on with the run in --out exactly where it stopped."""
    ranges: Annotated[tuple[str, ...], tyro.conf.arg(name="range"), tyro.conf.UseAppendAction] = ()
    """NAME=LOW:HIGH, such as action_delay=0.01:0.05: the range of a parameter, in its unit, in place of the family's.
    May be given several times. It becomes part of the family's name: evaluation is on it, and so have bounds to be."""
    json: bool = False
    """One JSON object per iteration on standard output, in place of the progress bar."""

    def run(self) -> dict[str, Any] | None:
        from adapt.console import TrainingProgress, say
        from adapt.files import folder_name
        from sim_tasks.families.ranges import name_with_ranges

        self.family = name_with_ranges(self.family, self.ranges)
        own = "." if self.learner == "all" else self.learner
        out = self.out or Path("runs") / folder_name(self.family) / own
        with TrainingProgress() as progress:
            result = self._train_all(out, progress) if self.learner == "all" else self._train(out, progress)
        say(f"{result['steps']:,} control steps in {result['seconds']:.0f} s; the run is in {out}")
        return None

    def _train_all(self, out: Path, progress: Any) -> dict[str, Any]:
        from adapt.errors import AdaptError
        from adapt.train_all import train_all

        if self.task is not None or self.width != 1.0:
            raise AdaptError("--width and --task: of one learner, not of `all`")
        options = {"seed": self.seed, "iterations": self.iterations, "resume": self.resume}
        return train_all(self.family, out, **options, progress=progress)

    def _train(self, out: Path, progress: Any) -> dict[str, Any]:
        from adapt.learners import learner_kind
        from adapt.train import TrainRequest, train
        from sim_tasks.family import TrainingTasks

        teacher = self.teacher
        if learner_kind(self.learner).needs_teacher and teacher is None:
            teacher = out.parent / "oracle"
        request = TrainRequest(
            self.learner,
            self.family,
            out,
            self.seed,
            getattr(self, "options", None),
            self.iterations,
            self.threads,
            teacher,
            self.resume,
            TrainingTasks(self.width, self.task),
        )
        return train(request, print_json if self.json else lambda row: progress(self.learner, row))


def train_command(arguments: list[str]) -> type[Train]:
    """`Train` with the options of the learner that the command line names, as they are on its family.

    With --resume, what the run was begun with is what stands where the command line says nothing.

    Raises:
        AdaptError: the YAML file that it names cannot be used.
    """
    from adapt.learners import LEARNERS
    from adapt.options import learner_config
    from sim_tasks.families.ranges import name_with_ranges

    learner, family = (*(a for a in arguments[:2] if not a.startswith("-")), "", "")[:2]
    if learner not in LEARNERS:
        return Train
    file = _given(arguments, "--config")
    family = name_with_ranges(family, _all_given(arguments, "--range"))
    recorded = _recorded(arguments, learner, family)
    config = learner_config(learner, family, Path(file) if file else None, recorded.pop("options", None))
    options = Annotated[type(config), tyro.conf.arg(name="")]
    types = get_type_hints(Train, include_extras=True)
    defaults = [(name, types[name], field(default=value)) for name, value in recorded.items()]
    command = make_dataclass(
        "Train", [("options", options, field(default=config)), *defaults], bases=(Train,)
    )
    command.__doc__ = f"{Train.__doc__}\n\n{learner}: {LEARNERS[learner].about}"
    return command


def _given(arguments: list[str], option: str) -> str | None:
    """The value of an option on the command line."""
    values = _all_given(arguments, option)
    return values[-1] if values else None


def _all_given(arguments: list[str], option: str) -> list[str]:
    values = [after for name, after in itertools.pairwise(arguments) if name == option]
    return values + [a.removeprefix(f"{option}=") for a in arguments if a.startswith(f"{option}=")]


def _recorded(arguments: list[str], learner: str, family: str) -> dict[str, Any]:
    """What a run that goes on was begun with: `options`, and arguments of `Train` by name; empty for a new run."""
    from adapt.files import folder_name
    from adapt.train import read_run

    out = Path(_given(arguments, "--out") or Path("runs") / folder_name(family) / learner)
    if "--resume" not in arguments or not (out / "config.json").is_file():
        return {}
    config = read_run(out)
    if (config["learner"], config["family"]) != (learner, family):
        return {}  # training says what does not fit
    teacher = {"teacher": out / config["teacher"]} if config["teacher"] else {}
    recorded = {n: config[n] for n in ("seed", "iterations")} | config["training"] | teacher
    return {"options": config["hyperparameters"]} | recorded


@dataclass
class Evaluate:
    """Evaluate a run on held-out tasks beside its two bounds; several runs of one learner: over tasks and seeds.
    Learners with discrete actions are evaluated beside uniformly drawn actions.

    Writes evaluation.json and a page, evaluation.html, into the run; for several runs, into each its JSON, and both of
    all together beside them.
    """

    run_folders: Annotated[Positional[list[Path]], tyro.conf.arg(name="runs", metavar="RUN [RUN ...]")]
    """Folders of runs; bounds are the folders `dr` and `oracle` beside them unless given."""
    dr: Path | None = None
    oracle: Path | None = None
    tasks: int = 512
    """Held-out tasks, at least 256; of learners with discrete actions, environments, as few as wished."""
    episodes: int | None = None
    """Per trial; the policy keeps what it has understood. Default: 1 on robots, 2 on benchmarks' bodies."""
    seed: int = 0
    """Of tasks, starts and noise."""
    split: Literal["test", "ood"] = "test"
    task: int | None = None
    """One held-out task alone, this one, from as many starts. Default: as many tasks; of an expert, its own."""
    out: Path | None = None
    """Where the JSON goes, and the page beside it. Default: evaluation.json in the run; evaluation_ood.json of ood."""
    threads: int = 0
    """Of learners with discrete actions: of simulations and emulators; 0: one per core."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.console import say
        from adapt.errors import AdaptError
        from adapt.learners import learner_kind
        from adapt.report.evaluation import write_evaluation
        from adapt.runs import EvaluationRequest, evaluate_runs
        from adapt.train import read_run

        if learner_kind(read_run(self.run_folders[0])["learner"]).discrete:
            return self._discrete()
        if self.threads:
            raise AdaptError(
                "--threads: of learners with discrete actions alone; others take one process per core"
            )
        request = EvaluationRequest(
            self.dr, self.oracle, self.tasks, self.seed, self.split, self.episodes, self.task, self.out
        )
        path, result = evaluate_runs(self.run_folders, request, self.json)
        page = write_evaluation(path)
        if not self.json:
            say(f"open {page}")
        policies = result["policies"]
        return {
            "score": result["score"],
            "oracle_over_dr": result["oracle_over_dr"],
            "returns": {name: policy["mean"] for name, policy in policies.items()},
            "stages": {name: [each["mean"] for each in p["stages"]] for name, p in policies.items()},
            "missing": result["missing"],
            "file": str(path),
            "page": str(page),
        }

    def _discrete(self) -> dict[str, Any]:
        """Of learners with discrete actions, which have no bounds and no page."""
        from adapt.discrete_evaluation import DiscreteRequest, evaluate_discrete
        from adapt.errors import AdaptError

        for name in ("dr", "oracle", "task"):
            if getattr(self, name) is not None:
                raise AdaptError(f"--{name}: not of learners with discrete actions, which have no bounds")
        request = DiscreteRequest(
            self.tasks, self.episodes or 1, self.seed, self.split, self.out, self.threads
        )
        path, result = evaluate_discrete(self.run_folders, request, self.json)
        policies = result["policies"]
        return {
            "returns": {name: policy["mean"] for name, policy in policies.items()},
            "intervals": {name: policy["interval"] for name, policy in policies.items()},
            "file": str(path),
        }


@dataclass
class Compare:
    """Compare runs side by side: returns by episode, CVaR5%, score, learning curves."""

    run_folders: Annotated[Positional[list[Path]], tyro.conf.arg(name="runs", metavar="RUN [RUN ...]")]
    """Folders of runs on one family. Their figures are those that training and `adapt evaluate` have written."""
    out: Path | None = None
    """Where the page goes. Default: compare.html beside the runs."""
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.compare import compare, table_lines
        from adapt.console import say
        from adapt.files import common_folder
        from adapt.report.comparison import write_comparison

        result = compare(self.run_folders)
        page = write_comparison(result, self.out or common_folder(self.run_folders) / "compare.html")
        if not self.json:
            for line in table_lines(result):
                print(line)
            say(f"open {page}")
        return result | {"page": str(page)}


@dataclass
class Export:
    """Write a run's policy as a bundle, checked against the learner in simulation."""

    run_folder: Annotated[Positional[Path], tyro.conf.arg(name="run")]
    """Folder of a run whose learner can be deployed."""
    out: Path | None = None
    """Folder of the bundle. Default: bundle in the run."""

    def run(self) -> None:
        from adapt.console import say
        from adapt.runs import export_run

        bundle = export_run(self.run_folder, self.out)
        say(f"bundle for robot {bundle.manifest['robot']['robot']} in {bundle.path}")
