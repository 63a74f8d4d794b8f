"""From a trained learner to a `PolicyBundle`, checked against the learner step by step."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from adapt.bundle import PolicyBundle, save_bundle
from adapt.errors import AdaptError
from adapt.learners.objectives import ACTION_HISTORY
from adapt.networks.belief import BeliefEncoder, MotionModel
from adapt.networks.policy import GaussianPolicy
from adapt.online.adapters import MotionPredictor, make_adapter
from robots.action import ActionLayout
from sim_tasks.family import TaskFamily

TOLERANCE = 1e-5
"""Largest difference between graph and learner that may leave training, in action and belief units."""
CHECK_STEPS = 1000


class PolicyStep(nn.Module):
    """One control step of a policy without memory."""

    inputs = ("observation", "previous_action")
    outputs = ("action",)

    def __init__(self, policy: GaussianPolicy):
        super().__init__()
        self.policy = policy

    def forward(self, observation: torch.Tensor, previous_action: torch.Tensor) -> torch.Tensor:
        """Observation (N, O) and previous action (N, A) to the action (N, A)."""
        return self.policy(torch.cat([observation, previous_action], dim=-1)).clamp(-1.0, 1.0)


class BeliefStep(nn.Module):
    """One control step of a belief and the policy on it; physical quantities come out in their units."""

    inputs = ("observation", "previous_action", "new_episode", "hidden")
    outputs = ("action", "belief", "parameters", "parameter_std", "next_hidden")

    mean: torch.Tensor
    scale: torch.Tensor
    log_scaled: torch.Tensor

    def __init__(self, encoder: BeliefEncoder, policy: GaussianPolicy, family: TaskFamily):
        super().__init__()
        self.encoder = encoder
        self.policy = policy
        self.cell = nn.GRUCell(encoder.hidden, encoder.hidden)
        self.cell.load_state_dict(
            {name.removesuffix("_l0"): value for name, value in encoder.gru.state_dict().items()}
        )
        mean, scale = family.normaliser
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.register_buffer("log_scaled", torch.as_tensor(family.log_scaled))

    def forward(
        self,
        observation: torch.Tensor,
        previous_action: torch.Tensor,
        new_episode: torch.Tensor,
        hidden: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """As `OnlineAdapter.act`, with the memory (N, H) in and out. Belief (N, 2 L), quantities (N, Q)."""
        heard = torch.cat([observation, previous_action, new_episode], dim=-1)
        state, before = hidden[:, : self.encoder.hidden], hidden[:, self.encoder.hidden :]
        state = self.cell(self.encoder.heard(heard, before), state)
        belief = self.encoder.belief(state)
        mean, log_std = belief.chunk(2, dim=-1)
        action = self.policy(torch.cat([observation, previous_action, belief], dim=-1)).clamp(-1.0, 1.0)
        parameters, parameter_std = self._physical(mean, torch.exp(log_std))
        return action, belief, parameters, parameter_std, torch.cat([state, observation], dim=-1)

    def _physical(self, mean: torch.Tensor, std: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised Gaussian to physical mean and standard deviation: exact where linear, log-normal else."""
        centre, spread = self.mean + self.scale * mean, self.scale * std
        variance = spread.square()
        positive = torch.exp(torch.where(self.log_scaled, centre, torch.zeros_like(centre)) + variance / 2)
        return (
            torch.where(self.log_scaled, positive, centre),
            torch.where(self.log_scaled, positive * torch.sqrt(torch.exp(variance) - 1), spread),
        )


class Forecast(nn.Module):
    """The belief's forecast of the next observation."""

    inputs = ("observation", "before", "actions", "belief")
    outputs = ("next_observation",)

    def __init__(self, motion_model: MotionModel):
        super().__init__()
        self.motion_model = motion_model

    def forward(
        self, observation: torch.Tensor, before: torch.Tensor, actions: torch.Tensor, belief: torch.Tensor
    ) -> torch.Tensor:
        """See `MotionModel.forward`."""
        return self.motion_model(observation, before, actions, belief)


def export_policy(
    path: Path, family: TaskFamily, policy: GaussianPolicy, training: dict[str, Any], commit: str
) -> PolicyBundle:
    """A bundle without adaptation, such as the DR baseline's."""
    step = PolicyStep(policy).eval()
    files = {"step.onnx": to_onnx(step, _example(family))}
    manifest = _manifest(family, {"kind": "none"}, training, commit)
    bundle = save_bundle(path, manifest, files | _card(manifest))
    _check(bundle, family, step)
    return bundle


def export_belief(
    path: Path,
    family: TaskFamily,
    encoder: BeliefEncoder,
    motion_model: MotionModel,
    policy: GaussianPolicy,
    training: dict[str, Any],
    commit: str,
) -> PolicyBundle:
    """A bundle that adapts by belief."""
    step = BeliefStep(encoder, policy, family).eval()
    forecast = Forecast(motion_model).eval()
    example = _example(family)
    hidden = torch.zeros(2, encoder.memory)
    belief = torch.zeros(2, 2 * encoder.latent)
    actions = torch.zeros(2, ACTION_HISTORY * example[1].shape[1])
    files = {
        "step.onnx": to_onnx(step, (*example, torch.ones(2, 1), hidden)),
        "predict.onnx": to_onnx(forecast, (example[0], example[0], actions, belief)),
    }
    adapter = {
        "kind": "belief",
        "hidden": encoder.memory,
        "latent": encoder.latent,
        "action_history": ACTION_HISTORY,
        "reward_free": True,
    }
    manifest = _manifest(family, adapter, training, commit)
    bundle = save_bundle(path, manifest, files | _card(manifest))
    _check(bundle, family, step)
    _check_forecast(
        bundle, forecast, (example[0].shape[1], example[0].shape[1], actions.shape[1], belief.shape[1])
    )
    return bundle


def to_onnx(module: nn.Module, example: tuple[torch.Tensor, ...]) -> bytes:
    """Traces a module, whose class names its inputs and outputs, with a free batch axis."""
    inputs, outputs = list(module.inputs), list(module.outputs)  # type: ignore[arg-type]
    free = {name: {0: torch.export.Dim("robots", min=1)} for name in inputs}
    # One tensor given twice would be traced as one input.
    example = tuple(tensor.clone() for tensor in example)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which we do not use
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            module,
            example,
            dynamo=True,
            verbose=False,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=tuple(free[name] for name in inputs),
        )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces with paths of the training machine
    return model.SerializeToString()


def _example(family: TaskFamily) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(2, family.observation_size), torch.zeros(2, family.action_size)


def _manifest(
    family: TaskFamily, adapter: dict[str, Any], training: dict[str, Any], commit: str
) -> dict[str, Any]:
    return {
        "robot": family.robot.identity(),
        "robot_digest": family.robot.digest,
        "observation": family.observation.manifest(),
        "action": ActionLayout(family.robot).manifest(),
        "adapter": adapter,
        "family": {
            "name": family.name,
            "parameters": [
                {"name": p.name, "unit": p.unit, "low": low, "high": high, "source": p.source}
                for p, low, high in zip(family.parameters, *family.bounds.tolist(), strict=True)
            ],
            "belief_names": list(family.belief_names),
            "belief_units": list(family.belief_units),
        },
        "training": training,
        "git_commit": commit,
    }


def _card(manifest: dict[str, Any]) -> dict[str, bytes]:
    family, adapter = manifest["family"], manifest["adapter"]
    rows = "\n".join(
        f"| {p['name']} | {p['low']:.4g} to {p['high']:.4g} {p['unit']} | {p['source']} |"
        for p in family["parameters"]
    )
    facts = "\n".join(f"- {name}: {value}" for name, value in manifest["training"].items())
    adapts = (
        "a recurrent belief, without reward" if adapter["kind"] == "belief" else "nothing: it does not adapt"
    )
    return {
        "MODEL_CARD.md": (
            f"# {family['name']} on {manifest['robot']['robot']}\n\n"
            f"Adapts by {adapts}. Commands: {manifest['robot']['interface']}, every "
            f"{manifest['robot']['control_period']} s.\n\n"
            f"## Made for robots within\n\n| quantity | range | why |\n|---|---|---|\n{rows}\n\n"
            f"## Training\n\n{facts}\n- commit: {manifest['git_commit']}\n"
        ).encode()
    }


@torch.no_grad()
def _check(bundle: PolicyBundle, family: TaskFamily, step: nn.Module) -> None:
    """Runs graph and learner side by side over a random stretch, memory carried, and compares every step.

    Raises:
        AdaptError: they differ by more than `TOLERANCE`.
    """
    rng = np.random.default_rng(0)
    adapter = make_adapter(bundle)
    adapter_inputs = (family.observation_size, family.action_size)
    hidden = torch.zeros(1, bundle.manifest["adapter"].get("hidden", 0))
    worst = 0.0
    for t in range(CHECK_STEPS):
        observation, action = (rng.uniform(-1, 1, (1, size)).astype(np.float32) for size in adapter_inputs)
        fresh = np.array([[float(t == 0)]], np.float32)
        got = adapter.act(observation, action, np.zeros((1, 1), np.float32), fresh, np.ones(1, dtype=bool))
        tensors = [torch.from_numpy(array) for array in (observation, action, fresh)]
        if isinstance(step, BeliefStep):
            wanted, belief, _, _, hidden = step(*tensors, hidden)
            held = adapter.belief()
            assert held is not None
            got_belief = np.concatenate([held.mean, held.log_std], axis=1)
            worst = np.maximum(worst, np.abs(got_belief - belief.numpy()).max())
        else:
            wanted = step(*tensors[:2])
        worst = np.maximum(worst, np.abs(got - wanted.numpy()).max())  # NaN stays, unlike with max()
    _refuse_beyond_tolerance(worst)


@torch.no_grad()
def _check_forecast(bundle: PolicyBundle, forecast: Forecast, sizes: tuple[int, ...]) -> None:
    """Compares the graph of the forecast with the learner's on random inputs of the given sizes.

    Raises:
        AdaptError: they differ by more than `TOLERANCE`.
    """
    rng = np.random.default_rng(1)
    inputs = [rng.uniform(-1, 1, (CHECK_STEPS, size)).astype(np.float32) for size in sizes]
    wanted = forecast(*(torch.from_numpy(array) for array in inputs)).numpy()
    got = MotionPredictor(bundle)(*inputs[:3], *np.split(inputs[3], 2, axis=1))
    _refuse_beyond_tolerance(float(np.abs(got - wanted).max()))


def _refuse_beyond_tolerance(worst: float) -> None:
    if not worst <= TOLERANCE:
        raise AdaptError(
            f"export: the graph differs from the learner by {worst:.2g}, allowed {TOLERANCE:.0e}"
        )
