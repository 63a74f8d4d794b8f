"""The recorder: bags that other programs read, and a recording that never gets in control's way."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from ros_bridge.bag_writer import HEADER, BagWriter
from ros_bridge.message_definitions import definition
from tests.ros_bridge.patience import until
from tests.ros_bridge.recorded import Run

OWN = "/left/adaptation"


@pytest.fixture(scope="module")
def run(bundle, pendulum, tmp_path_factory) -> Run:
    made = Run(bundle, pendulum, tmp_path_factory.mktemp("bags"))
    made.whole()
    return made


@pytest.fixture(scope="module")
def bag(run) -> Path:
    (folder,) = run.recorder.folder.iterdir()
    return folder


def test_foxglove_s_decoder_reads_what_happened(run, bag):
    heard: dict[str, list] = {}
    with next(bag.glob("*.mcap")).open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        for schema, channel, _, message in reader.iter_decoded_messages():
            assert schema is not None
            assert (schema.encoding, channel.message_encoding) == ("ros2msg", "cdr")
            heard.setdefault(channel.topic, []).append(message)
    certified = np.array([message.data for message in heard[f"{OWN}/certified"]])
    assert {command[0] for command in run.commands} <= set(certified[:, 0].tolist())
    assert len(certified) == len(run.commands) + 2  # those of `stop` and of the end
    states = heard["/left/joint_states"]
    assert len(states) == 203  # one before activation, 120, 60, 20, one while stopped, one after the end
    assert list(states[0].name) == ["pivot"]
    assert states[0].position[0] == pytest.approx(0.1 * np.sin(0.06))  # after one period of 0.02 s
    assert heard[f"{OWN}/belief"][0].layout.dim[1].label.startswith("payload_mass [kg]")
    assert heard[f"{OWN}/requested"][0].layout.dim[1].label == "pivot,reasons"
    assert all(message.data > 0 for message in heard[f"{OWN}/latency"])


def test_a_reader_of_rosbag2_s_folders_reads_the_same(bag):
    with Reader(bag) as reader:
        counts = {each.topic: (each.msgtype, each.msgcount) for each in reader.connections}
        store = get_typestore(Stores.ROS2_HUMBLE)
        stamps, positions = [], []
        for connection, when, raw in reader.messages():
            stamps.append(when)
            if connection.topic == "/left/joint_states":
                positions.append(store.deserialize_cdr(raw, connection.msgtype).position[0])
        assert reader.message_count == len(stamps)
    assert counts["/left/joint_states"] == ("sensor_msgs/msg/JointState", 203)
    assert counts[f"{OWN}/events"] == ("std_msgs/msg/Float64MultiArray", 214)
    assert positions[0] == pytest.approx(0.1 * np.sin(0.06))
    assert stamps == sorted(stamps)


def test_the_bag_says_what_was_recorded(bag, bundle, pendulum):
    with next(bag.glob("*.mcap")).open("rb") as file:
        (record,) = list(make_reader(file).iter_metadata())
    assert record.name == HEADER
    assert record.metadata["manifest_digest"] == bundle.manifest["manifest_digest"]
    assert record.metadata["robot_digest"] == pendulum.digest
    assert "onnxruntime" in record.metadata["versions"]
    assert record.metadata["started"].startswith("20")


def test_no_topic_of_commands_is_in_it(bag, pendulum):
    """`ros2 bag play` would move a robot."""
    with Reader(bag) as reader:
        assert not [each.topic for each in reader.connections if pendulum.ros.commands in each.topic]


def test_a_definition_brings_all_that_it_needs():
    text = definition("diagnostic_msgs/msg/DiagnosticArray")
    named = [line.removeprefix("MSG: ") for line in text.splitlines() if line.startswith("MSG: ")]
    assert named == [
        "std_msgs/Header", "diagnostic_msgs/DiagnosticStatus", "builtin_interfaces/Time", "diagnostic_msgs/KeyValue",
    ]  # fmt: skip
    assert text.count("=" * 80) == 4
    assert "float64[] position" in definition("sensor_msgs/msg/JointState")


def test_definitions_of_a_ros_installation_are_found(tmp_path, monkeypatch):
    (tmp_path / "share/own_msgs/msg").mkdir(parents=True)
    (tmp_path / "share/own_msgs/msg/Own.msg").write_text("Part[<=3] parts  # three\nint32 LIMIT=3\n")
    (tmp_path / "share/own_msgs/msg/Part.msg").write_text("string<=10 name\n")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path}")
    found = definition("own_msgs/msg/Own")
    assert "MSG: own_msgs/Part\nstring<=10 name" in found
    with pytest.raises(
        ValueError, match=r"own_msgs/msg/Gone: its definition is not installed; looked for in"
    ):
        definition("own_msgs/msg/Gone")


class Held(BagWriter):
    """A disk that hangs until it is let go."""

    def __init__(self, folder, header):
        super().__init__(folder, header)
        gate.wait(20)


gate = threading.Event()


def test_a_full_queue_loses_events_counts_them_and_does_not_wait(bundle, pendulum, tmp_path):
    gate.clear()
    run = Run(bundle, pendulum, tmp_path, limit=10, writer=Held)
    began = time.monotonic()
    for _ in range(25):
        run.step()
    assert time.monotonic() - began < 10
    assert run.recorder.dropped == 15
    (status,) = run.recorder.status("node")
    assert (status.level, status.name) == (DiagnosticStatus.WARN, "node: recorder")
    assert status.message == "events were dropped: the disk is too slow"
    assert {pair.key: pair.value for pair in status.values}["dropped"] == "15"
    gate.set()
    until(lambda: run.recorder.written == 10)
    (status,) = run.recorder.status("node")
    assert (status.level, status.message) == (DiagnosticStatus.OK, "recording")
    run.step()
    run.close()
    assert run.recorder.written == 11


class Full(BagWriter):
    """A disk that is full after a while."""

    def write(self, topic, message, time, sequence=0):
        if sequence == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(topic, message, time, sequence)


def test_a_full_disk_ends_the_recording_and_not_control(bundle, pendulum, tmp_path):
    run = Run(bundle, pendulum, tmp_path, writer=Full)
    run.step()
    run.loop.start()
    for _ in range(20):
        run.step()
    until(lambda: run.recorder.failure)
    answered = len(run.commands)
    for _ in range(20):
        run.step()
    assert len(run.commands) == answered + 20
    (status,) = run.recorder.status("node")
    assert status.level == DiagnosticStatus.ERROR
    assert status.message == "recording ended: OSError: [Errno 28] No space left on device"
    run.close()


def test_a_folder_that_cannot_be_made_is_told(bundle, pendulum, tmp_path):
    (tmp_path / "file").write_text("no folder")
    run = Run(bundle, pendulum, tmp_path / "file")
    run.step()
    until(lambda: run.recorder.failure)
    assert "file" in str(run.recorder.failure)
    assert run.recorder.status("node")[0].level == DiagnosticStatus.ERROR
    run.recorder.close()


def test_what_is_not_recorded_makes_no_folder(bundle, pendulum, tmp_path):
    run = Run(bundle, pendulum, tmp_path)
    run.recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_bags_of_the_same_second_do_not_meet(bundle, pendulum, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda _: "adaptation_2026_11_27-10_15_00")
    for _ in range(2):
        run = Run(bundle, pendulum, tmp_path)
        run.step()
        run.recorder.close()
    names = sorted(folder.name for folder in tmp_path.iterdir())
    assert names == ["adaptation_2026_11_27-10_15_00", "adaptation_2026_11_27-10_15_00_1"]


def test_diagnostics_are_kept_beside_events(bundle, pendulum, tmp_path):
    run = Run(bundle, pendulum, tmp_path)
    run.recorder.said(DiagnosticArray(status=[DiagnosticStatus(name="n", message="in control")]))
    run.step()
    with Reader(run.close()) as reader:
        assert {each.topic: each.msgcount for each in reader.connections}["/diagnostics"] == 1
