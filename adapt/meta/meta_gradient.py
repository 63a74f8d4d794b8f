"""Gradients of an outer loss in a rule's meta-parameters, through K inner updates of agents' lives.

Only the lives before the updates are kept, no graph: the way back computes one update after the other anew, each with a
graph of its own, and carries the adjoint of the life over to the update before it (checkpointing, Griewank and Walther
2000, with a checkpoint at every update). Exact. Rollouts are data: no gradient passes through what was sampled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from adapt.update_rules.lifetime import Learning, Life
from adapt.update_rules.rule import Rollout, Tensors

UpdateLoss = Callable[[int, Life, Tensors], torch.Tensor]
"""Of an update's number, from 0, the life before it, and the rule's targets: a scalar."""
EndLoss = Callable[[Life], torch.Tensor]
"""Of the life after the last update: a scalar."""
Adjoint = dict[tuple[int, str], torch.Tensor]
"""Derivatives of the outer loss by part of a life and name, where there are any."""


@dataclass(frozen=True)
class Course:
    """K updates as they were made, without a history."""

    lives: Sequence[Life]
    """Before each update, and after the last: K + 1."""
    rollouts: Sequence[Rollout]
    """Of each update, with a leading axis M where there are M agents: K."""


@dataclass(frozen=True)
class MetaGradient:
    """Of `EndLoss` of the end plus the mean of `UpdateLoss` over the updates."""

    of_meta_params: Tensors
    end_loss: float
    update_loss: float


def checkpointed(
    learning: Learning,
    meta_params: Tensors,
    course: Course,
    of_end: EndLoss,
    of_update: UpdateLoss | None = None,
    truncate: int | None = None,
) -> MetaGradient:
    """By one update's graph at a time; memory grows with K by the lives and rollouts alone.

    Args:
        learning: how the agents learn.
        meta_params: with which the course was made.
        course: K updates.
        of_end: outer loss of the life at the end.
        of_update: outer loss of each update; None for none.
        truncate: through how many updates, the last ones; None for all.
    """
    updates = len(course.rollouts)
    end = _leaves(course.lives[-1])
    loss = of_end(end)
    adjoint = _adjoint(loss, end)
    total = {name: torch.zeros_like(value) for name, value in meta_params.items()}
    regular = 0.0
    for k in reversed(range(updates - min(updates, truncate or updates), updates)):
        before = _leaves(course.lives[k])
        meta = {name: value.detach().requires_grad_() for name, value in meta_params.items()}
        after, told = learning.update(meta, before, course.rollouts[k], through=True)
        pairs = [
            (value, adjoint[key])
            for key, value in _named(after).items()
            if key in adjoint and value.requires_grad
        ]
        if of_update is not None:
            extra = of_update(k, before, told) / updates
            regular += extra.item()
            pairs += [(extra, torch.ones_like(extra))] if extra.requires_grad else []
        adjoint = _pull([value for value, _ in pairs], [slope for _, slope in pairs], before, meta, total)
    return MetaGradient(total, loss.item(), regular)


def plain(
    learning: Learning,
    meta_params: Tensors,
    course: Course,
    of_end: EndLoss,
    of_update: UpdateLoss | None = None,
) -> MetaGradient:
    """As `checkpointed`, by ordinary backpropagation through all K updates: what it is measured against."""
    meta = {name: value.detach().requires_grad_() for name, value in meta_params.items()}
    end_loss, update_loss = unrolled(learning, meta, course, of_end, of_update)
    found = torch.autograd.grad(end_loss + update_loss, list(meta.values()), allow_unused=True)
    gradient = {
        name: torch.zeros_like(value) if slope is None else slope
        for (name, value), slope in zip(meta_params.items(), found, strict=True)
    }
    return MetaGradient(gradient, end_loss.item(), update_loss.item())


def unrolled(
    learning: Learning,
    meta_params: Tensors,
    course: Course,
    of_end: EndLoss,
    of_update: UpdateLoss | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The two outer losses as a function of meta-parameters, from the course's first life and on its rollouts."""
    life, regular = _leaves(course.lives[0]), torch.zeros(())
    for k, rollout in enumerate(course.rollouts):
        before = life
        life, told = learning.update(meta_params, before, rollout, through=True)
        if of_update is not None:
            regular = regular + of_update(k, before, told) / len(course.rollouts)
    return of_end(life), regular


def _leaves(life: Life) -> Life:
    """The same values as the beginning of a graph."""
    return Life(*({n: v.detach().requires_grad_() for n, v in part.items()} for part in life.parts()))


def _named(life: Life) -> dict[tuple[int, str], torch.Tensor]:
    return {(i, name): value for i, part in enumerate(life.parts()) for name, value in part.items()}


def _adjoint(loss: torch.Tensor, life: Life) -> Adjoint:
    if not loss.requires_grad:
        return {}
    named = _named(life)
    return _found(named, torch.autograd.grad(loss, list(named.values()), allow_unused=True))


def _pull(
    outputs: list[torch.Tensor], slopes: list[torch.Tensor], before: Life, meta: Tensors, total: Tensors
) -> Adjoint:
    """Adds to the gradient in the meta-parameters; returns the adjoint of the life before."""
    if not outputs:
        return {}
    named = _named(before)
    inputs = [*named.values(), *meta.values()]
    found = torch.autograd.grad(outputs, inputs, slopes, allow_unused=True)
    for name, slope in zip(meta, found[len(named) :], strict=True):
        if slope is not None:
            total[name] += slope
    return _found(named, found[: len(named)])


def _found(named: dict[tuple[int, str], torch.Tensor], slopes: Sequence[torch.Tensor | None]) -> Adjoint:
    return {key: slope for key, slope in zip(named, slopes, strict=True) if slope is not None}
