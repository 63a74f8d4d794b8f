"""`AdaptEnv`: a task family as a Gymnasium environment, one simulation at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from sim_tasks.doors.pictures import RENDER_MODES, Camera, Window, check_render_mode
from sim_tasks.doors.spaces import action_space, observation_space
from sim_tasks.doors.trials import Trials
from sim_tasks.errors import TaskError
from sim_tasks.family import TaskFamily


class AdaptEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Each reset begins an episode on another task, unless one is chosen. O observations, A actions.

    An episode is truncated when its time is over, terminated in a terminal state or when the simulation diverges.
    `info` has `task` (the parameters in SI units by name), `success` where the family defines it, `invalid_action`
    (whether the action was not finite) and on robots `interventions`, bits of `robots.safety.Reason`; after `reset`
    also `units` and `split`; in trials of several episodes `new_episode`.

    Args:
        family: a family, or its name as `load_family` takes it.
        render_mode: `rgb_array`, or `human` where there is a display.
        settings: `split`, `task`, `protocol`, `episodes`, `changes` and the family's own options, see `Trials`.

    Raises:
        TaskError: as `Trials`; or an unknown render mode, or no display.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES)}  # noqa: RUF012 - Gymnasium's own declaration

    def __init__(self, family: TaskFamily | str, render_mode: str | None = None, **settings: Any):
        check_render_mode(render_mode)
        settings.setdefault("threads", 1)
        self._trials = Trials(family, 1, **settings)
        self.family = self._trials.family
        self.metadata = {
            "render_modes": list(RENDER_MODES),
            "render_fps": max(1, round(1 / self.family.period)),
        }
        self.render_mode = render_mode
        self.observation_space = observation_space(self.family)
        self.action_space = action_space(self.family)
        self._several = self._trials.env.episodes > 1
        self._over = False
        self._camera: Camera | None = None
        self._window: Window | None = None

    @property
    def units(self) -> Mapping[str, str]:
        """Units of the task's parameters, by name."""
        return self._trials.units

    @property
    def task(self) -> dict[str, float]:
        """The present task's parameters in SI units, by name."""
        return self._trials.task(0)

    @property
    def invalid_actions(self) -> int:
        """How many actions were not finite, so far."""
        return self._trials.invalid_actions

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begins an episode on a new task.

        Args:
            seed: of everything that is drawn from now on; None: drawing goes on.
            options: `split` (train, test, ood) and `task` (see `TaskChoice`) of this episode.

        Raises:
            TaskError: unknown options, split or parameter, or a task that is not physical.
        """
        super().reset(seed=seed)
        fresh = seed is not None or not self._trials.begun
        self._trials.begin([self._seed()] if fresh else [], options or {})
        self._over = False
        if self.render_mode == "human":
            self.render()
        info = self._info() | {"units": dict(self.units), "split": self._trials.env.split}
        return self._trials.env.observation[0].copy(), info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One control step with an action of shape (A,); NaN is counted and answered safely.

        Raises:
            TaskError: before the first reset or after the episode's end, or the action has another shape.
        """
        if self._over:
            raise TaskError("step after the end of the episode: call `reset` first")
        transition = self._trials.step_one(action)
        self._over = bool(transition.done[0])
        terminated = self._over and bool(transition.terminated[0])
        if self.render_mode == "human":
            self.render()
        observation = self._trials.env.observation[0].copy()
        return (
            observation,
            float(transition.reward[0]),
            terminated,
            self._over and not terminated,
            self._info(),
        )

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A picture, shape (H, W, 3), uint8; or None, as it is shown in the window.

        Raises:
            TaskError: before the first reset, or this machine cannot draw.
        """
        if not self._trials.begun:
            raise TaskError("render before reset: call `reset` first")
        sim = self._trials.env.sim
        if self.render_mode == "rgb_array":
            self._camera = self._camera or Camera(sim)
            return self._camera.picture(sim)
        if self.render_mode == "human":
            self._window = self._window or Window(sim)
            self._window.show(sim)
            return None
        gymnasium.logger.warn(
            "render() without a render mode: pass render_mode='rgb_array' to `gymnasium.make`"
        )
        return None

    def close(self) -> None:
        """Closes renderer and window."""
        for opened in (self._camera, self._window):
            if opened is not None:
                opened.close()
        self._camera = self._window = None

    def _seed(self) -> int:
        seed = self.np_random_seed
        assert seed is not None
        return max(seed, 0)  # -1 where somebody has put a generator of its own in place

    def _info(self) -> dict[str, Any]:
        trials = self._trials
        info: dict[str, Any] = {"task": trials.task(0), "invalid_action": bool(trials.invalid[0])}
        success, interventions = trials.success(), trials.interventions()
        if success is not None:
            info["success"] = bool(success[0])
        if interventions is not None:
            info["interventions"] = int(interventions[0])
        if self._several:
            info["new_episode"] = bool(trials.env.new_episode[0])
        return info
