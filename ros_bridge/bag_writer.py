"""`BagWriter`: a bag as rosbag2 writes them: a folder with one MCAP file, and `metadata.yaml` once it is whole."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from mcap.writer import CompressionType, Writer
from rclpy.serialization import serialize_message

from ros_bridge.message_definitions import definition, type_name

HEADER = "adapt"
"""The name of the MCAP metadata record that says what was recorded."""
CHUNK = 8 * 2**20
"""Bytes. More than is recorded between two flushes: chunks end where somebody flushes."""
_VERSION = 5
"""Of rosbag2's metadata.yaml: that of Humble, which later releases read too."""


class BagWriter:
    """Readable up to the last `flush`, however the process ends. All times are wall-clock time in [ns].

    Raises:
        OSError: as all of its methods: the folder or the file cannot be written.
    """

    def __init__(self, folder: Path, header: Mapping[str, str]):
        """`folder` is made and must be new."""
        folder.mkdir(parents=True)
        self.path = folder / f"{folder.name}_0.mcap"
        self._file = self.path.open("wb")
        self._writer = Writer(self._file, chunk_size=CHUNK, compression=CompressionType.ZSTD)
        self._writer.start(profile="ros2", library="adapt")
        self._writer.add_metadata(HEADER, dict(header))
        self._file.flush()
        self._channels: dict[tuple[str, type], int] = {}
        self._schemas: dict[type, int] = {}
        self._counts: Counter[tuple[str, type]] = Counter()
        self._first = self._last = 0

    def write(self, topic: str, message: Any, time: int, sequence: int = 0) -> None:
        """Adds a message."""
        key = topic, type(message)
        if key not in self._channels:
            self._channels[key] = self._channel(*key)
        data = serialize_message(message)
        self._writer.add_message(self._channels[key], time, data, time, sequence)
        self._first = time if not self._counts else min(self._first, time)
        self._last = max(self._last, time)
        self._counts[key] += 1

    def flush(self) -> None:
        """Hands all that was written to the operating system: a process that is killed then loses nothing."""
        self._writer.flush()

    def close(self) -> None:
        """Ends the file with its index, and describes it to rosbag2."""
        try:
            self._writer.finish()
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()
        text = yaml.safe_dump({"rosbag2_bagfile_information": self._metadata()}, sort_keys=False)
        (self.path.parent / "metadata.yaml").write_text(text, encoding="utf-8")

    def abandon(self) -> None:
        """Lets go of a file that cannot be written to any longer."""
        with suppress(OSError):
            self._file.close()

    def _channel(self, topic: str, kind: type) -> int:
        if kind not in self._schemas:
            name = type_name(kind)
            self._schemas[kind] = self._writer.register_schema(name, "ros2msg", definition(name).encode())
        return self._writer.register_channel(topic, "cdr", self._schemas[kind], {"offered_qos_profiles": ""})

    def _metadata(self) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "storage_identifier": "mcap",
            **self._extent(),
            "topics_with_message_count": [
                {"topic_metadata": _topic(topic, kind), "message_count": number}
                for (topic, kind), number in self._counts.items()
            ],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [self.path.name],
            "files": [{"path": self.path.name, **self._extent()}],
        }

    def _extent(self) -> dict[str, Any]:
        """Made anew each time: YAML writes what stands in two places as a reference, which not every reader knows."""
        return {
            "starting_time": {"nanoseconds_since_epoch": self._first},
            "duration": {"nanoseconds": self._last - self._first},
            "message_count": sum(self._counts.values()),
        }


def _topic(topic: str, kind: type) -> dict[str, str]:
    return {
        "name": topic,
        "type": type_name(kind),
        "serialization_format": "cdr",
        "offered_qos_profiles": "",
    }
