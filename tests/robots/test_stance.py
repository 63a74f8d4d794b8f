"""How high the Go2 is above its feet, and when its legs have folded under it: against MuJoCo, which knows."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from robots import RobotSpec, SensorFrame, load_robot
from robots.reason import SAFE_MODE, Reason
from robots.safety import SafetyFilter
from robots.stance import Stance

LEGS = ("FL", "FR", "RL", "RR")


@pytest.fixture
def spec() -> RobotSpec:
    return load_robot("go2")


@pytest.fixture
def stance(spec) -> Stance:
    made = Stance.of(spec)
    assert made is not None
    return made


@pytest.fixture
def model(spec) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(spec.model))


def reading(data: mujoco.MjData) -> SensorFrame:
    """What perfect sensors say; the IMU's frame is the base's."""
    gravity = data.site("imu").xmat.reshape(3, 3).T @ [0.0, 0.0, -1.0]
    return SensorFrame(
        np.array([data.time]),
        data.qpos[None, 7:].copy(),
        data.qvel[None, 6:].copy(),
        np.zeros((1, 3)),
        gravity[None],
    )


def test_the_imu_is_turned_as_the_base_is(model):
    assert model.site("imu").quat.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_its_height_is_that_above_the_lowest_sole(stance, spec, model):
    data, rng = mujoco.MjData(model), np.random.default_rng(1)
    low, high = spec.position_limits
    for position in rng.uniform(low, high, (200, 12)):
        turn = rng.normal(size=4)
        data.qpos[:3], data.qpos[3:7], data.qpos[7:] = (0.3, -2.0, 0.7), turn / np.linalg.norm(turn), position
        mujoco.mj_kinematics(model, data)
        said = reading(data)
        assert said.gravity is not None
        height = stance.height(said.position, said.gravity)
        lowest = min(data.geom(leg).xpos[2] - model.geom(leg).size[0] for leg in LEGS)
        np.testing.assert_allclose(height, [0.7 - lowest], atol=1e-9)


def test_legs_by_hand(stance):
    # Straight down: twice 0.213 m and the ball's 0.022 m. Thighs forwards and calves back by as much: the feet, 2 mm
    # behind the calf's line, are at 0.213 (cos 1.3 + cos 1.3) - 0.002 sin 1.3.
    positions = np.array([[0.0, 0.0, 0.0] * 4, [0.0, 1.3, -2.6] * 4])
    down = np.tile([0.0, 0.0, -1.0], (2, 1))
    folded = 2 * 0.213 * np.cos(1.3) + 0.022
    np.testing.assert_allclose(stance.height(positions, down), [0.448, folded], atol=0.002)
    one_is_down = np.array([[0.0, 1.3, -2.6] * 3 + [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(stance.height(one_is_down, down[:1]), [0.448], atol=1e-12)


def test_a_robot_that_collapses_goes_into_safe_mode_and_one_that_stands_does_not(spec, model):
    """Its motors lose their strength in the second second."""
    data, filter_ = mujoco.MjData(model), SafetyFilter(spec)
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    data.ctrl[:] = spec.default_position
    reasons, heights = [], []
    for step in range(100):
        if step == 50:
            model.actuator_gainprm[:] = model.actuator_biasprm[:] = 0.0
        for _ in range(4):
            mujoco.mj_step(model, data)
        mujoco.mj_kinematics(model, data)
        certified = filter_.certify(spec.default_position[None], reading(data))
        reasons.append(int(certified.reasons[0]))
        heights.append(data.qpos[2])
    assert not any(bits & SAFE_MODE for bits in reasons[:50])
    assert 0.27 < heights[49] < 0.31
    assert reasons[-1] & Reason.BASE_HEIGHT
    assert heights[-1] < 0.1
    stopped = next(step for step, bits in enumerate(reasons) if bits & Reason.BASE_HEIGHT)
    assert 0.08 < heights[stopped] < 0.14, "no long before the ground, and no long after"


def test_training_meets_it_in_no_state(spec):
    from sim_tasks.families.go2_rewards import MIN_HEIGHT

    assert spec.safety.base_height is not None
    assert spec.safety.base_height < MIN_HEIGHT, "an episode has ended before"


@pytest.mark.parametrize("spoilt", ["position", "gravity"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_nothing_that_is_not_finite_is_taken_for_a_height(spec, spoilt, value):
    filter_ = SafetyFilter(spec, 2)
    down = np.tile([0.0, 0.0, -1.0], (2, 1))
    legs = np.tile(spec.default_position, (2, 1))
    frame = SensorFrame(np.zeros(2), legs.copy(), np.zeros((2, 12)), np.zeros((2, 3)), down)
    getattr(frame, spoilt)[1, 2] = value
    out = filter_.certify(legs, frame)
    assert np.isfinite(out.command).all()
    assert out.reasons[0] & SAFE_MODE == 0
    assert out.reasons[1] & SAFE_MODE
    assert bool(out.reasons[1] & Reason.BASE_HEIGHT) <= (value == 1e300)


def test_many_robots_are_one_by_one(stance, spec):
    rng = np.random.default_rng(4)
    low, high = spec.position_limits
    positions, gravity = rng.uniform(low, high, (64, 12)), rng.normal(size=(64, 3))
    together = stance.height(positions, gravity)
    alone = [stance.height(positions[i : i + 1], gravity[i : i + 1])[0] for i in range(64)]
    np.testing.assert_array_equal(together, alone)
