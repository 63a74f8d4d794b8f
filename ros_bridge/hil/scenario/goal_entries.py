"""The goal profile of a scenario file, held against the family's goal: `read_goal`."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from robots.goal import GoalLayout
from ros_bridge.hil.scenario import fields
from ros_bridge.hil.scenario.families import goal_layout
from ros_bridge.hil.scenario.fields import Fields
from ros_bridge.hil.scenario.lines import Item
from ros_bridge.hil.scenario.mistakes import Mistake
from ros_bridge.hil.scenario.scenario import GoalStep


def read_goal(
    item: Item, family: str, duration: float, mistakes: list[Mistake], beyond: bool = False
) -> tuple[GoalStep, ...]:
    """The steps, in order. What a step does not name stays as it was in the one before; the first one names all.

    Values have to be such as training has drawn, unless they may lie `beyond`: the node cuts them, and what is run is
    not what the file says.

    Raises:
        Mistake: the family tells its policies nothing, or there is no step.
    """
    layout = goal_layout(family)
    if layout is None:
        raise item.wrong(f"{family} tells its policy nothing; remove it")
    if beyond:
        everywhere = (-math.inf,) * layout.size, (math.inf,) * layout.size
        layout = replace(layout, low=everywhere[0], high=everywhere[1])
    steps = list[GoalStep]()
    for each in fields.entries(item, "steps"):
        read = partial(_step, each, steps[-1] if steps else None, layout, duration, mistakes)
        step = fields.attempt(mistakes, read, None)
        steps += [step] if step else []
    return tuple(steps)


def _step(
    item: Item, before: GoalStep | None, layout: GoalLayout, duration: float, mistakes: list[Mistake]
) -> GoalStep:
    optional = layout.names if before else ()
    entry = Fields(item, ("at", *(() if before else layout.names)), optional, mistakes)
    last = before.at if before else None
    held = before.values if before else (math.nan,) * layout.size
    return GoalStep(
        entry.take("at", lambda each: _at(each, last, duration), last or 0.0),
        tuple(
            entry.take(name, partial(fields.between, unit=unit, low=low, high=high), value)
            for name, unit, low, high, value in zip(
                layout.names, layout.units, layout.low, layout.high, held, strict=True
            )
        ),
    )


def _at(item: Item, last: float | None, duration: float) -> float:
    at = fields.time(item)
    if last is None and at != 0.0:
        raise item.wrong(f"got {item.shown}; the first step begins at 0 s")
    if last is not None and at <= last:
        raise item.wrong(f"got {item.shown}; valid: after the step before, which begins at {last:g} s")
    if at >= duration:
        raise item.wrong(f"begins at {at:g} s, when the run has ended; valid: below {duration:g} s")
    return at
