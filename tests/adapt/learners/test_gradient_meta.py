"""What MAML, ProMP and Reptile share: phases, adaptation curves, exact resumption; and that each of them learns."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from adapt.checkpoint import load_checkpoint, save_checkpoint
from adapt.learners.gradient_meta import GradientMetaLearner
from adapt.learners.learned_step import LearnedStepConfig, LearnedStepLearner
from adapt.learners.maml import MAMLConfig, MAMLLearner
from adapt.learners.promp import ProMPConfig, ProMPLearner
from adapt.learners.reptile import ReptileConfig, ReptileLearner
from adapt.learners.setup import Setup
from sim_tasks.families import load_family

KINDS: dict[str, tuple[Callable[[Setup], GradientMetaLearner], Any]] = {
    "maml": (MAMLLearner, MAMLConfig()),
    "maml_first_order": (MAMLLearner, MAMLConfig(second_order=False)),
    "promp": (ProMPLearner, ProMPConfig()),
    "reptile": (ReptileLearner, ReptileConfig()),
    "learned_step": (
        LearnedStepLearner,
        LearnedStepConfig(inner_steps=1, warm_up=0.0, episode_units=4, memory=3),
    ),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small products gain nothing from more threads, and wait for each other where the processors are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


every_learner = pytest.mark.parametrize("name", KINDS)


def build(name: str, seed: int = 0, family: str = "point_robot", steps: int = 10, **changes: Any):
    learner, config = KINDS[name]
    config = dataclasses.replace(
        config, **({"tasks": 3, "rollouts": 2, "hidden": (8,), "std": 1.0, "normalise": False} | changes)
    )
    return learner(Setup(load_family(family, episode_steps=steps), config, seed, 1))


def iterate(learner: GradientMetaLearner, count: int) -> list[dict[str, float]]:
    metrics = []
    for _ in range(count):
        learner.collect()
        metrics.append(learner.update())
    return metrics


@every_learner
def test_rollouts_of_a_task_are_neighbours_and_phases_share_their_tasks(name):
    learner = build(name)
    tasks = []
    reset = learner.env.reset

    def spy(ids: np.ndarray, values: np.ndarray) -> None:
        tasks.append(values[:, 0].copy())
        reset(ids, values)

    learner.env.reset = spy  # type: ignore[method-assign]
    iterate(learner, 2)
    half = len(tasks) // 2
    for phases in (tasks[:half], tasks[half:]):
        for values in phases:
            np.testing.assert_array_equal(values, phases[0])
        assert len(set(phases[0])) == 3
        np.testing.assert_array_equal(phases[0][::2], phases[0][1::2])
    assert not np.isin(tasks[0], tasks[-1]).any()


@every_learner
def test_an_iteration_takes_the_control_steps_that_it_says(name):
    learner = build(name)
    steps, step = [], learner.env.step
    learner.env.step = lambda action: (steps.append(len(action)), step(action))[1]  # type: ignore[method-assign]
    assert learner.collect() == learner.iteration_steps == sum(steps)


def test_what_happens_after_an_early_end_does_not_count():
    """The same actions once more, episode by episode: returns end with the first fall."""
    learner = build("maml", family="hopper_rand_params", steps=60, rollouts=4)
    values = learner.env.family.sample("train", 3, 0)
    state = learner.env.state()
    episodes = learner._phase.play(learner._start(3), values)
    learner.env.restore(state)
    learner.env.reset(np.arange(12), np.repeat(values, 4, axis=0))
    actions = episodes.action.unflatten(1, (60, 4)).transpose(0, 1).flatten(1, 2)  # (T, B R, A)
    returns, lengths, over = np.zeros(12), np.zeros(12), np.zeros(12, dtype=bool)
    for action in actions:
        transition = learner.env.step(action.numpy())
        returns += np.where(over, 0.0, transition.reward)
        lengths += ~over
        over |= transition.terminated
    assert over.any()
    assert len(set(lengths)) > 1
    np.testing.assert_allclose(episodes.returns.flatten(), returns, rtol=1e-5)
    weights = episodes.weight.unflatten(1, (60, 4))
    np.testing.assert_array_equal((weights > 0).sum(dim=1).flatten(), lengths)
    np.testing.assert_allclose(weights.sum(dim=(1, 2)), np.ones(3), rtol=1e-5)
    assert episodes.reward == pytest.approx(returns.sum() / lengths.sum(), rel=1e-5)
    dead = (weights == 0).flatten(1)
    assert (episodes.advantage[dead] == 0).all()


@every_learner
@pytest.mark.parametrize("normalise", [False, True])
def test_a_restored_learner_goes_on_exactly_as_the_saved_one(name, normalise, tmp_path):
    learner, other = (build(name, seed, normalise=normalise, inner_steps=2) for seed in (0, 1))
    iterate(learner, 2)
    save_checkpoint(tmp_path / "state", learner.state())
    expected = iterate(learner, 2)
    other.restore(load_checkpoint(tmp_path / "state"))
    assert iterate(other, 2) == expected
    assert torch.equal(other.parameters, learner.parameters)
    for name, tensor in learner.meta_params.items():
        assert torch.equal(other.meta_params[name], tensor), name


@every_learner
def test_metrics_have_what_training_shows(name):
    learner = build(name)
    (metrics,) = iterate(learner, 1)
    assert all(isinstance(value, float) and np.isfinite(value) for value in metrics.values())
    phases = learner._phases
    assert metrics["return"] == pytest.approx(float(phases[-1].returns.mean()))
    assert metrics["return_before"] == pytest.approx(float(phases[0].returns.mean()))
    assert metrics["reward"] == pytest.approx(metrics["return"] / 10, rel=1e-5)
    assert 0.9 < metrics["action_std"] < 1.1


def test_normalisation_is_learned_between_iterations_only():
    learner = build("maml", normalise=True)
    assert learner.norm is not None
    learner.collect()
    assert float(learner.norm.count) < 1
    learner.update()
    assert round(float(learner.norm.count)) == 2 * 3 * 2 * 10  # phases, tasks, episodes, control steps


@every_learner
def test_an_adaptation_curve_disturbs_nothing_and_repeats_itself(name):
    learner, undisturbed = build(name), build(name)
    tasks = learner.env.family.sample("test", 5, 0)
    torch_state = torch.get_rng_state()
    curve = learner.adaptation_curve(tasks, 2, seed=3)
    assert torch.equal(torch_state, torch.get_rng_state())
    assert curve.shape == (3, 5)
    np.testing.assert_array_equal(curve, learner.adaptation_curve(tasks, 2, seed=3))
    assert not np.isclose(curve, learner.adaptation_curve(tasks, 2, seed=4)).any()
    expected = iterate(learner, 1)
    torch.set_rng_state(torch_state)
    assert iterate(undisturbed, 1) == expected


def test_an_adaptation_curve_is_of_the_tasks_in_their_order():
    """A policy that goes right at full speed, on goals at the right, ahead and at the left: 1 - 0.1 t, sqrt(1 + ...).

    Ten steps: to the right sum(0.9 .. 0) = 4.5; to the left sum(1.1 .. 2) = 15.5; ahead between them.
    """
    learner = build("maml", tasks=2)
    parameters = torch.zeros(learner.policies.size)
    parameters[-4:] = torch.tensor([1.0, 0.0, -20.0, -20.0])  # bias of the mean, log standard deviations
    learner.replace_parameters(parameters)
    curve = learner.adaptation_curve(np.array([[0.0], [np.pi / 2], [np.pi]]), 0, seed=0)
    ahead = -np.sqrt(1 + np.square(np.arange(1, 11) / 10)).sum()
    np.testing.assert_allclose(curve, [[-4.5, ahead, -15.5]], rtol=1e-3)


@pytest.mark.parametrize(("trained_for", "given"), [(1, 3), (3, 3), (8, 8)])
def test_a_task_is_given_three_steps_or_as_many_as_in_training(trained_for, given):
    learner = build("maml", inner_steps=trained_for)
    manifest, arrays = learner.adaptation()
    assert learner.steps == len(manifest["rates"]) == given
    assert not arrays


def test_inner_steps_beyond_those_of_training_have_a_rate_of_their_own():
    learner = build("maml", inner_steps=2, inner_learning_rate=0.3, later_learning_rate=0.1)
    assert [learner.inner_rate(step) for step in range(4)] == [0.3, 0.3, 0.1, 0.1]
    episodes = learner._phase.play(learner._start(3), learner.env.family.sample("train", 3, 0))
    moved = [learner.adapt(episodes, step, {})[0] - episodes.parameters for step in (1, 2)]
    torch.testing.assert_close(moved[0], 3 * moved[1], atol=1e-6, rtol=1e-3)


TRAINED = {
    "maml": (1, {}),
    "maml_first_order": (1, {}),
    "promp": (1, {}),
    "learned_step": (1, {}),
    "reptile": (
        3,
        {
            "inner_steps": 3,
            "inner_learning_rate": 3e-2,
            "later_learning_rate": 3e-2,
            "inner_epochs": 3,
            "clip": 1.0,
        },
    ),
}
"""Inner steps that are looked at, and what differs from the defaults."""


def before_and_after(name: str, seed: int, iterations: int, **changes: Any) -> tuple[float, float]:
    """Return on 40 held-out goals before and after the inner steps, after a short training on `point_robot`."""
    steps, own = TRAINED[name]
    sizes = {"tasks": 20, "rollouts": 10, "hidden": (32, 32), "std": 1.0, "normalise": False}
    learner = build(name, seed, steps=20, **(sizes | own | changes))
    for iteration in range(iterations):
        learner.set_progress(iteration / iterations)
        iterate(learner, 1)
    curve = learner.adaptation_curve(learner.env.family.sample("test", 40, 0), steps, seed=0).mean(axis=1)
    return float(curve[0]), float(curve[-1])


@every_learner
def test_each_learns_to_adapt(name):
    """Mean return on held-out goals, episodes of 20 steps; 20 iterations, seeds 0, 1, 2.

                                before                   after
    maml             -16.1, -15.9, -15.9     -7.7, -7.7, -7.8
    maml_first_order -16.4, -16.6, -16.4     -8.1, -8.1, -8.5
    promp            -16.3, -16.2, -16.2    -10.7, -9.4, -9.9
    learned_step     -16.8, -17.3, -18.0     -7.6, -8.1, -7.5
    reptile          -15.5, -15.3, -15.4     -8.8, -9.2, -9.1

    Without meta-training the same inner steps lead to -18.8 (maml, promp) and -12.0, -11.6, -12.0 (reptile).
    """
    before, after = before_and_after(name, 0, 20)
    assert after > -11.2
    assert after - before > 4.5


@pytest.mark.parametrize("name", ["maml", "promp", "reptile"])
def test_without_inner_steps_nothing_adapts(name):
    """Inner learning rate 0: gains of 0.03 and -0.02 (maml), 0.00 and -0.07 (promp), -0.26 and -0.16 (reptile) with
    seeds 0 and 1."""
    before, after = before_and_after(name, 0, 12, inner_learning_rate=0.0, later_learning_rate=0.0)
    assert abs(after - before) < 1.0
    assert after < -14.0
