"""Kinds of grid worlds, each a distribution over layouts that a generator is drawn from.

In the spirit of the worlds that LPG was discovered in (Oh et al. 2020, arXiv:2007.08794, appendix: objects with a
reward, a probability to end the episode and one to return), with bsuite's deep sea and the chains and cliffs of Sutton
and Barto. The ranges are this project's.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from sim_tasks.discrete.grid_layout import CELLS, SIZE, Layout, cell, distances, walks

TEST_EVERY = 4
"""One structure in so many is held out, by its checksum: no training task has it."""


def _rooms(rng: np.random.Generator, horizon: tuple[int, int]) -> Layout:
    """Up to three cells in ten are walls, the others connected; an episode begins anywhere."""
    while True:
        wall = rng.random(CELLS) < rng.uniform(0.0, 0.3)
        target = walks(wall)
        reached = distances(target, int(rng.choice(np.flatnonzero(~wall)))) >= 0
        if reached.sum() >= CELLS // 2:
            break
    return Layout(~reached, int(rng.integers(*horizon)), reached.copy(), walks(~reached))


def _places(rng: np.random.Generator, layout: Layout, count: int) -> list[int]:
    """Different free cells; nothing lies where an episode begins."""
    places = rng.choice(np.flatnonzero(~layout.wall), count, replace=False)
    layout.start[places] = False
    return [int(place) for place in places]


def dense(rng: np.random.Generator) -> Layout:
    """Rooms where objects come back: two good ones, a bad one that may end the episode, and a small one."""
    layout = _rooms(rng, (30, 61))
    first, second, bad, small = _places(rng, layout, 4)
    layout.add(0, first, 1.0, returning=rng.uniform(0.02, 0.2))
    layout.add(1, second, rng.uniform(0.3, 1.0), returning=rng.uniform(0.02, 0.2))
    layout.add(2, bad, -1.0, ending=rng.uniform(0.0, 1.0), returning=rng.uniform(0.02, 0.2))
    layout.add(3, small, 0.1, returning=rng.uniform(0.2, 0.8))
    return layout


def roaming(rng: np.random.Generator) -> Layout:
    """As `dense`, but objects lie elsewhere in every episode and after every return."""
    layout = dense(rng)
    layout.roams = True
    layout.start[:] = ~layout.wall
    return layout


def sparse(rng: np.random.Generator) -> Layout:
    """Rooms with one goal that ends the episode and, in half the worlds, a trap."""
    layout = _rooms(rng, (25, 51))
    goal, trap = _places(rng, layout, 2)
    layout.add(0, goal, 1.0, ending=1.0)
    if rng.random() < 0.5:
        layout.add(1, trap, -1.0, ending=1.0)
    return layout


def maze(rng: np.random.Generator) -> Layout:
    """A perfect maze, dug depth first; from a fixed start to the goal in the cell farthest from it."""
    wall = np.ones((SIZE, SIZE), dtype=bool)
    start = tuple(int(place) for place in 2 * rng.integers(0, (SIZE + 1) // 2, 2))
    wall[start], stack = False, [start]
    while stack:
        row, column = stack[-1]
        around = [(row + down, column + right) for down, right in ((-2, 0), (2, 0), (0, -2), (0, 2))]
        new = [(r, c) for r, c in around if 0 <= r < SIZE and 0 <= c < SIZE and wall[r, c]]
        if not new:
            stack.pop()
            continue
        ahead = new[rng.integers(len(new))]
        wall[ahead] = wall[(row + ahead[0]) // 2, (column + ahead[1]) // 2] = False
        stack.append(ahead)
    target, origin = walks(wall.ravel()), cell(*start)
    away = distances(target, origin)
    layout = Layout(wall.ravel(), int(rng.integers(60, 101)), np.arange(CELLS) == origin, target)
    layout.add(0, int(away.argmax()), 1.0, ending=1.0)
    return layout


def delayed(rng: np.random.Generator) -> Layout:
    """Rooms with good and bad objects whose rewards are paid with the last step alone; one object is the way out."""
    layout = _rooms(rng, (15, 31))
    layout.paid_late = True
    places = _places(rng, layout, 4)
    for index, (place, reward) in enumerate(zip(places, (1.0, 0.5, -1.0), strict=False)):
        layout.add(index, place, reward)
    layout.add(3, places[3], 0.0, ending=1.0)
    return layout


def chain(rng: np.random.Generator) -> Layout:
    """A corridor on which actions slip, between a small reward and a large one (a random walk)."""
    row, length = int(rng.integers(SIZE)), int(rng.integers(4, SIZE + 1))
    first = int(rng.integers(SIZE - length + 1))
    cells = [cell(row, first + place) for place in range(length)]
    wall = np.ones(CELLS, dtype=bool)
    wall[cells] = False
    left = bool(rng.integers(2))
    near, far = (cells[0], cells[-1]) if left else (cells[-1], cells[0])
    begin = cells[int(rng.integers(1, length - 1))]
    layout = Layout(
        wall,
        int(rng.integers(20, 41)),
        np.arange(CELLS) == begin,
        walks(wall),
        slip=rng.uniform(0.1, 0.5),
    )
    layout.add(0, near, rng.uniform(-0.5, 0.3), ending=1.0)
    layout.add(1, far, 1.0, ending=1.0)
    return layout


def deepsea(rng: np.random.Generator) -> Layout:
    """Deep sea (Osband et al. 2019, arXiv:1908.03568): every action sinks a row, to the left or to the right, which
    costs 0.01 / depth; the treasure lies where every step went right. Which actions do is drawn cell by cell."""
    depth = int(rng.integers(4, SIZE + 1))
    row, column = np.divmod(np.arange(CELLS), SIZE)
    inside = (row < depth) & (column < depth)
    right = np.zeros((CELLS, 5), dtype=bool)
    for place in range(CELLS):
        right[place, rng.permutation(5)[: rng.integers(2, 4)]] = True
    ahead = np.clip(column[:, None] + np.where(right, 1, -1), 0, depth - 1)
    sunk = np.minimum(row + 1, depth - 1)[:, None] * SIZE + ahead
    target = np.where(inside[:, None], sunk, np.arange(CELLS)[:, None])
    layout = Layout(~inside, depth - 1, np.arange(CELLS) == 0, target)
    layout.cost[:] = np.where(right, -0.01 / depth, 0.0)
    layout.add(0, cell(depth - 1, depth - 1), 1.0, ending=1.0)
    return layout


def cliff(rng: np.random.Generator) -> Layout:
    """Cliff walking (Sutton and Barto, example 6.6) in wind: along an edge to the goal, where the fall costs 1 and ends
    the episode; the steps cost 0.01 each."""
    height, width = int(rng.integers(3, SIZE + 1)), int(rng.integers(4, SIZE + 1))
    row, column = np.divmod(np.arange(CELLS), SIZE)
    wall = (row >= height) | (column >= width)
    edge = (row == height - 1) & (column > 0) & (column < width - 1) & ~wall
    hole = rng.random(CELLS) < 0.15  # inland
    edge |= hole & (row > 0) & (row < height - 1) & (column > 0) & (column < width - 1)
    begin, goal = (height - 1) * SIZE, (height - 1) * SIZE + width - 1
    if rng.integers(2):
        begin, goal = goal, begin
    target = walks(wall)
    layout = Layout(
        wall,
        int(rng.integers(25, 51)),
        np.arange(CELLS) == begin,
        target,
        ends=edge,
        wind=rng.uniform(0.0, 0.2),
    )
    layout.cost[:] = np.where(edge[target], -1.0, -0.01)
    layout.add(0, goal, 1.0, ending=1.0)
    return layout


def fork(rng: np.random.Generator) -> Layout:
    """A crossing with two to four ways of one step, each to another reward, which ends the episode: a bandit."""
    row, column = (int(place) for place in rng.integers(1, SIZE - 1, 2))
    around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    ways = [cell(*around[way]) for way in rng.permutation(4)[: rng.integers(2, 5)]]
    wall = np.ones(CELLS, dtype=bool)
    wall[[cell(row, column), *ways]] = False
    start = np.arange(CELLS) == cell(row, column)
    layout = Layout(wall, int(rng.integers(2, 6)), start, walks(wall), slip=rng.uniform(0.0, 0.3))
    for index, way in enumerate(ways):
        layout.add(index, way, 1.0 if index == 0 else rng.uniform(-1.0, 0.5), ending=1.0)
    return layout


def fall(rng: np.random.Generator) -> Layout:
    """Every action falls a row, to the left, straight or to the right; which does what is drawn. At the bottom, where
    the episode ends, lie up to four rewards."""
    depth, width = int(rng.integers(3, SIZE + 1)), int(rng.integers(4, SIZE + 1))
    row, column = np.divmod(np.arange(CELLS), SIZE)
    inside = (row < depth) & (column < width)
    aside = rng.permutation([-1, 0, 1, *rng.integers(-1, 2, 2)])
    ahead = np.clip(column[:, None] + aside, 0, width - 1)
    fallen = np.minimum(row + 1, depth - 1)[:, None] * SIZE + ahead
    target = np.where(inside[:, None], fallen, np.arange(CELLS)[:, None])
    layout = Layout(~inside, depth - 1, inside & (row == 0), target, slip=rng.uniform(0.0, 0.2))
    for index, place in enumerate(rng.permutation(width)[: rng.integers(2, 5)]):
        layout.add(index, cell(depth - 1, int(place)), 1.0 if index == 0 else rng.uniform(-1.0, 0.5))
    return layout


KINDS: dict[str, Callable[[np.random.Generator], Layout]] = {
    kind.__name__: kind for kind in (dense, roaming, sparse, maze, delayed, chain, deepsea, cliff, fork, fall)
}


def draw(kind: str, split: str, rng: np.random.Generator) -> Layout:
    """A world of a kind; those of `train` and `test` differ in their structure."""
    while True:
        layout = KINDS[kind](rng)
        if (zlib.crc32(layout.key()) % TEST_EVERY == 0) == (split == "test"):
            return layout
