"""A step that hangs is answered by another thread; one that does not is left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from ros_bridge.guard import Guard

SAFE = np.array([0.5, -0.25])
PERIOD, PATIENCE = 0.005, 0.03


class Sent:
    def __init__(self) -> None:
        self.commands: list[np.ndarray] = []
        self.threads: set[str] = set()

    def __call__(self, command: np.ndarray) -> None:
        self.commands.append(command.copy())
        self.threads.add(threading.current_thread().name)


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def guard(sent) -> Iterator[Guard]:
    made = Guard(PERIOD, PATIENCE, sent)
    yield made
    made.close()
    assert "guard" not in [thread.name for thread in threading.enumerate()]


def test_a_step_that_hangs_is_answered_until_it_ends(guard, sent):
    with guard.watching(SAFE):
        time.sleep(PATIENCE + 20 * PERIOD)
    count = len(sent.commands)
    assert 2 <= count <= 20  # of twenty, on a machine that may be busy
    assert count == guard.interventions
    assert all(command.tolist() == SAFE.tolist() for command in sent.commands)
    assert sent.threads == {"guard"}
    time.sleep(5 * PERIOD + PATIENCE)
    assert len(sent.commands) == count


def test_it_answers_while_a_loop_of_python_never_waits(guard, sent):
    with guard.watching(SAFE):
        end = time.monotonic() + PATIENCE + 40 * PERIOD
        while time.monotonic() < end:
            pass
    assert sent.commands


def test_steps_that_end_in_time_are_left_alone(guard, sent):
    for _ in range(30):
        with guard.watching(SAFE):
            pass
        time.sleep(PERIOD)
    assert not sent.commands


def test_a_step_that_raises_has_ended(guard, sent):
    with pytest.raises(ZeroDivisionError), guard.watching(SAFE):
        raise ZeroDivisionError
    time.sleep(PATIENCE + 5 * PERIOD)
    assert not sent.commands


def test_nothing_of_the_guard_comes_after_the_steps_end(sent):
    """The guard is in the middle of sending when the step ends: the step waits for it."""
    sending, done = threading.Event(), []

    def slowly(command: np.ndarray) -> None:
        sending.set()
        time.sleep(0.05)
        done.append(command)

    guard = Guard(PERIOD, 0.0, slowly)
    with guard.watching(SAFE):
        assert sending.wait(5.0)
    count = len(done)
    assert count >= 1
    time.sleep(0.1)
    assert len(done) == count
    guard.close()


def test_a_command_that_cannot_be_sent_is_tried_again():
    tries = []

    def fails_once(command: np.ndarray) -> None:
        tries.append(command)
        if len(tries) == 1:
            raise RuntimeError("the middleware is busy")

    guard = Guard(PERIOD, 0.0, fails_once)
    with guard.watching(SAFE):
        time.sleep(20 * PERIOD)
    guard.close()
    assert guard.failures == 1
    assert guard.interventions == len(tries) - 1 > 0
