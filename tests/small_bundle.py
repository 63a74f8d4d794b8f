"""A belief bundle of an untrained, seeded learner: every part of a real one, made in seconds."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import torch
from torch import nn

from adapt.bundle import PolicyBundle, load_bundle, manifest_digest
from adapt.calibration import CalibrationRequest, least_tasks
from adapt.export import export_learner
from adapt.learners import Setup, learner_kind
from adapt.learners.bounds import BoundConfig, BoundLearner
from adapt.learners.gradient_meta import GradientMetaLearner
from adapt.learners.ppo import PPOConfig
from adapt.learners.rma import RMAConfig, RMALearner
from sim_tasks.families import load_family
from sim_tasks.family import TaskFamily
from sim_tasks.trial_env import TrialVecEnv
from tests.adapt.scripted import Counter, Scripted

FAMILY = "pendulum_swingup"


def small_belief(robots: int = 8, seed: int = 0) -> RMALearner:
    """An untrained RMA learner with few robots, whose networks answer visibly to every one of their inputs."""
    ppo = PPOConfig(epochs=2, minibatches=2)
    config = RMAConfig(
        robots=robots, horizon=10, updates=2, batch=robots, hidden=12, excited=2, warm_up=1, ppo=ppo
    )
    env = TrialVecEnv(load_family(FAMILY), robots, seed, stream=2, threads=1, episodes=2)
    env.stagger(config.horizon)
    oracle = BoundLearner(env, seed, told_task=True, config=BoundConfig(robots=robots, hidden=(16, 16)))
    learner = RMALearner(env, seed, (oracle.policy, oracle.critic), config)
    for network in (learner.policy, learner.encoder, learner.motion_model):
        perturb(network, seed)
    return learner


@torch.no_grad()
def perturb(network: nn.Module, seed: int = 0, size: float = 0.2) -> None:
    """Adds seeded noise to all parameters: fresh networks hardly answer to their inputs."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter += size * torch.randn(parameter.shape, generator=generator)


def untrained_bundle(path: Path, seed: int = 0) -> PolicyBundle:
    """Exports `small_belief` to a folder; the same bytes at every call with the same seed."""
    learner = small_belief(seed=seed)
    training = {"learner": "rma", "seed": seed, "iterations": 0}
    few = CalibrationRequest(least_tasks())
    return export_learner(path, learner, training, "untrained", calibration=few)


def hearing_policy(path: Path, family: str) -> PolicyBundle:
    """A bundle of a scripted policy that acts on the rewards that it has heard, of any family on a robot."""
    env = TrialVecEnv(load_family(family), 2, seed=0, threads=1)
    learner = Scripted(env, Counter(env.observation.shape[1], env.previous_action.shape[1]))
    return export_learner(path, learner, {}, "untrained")


def strange_bundle(path: Path, bundle: PolicyBundle) -> PolicyBundle:
    """A copy to which every robot is unfamiliar: it takes its forecasts to be a thousand times better than they are."""
    shutil.copytree(bundle.path, path)
    manifest = json.loads((path / "manifest.json").read_text())
    familiarity = manifest["familiarity"]
    familiarity["scale"] = [scale / 1e3 for scale in familiarity["scale"]]
    manifest["manifest_digest"] = manifest_digest(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))
    return load_bundle(path)


def untrained_policy(path: Path, family: str, seed: int = 0, size: float = 0.1) -> PolicyBundle:
    """A bundle of a policy that does not adapt, untrained, of any family on a robot, the wilder the larger `size`."""
    env = TrialVecEnv(load_family(family), 2, seed, threads=1)
    learner = BoundLearner(env, seed, told_task=False, config=BoundConfig(robots=2, hidden=(16,)))
    perturb(learner.policy, seed, size)
    return export_learner(path, learner, {"learner": "dr", "seed": seed, "iterations": 0}, "untrained")


def gradient_family(seconds: float = 2.0) -> TaskFamily:
    """Robots that measure their reward, with short episodes: windows are soon full."""
    return dataclasses.replace(load_family(FAMILY), episode_seconds=seconds)


def small_gradient(family: TaskFamily, name: str = "reptile", seed: int = 0) -> GradientMetaLearner:
    """A gradient learner of few tasks after one iteration: its normaliser has seen something."""
    kind = learner_kind(name)
    config = dataclasses.replace(
        kind.config, tasks=2, rollouts=2, hidden=(16,), inner_steps=2, normalise=True
    )
    learner = kind.build(Setup(family, config, seed, 1))
    assert isinstance(learner, GradientMetaLearner)
    learner.collect()
    learner.update()
    with torch.no_grad():
        for tensor in learner.meta_params.values():  # of a step that is visibly not the plain one
            tensor += 0.2 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed))
    return learner


def untrained_gradient(path: Path, family: TaskFamily, seed: int = 0, name: str = "reptile") -> PolicyBundle:
    """A bundle that adapts by gradients, untrained, with short windows."""
    learner = small_gradient(family, name, seed)
    training = {"learner": name, "seed": seed, "iterations": 1}
    return export_learner(path, learner, training, "untrained")
