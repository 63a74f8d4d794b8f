"""Recordings: read as they are, or refused with the file, the row and the column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robots.spec import EffortSensor
from ros_bridge.columns import quantities_of
from ros_bridge.errors import RecordingError
from ros_bridge.recording import read_recording

HEADER = "time,position,velocity,torque"
GOOD = f"{HEADER}\n10.0,0.1,1,0.5\n10.5,0.2,2,-0.5\n11.5,0.3,3,0\n12.0,0.4,4,1e-3\n"


def write(folder, text: str | bytes):
    path = folder / "run.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_recording_by_hand(tmp_path, pendulum):
    recording = read_recording(write(tmp_path, GOOD), pendulum)
    assert recording.name == "run"
    assert recording.time.tolist() == [0.0, 0.5, 1.5, 2.0]  # since the first row
    assert recording.position.tolist() == [[0.1], [0.2], [0.3], [0.4]]
    assert recording.velocity.tolist() == [[1.0], [2.0], [3.0], [4.0]]
    assert recording.command.tolist() == [[0.5], [-0.5], [0.0], [0.001]]
    assert recording.seconds == 2.0
    assert recording.rate == 2.0  # the median of 0.5, 1.0 and 0.5 s between rows


def test_columns_may_come_in_any_order_with_others_and_blank_lines(tmp_path, pendulum):
    text = "torque , note, velocity,time,position\r\n5,x,3,1,2\r\n\r\n50,,30,2,20\r\n"
    recording = read_recording(write(tmp_path, text), pendulum)
    assert recording.time.tolist() == [0.0, 1.0]
    assert recording.position.tolist() == [[2.0], [20.0]]
    assert recording.command.tolist() == [[5.0], [50.0]]


def test_torque_that_the_robot_measures_has_a_column_of_its_own(tmp_path, arm):
    strong = replace(arm, effort_sensor=EffortSensor(sustained=0.1))
    names = quantities_of(strong)
    assert names[-2:] == ("shoulder_effort", "elbow_effort")
    rows = [",".join(str(10 * row + column) for column in range(9)) for row in range(2)]
    recording = read_recording(write(tmp_path, "\n".join([",".join(names), *rows])), strong)
    effort = recording.frame(1).effort
    assert effort is not None
    assert effort.tolist() == [[17.0, 18.0]]
    assert recording.command.tolist() == [[5.0, 6.0], [15.0, 16.0]]


def test_several_joints_have_columns_of_their_own(tmp_path, arm):
    names = quantities_of(arm)
    assert names[:3] == ("time", "shoulder_position", "elbow_position")
    rows = [",".join(str(10 * row + column) for column in range(7)) for row in range(2)]
    recording = read_recording(write(tmp_path, "\n".join([",".join(names), *rows])), arm)
    assert recording.position.tolist() == [[1.0, 2.0], [11.0, 12.0]]
    assert recording.velocity.tolist() == [[3.0, 4.0], [13.0, 14.0]]
    assert recording.command.tolist() == [[5.0, 6.0], [15.0, 16.0]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column time, position, velocity, torque; needed: .* found: none"),
        (
            "time,position,torque\n0,0,0\n1,0,0\n",
            "no column velocity; needed: time, position, velocity, torque",
        ),
        (GOOD.replace("0.2,2,", "0.2,nan,"), "row 3: velocity is 'nan'; expected a finite number"),
        (GOOD.replace("0.2,2,", "inf,2,"), "row 3: position is 'inf'"),
        (GOOD.replace("0.3,3,0\n", "0.3,3,off\n"), "row 4: torque is 'off'"),
        (GOOD.replace("0.3,3,0\n", "0.3,3\n"), "row 4: torque is ''"),
        (GOOD.replace("11.5", "10.5"), "row 4: time does not rise"),
        (GOOD.replace("12.0", "11.0"), "row 5: time does not rise"),
        (GOOD.replace("10.0,", "\n\n10.0,").replace("10.5", "9"), "row 5: time does not rise"),
        (f"{HEADER}\n", "0 rows of numbers; expected at least 2"),
        (f"{HEADER}\n0,0,0,0\n", "1 rows of numbers; expected at least 2"),
        (b"\xff\xfe\x00\x01", "cannot be read as CSV"),
        (b"\x7fELF\x00\x00\x01", "cannot be read as CSV|no column time"),
        (f'{HEADER}\n0,0,0,"0\n', "cannot be read as CSV"),
    ],
)
def test_what_cannot_be_replayed_is_named(tmp_path, pendulum, text, words):
    path = write(tmp_path, text)
    with pytest.raises(RecordingError, match=words) as error:
        read_recording(path, pendulum)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path, pendulum):
    with pytest.raises(RecordingError, match=r"gone\.csv: cannot be read as CSV"):
        read_recording(tmp_path / "gone.csv", pendulum)
    with pytest.raises(RecordingError, match="cannot be read as CSV"):
        read_recording(tmp_path, pendulum)


def test_the_real_recordings_are_read(recordings, pendulum):
    rates = {path.stem: read_recording(path, pendulum).rate for path in recordings}
    # By their README: 500, 50 and 200 Hz; timed by software, hence the tolerance.
    assert rates == pytest.approx({"ddp": 500.0, "ilqr": 50.0, "sac": 200.0}, rel=0.1)


def test_random_bytes_are_an_error_of_ours_or_none(tmp_path, pendulum):
    rng = np.random.default_rng(4)
    alphabet = np.frombuffer(b'0123456789.,,,\n\n"-einfa\x00\xff ', np.uint8)
    refused = 0
    for _ in range(300):
        text = HEADER.encode() + b"\n" + rng.choice(alphabet, 60).tobytes()
        try:
            recording = read_recording(write(tmp_path, text), pendulum)
            assert np.isfinite(recording.position).all()
        except RecordingError:
            refused += 1
    assert refused > 250
