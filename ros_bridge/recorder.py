"""`Recorder`: keeps in a bag what a node's control loop hears and answers. What `docs/recording.md` describes.

Control never waits for it: what is to be kept goes into a queue, and a thread of its own writes it down. A queue
that is full loses events, which are counted; a disk that is full ends the recording, not control.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.lifecycle import LifecycleNode

from adapt.bundle import PolicyBundle
from adapt.online.controller import AdaptiveController
from robots import RobotSpec
from ros_bridge import bag_events, topics
from ros_bridge.bag_events import BagTopics, Event, Kind, Outcome
from ros_bridge.bag_writer import BagWriter
from ros_bridge.control_loop import ControlLoop, Output
from ros_bridge.goal_keeper import GoalKeeper
from ros_bridge.recorded_loop import RecordedLoop

TURN = 0.02
"""Time between two looks at the queue in [s]. Python's threads take turns: little is written at once, so that the
control loop's turn is never far."""
FLUSH = 0.75
"""Time between two chunks in [s]. A process that is killed loses the last of them, and what was waiting: less than a
second. Not shorter: the writer keeps an index of every chunk, of about 1 kB, until the end."""
QUEUE = 10_000
"""Events that may wait to be written: ten seconds of a robot that sends a thousand messages a second."""
LAST_WORDS = 5.0
"""How long the end of a recording may take, in [s]."""
BREATH = 50e-6
"""Pause between two events in [s], for the same reason, unless more than `BEHIND` wait."""
BEHIND = 500


class NoRecorder:
    """Where nothing is recorded."""

    def loop(self, spec: RobotSpec, controller: AdaptiveController, goals: GoalKeeper | None) -> ControlLoop:
        """The control loop that is listened to."""
        return ControlLoop(spec, controller, goals)

    def took(self, message: Any) -> None:
        """A message came: the loop's next event, if there is one, is about it."""

    def said(self, message: DiagnosticArray) -> None:
        """Diagnostics, as they are published."""

    def status(self, name: str) -> list[DiagnosticStatus]:
        """How the recording goes; `name` is the node's."""
        return []

    def close(self) -> None:
        """Nothing more will come."""


NO_RECORDER = NoRecorder()
_ABOUT_A_MESSAGE = (Kind.JOINTS, Kind.IMU, Kind.GOAL)


@dataclass(frozen=True)
class Subject:
    """What is recorded."""

    spec: RobotSpec
    family: Mapping[str, Any]
    topics: BagTopics
    header: Mapping[str, str]
    """Of the bag."""


class Recorder(NoRecorder):
    """Writes one bag. The folder is made when there is something to write."""

    def __init__(
        self,
        folder: Path,
        subject: Subject,
        limit: int = QUEUE,
        writer: Callable[[Path, Mapping[str, str]], BagWriter] = BagWriter,
    ):
        """
        Args:
            folder: where the bag's own folder is made.
            subject: what is recorded.
            limit: events that may wait.
            writer: makes the bag.
        """
        self.folder = folder
        self.limit = limit
        self.written = 0
        """Events and diagnostics."""
        self.dropped = 0
        """Events and diagnostics that found the queue full."""
        self.failure: str | None = None
        """What ended the recording before its time."""
        self._subject = subject
        self._open = writer
        self._queue: deque[Event | tuple[int, DiagnosticArray]] = deque()
        self._sequence = 0
        self._message: Any = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._reported = 0
        self._flushed = time.monotonic()

    def loop(self, spec: RobotSpec, controller: AdaptiveController, goals: GoalKeeper | None) -> ControlLoop:
        return RecordedLoop(spec, controller, goals, self.event)

    def took(self, message: Any) -> None:
        self._message = message

    def said(self, message: DiagnosticArray) -> None:
        self._put((time.time_ns(), message))

    def event(
        self,
        kind: Kind,
        arrival: float,
        now: float,
        topic: str,
        outcome: Outcome,
        output: Output | None,
        state: Mapping[str, np.ndarray] | None,
    ) -> None:
        """Something reached the loop; called when it has answered."""
        message = self._message if kind in _ABOUT_A_MESSAGE else None
        latency = None if kind is not Kind.JOINTS or output is None else time.monotonic() - arrival
        event = Event(
            kind, self._sequence, arrival, now, topic, message, outcome, _kept(output), time.time_ns()
        )
        event.state = state
        event.latency, event.took = latency, 0.0 if output is None else output.took
        self._sequence += 1  # also of those that are dropped: a gap is seen
        self._put(event)

    def status(self, name: str) -> list[DiagnosticStatus]:
        level, words = DiagnosticStatus.OK, "recording"
        if self.dropped > self._reported:
            level, words = DiagnosticStatus.WARN, "events were dropped: the disk is too slow"
        if self.failure is not None:
            level, words = DiagnosticStatus.ERROR, f"recording ended: {self.failure}"
        self._reported = self.dropped
        values = {"folder": str(self.folder), "written": self.written, "dropped": self.dropped}
        values["waiting"] = len(self._queue)
        pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        hardware = self._subject.spec.name
        return [
            DiagnosticStatus(
                name=f"{name}: recorder", hardware_id=hardware, level=level, message=words, values=pairs
            )
        ]

    def close(self) -> None:
        """Waits until everything is written, but not for a disk that hangs."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(LAST_WORDS)

    def _put(self, entry: Event | tuple[int, DiagnosticArray]) -> None:
        if self.failure is not None or self._closed.is_set():
            return
        if len(self._queue) >= self.limit:
            self.dropped += 1
            return
        self._queue.append(entry)
        if self._thread is None:
            self._begin()

    def _begin(self) -> None:
        thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no more threads; whoever called has a robot to control
            self.failure = str(error)
        else:
            self._thread = thread

    def _run(self) -> None:
        bag: BagWriter | None = None
        try:
            bag = self._open(_new_folder(self.folder), self._subject.header)
            while not self._closed.wait(TURN):
                self._drain(bag)
            self._drain(bag)
            bag.close()
        except Exception as error:
            # No disk and no message may end control: what is wrong is told, and nothing more is kept.
            self.failure = f"{type(error).__name__}: {error}"
            self._queue.clear()
            if bag is not None:
                bag.abandon()

    def _drain(self, bag: BagWriter) -> None:
        """Writes what waits; flushes when it is time, also where it never comes to an end."""
        while self._queue:
            self._write(bag, self._queue.popleft())
            self.written += 1
            self._flush(bag)
            if len(self._queue) < BEHIND and not self._closed.is_set():
                time.sleep(BREATH)
        self._flush(bag)

    def _flush(self, bag: BagWriter) -> None:
        if time.monotonic() - self._flushed > FLUSH:
            bag.flush()
            self._flushed = time.monotonic()

    def _write(self, bag: BagWriter, entry: Event | tuple[int, DiagnosticArray]) -> None:
        if isinstance(entry, tuple):
            bag.write("/diagnostics", entry[1], entry[0])
            return
        subject = self._subject
        for topic, message in bag_events.messages(entry, subject.spec, dict(subject.family), subject.topics):
            bag.write(topic, message, entry.time, entry.sequence)


def open_recorder(
    node: LifecycleNode,
    folder: str,
    bundle: PolicyBundle,
    spec: RobotSpec,
    goal_timeout: float,
    fallback: PolicyBundle | None = None,
) -> NoRecorder:
    """Records a node that drives `spec` with `bundle`, and a `fallback`, into a new folder in `folder`.

    Nothing where that is empty.
    """
    if not folder:
        return NO_RECORDER
    own = {name: f"{node.get_fully_qualified_name()}/{name}" for name in bag_events.NAMES}
    where = BagTopics(own, node.resolve_topic_name)
    header = bag_events.header(bundle, spec, goal_timeout, where, fallback)
    return Recorder(Path(folder), Subject(spec, bundle.manifest["family"], where, header))


def _kept(output: Output | None) -> Output | None:
    """The answer as it is now, whatever becomes of the arrays."""
    if output is None:
        return None
    return replace(output, command=output.command.copy(), requested=output.requested.copy())


def _new_folder(parent: Path) -> Path:
    """A name that nobody has, such as `adaptation_2026_11_27-10_15_00`, as rosbag2 names its bags."""
    first = parent / time.strftime(f"{topics.NODE_NAME}_%Y_%m_%d-%H_%M_%S")
    folder, number = first, 1
    while folder.exists():
        folder, number = first.with_name(f"{first.name}_{number}"), number + 1
    return folder
