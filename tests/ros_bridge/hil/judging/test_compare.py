"""Bundles against one that does not adapt. Expected values are worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console

from ros_bridge.errors import BridgeError
from ros_bridge.hil.judging.compare import compare
from ros_bridge.hil.judging.compare_table import compare_table


def run(scenario: str, label: str, seed: int, on_target: float | None, time: float | None = None, **more):
    return {
        "scenario": scenario,
        "family": "pendulum_swingup",
        "label": label,
        "seed": seed,
        "outcome": "passed" if (on_target or 0.0) > 0.5 else "failed",
        "figures": {"on_target": on_target, "time_to_target": time, "tracking_error": None},
        **more,
    }


RESULTS = [
    run("payload", "dr", 0, 0.4, 3.0),
    run("payload", "dr", 1, 0.6, 4.0),
    run("push", "dr", 0, 0.9, 1.0),
    run("push", "dr", 1, 0.9, None),
    run("payload", "rl2", 0, 0.8, 1.0),
    run("payload", "rl2", 1, 0.9, None),
    run("push", "rl2", 0, 0.8, 2.0),
    run("push", "rl2", 1, 0.8, 3.0),
]


def test_means_differences_and_who_arrived():
    compared = compare(RESULTS, "dr")
    assert (compared["reference"], compared["labels"]) == ("dr", ["dr", "rl2"])
    means = compared["groups"]["all"]["means"]
    assert means["dr"]["on_target"]["mean"] == pytest.approx(0.7)
    assert means["rl2"]["on_target"]["mean"] == pytest.approx(0.825)
    assert means["dr"]["passed"]["mean"] == pytest.approx(0.75)
    difference = compared["groups"]["all"]["differences"]["rl2"]["on_target"]
    # 0.4, 0.3, -0.1, -0.1
    assert difference["mean"] == pytest.approx(0.125)
    assert [pair["difference"] for pair in difference["pairs"]] == pytest.approx([0.4, 0.3, -0.1, -0.1])
    low, high = difference["interval"]
    assert -0.1 <= low < 0.125 < high <= 0.4
    times = compared["groups"]["all"]["differences"]["rl2"]["time_to_target"]
    # Both came to it on seed 0 alone: -2 and +1 s. Once dr alone, once rl2 alone.
    assert (times["mean"], times["known"], times["runs"]) == (pytest.approx(-0.5), 2, 4)
    assert (times["arrived"], times["missing"]) == (1, 1)
    assert means["dr"]["time_to_target"]["known"] == 3
    json.dumps(compared, allow_nan=False)


def test_where_it_buys_and_where_it_hurts():
    compared = compare(RESULTS, "dr")
    (buys,), (hurts,) = compared["buys"]["on_target"], compared["hurts"]["on_target"]
    assert (buys["scenario"], buys["label"], buys["seeds"]) == ("payload", "rl2", 2)
    assert buys["gain"] == pytest.approx(0.35)
    assert buys["relative"] == pytest.approx(0.7)
    assert (hurts["scenario"], hurts["gain"]) == ("push", pytest.approx(-0.1))
    # Less time is better.
    (buys,), (hurts,) = compared["buys"]["time_to_target"], compared["hurts"]["time_to_target"]
    assert (buys["scenario"], buys["gain"]) == ("payload", pytest.approx(2.0))
    assert (hurts["scenario"], hurts["gain"]) == ("push", pytest.approx(-1.0))


def test_both_lists_begin_with_the_most():
    extra = [run("slope", "dr", 0, 0.5), run("slope", "rl2", 0, 0.6), run("slope", "rma", 0, 0.1)]
    compared = compare([*RESULTS, *extra], "dr")
    assert [row["scenario"] for row in compared["buys"]["on_target"]] == ["payload", "slope"]
    assert [row["label"] for row in compared["hurts"]["on_target"]] == ["rma", "rl2"]


def test_runs_of_which_nothing_is_known_count_as_outcomes_alone():
    lost = run("push", "rl2", 2, 0.0, outcome="invalid")
    compared = compare([*RESULTS, lost, run("push", "dr", 2, 1.0)], "dr")
    assert compared["scenarios"]["push"]["rl2"]["outcomes"] == {"0": "passed", "1": "passed", "2": "invalid"}
    assert compared["scenarios"]["push"]["rl2"]["figures"]["on_target"] == pytest.approx(0.8)
    assert compared["groups"]["all"]["differences"]["rl2"]["on_target"]["runs"] == 4


def test_errors_of_different_families_are_not_averaged():
    arm = [
        run("reach", label, 0, 1.0, family="ur5e_reach", figures={"tracking_error": error})
        for label, error in (("dr", 0.02), ("rl2", 0.01))
    ]
    turn = [run("turn", label, 0, 1.0, figures={"tracking_error": 1.0}) for label in ("dr", "rl2")]
    compared = compare([*arm, *turn], "dr")
    assert "tracking_error" not in compared["groups"]["all"]["means"]["dr"]
    group = compared["groups"]["ur5e_reach"]
    assert group["means"]["rl2"]["tracking_error"] == {
        "mean": 0.01, "interval": None, "known": 1, "runs": 1,
    }  # fmt: skip
    (bought,) = compared["buys"]["tracking_error"]
    assert (bought["gain"], bought["relative"]) == (pytest.approx(0.01), pytest.approx(0.5))


def test_intervals_narrow_with_more_scenarios_and_cover_the_mean():
    random = np.random.default_rng(0)
    widths = []
    for count in (5, 80):
        results = [
            run(f"s{index}", label, seed, float(random.uniform(0.0, 1.0)))
            for index in range(count)
            for seed in range(2)
            for label in ("dr", "rl2")
        ]
        mean = compare(results, "dr")["groups"]["all"]["means"]["dr"]["on_target"]
        low, high = mean["interval"]
        values = [each["figures"]["on_target"] for each in results if each["label"] == "dr"]
        assert mean["mean"] == pytest.approx(np.mean(values))
        assert low < mean["mean"] < high
        widths.append(high - low)
    assert widths[1] < 0.5 * widths[0]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(BridgeError, match="reference 'mpc'; valid: dr, rl2"):
        compare(RESULTS, "mpc")
    with pytest.raises(BridgeError, match="dr: scenario 'payload' with seed 0 is there twice"):
        compare([*RESULTS, RESULTS[0]], "dr")
    with pytest.raises(BridgeError, match="valid: none"):
        compare([], "dr")


def test_one_run_of_each_has_no_interval():
    compared = compare([run("a", "dr", 0, 0.5), run("a", "rl2", 0, None)], "dr")
    means = compared["groups"]["all"]["means"]
    assert means["dr"]["on_target"]["interval"] is None
    assert means["rl2"]["on_target"] == {"mean": None, "interval": None, "known": 0, "runs": 1}
    assert compared["groups"]["all"]["differences"]["rl2"]["on_target"]["missing"] == 1


def test_tables_say_all_of_it():
    console = Console(width=240)
    with console.capture() as captured:
        console.print(compare_table(compare(RESULTS, "dr")))
    text = captured.get()
    for part in ("payload", "push", "1/2", "0.825", "(+0.125", "of 3/4", "buys", "hurts", "+0.35", "-0.1"):
        assert part in text, part
