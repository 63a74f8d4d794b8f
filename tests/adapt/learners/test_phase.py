"""What the actions of a phase are judged by: inner steps by what a robot hears, the meta-step by the truth."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from adapt.inner_steps.episodes import Episodes
from adapt.learners.maml import MAMLConfig, MAMLLearner
from adapt.learners.setup import Setup
from sim_tasks.families import load_family

CONFIG = MAMLConfig(tasks=2, rollouts=2, hidden=(6,))


def learner(family: str) -> MAMLLearner:
    short = load_family(family)
    return MAMLLearner(Setup(dataclasses.replace(short, episode_seconds=40 * short.period), CONFIG, 0, 1))


def played(made: MAMLLearner, by_truth: bool) -> Episodes:
    """The same phase, however it is judged: same tasks, starts, sensor noise and actions."""
    made.env.reseed(range(made.env.robots), range(made.env.robots))  # type: ignore[arg-type]
    values = made.env.family.sample("train", CONFIG.tasks, seed=0)
    generator = torch.Generator().manual_seed(0)
    return made._phase.play(made._start(CONFIG.tasks), values, generator, by_truth)


@pytest.mark.parametrize(("family", "heard_differs"), [("pendulum_swingup", True), ("point_robot", False)])
def test_inner_steps_are_judged_by_what_is_heard(family, heard_differs):
    """Encoders and their zeros are in what a pendulum hears of its reward; a benchmark's body hears the truth."""
    made = learner(family)
    heard, true = played(made, by_truth=False), played(made, by_truth=True)
    torch.testing.assert_close(heard.action, true.action)
    torch.testing.assert_close(heard.returns, true.returns)  # scored is the truth in either case
    assert torch.allclose(heard.advantage, true.advantage, atol=1e-3) is not heard_differs


def test_only_the_last_phase_is_judged_by_the_truth(monkeypatch):
    made, asked = learner("pendulum_swingup"), []
    play = made._phase.play
    monkeypatch.setattr(
        made._phase, "play", lambda *given, **named: asked.append(named) or play(*given, **named)
    )
    made.collect()
    assert asked == [{}, {"by_truth": True}]
