"""Mappings of a log's columns: read as they are, or refused with the file, the field and what is valid."""

from __future__ import annotations

import pytest

from robots.goal import GoalLayout
from ros_bridge.columns import Column, quantities_of, read_columns
from ros_bridge.errors import RecordingError

VALID = ("time", "position", "velocity", "torque")


def write(folder, text: str):
    path = folder / "columns.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_mapping_by_hand(tmp_path):
    text = "time: {column: t_ms, factor: 0.001}\nposition: ' angle '\ntorque: {column: i, factor: -2, offset: 1}\n"
    assert read_columns(write(tmp_path, text), VALID) == {
        "time": Column("t_ms", 0.001, 0.0),
        "position": Column("angle"),
        "torque": Column("i", -2.0, 1.0),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("positon: angle", "'positon': unknown quantity; valid: time, position, velocity, torque"),
        ("- time", "expected quantities, each with its column; valid: time"),
        ("", "expected quantities"),
        ("time: [", "cannot be read as YAML"),
        ("time: 3", "time: 3; expected a column's name, or {column: name"),
        ("time: {factor: 2}", "time: {'factor': 2}; expected a column's name"),
        ("time: {column: t, scale: 2}", r"time\.scale: unknown; valid: column, factor, offset"),
        ("time: {column: t, factor: two}", r"time\.factor: 'two'; expected a finite number"),
        ("time: {column: t, offset: .nan}", r"time\.offset: nan; expected a finite number"),
        ("time: {column: t, factor: 0}", r"time\.factor: 0; expected any other number"),
        ("time: {column: t, factor: true}", r"time\.factor: True; expected a finite number"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, text, words):
    with pytest.raises(RecordingError, match=words) as raised:
        read_columns(write(tmp_path, text), VALID)
    assert str(raised.value).startswith(str(tmp_path / "columns.yaml"))


def test_a_mapping_that_is_not_there(tmp_path):
    with pytest.raises(RecordingError, match=r"cannot be read as YAML: .*No such file"):
        read_columns(tmp_path / "gone.yaml", VALID)


def test_quantities_follow_the_robot(pendulum, go2, ur5e):
    assert quantities_of(pendulum) == VALID
    place = GoalLayout("tool_position", ("x", "y", "z"), ("m",) * 3, (-1.0,) * 3, (1.0,) * 3)
    names = quantities_of(ur5e, place)
    assert len(names) == 1 + 3 * 6 + 3
    assert names[-3:] == ("goal_x", "goal_y", "goal_z")
    assert f"{ur5e.joint_names[0]}_command" in names
    assert quantities_of(go2)[-6:] == ("gyro_x", "gyro_y", "gyro_z", "gravity_x", "gravity_y", "gravity_z")
