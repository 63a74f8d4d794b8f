"""Replay of bags: to the last bit with the bundle that was recorded, and what another one would have done."""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Twist, Vector3

from adapt.bundle_gradient import META_STATE, without_prefix
from adapt.online.proposal import Proposal
from robots.safety import Reason
from ros_bridge import recorder
from ros_bridge.bag_events import Event, Kind, event_message, read_event
from ros_bridge.bag_reader import Bag
from ros_bridge.bag_replay import replay_bag
from ros_bridge.errors import BridgeError, RecordingError
from tests.adapt.damaged import change
from tests.ros_bridge.patience import until
from tests.ros_bridge.recorded import Run
from tests.small_bundle import gradient_family, untrained_gradient


@pytest.fixture(scope="module")
def run(bundle, pendulum, tmp_path_factory) -> SimpleNamespace:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "FLUSH", 0.0)  # many chunks in little time
        made = Run(bundle, pendulum, tmp_path_factory.mktemp("bags"))
        return SimpleNamespace(folder=made.whole(), commands=made.commands)


@pytest.fixture(scope="module")
def content(run) -> bytes:
    return next(run.folder.glob("*.mcap")).read_bytes()


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    from tests.small_bundle import untrained_bundle

    return untrained_bundle(tmp_path_factory.mktemp("bundle") / "other", seed=1)


def test_the_same_bundle_answers_to_the_last_bit(run, bundle):
    result = replay_bag(run.folder, bundle.path)
    assert (result["same_policy"], result["identical"], result["first_difference"]) == (True, True, None)
    assert (result["events"], result["ended_early"]) == (214, None)
    assert result["steps"] == len(run.commands) + 2  # those of `stop` and of the end
    certified = np.array(result["certified"]["replayed"])
    for command in run.commands:
        assert (certified == command).any()
    assert result["certified"]["recorded"] == result["certified"]["replayed"]
    assert result["belief"]["recorded"] == result["belief"]["replayed"]
    assert result["reasons"]["recorded"]["sensor_stale"] > 0
    json.dumps(result, allow_nan=False)


def test_the_rewards_that_were_heard_are_heard_again_to_the_last_bit(hearing_bundle, pendulum, tmp_path):
    """Its commands are made of them; with another reward in the bundle it is another policy."""
    made = Run(hearing_bundle, pendulum, tmp_path / "bags")
    folder = made.whole()
    result = replay_bag(folder, hearing_bundle.path)
    assert (result["same_policy"], result["identical"]) == (True, True)
    assert len({float(command[0]) for command in made.commands}) > 100
    assert made.loop.rewards > 100
    other = Path(shutil.copytree(hearing_bundle.path, tmp_path / "other"))
    change(other, "reward", "terms", 0, "parts", 0, "weight", to=0.2)
    changed = replay_bag(folder, other)
    assert (changed["same_policy"], changed["identical"]) == (False, False)
    change(other, "reward", "terms", 0, "parts", 0, "weight", to=0.1)
    assert replay_bag(folder, other)["identical"]


def test_every_kind_of_event_is_in_it(run):
    bag = Bag(run.folder)
    kinds = [event.kind for event in bag.events()]
    assert set(kinds) == set(Kind) - {Kind.IMU, Kind.GOAL, Kind.RESTORE, Kind.PARAMETERS}
    assert kinds.count(Kind.START) == kinds.count(Kind.HALT) == kinds.count(Kind.END) == 1
    assert bag.damage is None


def test_what_was_understood_before_is_in_it(bundle, pendulum, tmp_path):
    run = Run(bundle, pendulum, tmp_path / "bags")
    run.step()
    run.loop.start()
    for _ in range(20):
        run.step()
    before = run.loop.state()
    run.loop.start()
    run.loop.restore(before)
    for _ in range(5):
        run.step()
    result = replay_bag(run.close(), bundle.path)
    assert result["identical"]
    assert result["belief"]["recorded"] == result["belief"]["replayed"]


class EveryTime:
    """Proposes small random changes at once."""

    def __init__(self) -> None:
        self._random, self._asked = np.random.default_rng(0), None
        self._remembers: dict[str, np.ndarray] = {}

    def submit(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._asked = arrays["parameters"]
        self._remembers = {name: array + 1 for name, array in without_prefix(META_STATE, arrays).items()}

    def poll(self) -> Proposal | None:
        if self._asked is None:
            return None
        moved = self._asked + 0.1 * self._random.standard_normal(self._asked.shape, np.float32)
        self._asked = None
        return Proposal(moved, {}, self._remembers)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("learner", ["reptile", "learned_step"])
def test_a_policy_that_was_adapted_by_gradients_does_the_same_again(pendulum, tmp_path, learner):
    bundle = untrained_gradient(tmp_path / "bundle", gradient_family(), name=learner)
    run = Run(bundle, pendulum, tmp_path / "bags", updates=EveryTime())
    run.step()
    run.loop.start()
    for _ in range(500):
        run.step()
    learning = run.loop.controller.learning
    assert learning is not None
    assert learning.kept or learning.rolled_back
    run.loop.forget()
    for _ in range(10):
        run.step()
    folder = run.close()
    told = [event.state for event in Bag(folder).events() if event.kind is Kind.PARAMETERS]
    assert len(told) >= 3
    for name, start in bundle.meta_state.items():
        recorded = [state[META_STATE + name] for state in told if state is not None]
        assert all(each.shape == (1, *start.shape) for each in recorded)
        assert len({float(each.flat[0]) for each in recorded}) >= 2, "as it was remembered, and as it began"
    assert replay_bag(folder, bundle.path)["identical"]


def test_how_long_the_policy_took_decides_again(bundle, pendulum, tmp_path):
    """Steps that overran, and one whose reading had gone stale when the policy answered."""
    run, slow = Run(bundle, pendulum, tmp_path / "bags"), iter([0.001, 0.03, 0.07, *[0.001] * 40])
    ticks = iter([tick for took in slow for tick in (0.0, took)])
    run.loop.clock = lambda: next(ticks)
    run.step()
    run.loop.start()
    for _ in range(30):
        run.step()
    result = replay_bag(run.close(), bundle.path)
    assert result["identical"]
    assert result["reasons"]["replayed"]["overrun"] == 2


def test_a_bit_that_differs_is_found_and_named(run, bundle, monkeypatch):
    events = Bag.events

    def tampered(self):
        for event in events(self):
            if event.sequence == 50:
                assert event.output is not None
                event.output.command[0] = np.nextafter(event.output.command[0], np.inf)
            yield event

    monkeypatch.setattr(Bag, "events", tampered)
    result = replay_bag(run.folder, bundle.path)
    assert (result["identical"], result["differing_steps"]) == (False, 1)
    first = result["first_difference"]
    assert (first["event"], first["step"]) == (50, 48)  # two events before the first command
    assert 0 < first["certified"]["most"] < 1e-15
    assert first["requested"]["most"] == 0


def test_another_bundle_shows_what_it_would_have_done(run, other):
    result = replay_bag(run.folder, other.path)
    assert not result["same_policy"]
    difference = np.array(result["requested"]["replayed"], float) - np.array(
        result["requested"]["recorded"], float
    )
    by_hand = math.sqrt(np.nanmean(difference**2))
    assert result["rms"]["requested"]["pivot"] == pytest.approx(by_hand) != 0
    assert result["belief"]["replayed"] != result["belief"]["recorded"]
    assert result["reasons"].keys() == {"recorded", "replayed"}


def test_another_bundle_is_told_what_was_really_sent(run, other, monkeypatch):
    from ros_bridge import bag_replay

    told = []

    class Spied(bag_replay.Shadow):
        def step(self, *given, **named):
            told.append(None if self.sent is None else float(self.sent[0, 0]))
            return super().step(*given, **named)

    monkeypatch.setattr(bag_replay, "Shadow", Spied)
    replay_bag(run.folder, other.path)
    asked = told[2:60]  # the first two: of the rehearsal and of the first step, when nothing had been sent
    assert told[:2] == [None, None]
    assert asked == [float(command[0]) for command in run.commands[:58]]


def test_a_robot_with_imu_and_goals(go2_bundle, go2, tmp_path):
    made = Run(go2_bundle, go2, tmp_path)
    made.step()
    made.loop.start()
    for k in range(40):
        if k % 7 == 3:
            made.tell("cmd_vel", Twist(linear=Vector3(x=0.1 * k), angular=Vector3(z=-0.3)))
        made.step()
    made.tell("cmd_vel", Twist(linear=Vector3(x=math.nan)))
    for _ in range(40):
        made.step()
    result = replay_bag(made.close(), go2_bundle.path)
    assert (result["identical"], result["ignored_goals"]) == (True, 0)
    assert np.ptp(np.array(result["requested"]["replayed"], float), axis=0).min() > 0
    assert len(result["rms"]["certified"]) == 12


def test_a_bag_of_another_robot_is_refused(run, go2_bundle):
    with pytest.raises(RecordingError, match=r"recorded on robot 'pendulum' with digest .*is for 'go2'"):
        replay_bag(run.folder, go2_bundle.path)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (b"", "the file ends early or is damaged"),
        (b"no bag at all, but long enough to look like one", "the file ends early or is damaged"),
        (None, "0 files"),
    ],
)
def test_what_is_no_bag_is_refused(made, words, tmp_path, bundle):
    path = tmp_path / "bag.mcap"
    if made is not None:
        path.write_bytes(made)
    with pytest.raises(RecordingError, match=words):
        replay_bag(tmp_path if made is None else path, bundle.path)


def test_a_bag_of_somebody_else_is_refused(tmp_path, bundle):
    from mcap.writer import Writer

    with (tmp_path / "other.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start("ros2")
        writer.finish()
    with pytest.raises(RecordingError, match="no metadata 'adapt': not a recording of the node"):
        replay_bag(tmp_path / "other.mcap", bundle.path)
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        replay_bag(tmp_path / "gone.mcap", bundle.path)


def read_or_refused(path: Path, bundle: Path) -> dict[str, Any] | str:
    """What a replay says, or why there is none."""
    try:
        return replay_bag(path, bundle)
    except RecordingError as error:
        return str(error)


def test_a_bag_cut_anywhere_is_read_up_to_there_or_refused(content, tmp_path, bundle):
    randomly = random.Random(3)
    path, lengths = tmp_path / "cut.mcap", set()
    for end in [*(randomly.randrange(len(content)) for _ in range(25)), len(content) - 1]:
        path.write_bytes(content[:end])
        result = read_or_refused(path, bundle.path)
        if isinstance(result, str):
            assert "cut.mcap: " in result
            continue
        lengths.add(result["events"])
        assert result["identical"]
        assert "the file ends early or is damaged" in result["ended_early"]
    assert len(lengths) > 3  # it has been cut between many chunks


def test_a_bag_with_bytes_changed_is_read_up_to_there_or_refused(content, tmp_path, bundle):
    randomly = random.Random(4)
    path, read = tmp_path / "damaged.mcap", 0
    for _ in range(40):
        damaged = bytearray(content)
        for _ in range(randomly.choice((1, 5, 50))):
            damaged[randomly.randrange(len(damaged))] = randomly.randrange(256)
        path.write_bytes(damaged)
        result = read_or_refused(path, bundle.path)
        if isinstance(result, str):
            assert "damaged.mcap: " in result
        else:
            read += 1
            assert result["identical"] or not result["same_policy"]
    assert 0 < read < 40


def test_events_that_were_dropped_end_the_replay_there(bundle, pendulum, tmp_path):
    made = Run(bundle, pendulum, tmp_path)
    made.step()
    made.loop.start()
    for k in range(30):
        made.recorder.limit = 0 if 10 <= k < 13 else 1000
        made.step()
    assert made.recorder.dropped == 3
    result = replay_bag(made.close(), bundle.path)
    assert (result["identical"], result["events"]) == (True, 12)
    assert result["ended_early"] == "events 12 to 14 are missing"


def test_a_policy_that_failed_is_no_difference(bundle, pendulum, tmp_path):
    made = Run(bundle, pendulum, tmp_path)
    made.step()
    made.loop.start()
    for _ in range(5):
        made.step()
    act = made.loop.controller.adapter.act

    def fail(*_, **__):
        raise RuntimeError("out of memory")

    made.loop.controller.adapter.act = fail
    with pytest.raises(RuntimeError):
        made.step()
    made.loop.end(100.0 + made.clock)
    made.loop.controller.adapter.act = act
    made.step()
    made.loop.start()
    for _ in range(5):
        made.step()
    result = replay_bag(made.close(), bundle.path)
    assert (result["identical"], result["steps"]) == (True, 11)  # 5, the end's, 5


@pytest.mark.parametrize(
    ("label", "data"), [("joints", []), ("jump", [0.0] * 4), ("joints", [0.0, 0.0, 0.0, 7.0]), (None, [])]
)
def test_what_is_no_event_is_refused(label, data):
    message = event_message(read_event_of("joints"))
    message.data = data
    if label is None:
        message.layout.dim = []
    else:
        next(iter(message.layout.dim)).label = label
    with pytest.raises(BridgeError, match="no event"):
        read_event(message)


def read_event_of(kind: str):
    return Event(Kind(kind), 3, 1.5, 2.5)


def test_an_event_comes_back_as_it_was():
    event = read_event(event_message(read_event_of("watch")))
    assert (event.kind, event.sequence, event.arrival, event.now) == (Kind.WATCH, 3, 1.5, 2.5)


SCRIPT = """
    import sys, time
    from pathlib import Path
    from adapt.bundle import load_bundle
    from robots import load_robot
    from tests.ros_bridge.recorded import Run
    run = Run(load_bundle(sys.argv[1]), load_robot("pendulum"), Path(sys.argv[2]))
    run.step()
    run.loop.start()
    while True:
        run.step()
        print(len(run.commands), flush=True)
        time.sleep(0.01)
"""


def test_a_process_that_is_killed_leaves_a_bag_that_replays(bundle, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(bundle.path), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        until(lambda: int(next(lines)) > 100)
        killed = time.monotonic()
        sent = int(next(lines))
    finally:
        process.kill()
        process.communicate()
    (folder,) = tmp_path.iterdir()
    assert not (folder / "metadata.yaml").exists()
    result = replay_bag(folder, bundle.path)
    assert result["identical"]
    assert "the file ends early" in result["ended_early"]
    assert time.monotonic() - killed < 30
    assert sent - result["steps"] < 100  # a second's worth, at a command every 10 ms or slower


def test_reasons_are_counted_by_name(run, bundle):
    result = replay_bag(run.folder, bundle.path)
    events = [event.output for event in Bag(run.folder).events() if event.output is not None]
    stopped = sum(bool(output.reasons & Reason.STOPPED) for output in events)
    assert result["reasons"]["replayed"]["stopped"] == stopped > 0
