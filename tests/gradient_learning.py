"""Stand-ins for adaptation by gradients: proposals that a test writes, and a window that a test fills."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.online.experience import Window
from adapt.online.gradient import Acted, GradientAdapter
from adapt.online.learning import OnRobotLearning
from adapt.online.learning_settings import LearningSettings
from adapt.online.proposal import Proposal

Answer = Proposal | Callable[[Mapping[str, np.ndarray]], Proposal]


class ScriptedUpdates:
    """Answers each question with the next of the proposals of a test, after `delay` looks."""

    def __init__(self, *answers: Answer, delay: int = 0):
        self.answers, self.delay = deque(answers), delay
        self.asked: list[dict[str, np.ndarray]] = []
        self.closed = False
        self._pending: Proposal | None = None
        self._looks = 0

    def submit(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.asked.append({name: array.copy() for name, array in arrays.items()})
        answer = self.answers.popleft() if self.answers else Proposal(None, {"error": "no more"})
        self._pending = answer if isinstance(answer, Proposal) else answer(self.asked[-1])
        self._looks = self.delay

    def poll(self) -> Proposal | None:
        if self._pending is None or self._looks > 0:
            self._looks -= 1
            return None
        answer, self._pending = self._pending, None
        return answer

    def close(self) -> None:
        self.closed = True


def proposal(parameters: np.ndarray | float, size: int = 0) -> Proposal:
    """One that claims to have passed."""
    if isinstance(parameters, float):
        parameters = np.full(size, parameters, np.float32)
    return Proposal(
        parameters.astype(np.float32), {"passed": True, "scale": 1.0, "gates": [], "seconds": 0.1}
    )


class Driven:
    """Learning without a controller: a test says what each control step met."""

    def __init__(self, bundle: PolicyBundle, *answers: Answer, delay: int = 0, **settings: Any):
        self.adapter = GradientAdapter(bundle)
        self.updates = ScriptedUpdates(*answers, delay=delay)
        self.events: list[dict[str, Any]] = []
        self.learning = OnRobotLearning(
            bundle, self.adapter, LearningSettings(**settings), self.events.append, self.updates
        )
        made = bundle.manifest["adapter"]
        self.steps = made["rollouts"] * made["episode_steps"]
        """Of a window."""
        self.acted: list[np.ndarray] = []
        """The parameters that each control step was acted by."""
        self._observation = np.zeros((1, bundle.observation.size), np.float32)
        self._action = np.zeros((1, len(bundle.manifest["action"]["centre"])), np.float32)
        self._one = np.zeros((1, 1), np.float32)

    @property
    def names(self) -> list[str]:
        return [event["event"] for event in self.events]

    @property
    def phase(self) -> str:
        return self.learning.phase.name

    def turn(
        self,
        count: int = 1,
        reward: float | Callable[[int], float] = 1.0,
        listens: bool = True,
        reasons: int = 0,
    ) -> None:
        """So many control steps; `reward`: of the one before."""
        for _ in range(count):
            self.learning.begin_step(listens)
            self.acted.append(self.adapter.parameters[0].copy())
            self.adapter.act(self._observation, self._action, self._one, self._one, np.array([listens]))
            value = reward(len(self.acted) - 2) if callable(reward) else reward
            self.learning.step(self._observation, self._action, value, listens, reasons)

    def until(self, phase: str, most: int = 10_000, **step: Any) -> None:
        """Control steps until it is in a phase."""
        for _ in range(most):
            if self.phase == phase:
                return
            self.turn(**step)
        raise AssertionError(f"still {self.phase}")


def fill(window: Window, rewards: np.ndarray, seed: int = 0) -> None:
    """Random steps with these rewards."""
    rng = np.random.default_rng(seed)
    size, actions = window.observation.shape[1], window.action.shape[1]
    for reward in rewards:
        draw = rng.normal(size=(2, 1, size)).astype(np.float32)
        mean = rng.normal(0, 0.3, (2, 1, actions)).astype(np.float32)
        window.add(
            draw[0], Acted(draw[1], mean[0] + mean[1], mean[0], np.full_like(mean[0], -1.0)), mean[1], 0
        )
        window.hear(float(reward))
