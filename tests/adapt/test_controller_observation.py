"""What the controller tells its adapter: goals and histories, and which readings enter them."""

from __future__ import annotations

import numpy as np
import pytest

from adapt.online.controller import AdaptiveController
from robots import RobotError, SensorFrame, load_robot
from robots.observation import ObservationLayout, ObservationTerm


class Listener:
    """An adapter of one joint that keeps what it was told and asks for nothing."""

    def __init__(self):
        self.told: list[np.ndarray] = []

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Nothing to forget."""

    def act(self, observation, previous_action, previous_reward, new_episode, listen) -> np.ndarray:
        self.told.append(observation.copy())
        return np.zeros_like(previous_action)

    def belief(self) -> None:
        return None


def made(*terms: ObservationTerm, goal: int = 0) -> tuple[AdaptiveController, Listener]:
    robot, listener = load_robot("pendulum"), Listener()
    return AdaptiveController(robot, ObservationLayout(terms, robot, goal), listener), listener


def at(position: float) -> SensorFrame:
    return SensorFrame(np.zeros(1), np.array([[position]]), np.zeros((1, 1)))


def test_a_goal_stands_in_the_observation_and_may_change():
    loop, listener = made(ObservationTerm("position"), ObservationTerm("goal", scale=0.5), goal=2)
    loop.step(at(0.25), goal=np.array([[1.0, 3.0]]))
    loop.step(at(0.5), goal=np.array([[2.0, 3.0]]))
    assert np.concatenate(listener.told).tolist() == [[0.25, 0.5, 1.5], [0.5, 1.0, 1.5]]


def test_a_goal_that_is_missing_is_an_error():
    loop, _ = made(ObservationTerm("goal"), goal=2)
    with pytest.raises(RobotError, match="needs a goal, and there is none"):
        loop.step(at(0.25))


def test_only_readings_that_are_heard_enter_the_history():
    loop, listener = made(ObservationTerm("position", history=3))
    loop.step(at(0.25))
    loop.step(at(0.5))
    loop.step(at(np.nan))
    loop.step(at(0.75), age=1.0)
    loop.step(at(1.0))
    heard = [[0.25, 0.25, 0.25], [0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [1.0, 0.5, 0.25]]
    assert np.concatenate(listener.told).tolist() == heard


def test_an_episode_begins_with_a_history_of_its_own():
    loop, listener = made(ObservationTerm("position", history=2))
    loop.step(at(0.25))
    loop.begin_episode()
    loop.step(at(0.75))
    assert listener.told[-1].tolist() == [[0.75, 0.75]]
