"""What holds of every environment with discrete actions, by one suite."""

import numpy as np
import pytest

from sim_tasks.discrete import DiscreteEnv, is_atari, is_robot, make, names
from sim_tasks.discrete.atari_scores import SCORES, human_normalised
from sim_tasks.discrete.grid_kinds import KINDS
from sim_tasks.errors import TaskError
from sim_tasks.families import family_names

STEPS = 160
"""Of a run; episodes end within it in all but the longest."""
CASES: dict[str, dict] = {
    "catch": {},
    "catch:5x4": {"tasks": 2},
    **{f"grid:{kind}": {"tasks": 4} for kind in KINDS},
    "grid:dense-one-task": {"name": "grid:dense"},
    "point": {},
    "point:sparse": {"tasks": 2, "joints": 2},
    "walker2d_rand_params": {"bins": 3, "tasks": 2},
    "walker2d-other-robots": {"name": "walker2d_rand_params", "tasks": 4, "change": "episode"},
    "hopper_rand_params": {"bins": 4},
    "go2_velocity+action_delay=0.005:0.01": {"tasks": 4},
    "point_robot": {"tasks": 2, "change": "episode"},
    "atari:Pong": {"full_actions": False},
    "atari:Breakout": {"clip": True, "tasks": 2},
}
SOON = {"atari:Pong", "point_robot", "go2_velocity+action_delay=0.005:0.01"}
"""Too long for an episode to end for sure within a run."""


def build(case: str, envs: int = 4, seed: int = 3, **more) -> DiscreteEnv:
    options = {**CASES[case], **more}
    return make(options.pop("name", case), envs, seed, **options)


def actions(env: DiscreteEnv, steps: int = STEPS, seed: int = 0) -> np.ndarray:
    """Shape (steps, N, J); of environment i the same for every N."""
    rows = [
        np.random.default_rng([seed, i]).integers(0, env.actions, (steps, env.joints))
        for i in range(env.envs)
    ]
    return np.stack(rows, axis=1)


def play(env: DiscreteEnv, taken: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What every step gave."""
    out = []
    for action in taken:
        env.step(action)
        out.append((env.observation.copy(), env.reward.copy(), env.last.copy()))
    return out


def same(one: list, other: list, rows: slice = slice(None)) -> bool:
    """Whether two runs agree to the bit, in some of the environments of the second."""
    return all(
        np.array_equal(a, b[rows]) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


@pytest.fixture(
    params=[pytest.param(case, marks=pytest.mark.slow if "atari" in case else ()) for case in CASES]
)
def case(request) -> str:
    return request.param


def test_steps_are_those_of_dm_env(case):
    env = build(case)
    assert env.observation.shape == (4, *env.observation_shape)
    assert env.reward.dtype == np.float32
    assert env.observation.dtype == (np.uint8 if case.startswith("atari") else np.float32)
    assert not env.last.any()
    total, begun, expected, ends = np.zeros(4), np.zeros(4, bool), [], 0
    observation, reward, last = env.observation, env.reward, env.last
    for action in actions(env):
        env.step(action)
        assert env.observation is observation
        assert env.reward is reward
        assert env.last is last
        assert np.isfinite(observation).all()
        assert not reward[begun].any()
        assert not last[begun].any()
        total += reward
        for row in np.flatnonzero(last):
            expected.append(total[row])
            total[row], ends = 0.0, ends + 1
        begun = last.copy()
    assert ends > 0 or case in SOON
    if "atari" not in case:  # there it is the score, whatever the reward
        np.testing.assert_allclose(env.returns(), expected, rtol=1e-5, atol=1e-6)
        assert len(env.returns()) == 0


def test_the_action_after_an_end_is_ignored(case):
    if case in SOON:
        pytest.skip("no end within a run")
    one, other = build(case), build(case)
    for action in actions(one):
        after = other.last[:, None]
        one.step(action)
        other.step(np.where(after, (action + 1) % other.actions, action))
        assert np.array_equal(one.observation, other.observation)
        assert np.array_equal(one.reward, other.reward)
        assert np.array_equal(one.last, other.last)


def test_the_seed_and_the_split_fix_everything(case):
    one, again = build(case), build(case)
    taken = actions(one, 60)
    first = play(one, taken)
    assert same(first, play(again, taken))
    assert not same(first, play(build(case, seed=4), taken))
    assert not same(first, play(build(case, split="test"), taken))


def test_others_beside_it_change_nothing(case):
    tasks = CASES[case].get("tasks", 1)
    few = build(case)
    many = build(case, envs=8, tasks=1 if tasks == 1 else 2 * tasks)
    taken = actions(many, 100)
    assert same(play(few, taken[:, :4]), play(many, taken), np.s_[:4])


@pytest.mark.parametrize("at", [0, 41, 120])
def test_a_state_goes_on_to_the_bit(case, at):
    env = build(case)
    taken = actions(env)
    play(env, taken[:at])
    state = env.state()
    assert all(isinstance(value, np.ndarray) and value.dtype != object for value in state.values())
    kept = {key: value.copy() for key, value in state.items()}
    ahead, returns = play(env, taken[at:]), env.returns()
    for key in kept:
        np.testing.assert_array_equal(state[key], kept[key], f"a state is no view: {key}")
    other = build(case, seed=99)
    play(other, taken[:7])
    other.restore(state)
    assert same(ahead, play(other, taken[at:]))
    assert np.array_equal(returns, other.returns())


def test_renewed_tasks_begin_anew_and_others_go_on(case):
    env, other = build(case), build(case)
    taken = actions(env, 30)
    for one in (env, other):
        play(one, taken)
    renewed = env.task_of == env.tasks - 1
    env.renew(np.array([env.tasks - 1]))
    assert not env.reward[renewed].any()
    assert not env.last[renewed].any()
    assert np.array_equal(env.observation[~renewed], other.observation[~renewed])
    rest = [tuple(part[~renewed] for part in step) for step in play(env, taken)]
    assert same(rest, [tuple(part[~renewed] for part in step) for step in play(other, taken)])
    with pytest.raises(TaskError, match="valid: 0 to"):
        env.renew(np.array([env.tasks]))


def test_reset_begins_everywhere(case):
    env = build(case)
    play(env, actions(env, 5))
    env.reset()
    assert not env.last.any()
    assert not env.reward.any()
    env.returns()
    total = sum(reward for _, reward, _ in play(env, actions(env)))
    assert total.shape == (4,)


def test_actions_that_are_none_are_refused(case):
    env, twin = build(case), build(case)
    good = actions(env, 1)[0]
    for bad, message in (
        (np.where(np.arange(4)[:, None] == 2, -1, good), "action -1 of environment 2"),
        (np.where(np.arange(4)[:, None] == 3, env.actions, good), f"action {env.actions} of environment 3"),
        (np.full_like(good, 2**62), "valid: 0 to"),
        (good[:3], r"valid: \(4, "),
        (good[:, 0], r"valid: \(4, "),
        (good.astype(float), "float64"),
        (good.astype(np.int32), "int32"),
        (good.tolist(), "list"),
    ):
        with pytest.raises(TaskError, match=message):
            env.step(bad)
    assert same(play(env, good[None]), play(twin, good[None])), "a refused action moved something"


def test_names_are_those_that_are_made():
    for name in names():
        if not name.startswith("atari:"):
            assert make(name, 1, 0).name in (name, f"{name}:8x8")


def test_robots_and_games_are_told_from_all_others():
    robots = {name for name in names() if is_robot(name)}
    games = {name for name in names() if is_atari(name)}
    assert robots == set(family_names())
    assert games == {f"atari:{game}" for game in SCORES}
    for name in ("go2_velocity+action_delay=0.005:0.01", "double_pendulum_swingup@pendubot"):
        assert is_robot(name)
    assert is_robot("dm_control:cartpole/swingup")
    assert not is_robot("catch:5x4")
    with pytest.raises(TaskError, match="valid: catch"):
        is_robot("cath")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cath", {}, "valid: catch"),
        ("catch:8", {}, "rows x columns"),
        ("catch:1x4", {}, "rows x columns"),
        ("grid:swamp", {}, "valid: dense"),
        ("point:dense", {}, "point"),
        ("atari:Pnog", {}, "near it: Pong"),
        ("atari:ms_pacman", {}, "MsPacman"),
        ("half_cheetah_vel@nobody", {}, "roml"),
        ("catch", {"bins": 3}, "unknown option 'bins'; valid: tasks"),
        ("catch", {"size": "5x5"}, "unknown option 'size'"),
        ("catch", {"tasks": 3}, "divisor of 4"),
        ("catch", {"split": "validation"}, "unknown split"),
        ("grid:maze", {"split": "ood"}, "valid: train, test"),
        ("pendulum_swingup", {"bins": 1}, "2 or more"),
        ("pendulum_swingup", {"change": "sometimes"}, "never, episode"),
        ("point", {"joints": 3}, "valid: 1, 2"),
        ("atari:Pong", {"sticky": 1.5}, "0 to 1"),
    ],
)
def test_what_is_not_there_is_refused(name, options, message):
    with pytest.raises(TaskError, match=message):
        make(name, 4, 0, **options)


def test_states_of_others_are_refused():
    with pytest.raises(TaskError, match=r"valid: \(2, 8, 8\)"):
        make("catch", 2, 0).restore(make("catch", 3, 0).state())


def test_scores_are_of_57_games_and_normalised():
    assert len(SCORES) == 57
    assert human_normalised("Pong", -20.7) == 0.0
    assert human_normalised("Breakout", 30.5) == 1.0
    assert human_normalised("Breakout", 1.7 + 2 * 28.8) == pytest.approx(2.0)
    with pytest.raises(TaskError, match="valid: Alien"):
        human_normalised("pong", 0.0)
