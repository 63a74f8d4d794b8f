"""Export: the graph is the learner, for any number of robots, and carries nothing that it should not."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from adapt import export, export_check
from adapt.bundle import SCHEMA
from adapt.errors import AdaptError, RunError
from adapt.export import export_learner
from adapt.learners.objectives import ACTION_HISTORY
from adapt.networks.belief import LOG_STD_RANGE, BeliefEncoder
from adapt.networks.policy import GaussianPolicy
from adapt.networks.steps import BeliefStep
from adapt.online.adapters import MotionPredictor
from adapt.online.kinds import make_adapter
from adapt.runs import export_run
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv
from tests.adapt.damaged import unsealed
from tests.adapt.scripted import Counter, Scripted
from tests.adapt.small import ROOT, build
from tests.small_bundle import small_belief

GRAPHS = ("step.onnx", "predict.onnx")


@pytest.fixture(scope="module")
def learner():
    """What the untrained bundle was exported from."""
    return small_belief()


@torch.no_grad()
@pytest.mark.parametrize("robots", [1, 3, 200])
def test_the_graph_is_the_learner(belief_bundle, learner, family, robots):
    """Against the encoder over the whole stretch at once, episodes beginning on the way."""
    rng = np.random.default_rng(robots)
    sizes = (family.observation.size, 1)
    seen, sent = (rng.uniform(-1, 1, (30, robots, size)).astype(np.float32) for size in sizes)
    fresh = (rng.random((30, robots, 1)) < 0.1).astype(np.float32)
    heard = torch.from_numpy(np.concatenate([seen, sent, fresh], axis=-1))
    beliefs, _ = learner.encoder(heard, torch.zeros(robots, learner.encoder.memory))
    known = torch.cat([heard[..., :-1], beliefs], dim=-1)
    actions = learner.policy(known).clamp(-1, 1)

    adapter = make_adapter(belief_bundle, robots)
    nothing, listen = np.zeros((robots, 1), np.float32), np.ones(robots, dtype=bool)
    for t in range(30):
        action = adapter.act(seen[t], sent[t], nothing, fresh[t], listen)
        belief = adapter.belief()
        assert belief is not None
        both = np.concatenate([belief.mean, belief.log_std], axis=1)
        np.testing.assert_allclose(action, actions[t].numpy(), atol=1e-5)
        np.testing.assert_allclose(both, beliefs[t].numpy(), atol=1e-5)
    assert actions.std() > 0.05, "actions that are all alike would hide a difference"
    assert (beliefs[0] - beliefs[-1]).abs().mean() > 0.05


@torch.no_grad()
@pytest.mark.parametrize("robots", [1, 7])
def test_the_forecast_is_the_learners(belief_bundle, learner, robots):
    rng = np.random.default_rng(0)
    latent = learner.encoder.latent
    seen, before, actions, mean, log_std = (
        rng.uniform(-1, 1, (robots, size)).astype(np.float32)
        for size in (3, 3, ACTION_HISTORY, latent, latent)
    )
    forecast = MotionPredictor(belief_bundle)(seen, before, actions, mean, log_std)
    belief = torch.from_numpy(np.concatenate([mean, log_std], axis=1))
    expected = learner.motion_model(*map(torch.from_numpy, (seen, before, actions)), belief)
    np.testing.assert_allclose(forecast, expected.numpy(), atol=1e-5)


def certain(mean: tuple[float, float], latent: int = 2) -> BeliefEncoder:
    """An encoder that believes the same of everything; log standard deviations are -4 + 4.5 sigmoid(2)."""
    encoder = BeliefEncoder(3, 1, latent, hidden=4)
    torch.nn.init.zeros_(encoder.head.weight)
    with torch.no_grad():
        encoder.head.bias[:latent] = torch.tensor(mean)
    return encoder


@torch.no_grad()
def test_physical_mean_and_spread_worked_out_by_hand():
    low, high = LOG_STD_RANGE
    spread = np.exp(low + (high - low) / (1 + np.exp(-2.0)))
    # The first quantity's logarithm has prior mean log 2 and standard deviation 0.5; the second is linear, 1 and 2.
    family = SimpleNamespace(
        normaliser=(np.array([np.log(2.0), 1.0]), np.array([0.5, 2.0])), log_scaled=[True, False]
    )
    step = BeliefStep(certain((1.0, -0.5)), GaussianPolicy(3, 1, 4, (4,)), family)  # type: ignore[arg-type]
    _, _, mean, std, _ = step(torch.zeros(1, 3), torch.zeros(1, 1), torch.ones(1, 1), torch.zeros(1, 4 + 3))
    # Log-normal with mu = log 2 + 0.5 and sigma = 0.5 s:
    # mean exp(mu + sigma^2 / 2), variance mean^2 (exp(sigma^2) - 1).
    mu, sigma = np.log(2.0) + 0.5, 0.5 * spread
    expected = np.exp(mu + sigma**2 / 2)
    np.testing.assert_allclose(mean[0], [expected, 1 - 0.5 * 2], atol=1e-5)
    np.testing.assert_allclose(std[0], [expected * np.sqrt(np.exp(sigma**2) - 1), 2 * spread], atol=1e-5)
    # The same from a million draws of the normalised coordinate.
    draws = np.random.default_rng(0).normal(1.0, spread, 1_000_000)
    physical = np.exp(np.log(2.0) + 0.5 * draws)
    np.testing.assert_allclose([mean[0, 0], std[0, 0]], [physical.mean(), physical.std()], rtol=5e-3)


def test_quantities_come_out_in_their_own_units(belief_bundle, learner, family):
    """The belief of a linear quantity: prior mean + prior standard deviation x latent."""
    adapter = make_adapter(belief_bundle, 2)
    one = np.ones((2, 1), np.float32)
    adapter.act(np.ones((2, 3), np.float32), one, one, one, np.ones(2, dtype=bool))
    belief = adapter.belief()
    assert belief is not None
    index = family.belief_names.index("encoder_offset")
    mean, scale = (float(array[index]) for array in family.normaliser)
    np.testing.assert_allclose(belief.parameters[:, index], mean + scale * belief.mean[:, index], rtol=1e-4)
    np.testing.assert_allclose(
        belief.parameter_std[:, index], scale * np.exp(belief.log_std[:, index]), rtol=1e-4
    )
    assert (belief.parameter_std > 0).all()
    positive = family.log_scaled
    assert (belief.parameters[:, positive] > 0).all()


def test_graphs_hold_no_paths_and_no_stack_traces(belief_bundle, dr_bundle):
    places = {str(ROOT), str(Path.home()), sys.prefix, str(Path(torch.__file__).parent)}
    traces = {".py", "Traceback", 'File "', "site-packages", "stack_trace"}
    graphs = [belief_bundle.files[name] for name in GRAPHS] + [dr_bundle.files["step.onnx"]]
    for content in graphs:
        for trace in places | traces:
            assert trace.encode() not in content, trace


def test_graphs_are_sound_and_have_a_free_robot_axis(belief_bundle, dr_bundle):
    graphs = [belief_bundle.files[name] for name in GRAPHS] + [dr_bundle.files["step.onnx"]]
    for content in graphs:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model, full_check=True)
        for value in (*model.graph.input, *model.graph.output):
            first = value.type.tensor_type.shape.dim[0]
            assert first.dim_param
            assert not first.dim_value
        assert all(not tensor.external_data for tensor in model.graph.initializer), "weights in other files"


def test_the_manifest_says_what_the_bundle_is(belief_bundle, family, robot):
    manifest = belief_bundle.manifest
    assert manifest["schema"] == SCHEMA
    assert manifest["robot"] == robot.identity()
    assert manifest["robot_digest"] == robot.digest
    assert manifest["files"] == {
        name: hashlib.sha256(content).hexdigest() for name, content in belief_bundle.files.items()
    }
    assert set(manifest["files"]) == {*GRAPHS, "MODEL_CARD.md"}
    assert [(term["name"], term["unit"], term["scale"]) for term in manifest["observation"]] == [
        ("sin_position", "1", 1.0),
        ("cos_position", "1", 1.0),
        ("velocity", "rad/s", 0.2),
    ]
    assert all(term["clip"] > 0 for term in manifest["observation"])
    # Commands of -2.5 to 2.5 N m.
    assert manifest["action"] == {"centre": [0.0], "half_range": [2.5]}
    assert manifest["adapter"] == {
        "kind": "belief", "hidden": 12 + 3, "latent": len(family.belief_names), "action_history": 3,
        "reward_free": True,
    }  # fmt: skip
    assert manifest["training"] == {"learner": "rma", "seed": 0, "iterations": 0}
    assert manifest["evaluation"] is None
    assert manifest["goal"] is None
    assert belief_bundle.goal is None
    assert manifest["git_commit"] == "untrained"


def test_the_manifest_says_what_family_the_bundle_is_for(belief_bundle, family):
    recorded = belief_bundle.manifest["family"]
    assert recorded["name"] == family.name
    assert recorded["belief_names"] == list(family.belief_names)
    assert recorded["belief_units"] == list(family.belief_units)
    low, high = family.bounds
    for index, (parameter, entry) in enumerate(zip(family.parameters, recorded["parameters"], strict=True)):
        assert (entry["name"], entry["unit"]) == (parameter.name, parameter.unit)
        assert (entry["low"], entry["high"]) == (low[index], high[index]), "full precision"
        assert entry["source"]


def test_the_model_card_names_every_parameter_with_its_unit(belief_bundle, dr_bundle, family):
    card = belief_bundle.files["MODEL_CARD.md"].decode()
    for parameter in family.parameters:
        assert f"| {parameter.name} |" in card
        assert parameter.source in card
    assert "recurrent belief" in card
    assert "does not adapt" in dr_bundle.files["MODEL_CARD.md"].decode()


def test_a_bundle_without_adaptation(dr_bundle, family):
    assert dr_bundle.manifest["adapter"] == {"kind": "none"}
    adapter = make_adapter(dr_bundle, 4)
    seen = np.random.default_rng(0).uniform(-1, 1, (4, 3)).astype(np.float32)
    one = np.ones((4, 1), np.float32)
    listen = np.ones(4, dtype=bool)
    first = adapter.act(seen, one, one, one, listen)
    adapter.act(seen[::-1].copy(), one, one, one, listen)
    np.testing.assert_array_equal(adapter.act(seen, one, one, 0 * one, listen), first)  # no memory
    assert first.std() > 0.01
    assert adapter.belief() is None


@pytest.mark.parametrize("name", ["ur5e_track", "go2_velocity"])
def test_a_bundle_says_what_goals_its_policy_hears(tmp_path, name):
    family = load_family(name)
    env = TrialVecEnv(family, 2, seed=0, threads=1)
    step = Counter(family.observation_size, family.action_size, reward=False)
    bundle = export_learner(tmp_path / "bundle", Scripted(env, step), {}, "untrained")
    assert family.goal is not None
    expected = family.goal.layout(family.episode_seconds)
    assert bundle.goal == expected
    assert bundle.manifest["goal"] == expected.manifest()
    assert bundle.observation.goal == expected.size
    assert bundle.manifest["robot"] == family.robot.identity()


def altered(graph: bytes, size: float) -> bytes:
    """The graph with a bit added to its largest weight matrix."""
    model = onnx.load_from_string(graph)
    tensor = max(model.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    array = numpy_helper.to_array(tensor).copy()
    array.flat[0] += size
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return model.SerializeToString()


@pytest.mark.parametrize("size", [0.1, 1e-3, np.nan])
def test_a_graph_that_is_not_the_learner_is_refused(belief_bundle, learner, tmp_path, monkeypatch, size):
    graphs = iter([altered(belief_bundle.files["step.onnx"], size), belief_bundle.files["predict.onnx"]])
    monkeypatch.setattr(export, "to_onnx", lambda module, example: next(graphs))
    with pytest.raises(AdaptError, match="the graph differs from the learner by"):
        export_learner(tmp_path / "b", learner, {}, "broken")
    assert not (tmp_path / "b").exists()


@pytest.mark.usefixtures("small")
def test_a_graph_of_another_policy_is_refused(dr_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "to_onnx", lambda module, example: dr_bundle.files["step.onnx"])
    with pytest.raises(AdaptError, match="the graph differs from the learner by"):
        export_learner(tmp_path / "b", build("dr", seed=1), {}, "broken")


@pytest.mark.parametrize("name", ["belief", "parameters", "parameter_std"])
def test_all_that_is_said_of_the_belief_is_compared(belief_bundle, learner, tmp_path, monkeypatch, name):
    """The graph's own output, made a ten-thousandth larger on its way out."""
    model = onnx.load_from_string(belief_bundle.files["step.onnx"])
    for node in model.graph.node:
        node.output[:] = [f"{each}_before" if each == name else each for each in node.output]
        node.input[:] = [f"{each}_before" if each == name else each for each in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array(1.0001, np.float32), "more"))
    model.graph.node.append(onnx.helper.make_node("Mul", [f"{name}_before", "more"], [name]))
    graphs = iter([model.SerializeToString(), belief_bundle.files["predict.onnx"]])
    monkeypatch.setattr(export, "to_onnx", lambda module, example: next(graphs))
    with pytest.raises(
        AdaptError, match=f"the graph differs from the learner by .* in {name}, allowed 1e-05"
    ):
        export_learner(tmp_path / "b", learner, {}, "broken")


def test_a_forecast_that_is_not_the_learners_is_refused(belief_bundle, learner, tmp_path, monkeypatch):
    graphs = iter([belief_bundle.files["step.onnx"], altered(belief_bundle.files["predict.onnx"], 0.1)])
    monkeypatch.setattr(export, "to_onnx", lambda module, example: next(graphs))
    with pytest.raises(AdaptError, match=r"differs from the learner by .* in next_observation"):
        export_learner(tmp_path / "b", learner, {}, "broken")


def test_the_check_meets_new_episodes_new_trials_and_rewards():
    """On a body whose reward can be heard. A trial has two episodes: where the first ends, the memory is kept."""
    family = load_family("half_cheetah_vel")
    step = Counter(family.observation_size, family.action_size)
    stretch = export_check.record(step, family)
    fresh, forgot = stretch.given["new_episode"][..., 0], stretch.forgot
    assert forgot.shape == (export_check.CHECK_STEPS, export_check.SIMULATIONS)
    assert (fresh[1:][forgot[1:]] == 1.0).all(), "who forgets begins an episode"
    assert forgot[1:].sum() > 1
    assert ((fresh == 1.0) & ~forgot).any(axis=0).all(), (
        "each simulation begins an episode with what it knows"
    )
    rewards = stretch.given["previous_reward"]
    assert (rewards[forgot] == 0.0).all()
    assert (rewards[~forgot] != 0.0).mean() > 0.9
    assert stretch.given["observation"].std(axis=(0, 1)).min() > 0.01
    # The scripted action is 0.01 x steps since the trial began + 0.1 x sum of rewards, cut off at 1.
    began = np.flatnonzero(forgot[:, 0])[-1]
    heard = rewards[began : began + 4, 0, 0].cumsum()
    expected = np.clip(0.01 * np.arange(4) + 0.1 * heard, -1, 1)
    np.testing.assert_allclose(stretch.gave["action"][began : began + 4, 0, 0], expected, atol=1e-5)


def test_a_sound_graph_passes_the_same_check(belief_bundle, learner, tmp_path, monkeypatch):
    graphs = iter([belief_bundle.files[name] for name in GRAPHS])
    monkeypatch.setattr(export, "to_onnx", lambda module, example: next(graphs))
    bundle = export_learner(tmp_path / "b", learner, {"seed": 3}, "sound")
    assert bundle.manifest["training"] == {"seed": 3}


@pytest.mark.usefixtures("small")
def test_an_oracle_cannot_be_exported(runs):
    with pytest.raises(RunError, match="oracle cannot be deployed"):
        export_run(runs / "oracle")
    assert not (runs / "oracle" / "bundle").exists()


@pytest.mark.usefixtures("small")
def test_an_exported_run_says_how_it_was_trained(runs, tmp_path):
    bundle = export_run(runs / "dr", tmp_path / "bundle")
    result = json.loads((runs / "dr" / "result.json").read_text())
    config = json.loads((runs / "dr" / "config.json").read_text())
    training = bundle.manifest["training"]
    assert training == {
        "learner": "dr", "seed": 0, "iterations": 4, "steps": result["steps"], "seconds": result["seconds"],
    }  # fmt: skip
    assert bundle.manifest["git_commit"] == config["commit"]
    assert bundle.path == tmp_path / "bundle"


EVALUATION = {
    "split": "test",
    "tasks": 512,
    "episodes": 1,
    "return": {"mean": 200.25, "interval": [190.0, 210.0]},
    "score": {"mean": 0.5, "interval": [0.25, 0.75]},
}


def evaluated(run: Path, steps: int, **changes: Any) -> None:
    """Puts an evaluation into a run, as `adapt evaluate` writes it; the policy had so many steps of training."""
    stage = {"name": "episode 1"} | EVALUATION["return"]
    learner = EVALUATION["return"] | {"cvar5": 100.0, "returns": [1.0] * 512, "stages": [stage]}
    result = {
        "split": "test", "n_tasks": 512, "episodes": 1, "score": EVALUATION["score"],
        "policies": {"learner": learner, "dr": learner}, "runs": {"learner": [{"run": str(run), "steps": steps}]},
    }  # fmt: skip
    (run / "evaluation.json").write_text(json.dumps(result | changes))


@pytest.mark.usefixtures("small")
def test_an_exported_run_says_how_it_scored(runs, tmp_path, dr_bundle, monkeypatch):
    monkeypatch.setattr(export, "make_bundle", lambda learner, training, commit, evaluation: replace(
        dr_bundle, manifest=unsealed(dr_bundle) | {"training": training, "evaluation": evaluation}
    ))  # fmt: skip
    run = shutil.copytree(runs / "dr", tmp_path / "dr")
    bundle = export_run(run)
    assert bundle.manifest["evaluation"] is None
    assert "Not evaluated before export." in bundle.files["MODEL_CARD.md"].decode()
    steps = bundle.manifest["training"]["steps"]
    evaluated(run, steps)
    bundle = export_run(run)
    assert bundle.manifest["evaluation"] == EVALUATION
    card = bundle.files["MODEL_CARD.md"].decode()
    assert "- 512 held-out tasks (test), 1 episode(s) each\n- return: 200.2 [190.0, 210.0]\n" in card
    assert "- score between DR (0) and oracle (1): 0.500 [0.250, 0.750]" in card
    evaluated(run, steps, score=None)
    bundle = export_run(run)
    assert bundle.manifest["evaluation"] == EVALUATION | {"score": None}
    assert "score" not in bundle.files["MODEL_CARD.md"].decode()
    for trained, changes in ((steps - 1, {}), (steps, {"policies": {}}), (steps, {"runs": []})):
        evaluated(run, trained, **changes)
        assert export_run(run).manifest["evaluation"] is None, "of another policy, or of another form"
