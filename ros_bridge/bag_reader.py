"""`Bag`: the events of a recorded control loop, read from an MCAP file that may end anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from mcap.records import Channel, Message, Metadata, Schema
from mcap.stream_reader import StreamReader
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Imu, JointState

from ros_bridge import conversions
from ros_bridge.bag_events import FORMAT, NAMES, Event, Kind, Outcome, read_event
from ros_bridge.bag_state import read_state
from ros_bridge.bag_writer import HEADER
from ros_bridge.control_loop import Output
from ros_bridge.errors import BridgeError, RecordingError
from ros_bridge.message_definitions import type_name

MAX_RECORD = 2**28
"""Bytes: no record of a bag is larger; a damaged length is not believed."""
KINDS = (
    "sensor_msgs/msg/JointState", "sensor_msgs/msg/Imu", "std_msgs/msg/Float64MultiArray", "std_msgs/msg/Float64",
    "geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped", "geometry_msgs/msg/PoseStamped",
    "geometry_msgs/msg/PointStamped",
)  # fmt: skip
"""The types of message that have a part in replay."""
_MESSAGES = {Kind.JOINTS: JointState, Kind.IMU: Imu}
_SEQUENCES = 2**32
_NEEDED = (
    "policy_digest",
    "fallback",
    "fallback_digest",
    "robot",
    "robot_digest",
    "goal_timeout",
    "topics",
    "bundle",
    "family",
)

_Said = tuple[int, str, str, bytes]
"""Sequence, topic, type and content of a message."""


class Bag:
    """The events of one file, in order, for one pass."""

    def __init__(self, path: Path):
        """`path` is an MCAP file, or a folder with one.

        Raises:
            RecordingError: there is no file, or it is no recording of the adaptation node.
        """
        self.path = _file(path)
        self.damage: str | None = None
        """Once the events are read: why they end before the file does, or where the file itself ends early."""
        self._records = self._read()
        self.header = self._header()
        """What `bag_events.header` says."""
        self._topics: dict[str, str] = json.loads(self.header["topics"])

    def events(self) -> Iterator[Event]:
        """All that are whole; ends at the first that is not, or is missing, and says so in `damage`."""
        said = (each for each in self._messages() if each[1] != "/diagnostics")
        groups = groupby(said, key=lambda each: each[0])
        for expected, (sequence, group) in enumerate(groups):
            try:
                event = self._event(list(group))
            except Exception as error:  # of whatever the decoders make of damaged bytes
                self.damage = f"event {expected}: {_line(error)}"
                return
            if sequence != expected % _SEQUENCES or event.sequence != expected:
                self.damage = f"events {expected} to {event.sequence - 1} are missing"
                return
            yield event

    def _event(self, group: list[_Said]) -> Event:
        parts = {topic: _decoded(kind, data) for _, topic, kind, data in group}
        own = {name: parts.pop(self._topics[name], None) for name in NAMES}
        if own["events"] is None:
            raise BridgeError("its message on the topic of events is missing")
        event = read_event(own["events"])
        if event.kind in (Kind.JOINTS, Kind.IMU, Kind.GOAL):
            if len(parts) != 1:
                raise BridgeError(f"{len(parts)} messages that it is about; expected 1")
            (event.message,) = parts.values()
            expected = _MESSAGES.get(event.kind, object)
            if not isinstance(event.message, expected):
                raise BridgeError(
                    f"{event.kind.value} is about a {type_name(type(event.message))}; expected {type_name(expected)}"
                )
        if event.outcome is Outcome.ANSWER:
            event.output = _output(own)
            event.belief = None if own["belief"] is None else conversions.read_belief(own["belief"])
            judged = own["familiarity"]
            event.familiarity = None if judged is None else conversions.read_familiarity(judged)
        if own["state"] is not None:
            event.state = read_state(own["state"])
        event.latency = None if own["latency"] is None else own["latency"].data
        return event

    def _messages(self) -> Iterator[_Said]:
        schemas: dict[int, str] = {}
        channels: dict[int, Channel] = {}
        for record in self._records:
            if isinstance(record, Schema):
                schemas[record.id] = record.name
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message) and record.channel_id in channels:
                channel = channels[record.channel_id]
                yield record.sequence, channel.topic, schemas.get(channel.schema_id, ""), record.data

    def _header(self) -> dict[str, str]:
        for record in self._records:
            if isinstance(record, Metadata) and record.name == HEADER:
                break
            if isinstance(record, Message):
                raise self._wrong(
                    f"no metadata {HEADER!r} before the first message: not a recording of the node"
                )
        else:
            raise self._wrong(self.damage or f"no metadata {HEADER!r}: not a recording of the node")
        found = dict(record.metadata)
        if found.get("format") != FORMAT:
            raise self._wrong(f"format {found.get('format')!r}; this release reads {FORMAT!r}")
        missing = [name for name in _NEEDED if name not in found]
        if missing:
            raise self._wrong(f"metadata {HEADER!r}: no field {', '.join(missing)}")
        try:
            float(found["goal_timeout"])
            topics = json.loads(found["topics"])
            assert all(isinstance(topics[name], str) for name in NAMES)
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise self._wrong(
                f"metadata {HEADER!r}: topics or goal_timeout cannot be read: {error!r}"
            ) from error
        return found

    def _read(self) -> Iterator[Any]:
        """The file's records; ends where they cannot be read any further."""
        try:
            with self.path.open("rb") as file:
                yield from StreamReader(file, validate_crcs=True, record_size_limit=MAX_RECORD).records
        except OSError as error:
            raise self._wrong(f"cannot be read: {error.strerror}") from error
        except (
            Exception
        ) as error:  # MCAP's, those of decompression and of unpacking: the bytes are not what they were
            self.damage = self.damage or f"the file ends early or is damaged: {_line(error)}"

    def _wrong(self, what: str) -> RecordingError:
        return RecordingError(f"{self.path}: {what}")


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.mcap"))
    if len(found) != 1:
        raise RecordingError(f"{path}: {len(found)} files *.mcap; expected a bag's folder with one")
    return found[0]


def _decoded(kind: str, data: bytes) -> Any:
    if kind not in KINDS:
        raise BridgeError(f"a message of type {kind!r:.80}; valid: {', '.join(KINDS)}")
    package, _, name = kind.split("/")
    return deserialize_message(data, getattr(import_module(f"{package}.msg"), name))


def _output(own: dict[str, Any]) -> Output:
    if own["certified"] is None or own["requested"] is None:
        raise BridgeError("its answer is missing")
    requested, reasons = conversions.read_requested(own["requested"])
    return Output(np.array(own["certified"].data), requested, reasons, None)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300].rstrip(": ")
