"""What drives the robots that are shown: one smooth random motion for all of them, or a trained policy."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from adapt.bundle import load_bundle
from adapt.errors import AdaptError
from adapt.online.controller import AdaptiveController
from adapt.online.kinds import make_adapter
from sim_tasks.trial_env import TrialVecEnv

_RHYTHM = 0.25
"""Time constant of the random motion in [s]: about the swing of a leg."""
_STRENGTH = 0.6
"""Root mean square of the random actions, whose range is [-1, 1]."""


class Driver(Protocol):
    """Decides on the commands of N robots."""

    about: str
    """In words that end a sentence."""

    def command(self) -> np.ndarray:
        """What is sent now, in the units of the command. Shape (N, U)."""
        ...

    def restart(self, ids: np.ndarray) -> None:
        """Robots `ids`, shape (n,), stand at a new start."""
        ...


def make_driver(policy: Path | None, env: TrialVecEnv, seed: int) -> Driver:
    """The driver for a bundle's folder, a run's that holds one, or for random motion where there is none.

    Raises:
        AdaptError: the folder holds no bundle, or one for another family or robot.
    """
    if policy is None:
        return RandomMotion(env, seed)
    folder = policy if (policy / "manifest.json").is_file() else policy / "bundle"
    if not (folder / "manifest.json").is_file():
        raise AdaptError(
            f"{policy}: neither a bundle nor a run with one (no manifest.json, no bundle/manifest.json); "
            f"a run's bundle is made with: adapt export {policy}"
        )
    return BundleDriver(folder, env)


class RandomMotion:
    """Filtered noise, the same for all robots: what differs between them is their physics."""

    about = "one smooth random motion, the same for all"

    def __init__(self, env: TrialVecEnv, seed: int):
        self._env = env
        self._rng = np.random.default_rng([seed, 13])
        self._keep = float(np.exp(-env.family.period / _RHYTHM))
        self._action = np.zeros(env.family.action_size)

    def command(self) -> np.ndarray:
        # First-order autoregressive noise: variance v of the input gives v / (1 - keep^2) of the output.
        fresh = self._rng.standard_normal(len(self._action)) * _STRENGTH * np.sqrt(1 - self._keep**2)
        self._action = self._keep * self._action + fresh
        action = np.clip(self._action, -1.0, 1.0).astype(np.float32)
        return self._env.port.command(np.tile(action, (self._env.robots, 1)))

    def restart(self, ids: np.ndarray) -> None:
        """Nothing to forget."""


class BundleDriver:
    """A bundle's policy, through the controller that the robot runs."""

    def __init__(self, folder: Path, env: TrialVecEnv):
        family = env.family
        bundle = load_bundle(folder, family.robot)
        made_for = bundle.manifest["family"]["name"]
        if made_for != family.name:
            raise AdaptError(f"{folder}: made for the family {made_for}, not for {family.name}")
        self.about = f"the policy in {folder}"
        self._env = env
        adapter = make_adapter(bundle, env.robots)
        self._controller = AdaptiveController(
            family.robot, family.observation, adapter, env.robots, reward=bundle.reward
        )
        self._controller.reset(position=env.frame.position)

    def command(self) -> np.ndarray:
        return self._controller.step(self._env.frame, goal=self._env.goal).command

    def restart(self, ids: np.ndarray) -> None:
        self._controller.begin_episode(ids, self._env.frame.position[ids])
