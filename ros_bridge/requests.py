"""`Requests`: what people may ask of a node while it drives, as services without arguments."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from std_srvs.srv import Trigger

from ros_bridge.control_loop import ControlLoop, Output
from ros_bridge.ports import Service

_Answer = tuple[bool, str]
"""Whether it was done, and what was, in words."""


class Requests:
    """Of one control loop."""

    def __init__(
        self,
        loop: ControlLoop,
        send: Callable[[Output], None],
        giving_up: Callable[[], AbstractContextManager[None]],
        log: Callable[[str], object],
    ):
        """
        Args:
            loop: what is asked.
            send: publishes a command, and what is said of it.
            giving_up: what an exception ends.
            log: is told of every request, and of its answer.
        """
        self._loop, self._send, self._giving_up, self._log = loop, send, giving_up, log

    def services(self) -> dict[str, Service]:
        """By name."""
        asked: dict[str, Callable[[], _Answer]] = {
            "stop": self._stop,
            "reset_belief": self._reset_belief,
            "freeze": partial(self._freeze, True),
            "unfreeze": partial(self._freeze, False),
            "accept": self._accept,
            "rollback": self._rollback,
        }
        return {name: partial(self._serve, name, answer) for name, answer in asked.items()}

    def _serve(
        self, name: str, answer: Callable[[], _Answer], request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success, response.message = False, "failed: see the node's log"
        with self._giving_up():
            response.success, response.message = answer()
        self._log(f"{name}: {response.message}")
        return response

    def _stop(self) -> _Answer:
        if not self._loop.running:
            return False, "inactive"
        self._send(self._loop.halt(time.monotonic()))
        return True, "safe command until the next activation"

    def _reset_belief(self) -> _Answer:
        self._loop.forget()
        return True, "belief reset"

    def _freeze(self, frozen: bool) -> _Answer:
        self._loop.freeze(frozen)
        return True, "what is understood stays as it is" if frozen else "learns from the robot again"

    def _accept(self) -> _Answer:
        learning = self._loop.controller.learning
        return _NO_GRADIENTS if learning is None else _done(learning.accept())

    def _rollback(self) -> _Answer:
        learning = self._loop.controller.learning
        return _NO_GRADIENTS if learning is None else _done(learning.rollback())


_NO_GRADIENTS = False, "this policy does not adapt by gradients"


def _done(problem: str | None) -> _Answer:
    return problem is None, problem or "done"
