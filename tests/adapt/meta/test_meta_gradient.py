"""Meta-gradients against plain backpropagation and against finite differences, in double precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
import torch

from adapt.meta.meta_gradient import Course, checkpointed, plain, unrolled
from adapt.meta.outer_loss import OuterLoss
from adapt.networks.agent import AgentNetwork, AgentSizes
from adapt.update_rules.adam import Adam
from adapt.update_rules.disco import Disco
from adapt.update_rules.disco_network import Sizes
from adapt.update_rules.lifetime import Learning, Life
from adapt.update_rules.rule import Rollout, Tensors

SIZES = Sizes(prediction=4, hidden=5, lifetime=3, embedding=3, channels=(3, 2))
ACTIONS, STEPS, TRAJECTORIES, SEEN = 3, 5, 2, 4


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


class Case:
    """Some updates of one agent or of several, and an outer loss of what came of them."""

    def __init__(self, updates: int, agents: int = 0, largest: float = 1.0):
        self.random = torch.Generator().manual_seed(5)
        rule = Disco(SIZES, bins=7, largest=5.0)
        self.meta_params = rule.initial_meta_params(self.random)
        network = AgentNetwork((SEEN,), ACTIONS, rule.outputs(ACTIONS), AgentSizes((6,), 4, 5))
        self.learning = Learning(rule, network, Adam(1e-2, largest), population=agents > 0)
        lead = (agents,) if agents else ()
        first = [network.initial(self.random) for _ in range(max(1, agents))]
        params = {n: torch.stack([one[n] for one in first]) if agents else first[0][n] for n in first[0]}
        # Heads say something from the start: where they say nothing, advantages are all alike.
        params = {name: value + 0.3 * self._normal(*value.shape) for name, value in params.items()}
        lives, rollouts = [self.learning.begin(params)], []
        for _ in range(updates):
            rollouts.append(self._rollout(*lead))
            lives.append(self.learning.update(self.meta_params, lives[-1], rollouts[-1])[0])
        self.course = Course(lives, rollouts)
        if not agents:
            self.lone(network)
        else:
            validation = self._rollout(*lead)
            advantage = self._normal(*lead, STEPS, TRAJECTORIES)
            loss = OuterLoss(target_mean=0.5)
            self.of_end = lambda life: loss.of_life(network, life, validation, advantage)
            self.of_update = lambda k, before, told: (
                loss.of_targets(network, before, rollouts[k], told)
                + loss.of_life(network, before, rollouts[k], advantage)
            )

    def lone(self, network: AgentNetwork) -> None:
        """Outer losses of one agent: those of a population of one."""
        validation, advantage = self._rollout(1), self._normal(1, STEPS, TRAJECTORIES)
        loss = OuterLoss(target_mean=0.5)

        def one(tensors: Tensors) -> Tensors:
            return {name: value.unsqueeze(0) for name, value in tensors.items()}

        def of_end(life: Life) -> torch.Tensor:
            return loss.of_life(network, Life(*map(one, life.parts())), validation, advantage)

        def of_update(k: int, before: Life, told: Tensors) -> torch.Tensor:
            alone, life = Rollout.of(one(self.course.rollouts[k].tensors())), Life(*map(one, before.parts()))
            judged = loss.of_life(network, life, alone, advantage)
            return loss.of_targets(network, life, alone, one(told)) + judged

        self.of_end, self.of_update = of_end, of_update

    def gradient(self, **options: int) -> Tensors:
        losses = (self.of_end, self.of_update)
        return checkpointed(self.learning, self.meta_params, self.course, *losses, **options).of_meta_params

    def _rollout(self, *lead: int) -> Rollout:
        shape = (*lead, STEPS + 1, TRAJECTORIES)
        uniform = torch.rand(shape, generator=self.random)
        terminal = (torch.rand((*lead, STEPS, TRAJECTORIES), generator=self.random) < 0.2).double()
        return Rollout(
            observation=self._normal(*shape, SEEN),
            action=(uniform * ACTIONS).long(),
            reward=self._normal(*lead, STEPS, TRAJECTORIES),
            terminal=terminal,
            counts=torch.ones_like(terminal),
            behaviour={"logits": self._normal(*shape, ACTIONS)},
        )

    def _normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=self.random)


def relative(one: Tensors, other: Tensors) -> float:
    """Largest difference, by the largest entry."""
    largest = max(value.abs().max() for value in other.values())
    return float(max((one[name] - other[name]).abs().max() for name in other) / largest)


@pytest.mark.parametrize("agents", [0, 3])
def test_as_by_plain_backpropagation(agents: int) -> None:
    case = Case(20, agents)
    other = plain(case.learning, case.meta_params, case.course, case.of_end, case.of_update)
    mine = checkpointed(case.learning, case.meta_params, case.course, case.of_end, case.of_update)
    assert relative(mine.of_meta_params, other.of_meta_params) < 1e-9
    assert mine.end_loss == pytest.approx(other.end_loss, rel=1e-12)
    assert mine.update_loss == pytest.approx(other.update_loss, rel=1e-9)
    assert other.update_loss != 0


def test_truncated() -> None:
    """Gradients through the last two of five updates are those of a course that begins with them."""
    case = Case(5)
    whole, cut = case.gradient(), case.gradient(truncate=2)
    last = Course(case.course.lives[3:], case.course.rollouts[3:])
    end = checkpointed(case.learning, case.meta_params, last, case.of_end).of_meta_params
    alone = checkpointed(case.learning, case.meta_params, case.course, case.of_end, truncate=2).of_meta_params
    assert relative(alone, end) < 1e-12
    assert relative(cut, whole) > 1e-3


def test_population_is_its_agents_alone() -> None:
    """Three agents' gradient is the mean of each one's."""
    case = Case(4, 3)
    together = checkpointed(case.learning, case.meta_params, case.course, _square).of_meta_params
    lone = dataclasses.replace(case.learning, population=False)
    total = {name: torch.zeros_like(value) for name, value in together.items()}
    for agent in range(3):
        lives = [
            Life(*({n: v[agent] for n, v in p.items()} for p in life.parts())) for life in case.course.lives
        ]
        rollouts = [
            Rollout.of({n: v[agent] for n, v in rollout.tensors().items()})
            for rollout in case.course.rollouts
        ]
        alone = checkpointed(lone, case.meta_params, Course(lives, rollouts), _square).of_meta_params
        total = {name: total[name] + alone[name] for name in total}
    assert relative(together, total) < 1e-9


def test_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Central differences agree to 1e-6, where what the rule holds constant is held constant.

    Values, advantages and the optimiser's denominator carry no gradient by design. Every `detach` therefore gives in
    the shifted runs what it gave in the run in the middle. Adam's first update is +-1, where it would be cut: a kink,
    so that no update is cut here.
    """
    case = Case(6, largest=1e3)
    gradient = case.gradient()
    kept: list[torch.Tensor] = []
    real = torch.Tensor.detach

    def run(meta_params: Tensors, hold: Callable[[torch.Tensor], torch.Tensor]) -> float:
        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, "detach", hold)
            losses = unrolled(case.learning, meta_params, case.course, case.of_end, case.of_update)
            return real(losses[0] + losses[1]).item()

    def record(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(real(tensor).clone())
        return real(tensor)

    run(case.meta_params, record)
    assert len(kept) > 100

    def shifted(direction: Tensors, by: float) -> float:
        held = iter(kept)
        moved = {name: value + by * direction[name] for name, value in case.meta_params.items()}
        result = run(moved, lambda tensor: next(held).clone())
        assert next(held, None) is None
        return result

    step = 1e-5
    directions = [{n: case._normal(*v.shape) for n, v in case.meta_params.items()} for _ in range(3)]
    for name in ("lstm/lstm/linear/w", "lstm/linear_4/w", "lstm/~/meta_lstm/~unroll/lstm/linear/w"):
        alone = {n: torch.zeros_like(v) for n, v in case.meta_params.items()}
        directions.append(alone | {name: case._normal(*case.meta_params[name].shape)})
    for direction in directions:
        slope = (shifted(direction, step) - shifted(direction, -step)) / (2 * step)
        expected = sum(float((gradient[name] * direction[name]).sum()) for name in direction)
        assert slope == pytest.approx(expected, rel=1e-6)


def _square(life: Life) -> torch.Tensor:
    return sum((value.square().sum() for value in life.params.values()), torch.zeros(()))
