"""From a trained learner to a `PolicyBundle`, checked against the learner step by step."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import safetensors.numpy
import torch
from torch import nn

from adapt.bundle import PolicyBundle, save_bundle
from adapt.bundle_gradient import WEIGHTS
from adapt.calibration import CalibrationRequest, calibrate
from adapt.errors import AdaptError
from adapt.export_check import check_forecast, check_step, record
from adapt.learners import Learner
from adapt.learners.objectives import ACTION_HISTORY
from adapt.networks.belief import MotionModel
from adapt.networks.gradient_step import GradientStep
from adapt.networks.steps import Signature
from adapt.results import spread
from robots.action import ActionLayout
from sim_tasks.family import TaskFamily


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


def export_learner(
    path: Path,
    learner: Learner,
    training: dict[str, Any],
    commit: str,
    evaluation: dict[str, Any] | None = None,
    calibration: CalibrationRequest | None = None,
) -> PolicyBundle:
    """A learner's bundle in a folder; `evaluation` says how it scored, as docs/bundle.md has it.

    Of a policy that forecasts, what is familiar to it is calibrated on simulations of its family, see `calibrate`.

    Raises:
        AdaptError: see `make_bundle`.
        TaskError: the learner's family is about a benchmark's body, which cannot be deployed.
    """
    learner.env.family.robot  # noqa: B018 - raises
    bundle = make_bundle(learner, training, commit, evaluation)
    familiarity = {"familiarity": calibrate(bundle, learner.env.family, calibration)}
    return save_bundle(path, bundle.manifest | familiarity, {**bundle.files, **_card(bundle.manifest)})


def add_evaluation(bundle: PolicyBundle, evaluation: dict[str, Any] | None) -> PolicyBundle:
    """Writes a bundle once more, with what its policy has scored since it was exported."""
    written = ("schema", "files", "manifest_digest")
    manifest = {name: value for name, value in bundle.manifest.items() if name not in written}
    manifest["evaluation"] = evaluation
    return save_bundle(bundle.path, manifest, {**bundle.files, **_card(manifest)})


def make_bundle(
    learner: Learner, training: dict[str, Any], commit: str, evaluation: dict[str, Any] | None = None
) -> PolicyBundle:
    """A learner's bundle, in memory only; of a benchmark's body, it has no robot and can only be evaluated.

    Raises:
        AdaptError: the learner has no control step or needs a reward that nobody measures, or its graph differs from
            it.
    """
    family, step = learner.env.family, control_step(learner)
    forecast = _forecast(learner)
    signature = Signature.of(step)
    _check_reward(signature, family)
    example = _example(signature, family, len(step.start) if isinstance(step, GradientStep) else 0)
    files = {"step.onnx": to_onnx(step, example)}
    if forecast is not None:
        files["predict.onnx"] = to_onnx(forecast, _forecast_example(signature, family))
    adapter = _adapter(signature, forecast is not None)
    if isinstance(step, GradientStep):
        adaptation, arrays = learner.adaptation()  # type: ignore[attr-defined]
        files[WEIGHTS] = safetensors.numpy.save({"parameters": step.start.numpy(), **arrays})
        adapter |= adaptation
    manifest = _manifest(family, adapter, training, commit)
    if not signature.reward_free and family.measured_reward is not None:
        manifest["reward"] = family.measured_reward.manifest()
    bundle = PolicyBundle(Path(f"{family.name} in memory"), manifest | {"evaluation": evaluation}, files)
    stretch = record(step, family)
    check_step(bundle, stretch)
    if forecast is not None:
        check_forecast(bundle, forecast, stretch)
    return bundle


def control_step(learner: Learner) -> nn.Module:
    """A learner's control step.

    Raises:
        AdaptError: it has none: it is told what no robot can tell it.
    """
    step = getattr(learner, "step", None)
    if step is None:
        raise AdaptError(f"{type(learner).__name__} cannot be deployed: it has no control step")
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


def _example(signature: Signature, family: TaskFamily, parameters: int) -> tuple[torch.Tensor, ...]:
    """Zeros for two robots in place of each input; `parameters`: how many there are of a policy that takes some."""
    sizes = {
        "observation": family.observation_size,
        "previous_action": family.action_size,
        "previous_reward": 1,
        "new_episode": 1,
        "hidden": signature.memory,
        "parameters": parameters,
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
    if signature.kind == "gradient":
        return adapter | {"reward_free": signature.reward_free}
    adapter["hidden"] = signature.memory
    if signature.kind == "belief":
        adapter["latent"] = signature.latent
    if forecasts:
        adapter["action_history"] = ACTION_HISTORY
    return adapter | {"reward_free": signature.reward_free}


def _check_reward(signature: Signature, family: TaskFamily) -> None:
    if not signature.reward_free and not family.reward_measurable:
        raise AdaptError(
            f"{family.name}: its reward cannot be measured (it has no measured_reward), and the policy adapts on the "
            "reward; train one that adapts without it"
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
    return {
        "robot": family.robot.identity(),
        "robot_digest": family.robot.digest,
        "observation": family.observation.manifest(),
        "action": ActionLayout(family.robot).manifest(),
        "goal": _goal(family),
    }


def _goal(family: TaskFamily) -> dict[str, Any] | None:
    """What the manifest says of the goals that the policy hears; nothing where it hears none."""
    if family.goal is None or family.observation.goal == 0:
        return None
    return family.goal.layout(family.episode_seconds).manifest()


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
            f"## Training\n\n{facts}\n- commit: {manifest['git_commit']}\n\n"
            f"## Evaluation\n\n{_scored(manifest['evaluation'])}\n"
        ).encode()
    }


def _scored(evaluation: dict[str, Any] | None) -> str:
    if evaluation is None:
        return "Not evaluated before export."
    lines = [
        f"- {evaluation['tasks']} held-out tasks ({evaluation['split']}), {evaluation['episodes']} episode(s) each",
        f"- return: {spread(evaluation['return'])}",
    ]
    if evaluation["score"] is not None:
        lines.append(f"- score between DR (0) and oracle (1): {spread(evaluation['score'], 3)}")
    return "\n".join(lines)


def _adapts(adapter: dict[str, Any]) -> str:
    if adapter["kind"] == "none":
        return "nothing: it does not adapt"
    if adapter["kind"] == "gradient":
        return f"gradients on its own experience, up to {len(adapter['rates'])} steps of {adapter['rule']['name']}"
    what = {"belief": "a recurrent belief", "memory": "the memory of a recurrent policy"}[adapter["kind"]]
    return f"{what}, {'without' if adapter['reward_free'] else 'on the'} reward"
