"""How soon a robot with 12 joints and an IMU is answered: over DDS, beside a bare echo, and by the control step alone.

The bundle is what `adapt export` makes of RMA with a belief of 128 units on `go2_velocity`, but untrained: what a step
costs does not depend on what the weights say. Its robot differs from the Go2 in its control period alone.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from adapt.bench.clock import rate
from adapt.bundle import PolicyBundle, save_bundle
from adapt.console import say
from adapt.errors import AdaptError
from adapt.export import make_bundle
from adapt.learners.bounds import BoundConfig, BoundLearner
from adapt.learners.rma import RMAConfig, RMALearner
from adapt.online.controller import AdaptiveController
from adapt.online.kinds import make_adapter
from robots import RobotSpec, SensorFrame, load_robot
from robots.loading import ROOT
from sim_tasks.families import load_family
from sim_tasks.trial_env import TrialVecEnv

FAMILY, ROBOT = "go2_velocity", "go2"
BELIEF = 128
"""Units of the GRU."""
POLICY = (128, 128)
"""Hidden layers, as the family's presets have them."""
SEED = 0
RATE = 500.0
"""Of the readings, in [Hz]."""
ROUNDS = 3
"""Node and echo are measured in turn so many times: machines drift."""
_STEPS_SHARE = 0.2
"""Of the time, for the control step alone."""


def measure_node(seconds: float, rate_hz: float = RATE, rounds: int = ROUNDS) -> dict[str, Any]:
    """Node and echo, `seconds` each in `rounds` turns, with readings at `rate_hz` [Hz]; then the step by itself.

    Returns:
        What `ros_bridge.round_trip.measure_round_trips` says; `step_us`: `p50` and `p99` of `AdaptiveController.step`
        in [us]; `seed` of the bundle.

    Raises:
        AdaptError: no time, no rate, or no rounds.
        ProcessError: a process did not start or failed; says what its log says last.
    """
    check_pace(seconds, rate_hz, rounds)
    from ros_bridge.round_trip import Pace, measure_round_trips

    with tempfile.TemporaryDirectory(prefix="adapt_bench_") as name:
        folder = Path(name)
        robot = write_robot(folder, rate_hz)
        bundle = write_bundle(folder / "bundle", load_robot(robot))
        pace = Pace(rate_hz, seconds, rounds)
        say(f"  node and echo in turn at {rate_hz:g} Hz, {rounds} times: {pace.duration:.0f} s and start-up")
        trips = measure_round_trips(bundle.path, robot, pace, folder)
        step = measure_step(bundle, load_robot(robot), _STEPS_SHARE * seconds)
    return trips | {"step_us": step, "seed": SEED}


def told(trips: dict[str, Any]) -> list[str]:
    """What `measure_node` returns, in words and with units."""
    lines = [
        f"{name:<5} p50 {of['p50']:.3f} ms, p99 {of['p99']:.3f} ms, max {of['max']:.3f} ms"
        for name, of in (("node", trips["node_ms"]), ("echo", trips["echo_ms"]))
    ]
    step = trips["step_us"]
    return [
        *lines,
        f"ratio p50 {trips['ratio_p50']:.2f}, p99 {trips['ratio_p99']:.2f}",
        f"step  p50 {step['p50']:.0f} us, p99 {step['p99']:.0f} us (of the node's time)",
        f"{trips['missed_deadlines']} of {trips['messages']} deadlines of {1e3 / trips['rate_hz']:g} ms missed "
        f"({trips['late']} commands late, by {trips['max_lateness_ms']:.2f} ms at most; {trips['lost']} lost); "
        f"the echo missed {trips['echo_late'] + trips['echo_lost']}; {trips['slips']} readings not sent in time",
    ]


def write_robot(folder: Path, rate_hz: float) -> Path:
    """A robot.yaml of the Go2 with a control period of 1 / `rate_hz` [s], so that every reading is acted upon."""
    described = yaml.safe_load((ROOT / ROBOT / "robot.yaml").read_text(encoding="utf-8"))
    described["control"]["period"] = 1 / rate_hz
    described["model"] = str(ROOT / ROBOT / described["model"])
    path = folder / "robot.yaml"
    path.write_text(yaml.safe_dump(described), encoding="utf-8")
    return path


def write_bundle(path: Path, spec: RobotSpec) -> PolicyBundle:
    """An untrained belief bundle for a Go2 of any control period, in a folder."""
    env = TrialVecEnv(load_family(FAMILY), 2, SEED, threads=1)
    teacher = BoundLearner(env, SEED, told_task=True, config=BoundConfig(robots=2, hidden=POLICY))
    config = RMAConfig(robots=2, batch=2, excited=0, hidden=BELIEF)
    learner = RMALearner(env, SEED, (teacher.policy, teacher.critic), config)
    bundle = make_bundle(learner, {"learner": "rma", "seed": SEED, "iterations": 0}, "bench")
    own = {"robot": spec.identity(), "robot_digest": spec.digest}
    return save_bundle(path, bundle.manifest | own, bundle.files)


def measure_step(bundle: PolicyBundle, spec: RobotSpec, seconds: float) -> dict[str, float]:
    """`p50` and `p99` of `AdaptiveController.step` for one robot, in [us]."""
    controller = AdaptiveController(spec, bundle.observation, make_adapter(bundle), reward=bundle.reward)
    frame = SensorFrame(
        np.zeros(1),
        spec.default_position[None],
        np.zeros((1, 12)),
        np.zeros((1, 3)),
        np.array([[0, 0, -1.0]]),
    )
    goal = np.zeros((1, bundle.observation.goal))
    times: list[float] = []

    def step() -> int:
        begin = time.perf_counter()
        controller.step(frame, goal=goal)
        times.append(time.perf_counter() - begin)
        return 1

    rate(step, seconds)
    p50, p99 = np.percentile(1e6 * np.array(times), [50, 99])
    return {"p50": float(p50), "p99": float(p99)}


def check_pace(seconds: float, rate_hz: float, rounds: int) -> None:
    """Raises AdaptError if something cannot be measured like that."""
    if not seconds > 0:
        raise AdaptError(f"seconds: {seconds}; more than 0 is needed")
    if not 1 <= rate_hz <= 2000:
        raise AdaptError(f"rate: {rate_hz}; valid: 1 to 2000 Hz")
    if not 1 <= rounds <= 100:
        raise AdaptError(f"rounds: {rounds}; valid: 1 to 100")
