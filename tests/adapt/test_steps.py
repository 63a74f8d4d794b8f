"""Steps: what they say of themselves is held against what they do, and memory goes through the graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from adapt.bundle import load_bundle, open_bundle
from adapt.errors import AdaptError, BundleError
from adapt.export import control_step, export_learner, make_bundle
from adapt.learners import LEARNERS, Learner
from adapt.networks.gradient_step import GradientStep
from adapt.networks.steps import INPUTS, PhysicalUnits, Signature, gru_cell
from adapt.online.adapters import MemoryAdapter, MotionPredictor
from adapt.online.controller import AdaptiveController
from adapt.online.kinds import make_adapter
from robots import SensorFrame
from ros_bridge.control_loop import ControlLoop
from ros_bridge.conversions import Reading
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv
from tests.adapt.damaged import change
from tests.adapt.scripted import Counter, Scripted
from tests.adapt.small import build
from tests.small_bundle import FAMILY


class Altered(nn.Module):
    """A step whose attributes are given."""

    def __init__(self, **attributes: object):
        super().__init__()
        for name, value in (vars(Signature.of(Counter(3, 1))) | attributes).items():
            setattr(self, name, value)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"kind": "guess"}, "kind 'guess'; valid: none, belief, memory, gradient"),
        ({"kind": "gradient", "outputs": ("action", "log_std", "inputs")}, "hidden among the inputs"),
        ({"kind": "none"}, "hidden among the inputs: True; expected False of kind 'none'"),
        ({"inputs": INPUTS[::-1]}, "inputs: .*; expected .*'observation', 'previous_action'"),
        ({"reward_free": True}, "previous_reward among the inputs: True; expected False"),
        ({"outputs": ("action",)}, "outputs: .*; expected .'action', 'next_hidden'"),
        ({"memory": 0}, "memory above 0: False; expected True"),
        ({"latent": 2}, "latent above 0: True; expected False"),
    ],
)
def test_a_step_that_contradicts_itself_is_refused(attributes, words):
    with pytest.raises(AdaptError, match=words):
        Signature.of(Altered(**attributes))


def test_a_step_without_attributes_is_told_which_it_lacks():
    with pytest.raises(AdaptError, match="Linear: a step needs the attributes kind, inputs, outputs, memory"):
        Signature.of(nn.Linear(1, 1))


@torch.no_grad()
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", [name for name, kind in LEARNERS.items() if not kind.discrete])
def test_every_registered_learner_acts_in_steps(name):
    learner = build(name)
    if name == "oracle":
        with pytest.raises(AdaptError, match="an oracle cannot be deployed"):
            control_step(learner)
        return
    step = control_step(learner)
    signature, family = Signature.of(step), learner.env.family
    sizes = {
        "observation": 3,
        "previous_action": 1,
        "previous_reward": 1,
        "new_episode": 1,
        "hidden": signature.memory,
        "parameters": len(step.start) if isinstance(step, GradientStep) else 0,
    }
    inputs = [torch.randn(5, sizes[each]) for each in signature.inputs]
    outputs = step(*inputs)
    outputs = dict(zip(signature.outputs, outputs if isinstance(outputs, tuple) else (outputs,), strict=True))
    widths = {
        "action": 1, "belief": 2 * signature.latent, "parameters": len(family.belief_names),
        "parameter_std": len(family.belief_names), "next_hidden": signature.memory, "log_std": 1, "inputs": 3,
    }  # fmt: skip
    assert {key: tuple(each.shape) for key, each in outputs.items()} == {
        key: (5, widths[key]) for key in signature.outputs
    }
    if signature.kind != "gradient":  # the mean of what is explored is cut by whoever acts
        assert outputs["action"].abs().max() <= 1
    torch.testing.assert_close(step(*inputs), step(*inputs), rtol=0, atol=0)


@torch.no_grad()
def test_a_gru_cell_is_the_gru_step_by_step():
    torch.manual_seed(0)
    gru, state = nn.GRU(3, 5), torch.zeros(2, 5)
    inputs = torch.randn(7, 2, 3)
    wanted, _ = gru(inputs)
    for t in range(7):
        state = gru_cell(gru)(inputs[t], state)
        torch.testing.assert_close(state, wanted[t])


@torch.no_grad()
def test_units_of_a_linear_quantity_worked_out_by_hand():
    family = load_family("half_cheetah_vel")
    # The target velocity is uniform from 0 to 3 m/s: mean 1.5, standard deviation 3 / sqrt(12) = 0.866.
    mean, std = PhysicalUnits(family)(torch.tensor([[1.0]]), torch.tensor([[0.5]]))
    assert float(mean) == pytest.approx(1.5 + 0.866, abs=0.03)
    assert float(std) == pytest.approx(0.433, abs=0.02)


def counting(robots: int = 2) -> MemoryAdapter:
    """A scripted policy that acts on how many steps it has seen and on the rewards that it has heard."""
    adapter = make_adapter(make_bundle(scripted("half_cheetah_vel"), {}, ""), robots)
    assert isinstance(adapter, MemoryAdapter)
    return adapter


def scripted(family: str) -> Learner:
    env = TrialVecEnv(load_family(family), 2, seed=0, threads=1)
    return Scripted(env, Counter(env.observation.shape[1], env.previous_action.shape[1]))


def test_memory_is_kept_and_cleared_robot_by_robot():
    adapter, (observation, action) = counting(), (np.zeros((2, 17), np.float32), np.zeros((2, 6), np.float32))
    ones, listen = np.ones((2, 1), np.float32), np.ones(2, dtype=bool)

    def act(reward: float, listen: np.ndarray = listen) -> list[float]:
        return (
            adapter.act(observation, action, reward * ones, 0 * ones, listen)[:, 0]
            .astype(float)
            .round(4)
            .tolist()
        )

    # An action is 0.01 x steps before + 0.1 x sum of the rewards heard, this step's included.
    assert act(0.0) == [0.0, 0.0]
    assert act(1.0) == [0.11, 0.11]
    assert act(2.0, np.array([True, False])) == [0.32, 0.32]
    assert act(0.0) == [0.33, 0.12], "the second robot has not listened to the reward of 2"
    adapter.reset(np.array([0]))
    assert act(0.0) == [0.0, 0.13]
    assert act(np.nan) == pytest.approx([np.nan, np.nan], nan_ok=True)
    assert act(0.0) == [0.01, 0.14], "nothing that is not finite is remembered"
    assert adapter.belief() is None


def test_a_memory_that_hears_a_reward_is_no_robots_that_measures_none(tmp_path):
    with pytest.raises(AdaptError, match="go2_velocity: its reward cannot be measured"):
        export_learner(tmp_path / "bundle", scripted("go2_velocity"), {}, "")
    assert not (tmp_path / "bundle").exists()


def test_a_benchmarks_body_has_no_bundle_on_disk(tmp_path):
    with pytest.raises(TaskError, match="half_cheetah_vel is about a benchmark's body"):
        export_learner(tmp_path / "bundle", scripted("half_cheetah_vel"), {}, "")


def test_a_learner_without_a_step_is_refused():
    learner = scripted(FAMILY)
    del learner.step  # type: ignore[attr-defined]
    with pytest.raises(AdaptError, match="Scripted cannot be deployed: it has no control step"):
        make_bundle(learner, {}, "")


def reward_free(family: str = FAMILY) -> Learner:
    env = TrialVecEnv(load_family(family), 2, seed=0, threads=1)
    return Scripted(env, Counter(env.observation.shape[1], env.previous_action.shape[1], reward=False))


def test_a_recurrent_policy_without_reward_is_a_bundle_like_others(tmp_path, robot):
    bundle = export_learner(tmp_path / "bundle", reward_free(), {"learner": "counter"}, "untrained")
    assert bundle.manifest["adapter"] == {"kind": "memory", "hidden": 2, "reward_free": True}
    assert set(bundle.files) == {"step.onnx", "MODEL_CARD.md"}
    assert b"the memory of a recurrent policy, without reward" in bundle.files["MODEL_CARD.md"]
    opened, spec = open_bundle(bundle.path)
    assert spec.identity() == robot.identity()
    assert isinstance(make_adapter(opened), MemoryAdapter)
    with pytest.raises(BundleError, match=r"predict\.onnx: no such file in the bundle"):
        MotionPredictor(opened)


def test_the_nodes_control_loop_runs_a_recurrent_policy(tmp_path, robot):
    """The action is 0.01 x steps taken, of a torque limit of 2.5 N m; the rehearsal leaves nothing behind."""
    bundle = export_learner(tmp_path / "bundle", reward_free(), {}, "")
    loop = ControlLoop(robot, AdaptiveController(robot, bundle.observation, make_adapter(bundle)))
    loop.rehearse()
    period = robot.period
    loop.hear(reading(0.0), 0.0, 0.0)
    loop.start()
    outputs = [loop.hear(reading(k * period), k * period, k * period) for k in range(1, 4)]
    requested = [float(output.requested[0]) for output in outputs if output is not None]
    assert requested == pytest.approx([0.0, 0.025, 0.05], abs=1e-6)
    assert loop.belief is None
    loop.forget()
    output = loop.hear(reading(4 * period), 4 * period, 4 * period)
    assert output is not None
    assert output.requested[0] == pytest.approx(0.0, abs=1e-6)


def reading(stamp: float) -> Reading:
    return Reading(SensorFrame(np.array([stamp]), np.zeros((1, 1)), np.zeros((1, 1))), None)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("hidden", 0, "adapter.hidden: expected a whole number from 1 to 4096, got 0"),
        ("reward_free", "yes", "adapter.reward_free: expected true or false, got 'yes'"),
        ("action_history", 3, "adapter: unknown field 'action_history'; valid: kind, hidden, reward_free"),
    ],
)
def test_malformed_memory_bundles_are_refused(tmp_path, field, value, words):
    export_learner(tmp_path / "bundle", reward_free(), {}, "")
    change(tmp_path / "bundle", "adapter", field, to=value)
    with pytest.raises(BundleError, match=words):
        load_bundle(tmp_path / "bundle")


def test_a_robot_is_not_driven_by_a_policy_that_waits_for_rewards(tmp_path):
    export_learner(tmp_path / "bundle", reward_free(), {}, "")
    change(tmp_path / "bundle", "adapter", "reward_free", to=False)
    with pytest.raises(BundleError, match=r"adapter\.reward_free: the policy adapts on a reward"):
        open_bundle(tmp_path / "bundle")
