"""The way out of being unfamiliar: a probe listens, and what it has understood goes over where that fits the robot."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from adapt.bundle import PolicyBundle
from adapt.online.controller import AdaptiveController
from adapt.online.familiarity import Familiarity
from adapt.online.probe import PATIENCE
from adapt.types import Belief
from robots import RobotSpec, SensorFrame
from tests.adapt.test_familiarity import CALIBRATION, SMOOTHING, STEPS

RATE = 0.4
"""What the robot's third number grows by in a step, see `Grows`."""


class Grows:
    """Believes in a number, and forecasts that the third number of the observation grows by it."""

    def __init__(self, learns: bool, robots: int = 1):
        self.rate = np.zeros((robots, 1), np.float32)
        self._last: np.ndarray | None = None
        self.learns = learns
        self.resets = 0

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        self.rate[ids] = 0.0
        self.resets += 1

    def act(self, observation, previous_action, previous_reward, new_episode, listen) -> np.ndarray:
        if self._last is not None and self.learns:
            grown = observation[:, 2:3] - self._last
            self.rate = np.where(listen[:, None], grown, self.rate).astype(np.float32)
        self._last = observation[:, 2:3].copy()
        return np.zeros((len(self.rate), 1), np.float32)

    def belief(self) -> Belief:
        row = np.repeat(self.rate, 13, axis=1)
        return Belief(row, row, row, row)

    def state(self) -> dict[str, np.ndarray]:
        return {"rate": self.rate.copy()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.rate = state["rate"].copy()


def forecast(observation, before, actions, mean, log_std) -> np.ndarray:
    new = observation.copy()
    new[:, 2] += mean[:, 0]
    return new


class Robots:
    """Robots whose third number grows by a rate each, and a controller of theirs."""

    def __init__(self, bundle: PolicyBundle, spec: RobotSpec, robots: int = 1, understood: bool = True):
        self.rate = np.zeros(robots)
        self.driver, probe = Grows(False, robots), Grows(understood, robots)
        judge = Familiarity(bundle, robots, CALIBRATION)
        judge._predict, judge.probe.understood = forecast, probe  # type: ignore[assignment]
        self.probe = probe
        self.controller = AdaptiveController(spec, bundle.observation, self.driver, robots, judge)  # type: ignore[arg-type]
        self.controller.reset(position=np.zeros((robots, 1)))
        self._value = np.zeros(robots)
        self._observe(robots)

    def _observe(self, robots: int) -> None:
        def observe(frame, goal, fresh):
            return np.column_stack([np.zeros((robots, 2)), self._value]).astype(np.float32)

        self.controller._observer.observe = observe  # type: ignore[method-assign]

    def run(self, steps: int) -> np.ndarray:
        """Who is unfamiliar, shape (T, N)."""
        said, (count,) = [], self.rate.shape
        nothing = np.zeros((count, 1))
        for _ in range(steps):
            self._value = self._value + self.rate
            step = self.controller.step(SensorFrame(np.zeros(count), nothing, nothing))
            assert step.familiarity is not None
            said.append(step.familiarity.unfamiliar)
        return np.array(said)


@pytest.fixture
def robots(belief_bundle, robot) -> Robots:
    made = Robots(belief_bundle, robot)
    made.run(40)  # past the soft start, with a full window
    return made


def test_a_robot_that_changed_within_the_family_is_understood_again(robots):
    robots.rate[:] = RATE
    unfamiliar = robots.run(80)[:, 0]
    alarm = int(np.argmax(unfamiliar))
    assert unfamiliar[alarm]
    release = alarm + int(np.argmin(unfamiliar[alarm:]))
    # The probe hears a reading, of which it knows nothing, and forecasts two steps of which it makes a sum, the first
    # wrongly; ten steps later a window is full, of which one sum is wrong: (1.41 or less)^2 / 3 / 10 / 2 < 0.8.
    assert release - alarm == SMOOTHING + STEPS - 1
    assert not unfamiliar[release:].any()
    assert robots.driver.rate[0, 0] == pytest.approx(RATE, rel=1e-4)
    assert not robots.controller.familiarity.probe.busy


def test_a_robot_that_nobody_understands_stays_unfamiliar_and_costs_a_belief_nothing(belief_bundle, robot):
    robots = Robots(belief_bundle, robot, understood=False)
    robots.run(40)
    robots.rate[:] = RATE
    unfamiliar = robots.run(400)[:, 0]
    assert unfamiliar[20:].all()
    assert robots.driver.rate[0, 0] == 0.0


def test_a_probe_begins_anew_every_so_often(belief_bundle, robot):
    robots = Robots(belief_bundle, robot, understood=False)
    robots.run(40)
    robots.rate[:] = RATE
    patience = round(PATIENCE / robot.period)
    alarm = int(np.argmax(robots.run(20)[:, 0]))
    began = robots.probe.resets
    robots.run(patience - (20 - alarm))
    assert robots.probe.resets == began
    robots.run(2)
    assert robots.probe.resets == began + 1


def test_who_is_what_it_was_keeps_what_was_understood(robots):
    """The probe has learnt something else by then, but its window is not full."""
    robots.rate[:] = RATE
    alarm = robots.run(12)[:, 0]
    assert alarm[-1]
    robots.rate[:] = 0.0
    assert not robots.run(30)[-1, 0]
    assert robots.driver.rate[0, 0] == 0.0


@pytest.mark.parametrize("steps", [0, 14])
def test_what_the_user_has_frozen_stays_as_it_is(robots, steps):
    """Also where the probe, 14 steps later, has understood the robot, but has no full window yet."""
    robots.rate[:] = RATE
    robots.run(steps)
    assert (robots.probe.rate[0, 0] > 0) == (steps > 0)
    robots.controller.frozen = True
    assert robots.run(200)[-1, 0]
    assert robots.driver.rate[0, 0] == 0.0
    robots.controller.frozen = False
    assert not robots.run(60)[-1, 0]


def test_probes_of_robots_side_by_side_do_not_mix(belief_bundle, robot):
    robots = Robots(belief_bundle, robot, robots=3)
    robots.run(40)
    robots.rate[1] = RATE
    robots.run(8)
    robots.rate[2] = -2 * RATE
    unfamiliar = robots.run(80)
    assert unfamiliar.any(axis=0).tolist() == [False, True, True]
    assert not unfamiliar[-1].any()
    assert robots.driver.rate[:, 0].tolist() == pytest.approx([0.0, RATE, -2 * RATE], abs=1e-3)


def test_a_new_trial_and_forgetting_end_a_probe(robots):
    robots.rate[:] = RATE
    assert robots.run(12)[-1, 0]
    assert robots.controller.familiarity.probe.busy
    robots.controller.forget()
    assert not robots.controller.familiarity.probe.busy
