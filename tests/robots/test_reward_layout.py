"""`RewardLayout`: worked out by hand, the same for one robot as among many, and what cannot be measured is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from robots import RobotError, SensorFrame
from robots.kinematics import Chain, ChainStep
from robots.reward import RewardLayout, heard
from robots.reward_terms import RewardPart, RewardTerm
from robots.tolerance import Tolerance
from tests.robots.two_joints import body

TOOL = Chain((ChainStep("joint0", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)),), (0.0, 0.0, -0.5))
FRAME = SensorFrame(np.zeros(2), np.array([[0.5, 3.0], [-4.0, 0.25]]), np.array([[3.0, 4.0], [0.0, -1.0]]))
SENT, BEFORE = np.array([[1.0, 0.0], [-0.5, 0.5]], np.float32), np.array([[1.0, 1.0], [0.0, 0.5]], np.float32)


def rewarded(*parts: RewardPart, goal: np.ndarray | None = None, **options: Any) -> list[float]:
    """What one term of these parts gives for `FRAME`."""
    goals = 0 if goal is None else goal.shape[1]
    layout = RewardLayout([RewardTerm("one", parts, **options)], body(2, tool=TOOL), goals)
    return layout(FRAME, goal, SENT, BEFORE).tolist()


def test_numbers_keep_their_sign_and_several_become_a_length():
    first = ((1.0, 0.0),)
    assert rewarded(RewardPart("velocity", "linear", mix=first)) == [3.0, 0.0]
    assert rewarded(RewardPart("velocity", "linear", mix=((0.0, 2.0),))) == [8.0, -2.0]
    assert rewarded(RewardPart("velocity", "linear")) == [5.0, 1.0]  # |(3, 4)|, |(0, -1)|
    assert rewarded(RewardPart("velocity", "square", -0.1)) == [-2.5, -0.1]
    assert rewarded(RewardPart("velocity", "linear", target=(3.0, 0.0)), offset=1.0) == pytest.approx(
        [5.0, 1 + np.sqrt(10)]
    )


def test_angles_go_the_short_way_round():
    # 0.5 - 3 = -2.5 and -4 - 3 = -7 = -0.717 + 1 turn; half a turn is -pi.
    part = RewardPart("position", "linear", target=(3.0, 0.0), mix=((1.0, 0.0),), wrapped=True)
    assert rewarded(part) == pytest.approx([-2.5, 2 * np.pi - 7])
    both = RewardPart("position", "linear", mix=((1.0, 0.0), (1.0, 1.0)), wrapped=True)
    assert rewarded(both) == pytest.approx(
        [np.hypot(0.5, 3.5 - 2 * np.pi), np.hypot(2 * np.pi - 4, 2 * np.pi - 3.75)]
    )


def test_actions_are_those_sent_in_the_step_and_how_they_changed():
    assert rewarded(RewardPart("action", "square")) == pytest.approx([1.0, 0.5])
    assert rewarded(RewardPart("action_change", "square")) == pytest.approx([1.0, 0.25])


def test_a_goal_is_a_target_as_far_as_it_goes():
    goal = np.array([[3.0, 0.0, 9.0], [0.0, 0.0, 9.0]])
    assert rewarded(RewardPart("velocity", "linear", target="goal"), goal=goal) == [4.0, 1.0]
    # The tool hangs 0.5 m below a hinge about y: at angle a it is at (-0.5 sin a, 0, -0.5 cos a).
    tool = np.stack([-0.5 * np.sin([0.5, -4.0]), np.zeros(2), -0.5 * np.cos([0.5, -4.0])], axis=1)
    away = np.linalg.norm(goal - tool, axis=1).tolist()
    assert rewarded(RewardPart("tool_error", "linear"), goal=goal) == pytest.approx(away)
    assert rewarded(RewardPart("tool_position", "linear", target="goal"), goal=goal) == pytest.approx(away)


def test_terms_are_multiplied_or_added():
    terms = [
        RewardTerm("slow", (RewardPart("velocity", Tolerance((0.0, 2.0))),), offset=0.5),  # 0.5, 1.5
        RewardTerm(
            "idle", (RewardPart("action", "square", -1.0), RewardPart("action_change", "linear"))
        ),  # 0, 0
        RewardTerm("near", (RewardPart("position", "linear", mix=((0.0, 2.0),)),)),  # 6, 0.5
    ]
    product = RewardLayout([terms[0], terms[2]], body(2))
    assert product(FRAME, None, SENT, BEFORE).tolist() == [3.0, 0.75]
    total = RewardLayout(terms, body(2), combine="sum")
    assert total(FRAME, None, SENT, BEFORE).tolist() == [6.5, 2.0]


def every_part() -> tuple[RewardPart, ...]:
    joints, mix = (0.3, -0.2, 0.1), ((0.3, 0.7, -1.1), (0.1, 0.2, 0.3))
    return (
        RewardPart("position", Tolerance(margin=0.7), 0.3, joints, mix, True),
        RewardPart("sin_position", Tolerance((0.0, np.inf), 0.4, "quadratic"), 0.7),
        RewardPart("cos_position", Tolerance((0.1, 0.2), 0.3, "cosine"), 1.1),
        RewardPart("velocity", Tolerance(margin=2.0, sigmoid="long_tail"), -0.2, mix=mix),
        RewardPart("gyro", "square", -0.1, "goal"),
        RewardPart("gravity", "linear", 0.9, (0.0, 0.0, -1.0)),
        RewardPart("tool_error", Tolerance(margin=0.5), 0.5),
        RewardPart("action", "square", 0.01),
        RewardPart("action_change", Tolerance(margin=1.0), 0.1),
    )


def everything(combine: str) -> RewardLayout:
    terms = [RewardTerm("all", every_part(), 0.1), RewardTerm("some", every_part()[:3], -0.3)]
    return RewardLayout(terms, body(3, imu=True, tool=TOOL), 4, combine)


def readings(robots: int, seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    frame = SensorFrame(np.zeros(robots), *(rng.normal(0, 2, (robots, 3)) for _ in range(4)))
    sent = rng.uniform(-1, 1, (2, robots, 3)).astype(np.float32)
    return frame, rng.normal(size=(robots, 4)), sent[0], sent[1]


def only(given: tuple[Any, ...], rows: slice) -> tuple[Any, ...]:
    frame, *rest = given
    return SensorFrame(**{name: each[rows] for name, each in vars(frame).items() if each is not None}), *(
        each[rows] for each in rest
    )


@pytest.mark.parametrize("combine", ["product", "sum"])
def test_a_robot_among_many_gets_to_the_bit_what_it_gets_alone(combine):
    layout, given = everything(combine), readings(1001, 0)
    together = layout(*given)
    assert np.ptp(together) > 0.1
    for rows in (slice(0, 7), slice(13, 501), *(slice(row, row + 1) for row in range(0, 1001, 3))):
        assert layout(*only(given, rows)).tobytes() == together[rows].tobytes()


@pytest.mark.parametrize("field", ["position", "velocity", "gyro", "gravity"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308])
def test_readings_that_are_no_numbers_give_no_reward_to_hear(field, value):
    layout, given = everything("sum"), readings(3, 1)
    clean = heard(layout(*given))
    getattr(given[0], field)[1] = value
    reward = layout(*given)
    told = heard(reward)
    assert np.isfinite(told).all()
    assert told.dtype == np.float32
    assert told[[0, 2]].tolist() == clean[[0, 2]].tolist(), "of nobody else"
    if not np.isfinite(value):
        assert not np.isfinite(reward[1])
        assert told[1] == 0.0


def test_what_is_too_large_for_a_policy_is_not_heard():
    assert heard(np.array([1e39, -1e39, 2.0, np.nan])).tolist() == [0.0, 0.0, 2.0, 0.0]


@pytest.mark.parametrize("combine", ["product", "sum"])
def test_a_layout_survives_its_manifest(combine):
    layout, given = everything(combine), readings(5, 2)
    recorded = json.loads(json.dumps(layout.manifest(), allow_nan=False))
    again = RewardLayout.from_manifest(recorded, layout.body, 4)
    assert again.terms == layout.terms
    assert again.manifest() == layout.manifest()
    assert again(*given).tobytes() == layout(*given).tobytes()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (
            RewardPart("torque", "linear"),
            "reward term 'one': unknown quantity 'torque'; valid: sin_position,",
        ),
        (RewardPart("gyro", "linear"), "reward term 'one' needs an IMU; robot 'made_up' has none"),
        (RewardPart("tool_position", "linear"), "needs a tool; robot 'made_up' has none"),
        (RewardPart("tool_error", "linear"), "needs a tool"),
        (RewardPart("goal", "linear"), "needs a goal; this task has none"),
        (RewardPart("velocity", "cubic"), "shape: 'cubic'; valid: linear, square, tolerance"),
        (RewardPart("velocity", "linear", target=(1.0,)), "target: 1 number.s.; expected 2"),
        (
            RewardPart("velocity", "linear", target="goal"),
            "target: the goal has 0 number.s., 'velocity' has 2",
        ),
        (RewardPart("velocity", "linear", mix=()), "mix: no rows; expected at least one"),
        (RewardPart("velocity", "linear", mix=((1.0, 2.0), (1.0,))), "mix: 1 number.s.; expected 2"),
        (RewardPart("action", "linear", mix=((1.0, 0.0, 0.0),)), "mix: 3 number.s.; expected 2"),
    ],
)
def test_what_this_robot_cannot_measure_is_refused(part, words):
    with pytest.raises(RobotError, match=words):
        RewardLayout([RewardTerm("one", (part,))], body(2))


def test_nothing_is_no_reward():
    with pytest.raises(RobotError, match="terms: none; a reward has at least one"):
        RewardLayout([], body(2))
    with pytest.raises(RobotError, match="reward term 'one': no parts"):
        RewardLayout([RewardTerm("one", ())], body(2))
    with pytest.raises(RobotError, match="combine: 'mean'; valid: product, sum"):
        RewardLayout([RewardTerm("one", (RewardPart("velocity", "linear"),))], body(2), combine="mean")


def test_a_frame_without_what_is_needed_is_named():
    layout = RewardLayout([RewardTerm("one", (RewardPart("gyro", "linear"),))], body(2, imu=True))
    with pytest.raises(RobotError, match="needs a gyro reading, and there is none"):
        layout(FRAME, None, SENT, BEFORE)
