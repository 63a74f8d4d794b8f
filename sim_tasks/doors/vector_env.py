"""`AdaptVectorEnv`: a task family as a Gymnasium vector environment, all simulations stepped together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from sim_tasks.doors.pictures import Camera, check_render_mode
from sim_tasks.doors.spaces import action_space, observation_space
from sim_tasks.doors.trials import Trials
from sim_tasks.errors import TaskError
from sim_tasks.family import TaskFamily

_MODES = ("rgb_array",)


class AdaptVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """N simulations; sub-environment i, seeded with s, does what `AdaptEnv` does when seeded with s + i, bit for bit.

    An episode that ends begins anew in the same step: the observation is the new episode's first, and `infos` has
    `final_obs` and `final_info` of the old one. With `autoreset_mode="NextStep"`, which Gymnasium's observation
    wrappers ask for, the observation is the old episode's last, and the next step begins the new one, whatever the
    action. At every step `infos` has `success` where the family defines it and on robots `interventions`; `task` for
    the sub-environments that begin an episode; `invalid_action` where some action was not finite. A name with `_`
    before it says for which ones a value counts.

    Args:
        family: a family, or its name as `load_family` takes it.
        num_envs: how many simulations, N.
        render_mode: `rgb_array` or none.
        autoreset_mode: `SameStep` or `NextStep`.
        settings: `split`, `task`, `protocol`, `episodes`, `changes`, `threads` and the family's options, see `Trials`.

    Raises:
        TaskError: as `Trials`; or an unknown render or autoreset mode.
    """

    def __init__(
        self,
        family: TaskFamily | str,
        num_envs: int = 1,
        render_mode: str | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        **settings: Any,
    ):
        check_render_mode(render_mode, _MODES)
        self.num_envs = num_envs
        self._trials = Trials(family, num_envs, **settings)
        self.family = self._trials.family
        self.metadata = {
            "render_modes": list(_MODES),
            "render_fps": max(1, round(1 / self.family.period)),
            "autoreset_mode": _autoreset(autoreset_mode),
        }
        self.render_mode = render_mode
        self.single_observation_space = observation_space(self.family)
        self.single_action_space = action_space(self.family)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._all = np.ones(num_envs, dtype=bool)
        self._over = np.zeros(num_envs, dtype=bool)
        """Whose episode the next step begins. Shape (N,), bool."""
        self._camera: Camera | None = None

    @property
    def units(self) -> Mapping[str, str]:
        """Units of the tasks' parameters, by name."""
        return self._trials.units

    @property
    def tasks(self) -> dict[str, np.ndarray]:
        """The present tasks' parameters in SI units, by name, each shape (N,)."""
        return self._trials.tasks(np.arange(self.num_envs))

    @property
    def invalid_actions(self) -> int:
        """How many actions were not finite, so far."""
        return self._trials.invalid_actions

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begins all episodes anew, on new tasks. Observations of shape (N, O).

        Args:
            seed: s for seeds s, s + 1, ..., or N seeds; None: drawing goes on.
            options: `split` (train, test, ood) and `task` (see `TaskChoice`; for all, or an array (N, P) or N
                mappings), which hold until the next call of `reset`.

        Raises:
            TaskError: unknown options, split or parameter, a task that is not physical, or too few seeds.
        """
        seeds = self._seeds(seed)
        super().reset(seed=seeds[0] if seed is not None else None)
        self._trials.begin(seeds, options or {})
        self._over = ~self._all
        return self._trials.env.observation.copy(), self._infos(self._all) | self._tasks(self._all)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One control step with actions of shape (N, A).

        Raises:
            TaskError: before the first reset, or the actions have another shape.
        """
        trials, began = self._trials, self._over
        transition = trials.step_or_begin(actions, began) if began.any() else trials.step(actions)
        done = transition.done
        if self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP:
            self._over = done
            infos = self._infos(self._all) | (self._tasks(began) if began.any() else {})
        else:
            infos = self._end(done) if done.any() else self._infos(self._all)
        terminated = transition.terminated & done
        return trials.env.observation.copy(), transition.reward, terminated, done & ~terminated, infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture of each simulation, shape (H, W, 3), uint8.

        Raises:
            TaskError: before the first reset, or this machine cannot draw.
        """
        if not self._trials.begun:
            raise TaskError("render before reset: call `reset` first")
        if self.render_mode is None:
            return None
        sim = self._trials.env.sim
        self._camera = self._camera or Camera(sim)
        return tuple(self._camera.picture(sim, row) for row in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the renderer."""
        if self._camera is not None:
            self._camera.close()
        self._camera = None

    def _seeds(self, seed: int | Sequence[int] | None) -> list[int]:
        """A seed per simulation, or none where drawing goes on."""
        if seed is None:
            if self._trials.begun:
                return []
            seed = self.np_random_seed
            assert seed is not None
        if isinstance(seed, int | np.integer):
            return [max(int(seed), 0) + row for row in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise TaskError(f"{len(seed)} seeds for {self.num_envs} simulation(s)")
        return [int(each) for each in seed]

    def _infos(self, mask: np.ndarray) -> dict[str, Any]:
        """What is said about the present moment of the simulations in a mask, shape (N,)."""
        trials = self._trials
        values = {"success": trials.success(), "interventions": trials.interventions()}
        if trials.invalid.any():
            values["invalid_action"] = trials.invalid
        if trials.env.episodes > 1:
            values["new_episode"] = trials.env.new_episode.astype(bool)
        infos: dict[str, Any] = {}
        for name, value in values.items():
            if value is not None:
                infos[name], infos[f"_{name}"] = value.copy(), mask.copy()
        return infos

    def _tasks(self, mask: np.ndarray) -> dict[str, Any]:
        """The tasks of the simulations in a mask, shape (N,)."""
        ids, tasks = np.flatnonzero(mask), {}
        for name, values in self._trials.tasks(ids).items():
            tasks[name], tasks[f"_{name}"] = np.zeros(self.num_envs), mask.copy()
            tasks[name][ids] = values
        return {"task": tasks, "_task": mask.copy()}

    def _end(self, done: np.ndarray) -> dict[str, Any]:
        """Keeps what the ended episodes, shape (N,), came to, and begins the next ones."""
        final_obs = np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(done):
            final_obs[row] = self._trials.env.observation[row].copy()
        final_info = self._infos(done) | self._tasks(done)
        self._trials.begin_again(np.flatnonzero(done))
        final = {"final_obs": final_obs, "_final_obs": done.copy()}
        final |= {"final_info": final_info, "_final_info": done.copy()}
        return self._infos(self._all) | self._tasks(done) | final


def _autoreset(mode: str | AutoresetMode) -> AutoresetMode:
    valid = (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP)
    found = [each for each in valid if mode in (each, each.value)]
    if not found:
        raise TaskError(f"unknown autoreset_mode {mode!r}; valid: {', '.join(each.value for each in valid)}")
    return found[0]
