"""An outer loop without gradients: evolution strategies (Salimans et al. 2017, arXiv:1703.03864).

For rules or rewards that are not differentiable, and for whole lifetimes. Perturbations come in antithetic pairs that
live with the same luck; fitness counts by its rank. What pairs that live together do depends on their number alone, so
it is done anywhere: what comes of a step does not depend on the number of workers.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapt.checkpoint import flat
from adapt.errors import AdaptError
from adapt.meta.lifetimes import rewards_under
from adapt.meta.population import GroupConfig, seed_of
from adapt.update_rules.adam import Adam
from adapt.update_rules.rule import Tensors, UpdateRule

Fitness = Callable[[Sequence[Tensors], int], np.ndarray]
"""Of several meta-parameters with the same luck, which a seed fixes; shape (R,). More is better. To be pickled."""


@dataclass(frozen=True)
class EvolutionConfig:
    """Of the strategy."""

    pairs: int = 16
    """Perturbations and their opposites."""
    spread: float = 0.05
    """Standard deviation of a perturbation."""
    rate: float = 1e-2
    """Of Adam on the estimated gradient."""
    plain: bool = False
    """Whether the estimated gradient is followed as it is and not by Adam, whose first steps have the same size in all
    directions: where few steps are taken, what does not matter to the fitness would drift as far as what does."""
    together: int = 1
    """Pairs that have the same luck and are asked of the fitness at once; more are faster, where it is vectorised."""

    def __post_init__(self) -> None:
        if self.pairs < 1 or not self.spread > 0:
            raise AdaptError(f"pairs: {self.pairs}, spread: {self.spread}; valid: 1 or more, more than 0")
        if self.together < 1 or self.pairs % self.together:
            raise AdaptError(f"together: {self.together}; valid: a divisor of pairs, {self.pairs}")


@dataclass(frozen=True)
class EndOfLife:
    """Fitness: mean reward per control step over the last part of the agents' lives, mean over groups."""

    rule: UpdateRule
    groups: tuple[GroupConfig, ...]
    """Groups' lifetimes are as long as is played: cut, if need be."""
    part: float = 0.25

    def __call__(self, rules: Sequence[Tensors], seed: int) -> np.ndarray:
        """Of several rules in the same tasks."""
        found = []
        for index, group in enumerate(self.groups):
            rewards, _ = rewards_under(group, self.rule, rules, seed_of(seed, index))
            last = max(1, round(self.part * group.lifetime))
            found.append(rewards[:, -last:].mean(axis=(1, 2)))
        return np.mean(found, axis=0)


class Evolution:
    """Meta-parameters that climb a fitness."""

    def __init__(self, config: EvolutionConfig, meta_params: Tensors, fitness: Fitness, seed: int):
        self.config, self.meta_params, self._fitness, self._seed = config, meta_params, fitness, seed
        self._optimiser = Adam(config.rate)
        self.moments = self._optimiser.begin(meta_params)
        self.done = 0

    @property
    def frames(self) -> int:
        """Of all environments in a step."""
        groups = getattr(self._fitness, "groups", ())
        each = sum(g.agents * g.trajectories * g.steps * g.lifetime for g in groups)
        return 2 * self.config.pairs * each

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"meta_params": dict(self.meta_params), "moments": dict(self.moments), "done": self.done}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        found = flat(state["meta_params"])
        self.meta_params = {name: found[name] for name in self.meta_params}
        self.moments, self.done = flat(state["moments"]), state["done"]

    def step(self, pool: Executor | None = None) -> dict[str, float]:
        """One step; pairs are spread over a pool's workers. Mean and best fitness among the perturbed."""
        config = self.config
        seeds = [seed_of(self._seed, 31, self.done, pair) for pair in range(config.pairs)]
        work = [
            (self._fitness, self.meta_params, config.spread, tuple(seeds[first : first + config.together]))
            for first in range(0, config.pairs, config.together)
        ]
        pairs = np.concatenate(list((pool.map if pool else map)(_fitness_of_pairs, work)))
        if not np.isfinite(pairs).all():
            raise AdaptError(f"fitness of outer step {self.done + 1}: {pairs[~np.isfinite(pairs)][0]}")
        weights = centred_ranks(pairs)
        slope = {name: torch.zeros_like(value) for name, value in self.meta_params.items()}
        for seed, (up, down) in zip(seeds, weights, strict=True):
            for name, noise in _noise(self.meta_params, seed).items():
                slope[name] -= (up - down) * noise / (2 * config.spread * len(seeds))
        if config.plain:
            self.meta_params = {n: x - config.rate * slope[n] for n, x in self.meta_params.items()}
        else:
            self.meta_params, self.moments = self._optimiser.step(self.meta_params, slope, self.moments)
        self.done += 1
        return {"reward": float(pairs.mean()), "best": float(pairs.max())}


def workers(count: int) -> AbstractContextManager[Executor | None]:
    """Processes for `Evolution.step`; none for 1.

    Raises:
        AdaptError: fewer than 1.
    """
    if count < 1:
        raise AdaptError(f"workers: {count}; valid: 1 or more")
    if count == 1:
        return nullcontext()
    context = multiprocessing.get_context("spawn")  # a fork would inherit torch's locks
    return ProcessPoolExecutor(count, context, initializer=torch.set_num_threads, initargs=(1,))


def centred_ranks(fitness: np.ndarray) -> np.ndarray:
    """From -0.5 for the worst to 0.5 for the best; equal ones share the mean of their ranks. Any shape."""
    values = fitness.ravel()
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    return ((below + (equal - 1) / 2) / max(1, len(values) - 1) - 0.5).reshape(fitness.shape)


def _fitness_of_pairs(work: tuple[Fitness, Tensors, float, tuple[int, ...]]) -> np.ndarray:
    """Of each pair's two, with the luck of the first. Shape (pairs, 2)."""
    fitness, meta_params, spread, seeds = work
    perturbed = []
    for seed in seeds:
        noise = _noise(meta_params, seed)
        perturbed += [
            {name: value + sign * spread * noise[name] for name, value in meta_params.items()}
            for sign in (1, -1)
        ]
    return np.asarray(fitness(perturbed, seeds[0])).reshape(-1, 2)


def _noise(meta_params: Tensors, seed: int) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(value.shape, generator=generator) for name, value in meta_params.items()}
