"""`AdaptiveController`: observe, adapt, act, certify. Evaluation and the ROS node run this same class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adapt.errors import AdaptError
from adapt.online.fallback import Fallback
from adapt.online.familiarity import Familiarity, Judgement
from adapt.types import Belief, OnlineAdapter
from robots import RobotSpec, SensorFrame
from robots.action import ActionLayout
from robots.observation import ObservationLayout
from robots.observer import Observer
from robots.safety import SafetyFilter

Age = np.ndarray | float | Callable[[], float]
"""Of a reading, in [s]: shape (N,), or one for all."""


@dataclass(frozen=True)
class ControlStep:
    """What one control step decided, for N robots."""

    command: np.ndarray
    """Certified: finite, within all limits, in [command unit]. Shape (N, J)."""
    requested: np.ndarray
    """What the policy asked for, in [command unit]; may be non-finite. Shape (N, J)."""
    reasons: np.ndarray
    """Bit mask of `robots.safety.Reason` per robot. Shape (N,), int."""
    belief: Belief | None
    familiarity: Judgement | None = None
    """None where nobody judges it."""


class AdaptiveController:
    """Bundle's adapter + safety filter for N robots of one kind.

    Where `familiarity` is given, robots that it finds unfamiliar are not learnt from; where `fallback` is too, it
    drives them.

    Raises:
        AdaptError: a fallback without familiarity, or one that needs another goal.
    """

    def __init__(
        self,
        spec: RobotSpec,
        observation: ObservationLayout,
        adapter: OnlineAdapter,
        robots: int = 1,
        familiarity: Familiarity | None = None,
        fallback: Fallback | None = None,
    ):
        self.spec = spec
        self.observation = observation
        self.adapter = adapter
        self.action = ActionLayout(spec)
        self.safety = SafetyFilter(spec, robots)
        self._sent = np.zeros((robots, self.action.size), np.float32)
        self._no_reward = np.zeros((robots, 1), np.float32)
        self._new_episode = np.ones((robots, 1), np.float32)
        self._observer = Observer(observation, robots)
        self.frozen = False
        """Whether what is understood of the robots stays as it is, because the user says so; they are driven on by it.
        Who is unfamiliar is not learnt from either, see `ControlStep.familiarity`."""
        self.familiarity = familiarity
        self.fallback = fallback
        if fallback is not None:
            _check_fallback(fallback, familiarity, observation)

    def reset(self, ids: np.ndarray | slice = slice(None), position: np.ndarray | None = None) -> None:
        """A new trial: the belief is forgotten, the command starts soft from the measured `position` [rad]."""
        self.adapter.reset(ids)
        for part in (self.familiarity, self.fallback):
            if part is not None:
                part.reset(ids)
        self.begin_episode(ids, position)

    def begin_episode(
        self, ids: np.ndarray | slice = slice(None), position: np.ndarray | None = None
    ) -> None:
        """The same robot starts again: what is believed of it is kept."""
        self.safety.reset(ids, position)
        self._observer.reset(ids)
        if self.familiarity is not None:
            self.familiarity.interrupt(ids)
        if self.fallback is not None:
            self.fallback.begin_episode(ids)
        self._sent[ids] = 0.0
        self._new_episode[ids] = 1.0

    def step(
        self,
        frame: SensorFrame,
        age: Age = 0.0,
        sent: np.ndarray | None = None,
        goal: np.ndarray | None = None,
        reward: np.ndarray | None = None,
    ) -> ControlStep:
        """One control period.

        Args:
            frame: newest sensor reading of all N robots; non-finite readings put a robot into safe mode.
            age: how old the reading is, in [s]; a function is asked again when the policy has answered, so that no
                command goes out on a reading that has gone stale meanwhile.
            sent: for shadow mode: the command, shape (N, J), that somebody else has sent since the last step.
            goal: what the task asks for now, shape (N, G), where the observation has it.
            reward: of the control step before, shape (N, 1), float32, where it can be measured; 0 as a trial begins.

        Raises:
            RobotError: the frame or the goal lacks what the observation needs.
        """
        if sent is not None:
            self._sent[:] = self.action.to_action(sent)
        now = age() if callable(age) else age
        fresh = frame.finite & (now <= self.spec.safety.stale_after)
        with np.errstate(invalid="ignore"):  # readings that are not finite are not used
            observation = self._observer.observe(frame, goal, fresh)
        heard = self._no_reward if reward is None else reward
        doubted = self._doubted(observation, fresh)
        listen = np.zeros_like(fresh) if self.frozen else fresh & ~doubted
        action = self.adapter.act(observation, self._sent, heard, self._new_episode, listen=listen)
        if self.familiarity is not None:
            listen = np.zeros_like(fresh) if self.frozen else fresh
            self.familiarity.probe.listen(observation, self._sent, heard, self._new_episode, listen)
        self._new_episode[fresh] = 0.0
        requested = self.action.to_command(action)
        if self.fallback is not None:
            requested = self.fallback(requested, frame, goal, fresh, self._sent, doubted)
        certified = self.safety.certify(requested, frame, age() if callable(age) else age)
        self._sent[:] = self.action.to_action(certified.command)
        judged = self._judged(certified.reasons)
        return ControlStep(certified.command, requested, certified.reasons, self.adapter.belief(), judged)

    def forget(self) -> None:
        """Drops what is understood of the robots, which are driven on: a trial begins, but no soft start.

        Nothing is held against them any more either; a fallback hands back gradually.
        """
        self.adapter.reset()
        if self.familiarity is not None:
            self.familiarity.reset()
        self._new_episode[:] = 1.0

    def stop(self) -> np.ndarray:
        """The safe-mode command for a robot that can no longer be controlled. Shape (N, J)."""
        command = self.safety.stop().command
        if self.familiarity is not None:
            self.familiarity.interrupt()
        self._sent[:] = self.action.to_action(command)
        return command

    def _doubted(self, observation: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        """Who is unfamiliar by the reading that is observed now. Shape (N,), bool."""
        if self.familiarity is None:
            return np.zeros_like(fresh)
        return self.familiarity.hear(observation, self._sent, self.adapter, fresh, self.frozen)

    def _judged(self, reasons: np.ndarray) -> Judgement | None:
        if self.familiarity is None:
            return None
        self.familiarity.sent(reasons)
        return self.familiarity.judgement(None if self.fallback is None else self.fallback.share)


def _check_fallback(fallback: Fallback, familiarity: Familiarity | None, own: ObservationLayout) -> None:
    if familiarity is None:
        raise AdaptError("a fallback needs a familiarity that says when it drives")
    if fallback.observation.goal not in (0, own.goal):
        raise AdaptError(
            f"fallback: its observation has a goal of size {fallback.observation.goal}; valid: 0 or {own.goal}, the "
            "adaptive policy's"
        )
