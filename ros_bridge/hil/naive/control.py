"""A node that goes on, or gives up, without its care. Each function makes the patches that leave out one."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import numpy as np

from adapt.online import learning
from adapt.online.controller import AdaptiveController
from adapt.online.fallback import Fallback
from adapt.online.familiarity import Familiarity
from robots.goal import GoalLayout
from ros_bridge import goals, node, recorder
from ros_bridge.budget import MotionBudget
from ros_bridge.control_loop import ControlLoop
from ros_bridge.drive import Drive
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.guard import Guard
from ros_bridge.hil.naive.patch import Patch, afterwards
from ros_bridge.node import AdaptationNode
from ros_bridge.recorder import Recorder
from ros_bridge.understood import Understood


def watchdog() -> list[Patch]:
    """Silence is answered with silence."""
    return [Patch(ControlLoop, "watch", lambda self, arrival: None)]


def readiness() -> list[Patch]:
    """Control begins whatever the sensors say."""
    return [Patch(ControlLoop, "refusal", lambda self, arrival: None)]


def motion_budget() -> list[Patch]:
    """Every command may move by a control period's worth, however soon it follows another."""
    return [Patch(MotionBudget, "available", lambda self, at: math.inf)]


def guard() -> list[Patch]:
    """Nobody watches whether a control step comes to its end."""
    return [Patch(Guard, "watching", lambda self, safe: nullcontext())]


def giving_up() -> list[Patch]:
    """What goes wrong in answering a message ends the process."""
    return [Patch(AdaptationNode, "_giving_up", lambda self: nullcontext())]


def last_word() -> list[Patch]:
    """Control ends without a safe command."""

    def end(self: AdaptationNode) -> None:
        if self.loop is not None and self.loop.running:
            self.loop.running = False
            self._understood.save()

    return [Patch(AdaptationNode, "_end", end), Patch(node, "say_last_word", lambda loop, topic: False)]


def belief_file() -> list[Patch]:
    """Every start is a new one."""
    return [Patch(Understood, name, lambda self: None) for name in ("restore", "save")]


def adaptation() -> list[Patch]:
    """What is believed of a robot stays as it was before anything was heard of it."""
    return [afterwards(AdaptiveController, "__init__", lambda self: setattr(self, "frozen", True))]


def familiarity() -> list[Patch]:
    """Every robot counts as one of the family."""
    return [Patch(Familiarity, "_judge", lambda self, adapter: None)]


def fallback() -> list[Patch]:
    """The adaptive policy drives every robot."""
    return [Patch(Fallback, "__call__", lambda self, requested, *_: requested)]


def trial() -> list[Patch]:
    """Parameters on trial are never worse than those before."""
    return [
        Patch(learning, "fallen", lambda *_: False),
        Patch(learning, "limited_more", lambda *_: False),
    ]


def recorder_thread() -> list[Patch]:
    """What is heard is written down at once, by the thread that controls, and a full disk is its error."""
    bags: dict[int, Any] = {}

    def put(self: Recorder, entry: Any) -> None:
        if id(self) not in bags:
            bags[id(self)] = self._open(recorder._new_folder(self.folder), self._subject.header)
        self._write(bags[id(self)], entry)
        bags[id(self)].flush()
        self.written += 1

    def close(self: Recorder) -> None:
        bag = bags.pop(id(self), None)
        if bag is not None:
            bag.close()

    return [Patch(Recorder, "_put", put), Patch(Recorder, "close", close)]


def goal_timeout() -> list[Patch]:
    """A goal holds for ever."""
    return [afterwards(GoalKeeper, "__init__", lambda self: setattr(self, "timeout", math.inf))]


def goal_limits() -> list[Patch]:
    """Goals may be beyond what the policy was trained for."""
    return [Patch(GoalLayout, "within", lambda self, goal: np.asarray(goal, float))]


def goal_checks() -> list[Patch]:
    """Any message is a goal."""
    return [Patch(goals, "_problem", lambda told, layout, base: None)]


def drive_timeout() -> list[Patch]:
    """A drive goes on with the last command."""
    return [Patch(Drive, "applied", lambda self, now, position: self._command)]


def drive_limits() -> list[Patch]:
    """A drive takes any command."""

    def accept(self: Drive, command: np.ndarray, now: float) -> bool:
        self._command = np.array(command, float)
        self.heard, self._released = now, False
        return True

    return [Patch(Drive, "accept", accept)]
