"""`adapt latency`: recordings with known times give the ranges that belong to them, and the next training has them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import ros_bridge.recorder
from adapt import delays
from adapt.bundle import load_bundle
from adapt.cli import main
from robots import load_robot
from sim_tasks.families import load_family
from tests.ros_bridge.recorded import EPOCH, Run
from tests.small_bundle import untrained_bundle, untrained_policy

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return untrained_bundle(tmp_path_factory.mktemp("bundle") / "recorded")


@pytest.fixture(scope="module")
def arm_bundle(tmp_path_factory):
    return untrained_policy(tmp_path_factory.mktemp("ur5e") / "bundle", "ur5e_reach")


class Timed(Run):
    """A run whose times are all chosen: how old readings are, how long an answer takes."""

    def __init__(self, bundle, folder: Path, monkeypatch, robot: str = "pendulum"):
        super().__init__(bundle, load_robot(robot), folder)
        self.processing = self.jump = 0.0
        self._late = 0.0
        names = {name: getattr(time, name) for name in ("time_ns", "strftime", "sleep")}
        clock = SimpleNamespace(**names, monotonic=lambda: 100.0 + self.clock + self._late + self.processing)
        monkeypatch.setattr(ros_bridge.recorder, "time", clock)
        hear, hear_imu = self.loop.hear, self.loop.hear_imu
        self.loop.hear = lambda reading, now, arrival: hear(reading, now + self.jump, arrival)
        self.loop.hear_imu = lambda reading, now, arrival: hear_imu(reading, now + self.jump, arrival)

    def timed(self, age: float, processing: float) -> None:
        self._late, self.processing = age, processing
        self.step(late=age)


QUICK = ((0.002, 0.006), (0.001, 0.003))
SLOW = ((0.02, 0.035), (0.004, 0.01))
"""Ages of readings and times that answers take, in [s], each uniform between two ends."""


def regular(bundle, folder, monkeypatch, times=QUICK, robot: str = "pendulum", steps: int = 300) -> Path:
    run, random = Timed(bundle, folder, monkeypatch, robot), np.random.default_rng(0)
    run.step()
    run.loop.start()
    for age, processing in zip(*(random.uniform(low, high, steps) for low, high in times), strict=True):
        run.timed(age, processing)
    run.loop.end(100.0 + run.clock)
    return run.close()


def found(arguments: list[str], capsys) -> tuple[int, dict, str]:
    code = main(["latency", *arguments, "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out.splitlines()[-1]) if captured.out else {}, captured.err


def test_known_delays_are_found(bundle, tmp_path, monkeypatch, capsys):
    bag = regular(bundle, tmp_path / "bags", monkeypatch)
    code, result, _ = found([str(bag), "--out", str(tmp_path)], capsys)
    assert code == 0
    (row,) = result["bags"]
    age, processing = row["times_ms"]["age of what a step acts on"], row["times_ms"]["processing"]
    # Percentiles of uniform numbers from a to b: a + p (b - a).
    assert [age[of] for of in ("p1", "p50", "p99")] == pytest.approx([2.04, 4.0, 5.96], abs=0.25)
    assert [processing[of] for of in ("p1", "p50", "p99")] == pytest.approx([1.02, 2.0, 2.98], abs=0.15)
    assert row["times_ms"]["interval of joints"]["p50"] == pytest.approx(20.0, abs=0.2)
    assert (row["steps"], row["missed_periods"]["missed"], row["notes"]) == (300, 0, [])
    (delay,) = result["parameters"]
    assert (delay["name"], delay["trained"], delay["covered"]) == ("action_delay", [0.01, 0.04], None)
    # Of sums of uniform numbers, (s - 3)^2 / (2 x 4 x 2) = 1 % lie below s = 3.4, and as many above 8.6.
    assert delay["measured"] == pytest.approx([0.0034, 0.0086], abs=0.0003)
    low, high = (1e3 * (end - own) for end, own in zip(delay["trained"], delay["measured"], strict=True))
    assert delay["words"] == f"covered if the driver takes {low:.1f} to {high:.1f} ms"
    assert "driver's own time" in result["not_measured"]
    assert json.loads(Path(result["file"]).read_text()) == result
    page = Path(result["file"]).with_suffix(".html").read_text(encoding="utf-8")
    assert 'data-figure="delays-0"' in page
    assert 'data-figure="intervals-0"' in page


@pytest.mark.parametrize(
    ("driver", "covered", "spans"),
    [((0.01, 0.03), True, None), ((0.0, 0.03), False, [0.003, 0.04]), ((0.01, 0.05), False, [0.01, 0.059])],
)
def test_the_drivers_delay_is_added(driver, covered, spans, bundle, tmp_path, monkeypatch, capsys):
    bag = regular(bundle, tmp_path / "bags", monkeypatch)
    given = ["--driver-delay", *map(str, driver), "--out", str(tmp_path)]
    (delay,) = found([str(bag), *given], capsys)[1]["parameters"]
    assert (delay["covered"], delay["range"]) == (covered, spans)
    assert delay["words"] == ("covered" if spans is None else f"widen to {spans[0]:g}-{spans[1]:g} s")


def test_several_bags_are_covered_together(bundle, tmp_path, monkeypatch, capsys):
    quick = regular(bundle, tmp_path / "quick", monkeypatch)
    slow = regular(bundle, tmp_path / "slow", monkeypatch, SLOW)
    _, result, _ = found([str(quick), str(slow), "--out", str(tmp_path)], capsys)
    (delay,) = result["parameters"]
    # Sums of two uniform numbers: (e - s)^2 / (2 x 15 x 6) = 1 % of the slow ones lie beyond s = 43.7 of e = 45 ms.
    assert delay["measured"] == pytest.approx([0.0034, 0.0437], abs=0.0006)
    # The driver takes 6.6 ms at least, so that the quick one comes to 10 ms; the slow one is 50.3 ms then.
    assert (delay["covered"], delay["range"]) == (False, [0.01, pytest.approx(0.0505, abs=0.0011)])
    assert len(result["bags"]) == 2


def test_where_the_family_delays_sensors_too_ages_are_theirs(arm_bundle, tmp_path, monkeypatch, capsys):
    bag = regular(arm_bundle, tmp_path / "bags", monkeypatch, SLOW, "ur5e")
    action, observed = found([str(bag), "--out", str(tmp_path)], capsys)[1]["parameters"]
    assert (action["name"], observed["name"]) == ("action_delay", "observation_delay")
    assert action["measured"] == pytest.approx([0.00406, 0.00994], abs=0.0003)
    assert observed["measured"] == pytest.approx([0.02015, 0.03485], abs=0.0008)
    assert observed["range"] == [0.0, 0.035]


def test_the_next_training_has_the_range(bundle, tmp_path, monkeypatch, capsys):
    bag = regular(bundle, tmp_path / "bags", monkeypatch, SLOW)
    _, result, _ = found([str(bag), "--driver-delay", "0.002", "0.01", "--out", str(tmp_path)], capsys)
    ((option,), (delay,)) = result["options"], result["parameters"]
    run = tmp_path / "run"
    command = ["train", "dr", result["family"], *option.split(), "--out", str(run)]
    assert main([*command, "--iterations", "1", "--robots", "8", "--threads", "1"]) == 0
    assert main([*command, "--iterations", "1", "--robots", "8", "--threads", "1", "--resume"]) == 0
    assert main(["export", str(run)]) == 0
    family = load_bundle(run / "bundle").manifest["family"]
    (trained,) = [p for p in family["parameters"] if p["name"] == "action_delay"]
    assert [trained["low"], trained["high"]] == delay["range"]
    drawn = load_family(family["name"]).sample("test", 300, 0)[:, 5]
    assert drawn.min() >= delay["range"][0]
    assert drawn.max() > delay["measured"][1] - 0.005  # beyond what the family had, 0.04 s
    # And then it is covered.
    again = delays.judge(
        family["parameters"], [delays.Measured((0, 0), None, tuple(delay["measured"]), 0)], (0, 0)
    )
    assert again[0].covered


def test_readings_from_the_future_are_told_and_not_averaged(bundle, tmp_path, monkeypatch, capsys):
    """Two of 300 readings come before their own stamp: the others' ages are what they were."""
    run = Timed(bundle, tmp_path / "bags", monkeypatch)
    run.step()
    run.loop.start()
    for k in range(300):
        run.jump = -0.015 if k in (100, 200) else 0.0
        run.timed(0.004, 0.002)
    _, result, _ = found([str(run.close()), "--out", str(tmp_path)], capsys)
    (row,) = result["bags"]
    assert row["notes"] == [
        "joints: 2 of 301 readings are from the future, by up to 11.0 ms: the clocks disagree; they are left out"
    ]
    assert row["times_ms"]["age of what a step acts on"]["p1"] == pytest.approx(4.0, abs=0.01)
    assert result["parameters"][0]["measured"] == pytest.approx([0.006, 0.006], abs=1e-4)


def test_clocks_that_disagree_leave_ages_unknown(bundle, tmp_path, monkeypatch, capsys):
    """The robot's computer is 10 ms ahead: half of the readings would have a negative age."""
    run = Timed(bundle, tmp_path / "bags", monkeypatch)
    run.step()
    run.loop.start()
    run.jump = -0.01
    for k in range(200):
        run.timed(0.008 if k % 2 else 0.012, 0.002)
    code, result, _ = found([str(run.close()), "--out", str(tmp_path)], capsys)
    (row,) = result["bags"]
    assert code == 0
    assert row["times_ms"]["age of what a step acts on"] is None
    assert row["times_ms"]["processing"]["p50"] == pytest.approx(2.0, abs=0.01)
    assert "joints: the ages of the others are not believed either" in row["notes"]
    (delay,) = result["parameters"]
    assert (delay["measured"], delay["covered"]) == (None, None)
    assert delay["words"] == "not known: the clocks disagree"


def test_a_jump_of_ros_time_is_told(bundle, tmp_path, monkeypatch, capsys):
    run = Timed(bundle, tmp_path / "bags", monkeypatch)
    run.step()
    run.loop.start()
    for k in range(200):
        run.jump = 0.03 if k >= 100 else 0.0
        run.timed(0.004, 0.002)
    _, result, _ = found([str(run.close()), "--out", str(tmp_path)], capsys)
    assert result["bags"][0]["notes"] == ["ROS time jumped by +30.0 ms after 2.02 s"]


def test_periods_without_a_reading_are_counted(bundle, tmp_path, monkeypatch, capsys):
    run = Timed(bundle, tmp_path / "bags", monkeypatch)
    run.step()
    run.loop.start()
    for k in range(100):
        run.clock += 0.04 if k in (20, 50) else 0.0  # two readings lost, twice
        run.timed(0.002, 0.001)
    run.loop.end(100.0 + run.clock)
    run.clock += 5.0  # not active: nothing is missed
    run.loop.start()
    run.timed(0.002, 0.001)
    _, result, _ = found([str(run.close()), "--out", str(tmp_path)], capsys)
    assert result["bags"][0]["missed_periods"] == {"missed": 4, "of": 103, "share": pytest.approx(4 / 103)}


def test_a_bag_without_latency_is_refused(bundle, tmp_path, monkeypatch, capsys):
    run = Timed(bundle, tmp_path / "bags", monkeypatch)
    for _ in range(5):
        run.timed(0.002, 0.001)  # never activated
    code, _, err = found([str(run.close()), "--out", str(tmp_path)], capsys)
    assert code == 2
    assert "no latency: in 5 readings of the joints the policy was never asked for a command" in err


@pytest.mark.parametrize("content", [b"", b"no bag at all, but long enough to look like one", None])
def test_what_is_no_bag_is_refused(content, tmp_path, capsys):
    path = tmp_path / "bag.mcap"
    if content is not None:
        path.write_bytes(content)
    code, _, err = found([str(path), "--out", str(tmp_path)], capsys)
    assert code == 2
    assert err.startswith(f"adapt: {path}: ")


def test_a_bag_that_ends_early_is_read_up_to_there(bundle, tmp_path, monkeypatch, capsys):
    folder = regular(bundle, tmp_path / "bags", monkeypatch)
    file = next(folder.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: int(0.7 * file.stat().st_size)])
    code, result, err = found([str(folder), "--out", str(tmp_path)], capsys)
    if code:  # all of it was one chunk
        assert "the file ends early or is damaged" in err
    else:
        assert result["bags"][0]["notes"][0].startswith("read up to there: the file ends early")


def test_times_that_no_clock_says_are_refused(bundle, tmp_path, monkeypatch, capsys):
    run = Timed(bundle, tmp_path / "bags", monkeypatch)
    run.step()
    run.loop.start()
    for k in range(20):
        run.timed(0.002, -1.0 if k == 7 else 0.001)
    code, _, err = found([str(run.close()), "--out", str(tmp_path)], capsys)
    assert code == 2
    assert "a latency of -1 s; none is below 0" in err


def test_a_bundle_of_another_policy_is_refused(bundle, tmp_path, monkeypatch, capsys):
    bag = regular(bundle, tmp_path / "bags", monkeypatch, steps=5)
    other = untrained_policy(tmp_path / "other", "pendulum_swingup")
    code, _, err = found([str(bag), "--bundle", str(other.path), "--out", str(tmp_path)], capsys)
    assert code == 2
    assert "recorded with another policy" in err
    code, _, err = found([str(bag), "--driver-delay", "0.02", "0.01"], capsys)
    assert code == 2
    assert "driver-delay: 0.02 0.01; valid: LOW HIGH, from 0 to 1 s" in err


def test_a_bundle_that_has_gone_is_asked_for(tmp_path, monkeypatch, capsys):
    gone = untrained_policy(tmp_path / "gone", "pendulum_swingup")
    bag = regular(gone, tmp_path / "bags", monkeypatch, steps=5)
    (tmp_path / "gone").rename(tmp_path / "here")
    code, _, err = found([str(bag), "--out", str(tmp_path)], capsys)
    assert code == 2
    assert "is not there: say where it is, --bundle" in err
    assert found([str(bag), "--bundle", str(tmp_path / "here"), "--out", str(tmp_path)], capsys)[0] == 0


def test_the_table_in_words(bundle, tmp_path, monkeypatch, capsys):
    bag = regular(bundle, tmp_path / "bags", monkeypatch)
    assert main(["latency", str(bag), "--driver-delay", "0", "0.05", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "missed periods: 0 of 299 (0.00%)" in said
    assert "of the former, 0 to 0.05 s are added" in said
    assert "adapt train LEARNER pendulum_swingup --range action_delay=0.003:0.059" in said


def parameter(name: str, low: float, high: float) -> dict:
    return {"name": name, "unit": "s", "low": low, "high": high}


def test_jitter_and_lost_readings_have_parameters_of_their_own():
    family = [
        parameter("action_delay", 0.0, 0.01),
        parameter("control_jitter", 0.0, 0.004),
        parameter("drop_probability", 0.0, 0.1),
        parameter("mass", 0.0, 0.1),
    ]
    found = [delays.Measured((0.001, 0.002), (0.0, 0.004), (0.002, 0.007), missed=0.2)]
    action, jitter, dropped = delays.judge(family, found, (0.0, 0.0))
    assert action.covered
    assert (jitter.measured, jitter.range) == ((0.0, pytest.approx(0.005)), (0.0, 0.005))
    assert (dropped.covered, dropped.range) == (False, (0.0, 0.2))


def test_a_spread_that_is_too_wide_for_any_driver_is_widened():
    (action,) = delays.judge(
        [parameter("action_delay", 0.01, 0.02)], [delays.Measured((0, 0), None, (0.001, 0.015), 0.0)], None
    )
    # The driver takes at least 9 ms, so that 1 ms become 10; then 15 ms are 24.
    assert (action.covered, action.range) == (False, (0.01, 0.024))
    assert action.words == "widen to 0.01-0.024 s, and by what the driver takes beyond 9.0 ms"


def test_a_process_that_is_held_up_between_two_clocks_is_no_jump():
    arrival = 0.02 * np.arange(100)
    now = EPOCH + arrival
    now[40] += 0.3
    assert delays.clock_jumps(now, arrival) == []
    now[60:] -= 0.01
    ((place, size),) = delays.clock_jumps(now, arrival)
    assert abs(place - 60) <= 2
    assert size == pytest.approx(-0.01, abs=1e-4)
