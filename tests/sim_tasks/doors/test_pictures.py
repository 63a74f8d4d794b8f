"""Pictures where the machine can draw, clear words where it cannot. MuJoCo chooses its renderer once per process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest

from sim_tasks.doors import pictures
from sim_tasks.doors.gymnasium_env import AdaptEnv
from sim_tasks.doors.mirror import Mirror
from sim_tasks.doors.vector_env import AdaptVectorEnv
from sim_tasks.errors import TaskError
from sim_tasks.families import load_family

FAMILY = load_family("pendulum_swingup")
_DRAW = """
import os, gymnasium, mujoco, numpy as np, sim_tasks.doors
try:
    mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 8, 8).close()
except Exception:
    print("no renderer", flush=True)
    os._exit(0)
env = gymnasium.make("adapt/half_cheetah_vel-v0", render_mode="rgb_array")
env.reset(seed=0)
first = env.render()
for _ in range(20):
    env.step(np.ones(6, np.float32))
second = env.render()
print(first.shape, first.dtype, first.std() > 1, (first != second).mean() > 1e-3)
vector = gymnasium.make_vec("adapt/half_cheetah_vel-v0", num_envs=2, render_mode="rgb_array")
vector.reset(seed=[0, 1])
one, two = vector.render()
print((one == first).mean() > 0.99, (one != two).any(), flush=True)
env.close()
vector.close()
"""


def _without_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
def test_a_window_without_a_display_is_refused_at_once(monkeypatch):
    _without_display(monkeypatch)
    with pytest.raises(TaskError, match=r"'human': there is no display \(DISPLAY is not set\)"):
        AdaptEnv(FAMILY, render_mode="human")


def test_the_viewer_follows_the_simulation(monkeypatch):
    """MuJoCo's viewer itself needs a screen: here stands what it is given, and when it is told to look."""
    from mujoco import viewer

    seen: list[tuple[float, float]] = []

    class Handle:
        def __init__(self, model, data):
            self.model, self.data = model, data

        def lock(self):
            return contextlib.nullcontext()

        def sync(self):
            seen.append((self.data.qpos[0], self.model.body("payload").mass[0]))

        def close(self):
            seen.append((0.0, 0.0))

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(viewer, "launch_passive", Handle)
    env, expected = AdaptEnv(FAMILY, render_mode="human"), []
    for seed in (0, 1):
        env.reset(seed=seed)
        for _ in range(3):
            expected.append((env._trials.env.sim.qpos[0, 0], env.task["payload_mass"]))
            env.step(np.ones(1))
        expected.append((env._trials.env.sim.qpos[0, 0], env.task["payload_mass"]))
    env.close()
    assert seen == [*expected, (0.0, 0.0)]


def test_a_machine_that_cannot_draw_says_what_is_missing(monkeypatch):
    def broken(*_args):
        raise RuntimeError("no\n  context")

    monkeypatch.setattr(pictures.mujoco, "Renderer", broken)
    for env in (
        AdaptEnv(FAMILY, render_mode="rgb_array"),
        AdaptVectorEnv(FAMILY, 2, render_mode="rgb_array"),
    ):
        env.reset(seed=0)
        with pytest.raises(TaskError, match=r"cannot draw on this machine \(no context\).*MUJOCO_GL=egl"):
            env.render()
        env.close()


def test_pictures_show_the_simulation():
    run = subprocess.run(
        [sys.executable, "-c", _DRAW],
        env={**os.environ, "MUJOCO_GL": "egl"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [line for line in run.stdout.splitlines() if line]
    if lines == ["no renderer"] or not lines:
        pytest.skip("no EGL on this machine")
    assert lines == ["(360, 480, 3) uint8 True True", "True True"], run.stderr


def test_a_mirror_follows_any_simulation_and_stays_the_same_object():
    env = AdaptVectorEnv(FAMILY, 3, threads=1)
    env.reset(seed=0)
    env.step(np.ones((3, 1)))
    sim = env._trials.env.sim
    mirror = Mirror(sim)
    model, data = mirror.model, mirror.data
    for row in (2, 0, 1):
        mirror.show(sim, row)
        np.testing.assert_array_equal(data.qpos, sim.qpos[row])
        assert model.body("payload").mass[0] == env.tasks["payload_mass"][row]
        np.testing.assert_array_equal(model.dof_damping, sim.field("dof_damping")[row])
    assert mirror.model is model
    assert mirror.data is data
