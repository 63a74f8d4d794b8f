"""Calibrates how familiar a robot is to a policy: on trials inside its family, under the controller that robots have.

The threshold is a one-sided tolerance limit of the highest statistic of a trial, free of any distribution: of n trials,
so many may lie above it that with 95 % certainty fewer than 1 % of all trials do (Wilks 1941). n trials, T control
steps, K numbers whose forecast counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import bdtr, betaincinv

from adapt.bundle import PolicyBundle
from adapt.bundle_schema import LEVELS
from adapt.errors import AdaptError
from adapt.online.controller import AdaptiveController
from adapt.online.familiarity import Familiarity
from adapt.online.forecast_score import Calibration, Window, forecast_columns
from adapt.online.kinds import make_adapter
from adapt.outside import FAULT_TIME, Outside
from sim_tasks.family import TaskFamily
from sim_tasks.row_random import RowRandom
from sim_tasks.trial_env import TrialVecEnv

FALSE_ALARMS = 0.01
"""Share of trials inside the family that may be found unfamiliar."""
CERTAINTY = 0.95
"""With which the threshold keeps to it."""
TASKS = 1024
"""Trials of a calibration."""
LONGEST = 10.0
"""Trials end after so many seconds, if their episode does not before."""
WINDOW, SMOOTHING, CLIP = 2.0, 5, 4.0
"""Chosen on `pendulum_swingup`, see docs/knowing_when_it_does_not_know.md: [s], control steps, scales."""
_OUTLIERS = 0.99
"""Sums beyond this quantile count as it, when their scale is taken: knocks are no scale."""
_STREAM = 23


@dataclass(frozen=True)
class CalibrationRequest:
    """On how many trials a policy's familiarity is calibrated."""

    tasks: int = TASKS
    """n: at least as many as a threshold takes."""
    seed: int = 0
    """Of tasks, starts and noise."""

    def __post_init__(self) -> None:
        if self.tasks < least_tasks():
            raise AdaptError(
                f"tasks: {self.tasks}; at least {least_tasks()} trials can show that fewer than {FALSE_ALARMS:.0%} "
                "are false alarms"
            )


def calibrate(
    bundle: PolicyBundle, family: TaskFamily, request: CalibrationRequest | None = None
) -> dict[str, Any] | None:
    """What a bundle's manifest says of its familiarity.

    None where the policy does not forecast, or where hardly a trial lasts for a window of steps that count, as of a
    policy that does not keep its robot out of safe mode.

    It plays on training tasks, from the starts that robots have, with all that happens in the family's trials.
    """
    if "predict.onnx" not in bundle.files or not family.on_robot:
        return None
    request = request or CalibrationRequest()
    size = len(forecast_columns(family.observation))
    raw = Calibration(np.inf, WINDOW, SMOOTHING, CLIP, np.ones(size), np.zeros(len(LEVELS)))
    judge = Familiarity(bundle, request.tasks, raw)
    values = family.sample("train", request.tasks, request.seed)
    played = [
        (judge.sums.astype(np.float32), judge.counted.copy())
        for _ in watch(bundle, family, values, request.seed, judge, split="train")
    ]
    sums, counted = (np.stack(each) for each in zip(*played, strict=True))
    if not counted.any() or not np.isfinite(sums[counted]).all():
        return None
    scaled = replace(raw, scale=_scale(sums[counted]))
    highest = _highest(scaled, sums, counted, family.period)
    threshold = tolerance_limit(highest)
    if threshold <= 0:
        return None
    return {
        "threshold": threshold,
        "window": WINDOW,
        "smoothing": SMOOTHING,
        "clip": CLIP,
        "scale": scaled.scale.tolist(),
        "quantiles": np.quantile(highest, LEVELS).tolist(),
        "tasks": request.tasks,
        "seconds": len(sums) * family.period,
        "seed": request.seed,
        "false_alarms": FALSE_ALARMS,
        "certainty": CERTAINTY,
    }


def watch(
    bundle: PolicyBundle,
    family: TaskFamily,
    values: np.ndarray,
    seed: int,
    judge: Familiarity,
    split: str = "test",
    outside: Outside | None = None,
    changes: bool = True,
) -> Iterator[np.ndarray]:
    """Plays one trial of one episode on each task, shape (n, P); yields after each control step who still plays.

    Args:
        bundle: whose policy plays.
        family: which it was made for.
        values: tasks, shape (n, P), in SI units.
        seed: of starts and noise.
        judge: of n robots; it is heard by the controller, so that who is unfamiliar is not learnt from.
        split: that tasks of changes in the middle of a trial are drawn from.
        outside: what breaks on the way, and what is sensed wrongly.
        changes: whether what happens in the middle of the family's trials happens.
    """
    count = len(values)
    family = replace(family, training_start=None)  # robots begin where tests do
    env = TrialVecEnv(family, count, seed, stream=_STREAM, split=split, changes=changes)
    env.random = RowRandom([seed, _STREAM], count)
    env.reset(np.arange(count), values)
    controller = AdaptiveController(
        family.robot, family.observation, make_adapter(bundle, count), count, judge, reward=bundle.reward
    )
    controller.reset(position=env.frame.position)
    playing = np.ones(count, dtype=bool)
    fault = round(FAULT_TIME / family.period)
    for step in range(trial_steps(family)):
        if outside is not None and outside.fault is not None and step == fault:
            outside.fault(env)
        frame = env.frame if outside is None else outside.sense(env.frame, step * family.period)
        decided = controller.step(frame, goal=env.goal)
        judge.counted &= playing
        yield playing
        transition = env.apply(decided.command)
        playing = playing & ~transition.done


def trial_steps(family: TaskFamily) -> int:
    """T."""
    return min(family.episode_steps, round(LONGEST / family.period))


def tolerance_limit(highest: np.ndarray) -> float:
    """The least of these values, shape (n,), that with `CERTAINTY` fewer than `FALSE_ALARMS` of all others exceed."""
    allowed = allowed_above(len(highest))
    return float(np.sort(highest)[-1 - allowed])


def allowed_above(tasks: int) -> int:
    """How many of n trials may lie above the threshold.

    If FALSE_ALARMS of all trials did lie above it, of n trials more than so many would, with CERTAINTY.
    """
    allowed = 0
    while bdtr(allowed + 1, tasks, FALSE_ALARMS) <= 1 - CERTAINTY:
        allowed += 1
    return allowed


def least_tasks() -> int:
    """The smallest n whose highest value is such a threshold: (1 - FALSE_ALARMS)^n <= 1 - CERTAINTY."""
    return int(np.ceil(np.log(1 - CERTAINTY) / np.log(1 - FALSE_ALARMS)))


def interval(hits: int, trials: int) -> list[float]:
    """95 % interval of a share that was counted (Clopper and Pearson 1934)."""
    low = 0.0 if hits == 0 else float(betaincinv(hits, trials - hits + 1, 0.025))
    high = 1.0 if hits == trials else float(betaincinv(hits + 1, trials - hits, 0.975))
    return [low, high]


def _scale(sums: np.ndarray) -> np.ndarray:
    """Root mean square of sums, shape (m, K), without their outliers. Shape (K,)."""
    squares = np.square(sums.astype(float))
    most = np.quantile(squares, _OUTLIERS, axis=0)
    return np.sqrt(np.minimum(squares, most).mean(axis=0)).clip(min=1e-9)


def _highest(calibration: Calibration, sums: np.ndarray, counted: np.ndarray, period: float) -> np.ndarray:
    """Highest statistic of each trial, shape (n,), 0 of those too short to be judged.

    Sums (T, n, K), which of them count (T, n).
    """
    window = Window(sums.shape[1], max(1, round(calibration.window / period)))
    highest = np.zeros(sums.shape[1])
    for level, counts in zip(calibration.level(sums), counted, strict=True):
        highest = np.fmax(highest, window.add(level, counts))
    return highest
