"""From a trained learner to a `PolicyBundle`, checked against the learner step by step."""

from __future__ import annotations

import contextlib
import inspect
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
from adapt.learners import Learner
from adapt.learners.objectives import ACTION_HISTORY
from adapt.networks.belief import MotionModel
from adapt.networks.steps import Signature
from adapt.online.adapters import MotionPredictor, make_adapter
from robots.action import ActionLayout
from robots.goal import GoalLayout
from sim_tasks.family import TaskFamily
from sim_tasks.row_random import RowRandom

TOLERANCE = 1e-5
"""Largest difference between graph and learner that may leave training, in action and belief units; of beliefs beyond
1, relative to them."""
CHECK_STEPS = 1000
_GOALS = 4096
"""So many goals are drawn to say in which range they lie."""


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


def export_learner(path: Path, learner: Learner, training: dict[str, Any], commit: str) -> PolicyBundle:
    """A learner's bundle in a folder.

    Raises:
        AdaptError: see `make_bundle`.
        TaskError: the learner's family is about a benchmark's body, which cannot be deployed.
    """
    learner.env.family.robot  # noqa: B018 - raises
    bundle = make_bundle(learner, training, commit)
    return save_bundle(path, bundle.manifest, {**bundle.files, **_card(bundle.manifest)})


def make_bundle(learner: Learner, training: dict[str, Any], commit: str) -> PolicyBundle:
    """A learner's bundle, in memory only; of a benchmark's body, it has no robot and can only be evaluated.

    Raises:
        AdaptError: the learner has no control step or needs a reward that nobody measures, or its graph differs from
            it.
    """
    family, step = learner.env.family, control_step(learner)
    forecast = _forecast(learner)
    signature = Signature.of(step)
    _check_reward(signature, family)
    example = _example(signature, family)
    files = {"step.onnx": to_onnx(step, example)}
    foreseen = _forecast_example(signature, family)
    if forecast is not None:
        files["predict.onnx"] = to_onnx(forecast, foreseen)
    manifest = _manifest(family, _adapter(signature, forecast is not None), training, commit)
    bundle = PolicyBundle(Path(f"{family.name} in memory"), manifest, files)
    _check(bundle, step, example)
    if forecast is not None:
        _check_forecast(bundle, forecast, foreseen)
    return bundle


def control_step(learner: Learner) -> nn.Module:
    """A learner's control step.

    Raises:
        AdaptError: it has none: it adapts by more than a step can do, or is told what no robot can tell it.
    """
    step = getattr(learner, "step", None)
    if step is None:
        raise AdaptError(
            f"{type(learner).__name__} cannot be deployed: it has no control step (its adaptation takes gradients)"
        )
    return step().eval()


def to_onnx(module: nn.Module, example: tuple[torch.Tensor, ...]) -> bytes:
    """Traces a module, whose class names its inputs and outputs, with a free batch axis."""
    inputs, outputs = list(module.inputs), list(module.outputs)  # type: ignore[arg-type]
    shapes: tuple[Any, ...] = tuple({0: torch.export.Dim("robots", min=1)} for _ in inputs)
    if any(
        each.kind is each.VAR_POSITIONAL for each in inspect.signature(module.forward).parameters.values()
    ):
        shapes = (shapes,)  # `forward(self, *inputs)` is one argument to the tracer
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
            dynamic_shapes=shapes,
        )
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces with paths of the training machine
    return model.SerializeToString()


def _example(signature: Signature, family: TaskFamily) -> tuple[torch.Tensor, ...]:
    """Zeros for two robots in place of each input."""
    sizes = {
        "observation": family.observation_size,
        "previous_action": family.action_size,
        "previous_reward": 1,
        "new_episode": 1,
        "hidden": signature.memory,
    }
    return tuple(torch.zeros(2, sizes[name]) for name in signature.inputs)


def _forecast(learner: Learner) -> Forecast | None:
    """The forecast of a learner that has a motion model."""
    model = getattr(learner, "motion_model", None)
    return Forecast(model).eval() if isinstance(model, MotionModel) else None


def _forecast_example(signature: Signature, family: TaskFamily) -> tuple[torch.Tensor, ...]:
    observation = family.observation_size
    sizes = (observation, observation, ACTION_HISTORY * family.action_size, 2 * signature.latent)
    return tuple(torch.zeros(2, size) for size in sizes)


def _adapter(signature: Signature, forecasts: bool) -> dict[str, Any]:
    """What a bundle's manifest says of its adapter."""
    adapter: dict[str, Any] = {"kind": signature.kind}
    if signature.kind == "none":
        return adapter
    adapter["hidden"] = signature.memory
    if signature.kind == "belief":
        adapter["latent"] = signature.latent
    if forecasts:
        adapter["action_history"] = ACTION_HISTORY
    return adapter | {"reward_free": signature.reward_free}


def _check_reward(signature: Signature, family: TaskFamily) -> None:
    if not signature.reward_free and not family.reward_measurable:
        raise AdaptError(
            f"{family.name}: its reward cannot be measured, and the policy adapts on the reward; "
            "train one that adapts without it"
        )


def _manifest(
    family: TaskFamily, adapter: dict[str, Any], training: dict[str, Any], commit: str
) -> dict[str, Any]:
    return _robot(family) | {
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


def _robot(family: TaskFamily) -> dict[str, Any]:
    """What the manifest says of the robot; nothing of a benchmark's body."""
    if not family.on_robot:
        return {}
    goal = goal_layout(family)
    return {
        "robot": family.robot.identity(),
        "robot_digest": family.robot.digest,
        "observation": family.observation.manifest(),
        "action": ActionLayout(family.robot).manifest(),
        "goal": goal and goal.manifest(),
    }


def goal_layout(family: TaskFamily) -> GoalLayout | None:
    """What a family's goals are, and between which numbers they were drawn; None where it has none."""
    goal = family.goal
    if goal is None:
        return None
    rows = RowRandom([0, 41], _GOALS).all
    drawn = goal.now(goal.draw(rows, _GOALS), rows.uniform(0.0, family.episode_seconds, _GOALS))
    low, high = (tuple(map(float, edge)) for edge in (drawn.min(axis=0), drawn.max(axis=0)))
    return GoalLayout(goal.kind, goal.names, goal.units, low, high)


def _card(manifest: dict[str, Any]) -> dict[str, bytes]:
    family = manifest["family"]
    rows = "\n".join(
        f"| {p['name']} | {p['low']:.4g} to {p['high']:.4g} {p['unit']} | {p['source']} |"
        for p in family["parameters"]
    )
    facts = "\n".join(f"- {name}: {value}" for name, value in manifest["training"].items())
    return {
        "MODEL_CARD.md": (
            f"# {family['name']} on {manifest['robot']['robot']}\n\n"
            f"Adapts by {_adapts(manifest['adapter'])}. Commands: {manifest['robot']['interface']}, every "
            f"{manifest['robot']['control_period']} s.\n\n"
            f"## Made for robots within\n\n| quantity | range | why |\n|---|---|---|\n{rows}\n\n"
            f"## Training\n\n{facts}\n- commit: {manifest['git_commit']}\n"
        ).encode()
    }


def _adapts(adapter: dict[str, Any]) -> str:
    if adapter["kind"] == "none":
        return "nothing: it does not adapt"
    what = {"belief": "a recurrent belief", "memory": "the memory of a recurrent policy"}[adapter["kind"]]
    return f"{what}, {'without' if adapter['reward_free'] else 'on the'} reward"


@torch.no_grad()
def _check(bundle: PolicyBundle, step: nn.Module, example: tuple[torch.Tensor, ...]) -> None:
    """Runs graph and learner side by side over a random stretch, memory carried, and compares every step.

    Raises:
        AdaptError: they differ by more than `TOLERANCE`.
    """
    rng, adapter, signature = np.random.default_rng(0), make_adapter(bundle), Signature.of(step)
    sizes = {name: tensor.shape[1] for name, tensor in zip(signature.inputs, example, strict=True)}
    hidden, listen, worst = torch.zeros(1, signature.memory), np.ones(1, dtype=bool), 0.0
    for t in range(CHECK_STEPS):
        given = {name: rng.uniform(-1, 1, (1, size)).astype(np.float32) for name, size in sizes.items()} | {
            "new_episode": np.array([[float(t == 0)]], np.float32)
        }
        nothing = np.zeros((1, 1), np.float32)
        got = [
            adapter.act(
                given["observation"],
                given["previous_action"],
                given.get("previous_reward", nothing),
                given["new_episode"],
                listen,
            )
        ]
        tensors = {name: torch.from_numpy(array) for name, array in given.items()} | {"hidden": hidden}
        outputs = step(*(tensors[name] for name in signature.inputs))
        wanted = dict(
            zip(signature.outputs, outputs if isinstance(outputs, tuple) else (outputs,), strict=True)
        )
        hidden = wanted.get("next_hidden", hidden)
        held = adapter.belief()
        if held is not None:
            got.append(np.concatenate([held.mean, held.log_std], axis=1))
        for name, array in zip(("action", "belief"), got, strict=False):
            worst = np.maximum(
                worst, _difference(array, wanted[name].numpy())
            )  # NaN stays, unlike with max()
    _refuse_beyond_tolerance(worst)


@torch.no_grad()
def _check_forecast(bundle: PolicyBundle, forecast: Forecast, example: tuple[torch.Tensor, ...]) -> None:
    """Compares the graph of the forecast with the learner's on random inputs.

    Raises:
        AdaptError: they differ by more than `TOLERANCE`.
    """
    rng = np.random.default_rng(1)
    inputs = [rng.uniform(-1, 1, (CHECK_STEPS, each.shape[1])).astype(np.float32) for each in example]
    wanted = forecast(*(torch.from_numpy(array) for array in inputs)).numpy()
    got = MotionPredictor(bundle)(*inputs[:3], *np.split(inputs[3], 2, axis=1))
    _refuse_beyond_tolerance(_difference(got, wanted))


def _difference(got: np.ndarray, wanted: np.ndarray) -> float:
    return float((np.abs(got - wanted) / np.maximum(1.0, np.abs(wanted))).max())


def _refuse_beyond_tolerance(worst: float) -> None:
    if not worst <= TOLERANCE:
        raise AdaptError(
            f"export: the graph differs from the learner by {worst:.2g}, allowed {TOLERANCE:.0e}"
        )
