"""`AdaptiveController`: observe, adapt, act, certify. Evaluation and the ROS node run this same class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adapt.errors import AdaptError
from adapt.online.fallback import Fallback
from adapt.online.familiarity import Familiarity, Judgement
from adapt.online.learning import OnRobotLearning
from adapt.types import Belief, OnlineAdapter
from robots import RobotSpec, SensorFrame
from robots.action import ActionLayout
from robots.observation import ObservationLayout
from robots.observer import Observer
from robots.reward import RewardLayout, heard
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
    reward: np.ndarray | None = None
    """What was measured of the control step before, NaN where nothing was: as a trial begins, of a reading that is not
    usable. The policy hears 0 then. Shape (N,); None where nobody measures it."""


class AdaptiveController:
    """Bundle's adapter + safety filter for N robots of one kind.

    Where `familiarity` is given, robots that it finds unfamiliar are not learnt from; where `fallback` is too, it
    drives them. Where `learning` is given, the one robot's policy is adapted by gradients.

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
        reward: RewardLayout | None = None,
        learning: OnRobotLearning | None = None,
    ):
        """`reward`: what is heard as the reward, from each reading that the policy sees; None: nothing is. `learning`:
        what proposes other parameters to an adapter by gradients."""
        self.spec = spec
        self.observation = observation
        self.adapter = adapter
        self.action = ActionLayout(spec)
        self.safety = SafetyFilter(spec, robots)
        self._sent, self._sent_before = np.zeros((2, robots, self.action.size), np.float32)
        self.reward = reward
        self._no_reward = np.zeros((robots, 1), np.float32)
        self._new_episode = np.ones((robots, 1), np.float32)
        self._observer = Observer(observation, robots)
        self.frozen = False
        """Whether what is understood of the robots stays as it is, because the user says so; they are driven on by it.
        Who is unfamiliar is not learnt from either, see `ControlStep.familiarity`."""
        self.familiarity = familiarity
        self.fallback = fallback
        self.learning = learning
        """What proposes other parameters to an adapter by gradients, of one robot."""
        if fallback is not None:
            _check_fallback(fallback, familiarity, observation)

    def reset(self, ids: np.ndarray | slice = slice(None), position: np.ndarray | None = None) -> None:
        """A new trial: the belief is forgotten, the command starts soft from the measured `position` [rad]."""
        self.adapter.reset(ids)
        for part in (self.familiarity, self.fallback):
            if part is not None:
                part.reset(ids)
        if self.learning is not None:
            self.learning.reset()
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
        if self.learning is not None:
            self.learning.interrupt()
        self._sent[ids] = self._sent_before[ids] = 0.0
        self._new_episode[ids] = 1.0

    def step(
        self,
        frame: SensorFrame,
        age: Age = 0.0,
        sent: np.ndarray | None = None,
        goal: np.ndarray | None = None,
        reward: np.ndarray | None = None,
        elapsed: float | Callable[[], float] = np.inf,
    ) -> ControlStep:
        """One control period.

        Args:
            frame: newest sensor reading of all N robots; non-finite readings put a robot into safe mode.
            age: how old the reading is, in [s]; a function is asked again when the policy has answered, so that no
                command goes out on a reading that has gone stale meanwhile.
            sent: for shadow mode: the command, shape (N, J), that somebody else has sent since the last step.
            goal: what the task asks for now, shape (N, G), where the observation has it.
            reward: what is heard of the control step before, shape (N, 1), float32, in place of what is measured here;
                for a simulation, whose trials have several episodes.
            elapsed: time that the command may move for, in [s], see `SafetyFilter.certify`; a function is asked when
                the policy has answered.

        Raises:
            RobotError: the frame or the goal lacks what the observation needs.
        """
        if sent is not None:
            self._sent[:] = self.action.to_action(sent)
        now = age() if callable(age) else age
        finite = frame.finite
        fresh = finite & (now <= self.spec.safety.stale_after)
        with np.errstate(invalid="ignore"):  # readings that are not finite are not used
            observation = self._observer.observe(frame, goal, fresh)
        measured = None if self.reward is None else self._measured(self.reward, frame, goal, fresh)
        told = reward if measured is None else measured[:, None]
        if reward is None:
            reward = self._no_reward if measured is None else heard(measured)[:, None]
        doubted = self._doubted(observation, fresh)
        listen = np.zeros_like(fresh) if self.frozen else fresh & ~doubted
        if self.learning is not None:
            self.learning.begin_step(bool(listen[0]))
        action = self.adapter.act(observation, self._sent, reward, self._new_episode, listen=listen)
        if self.familiarity is not None:
            listens = np.zeros_like(fresh) if self.frozen else fresh
            self.familiarity.probe.listen(observation, self._sent, reward, self._new_episode, listens)
        self._new_episode[fresh] = 0.0
        requested = self.action.to_command(action)
        if self.fallback is not None:
            requested = self.fallback(requested, frame, goal, fresh, self._sent, doubted)
        age = age() if callable(age) else age
        elapsed = elapsed() if callable(elapsed) else elapsed
        certified = self.safety.certify(requested, frame, age, elapsed, finite)
        if self.learning is not None:
            known = np.nan if told is None or not fresh[0] else float(told[0, 0])
            self.learning.step(observation, self._sent, known, bool(listen[0]), int(certified.reasons[0]))
        self._keep_sent(certified.command)
        judged = self._judged(certified.reasons)
        return ControlStep(
            certified.command, requested, certified.reasons, self.adapter.belief(), judged, measured
        )

    def forget(self) -> None:
        """Drops what is understood of the robots, which are driven on: a trial begins, but no soft start.

        Nothing is held against them any more either; a fallback hands back gradually.
        """
        self.adapter.reset()
        if self.familiarity is not None:
            self.familiarity.reset()
        if self.learning is not None:
            self.learning.reset()
        self._new_episode[:] = 1.0

    def stop(self, elapsed: float = np.inf) -> np.ndarray:
        """The safe-mode command for a robot that can no longer be controlled, see `SafetyFilter.stop`. Shape (N, J)."""
        command = self.safety.stop(elapsed).command
        if self.familiarity is not None:
            self.familiarity.interrupt()
        if self.learning is not None:
            self.learning.interrupt()
        self._keep_sent(command)
        return command

    def _keep_sent(self, command: np.ndarray) -> None:
        self._sent_before[:] = self._sent
        self._sent[:] = self.action.to_action(command)

    def _measured(
        self, layout: RewardLayout, frame: SensorFrame, goal: np.ndarray | None, fresh: np.ndarray
    ) -> np.ndarray:
        """The reward of the control step before; NaN where there was none in this trial. Shape (N,)."""
        value = layout(frame, goal, self._sent, self._sent_before)
        return np.where(fresh & (self._new_episode[:, 0] == 0), value, np.nan)

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
