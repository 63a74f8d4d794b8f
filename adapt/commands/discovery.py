"""Commands of who discovers update rules: discover, lives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from adapt.commands.common import Positional, print_json


@dataclass
class Discover:
    """Discover an update rule: agents learn by it in many environments, and it is bettered by how well they do."""

    environments: Annotated[Positional[list[str]], tyro.conf.arg(metavar="ENVIRONMENT [ENVIRONMENT ...]")]
    """Such as grid:dense, point, catch:5x5 or pendulum_swingup. With + between them, as grid:dense+grid:sparse, they
    are one population: cheaper, where observations and actions are alike."""
    out: Path
    """Folder of the run. The rule becomes its rule.npz."""
    steps: int = 500
    """Outer steps."""
    agents: int = 8
    """Of each population."""
    trajectories: int = 8
    """Environments of an agent."""
    rollout: int = 8
    """Control steps of an inner update."""
    lifetime: int = 200
    """Inner updates, after which another agent begins on another task."""
    updates: int = 20
    """Inner updates that an outer step takes its gradient through."""
    truncate: int | None = None
    """The last so many of them alone."""
    at_once: int = 1
    """Populations of an outer step, in turn; 0: all."""
    rate: float = 2e-2
    """Of the agents' optimiser."""
    floor: float = 1e-3
    """Of the agents' optimiser's denominator: where gradients happen to be near zero, noise would be let in."""
    meta_rate: float = 1.5e-2
    """Of the outer optimiser."""
    clip: float = 0.1
    """Norm of a population's gradient; a larger one is scaled down to it."""
    entropy: float = 0.03
    """Weight of the agents' entropy in the outer loss: where it is too low, discovery ends in rules that make agents
    repeat themselves."""
    along: float = 1.0
    """How much every inner update's rollout counts in the outer loss, beside the one at the end."""
    centre: bool = False
    """Outer advantages are told by what an agent's other trajectories had at the same step: for robots, which begin
    together and whose values are slow to learn."""
    begin: Path | None = None
    """Weights to begin with, such as disco_103.npz. Default: random ones of --prediction, --hidden, --remembered."""
    prediction: int = 16
    """Entries of the rule's predictions."""
    hidden: int = 32
    """Units of the rule's network that reads trajectories."""
    remembered: int = 16
    """Units of the rule's network that remembers a lifetime."""
    gain: float = 4.0
    """Of the first random weights of the layers that make the policy's target: a small rule begins too timid."""
    discount: float = 0.99
    """Of the agents' values."""
    bins: int = 3
    """Of the agents' values. Few: in a short life many probabilities are not learnt."""
    largest: float = 1.0
    """Value that they can express, transformed."""
    dense: tuple[int, ...] = (32,)
    """Layers of the agents."""
    head: int = 16
    """Units of the agents' action model and of the layers behind it."""
    robot_bins: int = 5
    """Actions of a robot's joint."""
    worlds: int = 0
    """How many different worlds there are of each kind of grid; 0: every agent lives in a new one."""
    evolve: int = 0
    """Pairs of perturbed rules per outer step, instead of gradients: evolution strategies on whole lifetimes."""
    spread: float = 0.05
    """Of perturbed rules."""
    workers: int = 1
    """Processes that perturbed rules are spread over. The result does not depend on it."""
    seed: int = 0
    resume: bool = False
    """Go on with the run in --out exactly where it stopped."""
    json: bool = False
    """One JSON object per outer step on standard output, in place of the progress bar."""

    def run(self) -> None:
        from adapt.console import TrainingProgress, say
        from adapt.meta.run import discover

        request = self.request()
        with TrainingProgress() as progress:
            result = discover(request, print_json if self.json else lambda row: progress("discover", row))
        say(
            f"{result['outer_steps']} outer steps, {result['steps']:,} control steps, {result['seconds']:.0f} s; "
            f"the rule is {self.out / 'rule.npz'}"
        )

    def request(self) -> Any:
        """Of `adapt.meta.run`."""
        from adapt.meta.discovery import OuterConfig
        from adapt.meta.evolution import EvolutionConfig
        from adapt.meta.outer_loss import OuterLoss
        from adapt.meta.outer_value import ValueConfig
        from adapt.meta.run import DiscoverRequest
        from adapt.update_rules.disco import Disco
        from adapt.update_rules.disco_network import Sizes

        sizes = Sizes(self.prediction, self.hidden, self.remembered, 16, (16, 4))
        outer = OuterConfig(
            self.updates,
            self.truncate,
            at_once=self.at_once,
            rate=self.meta_rate,
            largest=self.clip,
            loss=OuterLoss(self.entropy, along=self.along),
            value=ValueConfig(centre=self.centre),
        )
        return DiscoverRequest(
            tuple(self._group(names) for names in self.environments),
            self.out,
            self.steps,
            Disco(sizes, bins=self.bins, largest=self.largest, discount=self.discount, value_weight=1.0),
            self.gain,
            self.begin,
            outer,
            EvolutionConfig(self.evolve, self.spread, self.meta_rate) if self.evolve else None,
            self.workers,
            self.seed,
            self.resume,
        )

    def _group(self, names: str) -> Any:
        from adapt.meta.population import GroupConfig
        from adapt.networks.agent import AgentSizes
        from sim_tasks.discrete import is_robot

        # A + may also be part of a family's name, such as pendulum_swingup+mass=1:2.
        alone = is_robot(names.partition("+")[0])
        robot = {"bins": self.robot_bins, "threads": 1, "standard": True}
        grid = {"worlds": self.worlds} if self.worlds and names.startswith("grid:") else {}
        return GroupConfig(
            (names,) if alone else tuple(names.split("+")),
            self.agents,
            self.trajectories,
            self.rollout,
            self.lifetime,
            self.rate,
            self.floor,
            AgentSizes(self.dense, self.head, self.head),
            robot if alone else grid,
        )


@dataclass
class Lives:
    """Let fresh agents learn by rules in environments, beside the same rules without rewards, their first weights, and
    a hand-written rule."""

    environments: Annotated[Positional[list[str]], tyro.conf.arg(metavar="ENVIRONMENT [ENVIRONMENT ...]")]
    """On their held-out tasks."""
    out: Path
    """JSON file; the picture goes beside it, where there is a browser."""
    rule: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """Folder of a run of `adapt discover`. May be given several times; the first one's agents are those that learn."""
    agents: int = 16
    """With a task of their own each."""
    updates: int = 200
    """Of a life."""
    rates: tuple[float, ...] = (3e-3, 1e-2, 3e-2)
    """Of the hand-written actor-critic; the best counts, in every environment."""
    seed: int = 1000
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.console import StepProgress, say
        from adapt.meta.comparison import compare_rules
        from adapt.report.rules import lives_figure, write_picture
        from adapt.report.screenshot import find_browser

        with StepProgress("lives") as progress:
            result = compare_rules(
                self.rule,
                self.environments,
                self.agents,
                self.updates,
                self.rates,
                self.seed,
                self.out,
                progress,
            )
        if find_browser():
            say(f"open {write_picture(lives_figure(result), self.out.with_suffix('.png'))}")
        if not self.json:
            for name, rules in result["environments"].items():
                for rule, found in rules.items():
                    low, high = found["interval"]
                    print(f"{name:>20}  {rule:<24} {found['last']:.4f} [{low:.4f}, {high:.4f}]")
        return result


@dataclass
class Scaling:
    """Hold rules that were discovered in few environments against those of many, at the same cost and with the same
    seeds: how well agents learn by them where no rule was discovered."""

    environments: Annotated[Positional[list[str]], tyro.conf.arg(metavar="ENVIRONMENT [ENVIRONMENT ...]")]
    """On their held-out tasks; choose such that no rule was discovered in."""
    out: Path
    """JSON file; the picture goes beside it, where there is a browser."""
    rule: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """Folder of a run of `adapt discover`, given several times: sizes of sets by seeds."""
    agents: int = 8
    """Under each rule, with a task of their own each."""
    updates: int = 200
    """Of a life."""
    rates: tuple[float, ...] = (3e-3, 1e-2, 3e-2)
    """Of the hand-written actor-critic, whose best one is 1 on the scale."""
    seed: int = 1000
    json: bool = False

    def run(self) -> dict[str, Any]:
        from adapt.console import StepProgress, say
        from adapt.meta.scaling import scaling
        from adapt.report.rules import scaling_figure, write_picture
        from adapt.report.screenshot import find_browser

        with StepProgress("scaling") as progress:
            result = scaling(
                self.rule,
                self.environments,
                self.agents,
                self.updates,
                self.rates,
                self.seed,
                self.out,
                progress,
            )
        if find_browser():
            say(f"open {write_picture(scaling_figure(result), self.out.with_suffix('.png'))}")
        if not self.json:
            for count, found in result["sizes"].items():
                low, high = found["interval"]
                print(f"{count:>6} environments: {found['score']:.3f} [{low:.3f}, {high:.3f}]")
        return result
