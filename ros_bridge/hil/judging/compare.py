"""`compare`: several bundles on the same scenarios and seeds, against one that does not adapt.

S seeds, n scenarios. Intervals are the 95 % bootstrap intervals of `adapt.statistics`, over scenarios and seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from adapt.statistics import bootstrap
from ros_bridge.errors import BridgeError
from ros_bridge.hil.judging.figures import FIGURES
from ros_bridge.hil.judging.finding import Outcome

JUDGED = (Outcome.PASSED.value, Outcome.FAILED.value)
"""Outcomes of runs of which something is known."""
Key = tuple[str, int]
"""Scenario and seed."""
Runs = Mapping[Key, Mapping[str, Any]]


def compare(results: Iterable[Mapping[str, Any]], reference: str) -> dict[str, Any]:
    """What each label came to, and what it bought over the reference, as JSON has it.

    Means are over `all` and by family: a figure in the task's unit has none over several families.
    A time that never came about is no number, and so in no mean: `known` of `runs` says how often there was one, and
    `arrived`, `missing` how often a label had one where the reference had none, and the other way round.

    Args:
        results: contents of `result.json` files with `figures`; runs that are invalid or in error count for nothing
            but `outcomes`.
        reference: label of the bundle that does not adapt.

    Raises:
        BridgeError: there is no such label, or a run is there twice.
    """
    runs = _by_label(results)
    if reference not in runs:
        raise BridgeError(f"reference {reference!r}; valid: {', '.join(runs) or 'none'}")
    judged = {
        label: {key: run for key, run in of_label.items() if run["outcome"] in JUDGED}
        for label, of_label in runs.items()
    }
    families = dict.fromkeys(run["family"] for of_label in judged.values() for run in of_label.values())
    groups = {"all": judged} | {family: _of_family(judged, family) for family in families}
    return {
        "reference": reference,
        "labels": list(runs),
        "figures": {
            name: {"about": each.about, "unit": each.unit, "higher_is_better": each.higher}
            for name, each in FIGURES.items()
        },
        "scenarios": _scenarios(runs),
        "groups": {name: _group(group, reference) for name, group in groups.items()},
        "buys": _ranked(judged, reference, buys=True),
        "hurts": _ranked(judged, reference, buys=False),
    }


def _by_label(results: Iterable[Mapping[str, Any]]) -> dict[str, dict[Key, Mapping[str, Any]]]:
    runs = dict[str, dict[Key, Mapping[str, Any]]]()
    for result in results:
        key, of_label = (result["scenario"], int(result["seed"])), runs.setdefault(result["label"], {})
        if key in of_label:
            raise BridgeError(f"{result['label']}: scenario {key[0]!r} with seed {key[1]} is there twice")
        of_label[key] = result
    return runs


def _scenarios(runs: Mapping[str, Runs]) -> dict[str, dict[str, Any]]:
    """By scenario and label: the outcomes by seed, and means of the figures over seeds."""
    table = dict[str, dict[str, Any]]()
    for label, of_label in runs.items():
        for scenario in dict.fromkeys(scenario for scenario, _ in of_label):
            own = {seed: run for (name, seed), run in of_label.items() if name == scenario}
            known = [run["figures"] for run in own.values() if run["outcome"] in JUDGED]
            table.setdefault(scenario, {})[label] = {
                "outcomes": {str(seed): run["outcome"] for seed, run in own.items()},
                "figures": {name: _plain_mean([each.get(name) for each in known]) for name in FIGURES},
            }
    return table


def _of_family(runs: Mapping[str, Runs], family: str) -> dict[str, Runs]:
    return {
        label: {key: run for key, run in of_label.items() if run["family"] == family}
        for label, of_label in runs.items()
    }


def _group(runs: Mapping[str, Runs], reference: str) -> dict[str, Any]:
    """Means of each label, and its differences to the reference."""
    families = {run["family"] for of_label in runs.values() for run in of_label.values()}
    names = [name for name, figure in FIGURES.items() if figure.unit or len(families) < 2]
    return {
        "means": {
            label: {"passed": _passed(of_label)}
            | {name: _with_interval(_known(of_label, name), len(of_label)) for name in names}
            for label, of_label in runs.items()
        },
        "differences": {
            label: {name: _difference(of_label, runs[reference], name) for name in names}
            for label, of_label in runs.items()
            if label != reference
        },
    }


def _passed(runs: Runs) -> dict[str, Any]:
    """Share of the runs that passed."""
    passed = {key: float(run["outcome"] == Outcome.PASSED.value) for key, run in runs.items()}
    return _with_interval(passed, len(runs))


def _known(runs: Runs, figure: str) -> dict[Key, float]:
    return {
        key: float(value) for key, run in runs.items() if (value := run["figures"].get(figure)) is not None
    }


def _difference(label: Runs, reference: Runs, figure: str) -> dict[str, Any]:
    """Of runs of the same scenario and seed: label minus reference, in the figure's unit."""
    mine, other = _known(label, figure), _known(reference, figure)
    both = [key for key in label if key in reference]
    pairs = {key: mine[key] - other[key] for key in both if key in mine and key in other}
    return {
        **_with_interval(pairs, len(both)),
        "arrived": sum(key in mine and key not in other for key in both),
        "missing": sum(key in other and key not in mine for key in both),
        "pairs": [
            {"scenario": scenario, "seed": seed, "difference": difference}
            for (scenario, seed), difference in pairs.items()
        ],
    }


def _with_interval(values: Mapping[Key, float], runs: int) -> dict[str, Any]:
    """Mean and interval of what is known of so many runs; of less than two values there is no interval."""
    interval = bootstrap(_known_mean, _grid(values)) if len(values) > 1 else None
    return {
        "mean": _plain_mean(list(values.values())),
        "interval": interval,
        "known": len(values),
        "runs": runs,
    }


def _grid(values: Mapping[Key, float]) -> np.ndarray:
    """Values by seed and scenario, NaN where there is none. Shape (S, n)."""
    scenarios, seeds = (list(dict.fromkeys(column)) for column in zip(*values, strict=True))
    cells = [values.get((scenario, seed), np.nan) for seed, scenario in product(seeds, scenarios)]
    return np.array(cells).reshape(len(seeds), len(scenarios))


def _known_mean(samples: np.ndarray) -> np.ndarray:
    """Along the last axis, of what is not NaN; where all is, of all that was drawn elsewhere."""
    known = ~np.isnan(samples)
    count, total = known.sum(axis=-1), np.where(known, samples, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), total.sum() / max(int(count.sum()), 1))


def _plain_mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _ranked(runs: Mapping[str, Runs], reference: str, buys: bool) -> dict[str, list[dict[str, Any]]]:
    """By figure: scenarios in which a label was better than the reference, or worse, by how much; most first.

    `gain` is the mean difference over seeds, with the sign by which more is better. Of a figure in the task's unit the
    order is by `relative`, which is the gain as a share of the reference's mean.
    """
    ranked = dict[str, list[dict[str, Any]]]()
    for name, figure in FIGURES.items():
        rows = [
            row
            for label, of_label in runs.items()
            if label != reference
            for row in _gains(label, of_label, runs[reference], name)
            if (row["gain"] > 0.0 if buys else row["gain"] < 0.0)
        ]
        by = "gain" if figure.unit else "relative"
        ranked[name] = sorted(rows, key=lambda row, by=by: row[by] or 0.0, reverse=buys)
    return ranked


def _gains(label: str, runs: Runs, reference: Runs, figure: str) -> list[dict[str, Any]]:
    """What a label gained in each scenario, over the seeds that both have."""
    mine, other = _known(runs, figure), _known(reference, figure)
    both = [key for key in mine if key in other]
    sign = 1.0 if FIGURES[figure].higher else -1.0
    rows = list[dict[str, Any]]()
    for scenario in dict.fromkeys(scenario for scenario, _ in both):
        keys = [key for key in both if key[0] == scenario]
        before = float(np.mean([other[key] for key in keys]))
        gain = sign * (float(np.mean([mine[key] for key in keys])) - before)
        relative = gain / abs(before) if before else None
        rows.append(
            {"scenario": scenario, "label": label, "gain": gain, "relative": relative, "seeds": len(keys)}
        )
    return rows
