"""The exported graph is the learner, and what a robot's computer proposes is what the learner itself would do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.bundle import PolicyBundle
from adapt.bundle_gradient import INNER_STEPS as CHECKS
from adapt.bundle_gradient import META_STATE, WEIGHTS, prefixed
from adapt.errors import AdaptError
from adapt.export import export_learner, to_onnx
from adapt.export_check import Stretch, check_step, record
from adapt.inner_steps import INNER_STEPS, inner_step_from_manifest
from adapt.inner_steps.episodes import Played
from adapt.inner_steps.inner_step import Tensors
from adapt.learners import phase as phase_module
from adapt.learners.gradient_meta import GradientMetaLearner
from adapt.online.experience import Window
from adapt.online.gates import GateSettings
from adapt.online.gradient import Acted, GradientAdapter
from adapt.proposer import SCALES, Proposer
from tests.small_bundle import gradient_family, small_gradient

LEARNERS = ("maml", "promp", "reptile", "learned_step")
ALLOWED = GateSettings(trust_region=2.0, spread=10.0, interventions=1.0)
"""Gates that only what is not finite, or worse, does not pass."""


@dataclasses.dataclass(frozen=True)
class Exported:
    learner: GradientMetaLearner
    bundle: PolicyBundle
    stretch: Stretch


@pytest.fixture(scope="module", params=LEARNERS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    learner = small_gradient(gradient_family(1.0), request.param)
    path: Path = tmp_path_factory.mktemp(request.param) / "bundle"
    stretch = record(learner.step().eval(), learner.env.family)
    return Exported(learner, export_learner(path, learner, {}, "untrained"), stretch)


def moved(learner: GradientMetaLearner, seed: int, size: float = 0.3) -> torch.Tensor:
    """Other parameters than the start's, shape (P,)."""
    generator = torch.Generator().manual_seed(seed)
    start = learner.parameters.detach()
    return start + size * torch.randn(start.shape, generator=generator)


def test_the_graph_is_the_learner_at_any_parameters(exported):
    learner, robots = exported.learner, 40
    adapter = GradientAdapter(exported.bundle, robots)
    parameters = torch.stack([moved(learner, seed) for seed in range(robots)])
    adapter.propose(parameters.numpy(), adapter.stage.meta_state)
    rng = np.random.default_rng(0)
    seen = rng.normal(0, 3, (robots, exported.bundle.observation.size)).astype(np.float32)
    nothing = np.zeros((robots, 1), np.float32)
    action = adapter.act(seen, nothing, nothing, nothing, np.ones(robots, bool))
    inputs = learner._phase.normalise(torch.from_numpy(seen))
    with torch.no_grad():
        wanted = learner.policies.distribution(parameters, inputs.unsqueeze(1))
    acted = adapter.newest
    assert acted is not None
    np.testing.assert_allclose(action, wanted.mean[:, 0].numpy(), atol=1e-5)
    np.testing.assert_allclose(acted.log_std, wanted.log_std[:, 0].numpy(), atol=1e-6)
    np.testing.assert_allclose(acted.inputs, inputs.numpy(), atol=1e-5)


class Wrong(torch.nn.Module):
    """A control step that is a little beside the learner's, in one output."""

    inputs, outputs = ("observation", "parameters"), ("action", "log_std", "inputs")

    def __init__(self, step: torch.nn.Module, output: int):
        super().__init__()
        self.step, self.output = step, output

    def forward(self, observation: torch.Tensor, parameters: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = list(self.step(observation, parameters))
        outputs[self.output] = outputs[self.output] + 1e-3
        return tuple(outputs)


@pytest.mark.parametrize("exported", ["maml"], indirect=True)
@pytest.mark.parametrize("output", [0, 1, 2])
def test_a_graph_that_is_not_the_learner_does_not_leave_training(exported, output):
    step, bundle = exported.learner.step().eval(), exported.bundle
    check_step(bundle, exported.stretch)
    example = torch.zeros(2, bundle.observation.size), step.start.repeat(2, 1)
    graph = to_onnx(Wrong(step, output), example)
    wrong = dataclasses.replace(bundle, files={**bundle.files, "step.onnx": graph})
    with pytest.raises(AdaptError, match=f"differs from the learner by .* in {Wrong.outputs[output]}"):
        check_step(wrong, exported.stretch)


@pytest.mark.parametrize("exported", ["maml"], indirect=True)
def test_start_parameters_that_are_not_the_learner_s_do_not_leave_training(exported):
    import safetensors.numpy

    weights = safetensors.numpy.save({"parameters": exported.bundle.start + np.float32(0.01)})
    wrong = dataclasses.replace(exported.bundle, files={**exported.bundle.files, WEIGHTS: weights})
    with pytest.raises(AdaptError, match="differs from the learner"):
        check_step(wrong, exported.stretch)


def played(learner: GradientMetaLearner, parameters: torch.Tensor, seed: int = 1) -> Played:
    """One phase of two simulated tasks, before it is judged; its last two steps of one episode do not count."""
    kept: list[Played] = []
    judge: Callable = phase_module.judge
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phase_module, "judge", lambda *given: (kept.append(given[0]), judge(*given))[1])
        values = learner.env.family.sample("train", 2, seed)
        learner._phase.play(parameters, values, torch.Generator().manual_seed(seed))
    (phase,) = kept
    phase.alive[0, -2:, 1] = 0.0
    phase.rewards[0, -2:, 1] = 0.0
    return phase


def window_of(phase: Played, task: int) -> Window:
    """The same, step by step, as a robot records it."""
    _, steps, rollouts, size = phase.observation.shape
    window = Window(rollouts, steps, size, phase.action.shape[-1])
    for rollout in range(rollouts):
        for step in range(steps):
            at = (task, slice(step, step + 1), rollout)
            inputs, action, mean = (array[at].numpy() for array in (phase.inputs, phase.action, phase.mean))
            acted = Acted(inputs, action, mean, phase.log_std[task].numpy())
            sent = acted.action.clip(-1, 1)
            window.add(phase.observation[at].numpy(), acted, sent, 0)
            alive = bool(phase.alive[at][0])
            window.hear(float(phase.rewards[at][0]) if alive else np.nan)
    assert window.full
    return window


def asked(phase: Played, task: int, step: int) -> dict[str, np.ndarray]:
    parameters = {"parameters": phase.parameters[task].numpy(), "step": np.array(step)}
    return window_of(phase, task).arrays() | parameters


def remembered(meta_state: Tensors, task: int) -> dict[str, np.ndarray]:
    return prefixed(META_STATE, {name: tensor[task].numpy() for name, tensor in meta_state.items()})


@pytest.mark.parametrize("exported", ["learned_step"], indirect=True)
def test_a_bundle_carries_what_its_step_has_learned(exported):
    learner, bundle = exported.learner, exported.bundle
    assert set(bundle.meta_params) == set(learner.meta_params) != set()
    for name, tensor in learner.meta_params.items():
        np.testing.assert_array_equal(bundle.meta_params[name], tensor.detach().numpy())
    assert {name: array.shape for name, array in bundle.meta_state.items()} == {"memory": (8,), "steps": (1,)}


@pytest.mark.parametrize("exported", ["learned_step"], indirect=True)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"meta_state.memory": None}, "meta_state.memory: none; the inner step has"),
        ({"meta_state.memory": np.zeros(7, np.float32)}, "meta_state.memory: .1, 7.; the inner step has"),
        ({"meta_state.mood": np.zeros(1, np.float32)}, "meta_state.mood: .1, 1.; the inner step has none"),
    ],
)
def test_a_memory_that_is_not_the_step_s_is_refused(exported, change, words):
    phase = played(exported.learner, exported.learner._start(2))
    arrays = asked(phase, 0, 0) | remembered(exported.learner.inner_step.initial_meta_state(2), 0) | change
    with pytest.raises(AdaptError, match=words):
        Proposer(exported.bundle, ALLOWED)({name: a for name, a in arrays.items() if a is not None})


@pytest.mark.parametrize("step", [0, 2])
def test_a_proposal_is_the_learner_s_own_inner_step(exported, step):
    """Of the same samples, of two tasks and from other parameters than the start's, to float32's last digits."""
    learner = exported.learner
    parameters = torch.stack([learner.parameters.detach(), moved(learner, 3, 0.1)])
    phase = played(learner, parameters)
    config = learner._shared
    episodes = phase_module.judge(phase, config.gamma, config.gae_lambda)
    meta_state = learner.inner_step.initial_meta_state(2)
    meta_state = {name: tensor + 0.5 * step for name, tensor in meta_state.items()}
    wanted, remembers = learner.adapt(episodes, step, meta_state)
    for task in (0, 1):
        assert (wanted[task] != parameters[task]).any()
        got = Proposer(exported.bundle, ALLOWED)(asked(phase, task, step) | remembered(meta_state, task))
        assert got.report["passed"], got.report
        assert got.report["scale"] == 1.0
        assert got.parameters is not None
        step_length = float((wanted[task] - parameters[task]).abs().max())
        np.testing.assert_allclose(got.parameters, wanted[task].numpy(), atol=1e-4 * step_length + 1e-7)
        assert set(got.meta_state) == set(remembers)
        for name, tensor in remembers.items():
            np.testing.assert_allclose(got.meta_state[name], tensor[task].numpy(), atol=1e-5)


def test_later_steps_than_it_was_made_for_have_the_last_rate(exported):
    phase = played(exported.learner, exported.learner._start(2))
    propose = Proposer(exported.bundle, ALLOWED)
    last = len(exported.bundle.manifest["adapter"]["rates"]) - 1
    begun = remembered(exported.learner.inner_step.initial_meta_state(2), 0)
    found = [propose(asked(phase, 0, step) | begun).parameters for step in (last, last + 7)]
    assert found[0] is not None
    assert found[1] is not None
    np.testing.assert_array_equal(found[0], found[1])


def test_a_step_that_is_too_long_is_shortened_until_it_passes(exported):
    phase = played(exported.learner, exported.learner._start(2))
    arrays = asked(phase, 0, 0) | remembered(exported.learner.inner_step.initial_meta_state(2), 0)
    got = Proposer(exported.bundle, ALLOWED)(arrays)
    whole = got.parameters
    change = next(gate["value"] for gate in got.report["gates"] if gate["name"] == "trust region")
    assert whole is not None
    for count, scale in enumerate(SCALES):
        tight = dataclasses.replace(ALLOWED, trust_region=1.1 * change * scale)
        shorter = Proposer(exported.bundle, tight)(arrays)
        assert shorter.report["passed"], (count, shorter.report)
        assert shorter.report["scale"] == pytest.approx(scale)
        start = arrays["parameters"]
        assert shorter.parameters is not None
        np.testing.assert_allclose(shorter.parameters, start + scale * (whole - start), atol=1e-6)
    none = Proposer(exported.bundle, dataclasses.replace(ALLOWED, trust_region=1e-9))(arrays)
    assert none.parameters is None
    assert not none.meta_state
    assert (none.report["passed"], none.report["scale"]) == (False, SCALES[-1])
    assert [gate["name"] for gate in none.report["gates"] if not gate["passed"]] == ["trust region"]


def test_experience_of_another_policy_is_refused(exported):
    """As of another bundle, or of parameters that were not those that acted."""
    arrays = asked(played(exported.learner, exported.learner._start(2)), 0, 0)
    arrays["parameters"] = arrays["parameters"] + np.float32(0.05)
    with pytest.raises(AdaptError, match="the network that learns differs from what acted by"):
        Proposer(exported.bundle, ALLOWED)(arrays)
    with pytest.raises(AdaptError, match="differs from what acted"):
        Proposer(exported.bundle, ALLOWED)(
            arrays | {"parameters": np.full_like(arrays["parameters"], np.nan)}
        )


def test_manifests_name_the_inner_steps_that_there_are():
    assert set(CHECKS) == set(INNER_STEPS)
    for name, inner_step in INNER_STEPS.items():
        made = inner_step().manifest()
        CHECKS[name](made, "rule")
        assert inner_step_from_manifest(made) == inner_step()
    with pytest.raises(AdaptError, match="inner step 'sgd'; valid: policy_gradient"):
        inner_step_from_manifest({"name": "sgd"})
    with pytest.raises(AdaptError, match=r"inner step 'clipped_adam': .*momentum"):
        inner_step_from_manifest({"name": "clipped_adam", "momentum": 0.9})
