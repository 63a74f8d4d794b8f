"""`AdaptEnvironment`: a task family as a `dm_env.Environment`, which dm_control's viewer opens.

`dm_control.viewer.launch(lambda: AdaptEnvironment("half_cheetah_vel"))`, where there is a display.
"""

from __future__ import annotations

import warnings
from typing import Any

import dm_env
import numpy as np
from dm_env import specs

from sim_tasks.doors.mirror import Mirror
from sim_tasks.doors.spaces import observation_bound
from sim_tasks.doors.trials import Trials
from sim_tasks.family import TaskFamily


class AdaptEnvironment(dm_env.Environment):
    """One simulation. The discount is 0 at a termination and 1 at a truncation. O observations, A actions.

    Args:
        family: a family, or its name as `load_family` takes it.
        seed: of everything that is drawn; None: a random one.
        settings: `split`, `task`, `protocol`, `episodes`, `changes` and the family's own options, see `Trials`.

    Raises:
        TaskError: as `Trials`.
    """

    def __init__(self, family: TaskFamily | str, seed: int | None = None, **settings: Any):
        settings.setdefault("threads", 1)
        self._trials = Trials(family, 1, **settings)
        self.family = self._trials.family
        self._seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        self._over = True
        self._physics: Any = None
        self._mirror: Mirror | None = None
        self._stale = True

    @property
    def task(self) -> dict[str, float]:
        """The present task's parameters in SI units, by name."""
        return self._trials.task(0)

    @property
    def invalid_actions(self) -> int:
        """How many actions were not finite, so far."""
        return self._trials.invalid_actions

    @property
    def physics(self) -> Any:
        """A `dm_control.mujoco.Physics` that shows the simulation as it is now.

        Forces in its `data.xfrc_applied`, such as those of the viewer's mouse, act on the simulation.
        """
        if self._physics is None:
            self._physics, self._mirror = _physics(self._trials)
        if self._stale:
            assert self._mirror is not None
            self._mirror.show(self._trials.env.sim)
            self._stale = False
        return self._physics

    def control_timestep(self) -> float:
        """Control period in [s]."""
        return self.family.period

    def reset(self) -> dm_env.TimeStep:
        """Begins an episode on a new task, unless one is chosen."""
        self._trials.begin([] if self._trials.begun else [self._seed], {})
        self._over, self._stale = False, True
        return dm_env.restart(self._observation())

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        """One control step with an action of shape (A,); after an episode's end, and at first, as `reset`.

        Raises:
            TaskError: the action has another shape.
        """
        if self._over:
            return self.reset()
        if self._physics is not None:
            self._trials.env.sim.bind("xfrc_applied")[0] = self._physics.data.xfrc_applied
        transition = self._trials.step_one(action)
        self._stale, self._over = True, bool(transition.done[0])
        reward, observation = float(transition.reward[0]), self._observation()
        if not self._over:
            return dm_env.transition(reward, observation)
        if transition.terminated[0]:
            return dm_env.termination(reward, observation)
        return dm_env.truncation(reward, observation)

    def observation_spec(self) -> specs.Array:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Shape (O,), float32; bounded where the robot's terms are clipped."""
        bound = observation_bound(self.family)
        if np.isinf(bound).any():
            return specs.Array(bound.shape, np.float32, "observation")
        return specs.BoundedArray(bound.shape, np.float32, -bound, bound, "observation")

    def action_spec(self) -> specs.BoundedArray:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Shape (A,), float32, from -1 to 1."""
        return specs.BoundedArray((self.family.action_size,), np.float32, -1.0, 1.0, "action")

    def _observation(self) -> np.ndarray:
        return self._trials.env.observation[0].copy()


def _physics(trials: Trials) -> tuple[Any, Mirror]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glfw warns that a headless machine has no display
        from dm_control import mujoco
        from dm_control.mujoco import wrapper
    sim = trials.env.sim
    physics = mujoco.Physics.from_model(wrapper.MjModel(sim.get_model(0)))
    return physics, Mirror(sim, physics.model.ptr, physics.data.ptr)
