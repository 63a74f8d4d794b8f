"""The manifest: each field is declared and documented, and what is not as declared is refused with its place."""

from __future__ import annotations

import re
from typing import Any

import pytest

from adapt.bundle import load_bundle
from adapt.bundle_schema import SCHEMA
from robots import load_robot
from robots.spec import EffortSensor
from sim_tasks.families import load_family
from tests.adapt.damaged import change, read, refused, write
from tests.documents import DOCS

GOAL = {
    "kind": "velocity",
    "names": ["forward", "left", "turning"],
    "units": ["m/s", "m/s", "rad/s"],
    "low": [-1.0, -1.0, -1.0],
    "high": [1.0, 1.0, 1.0],
}
FIELDS = (
    "schema", "files", "robot", "robot_digest", "observation", "action", "goal", "adapter", "family", "training",
    "evaluation", "git_commit", "manifest_digest",
)  # fmt: skip


def test_the_manifest_has_these_fields_and_no_other(folder):
    assert set(read(folder)) == {*FIELDS, "familiarity"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field in FIELDS
        for value in ("missing", None, True, 1.5)
        if value is not None or field not in ("goal", "evaluation")
    ],
)
def test_missing_and_mistyped_fields_are_named(folder, field, value):
    manifest = read(folder) | {field: value}
    if value == "missing":
        del manifest[field]
    write(folder, manifest, sealed=field != "manifest_digest")
    if value == "missing":
        refused(folder, "manifest.json", f"missing field {field!r}; needed: {', '.join(FIELDS)}")
    else:
        refused(folder, "manifest.json", f" {field}: expected ", f"got {value!r}")


@pytest.mark.parametrize("value", ["missing", None])
def test_bundles_without_familiarity_are_read(folder, value):
    """Those from before there was any, and those of policies that do not forecast."""
    manifest = read(folder) | {"familiarity": value}
    if value == "missing":
        del manifest["familiarity"]
    write(folder, manifest)
    assert load_bundle(folder).manifest.get("familiarity") is None


def test_a_familiarity_needs_a_forecast(folder):
    manifest = read(folder)
    del manifest["adapter"]["action_history"]
    write(folder, manifest)
    refused(folder, "familiarity: expected null: there is no forecast")


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("robot", "velocity_limit"), [200.0]),
        (("training", "seed"), 7),
        (("git_commit",), "another"),
        (("adapter", "latent"), 2),
    ],
)
def test_a_manifest_that_was_changed_is_refused(folder, keys, value):
    """Each of them would be a valid one."""
    change(folder, *keys, to=value, sealed=False)
    refused(folder, "manifest.json", "manifest_digest: the manifest was changed after export")


def test_a_manifest_in_another_order_is_refused(folder):
    manifest = read(folder)
    write(folder, manifest | {"observation": manifest["observation"][::-1]}, sealed=False)
    refused(folder, "the manifest was changed after export")
    write(folder, dict(reversed(manifest.items())), sealed=False)
    refused(folder, "the manifest was changed after export")
    write(folder, manifest, sealed=False)  # only without its white space
    load_bundle(folder)


def test_a_name_that_stands_there_twice_is_refused(folder):
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"git_commit":', '"git_commit": "x", "git_commit":'))
    refused(folder, "not valid JSON: a name stands there twice: 'git_commit'")


@pytest.mark.parametrize("field", ["on_load", "Files", "schema "])
def test_unknown_fields_are_named_with_the_valid_ones(folder, field):
    change(folder, field, to="os.system('true')")
    refused(folder, repr(field), *FIELDS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 200_000, "not valid JSON"),
        (b'{"schema": ' + b"1" * 5000 + b"}", "not valid JSON: Exceeds the limit"),
        (b"[" * 900 + b"]" * 900, "top level: expected an object, got [[["),
        (b"[]", "expected an object"),
        (b"null", "expected an object"),
    ],
)
def test_manifests_that_are_not_json_objects_are_refused(folder, content, words):
    (folder / "manifest.json").write_bytes(content)
    refused(folder, "manifest.json", words)


@pytest.mark.parametrize("version", [0, SCHEMA - 1, SCHEMA + 1, -1])
def test_another_schema_is_refused(folder, version):
    write(folder, {"schema": version, "files": {}})  # whatever else it has is not looked at
    refused(folder, f"schema: version {version}, this release reads {SCHEMA}: export the run again")


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("schema",), 10**400, "schema: version 1000"),
        (("adapter", "kind"), "guess", "adapter.kind: 'guess'; valid: belief, memory, none, gradient"),
        (("adapter", "kind"), ["belief"], "adapter.kind: ['belief']; valid: belief, memory, none"),
        (("adapter", "hidden"), 0, "adapter.hidden: expected a whole number from 1 to 4096, got 0"),
        (("adapter", "hidden"), True, "adapter.hidden: expected a whole number"),
        (("adapter", "hidden"), 15.0, "adapter.hidden: expected a whole number"),
        (
            ("adapter", "latent"),
            10**9,
            "adapter.latent: expected a whole number from 1 to 4096, got 1000000000",
        ),
        (("adapter", "action_history"), "3", "adapter.action_history: expected a whole number"),
        (("adapter", "reward_free"), 1, "adapter.reward_free: expected true or false, got 1"),
        (("adapter", "on_load"), "x", "adapter: unknown field 'on_load'; valid: kind, hidden,"),
        (("robot",), [], "robot: expected an object, got []"),
        (("robot", "robot"), 5, "robot.robot: expected text of 1 to 100 printable characters, got 5"),
        (("robot", "robot"), [], "robot.robot: expected text"),
        (("robot", "robot"), "p" * 101, "robot.robot: expected text of 1 to 100"),
        (
            ("robot", "robot"),
            "a\nb",
            "robot.robot: expected text of 1 to 100 printable characters, got 'a\\nb'",
        ),
        (("robot", "joint_names"), "pivot", "robot.joint_names: expected a list of 1 to 64, got 'pivot'"),
        (("robot", "joint_names"), [1], "robot.joint_names[0]: expected text"),
        (("robot", "joint_names"), [], "robot.joint_names: expected a list of 1 to 64"),
        (("robot", "default_position"), [10**400], "robot.default_position[0]: expected a number from"),
        (
            ("robot", "default_position"),
            [0.0, 0.0],
            "robot.default_position: expected a list of 1, got [0.0, 0.0]",
        ),
        (("robot", "position_limits", 0, 0), float("-inf"), "robot.position_limits[0][0]: expected a number"),
        (
            ("robot", "stale_after"),
            0.0,
            "robot.stale_after: expected a number from above 0 to 1e+09, got 0.0",
        ),
        (("robot", "gains"), [[1.0]], "robot.gains[0]: expected a list of 2, got [1.0]"),
        (("robot", "tool"), {"offset": [0.0] * 3}, "robot.tool: missing field 'steps'"),
        (("action",), {}, "action: missing field 'centre'; needed: centre, half_range"),
        (("action", "half_range"), [0.0], "action.half_range[0]: expected a number from above 0"),
        (
            ("action", "centre"),
            [0.0, 0.0],
            "action.centre: 2 values; expected 1, one per joint that is not passive",
        ),
        (("goal",), {}, "goal: missing field 'kind'"),
        (("goal",), GOAL | {"kind": "dance"}, "goal.kind: 'dance'; valid: velocity, tool_position,"),
        (("goal",), GOAL | {"high": [1.0]}, "goal: high: expected 3 numbers"),
        (("goal",), GOAL | {"low": [0.0, 0.0, 2.0]}, "goal: low: [0.0, 0.0, 2.0] is above high"),
        (("goal",), GOAL, "goal: has 3 number(s); the observation's terms are of one with 0"),
        (
            ("family", "belief_names"),
            [],
            "family.belief_units: 13 values; expected 0, one per name in belief_names",
        ),
        (("family", "belief_names", 0), 7, "family.belief_names[0]: expected text"),
        (("family", "belief_names"), ["a"] * 13, "family.belief_names: a name stands there twice: a, a"),
        (("family", "belief_units"), ["kg"], "family.belief_units: 1 values; expected 13"),
        (("family", "parameters", 0, "low"), None, "family.parameters[0].low: expected a number"),
        (("observation",), [], "observation: expected a list of 1 to 64, got []"),
        (("observation", 0), "velocity", "observation[0]: expected an object, got 'velocity'"),
        (("observation", 0, "name"), "tactile", "observation[0].name: 'tactile'; valid: sin_position,"),
        (("observation", 0, "unit"), "deg", "observation 'sin_position' is in 1, not in 'deg'"),
        (("observation", 0, "size"), 2, "observation 'sin_position' has size 1, not 2"),
        (("observation", 0, "goal"), 3, "observation: goal: expected one size"),
        (("observation", 0, "scale"), "large", "observation[0].scale: expected a number from above 0"),
        (("observation", 0, "scale"), float("nan"), "observation[0].scale: expected a number"),
        (("observation", 0, "scale"), 10**400, "observation[0].scale: expected a number"),
        (
            ("observation", 0, "scale"),
            0,
            "observation[0].scale: expected a number from above 0 to 1e+09, got 0",
        ),
        (("observation", 2, "clip"), None, "observation[2].clip: expected a number"),
        (("observation", 2, "clip"), -10.0, "observation[2].clip: expected a number from above 0"),
        (
            ("observation", 2, "history"),
            1001,
            "observation[2].history: expected a whole number from 1 to 1000",
        ),
        (("training", "hours"), 3, "training: unknown field 'hours'; valid: learner, seed"),
        (("training", "seconds"), float("inf"), "training.seconds: expected a number from 0"),
        (("evaluation",), {"split": "test"}, "evaluation: missing field 'tasks'"),
        (("git_commit",), "c" * 201, "git_commit: expected text of 0 to 200"),
        (("familiarity",), 1.5, "familiarity: expected an object, got 1.5"),
        (("familiarity", "threshold"), 0.0, "familiarity.threshold: expected a number from above 0"),
        (("familiarity", "window"), 61.0, "familiarity.window: expected a number from above 0 to 60"),
        (("familiarity", "scale"), [1.0, 1.0], "familiarity.scale: 2 values; expected 3"),
        (("familiarity", "scale"), [1.0, 0.0, 1.0], "familiarity.scale[1]: expected a number from above 0"),
        (("familiarity", "quantiles"), [*range(8), 0], "familiarity.quantiles: [0, 1, 2, "),
        (("familiarity", "quantiles"), [0.0] * 8, "familiarity.quantiles: expected a list of 9"),
    ],
)
def test_malformed_values_are_named(folder, keys, value, words):
    change(folder, *keys, to=value)
    refused(folder, words)


_BY_NAME = ("files", "adapter.meta_params", "adapter.meta_state")
"""Tables whose names are data."""


def places(value: Any, where: str = "") -> set[str]:
    """Every field of a manifest, by its place; lists are looked into."""
    if isinstance(value, list):
        return set().union(*(places(item, where) for item in value))
    if not isinstance(value, dict):
        return set()
    named = {f"{where}.{name}" if where else name: item for name, item in value.items()}
    return set(named).union(*(places(item, name) for name, item in named.items() if name not in _BY_NAME))


def test_the_documentation_has_every_field_and_no_other(belief_bundle, gradient_bundle, learned_bundle):
    """Of a manifest with all that there can be: an arm with a tool and feet, a goal, an evaluation."""
    walks = load_robot("go2").identity() | {
        "effort_sensor": EffortSensor(0.1).manifest(),
        "servo_effort": 1.0,
    }
    estimate = {"mean": 0.0, "interval": [0.0, 0.0]}
    evaluation = {"split": "test", "tasks": 1, "episodes": 1, "return": estimate, "score": estimate}
    training = {"learner": "rma", "seed": 0, "iterations": 1, "steps": 1, "seconds": 1.0}
    reward = load_family("pendulum_swingup").measured_reward
    assert reward is not None
    full = belief_bundle.manifest | {
        "reward": reward.manifest(),
        "robot": walks | load_robot("ur5e").identity(), "goal": GOAL, "training": training, "evaluation": evaluation,
    }  # fmt: skip
    table = re.findall(r"^\| `([\w.]+)` \|", (DOCS / "bundle.md").read_text("utf-8"), re.MULTILINE)
    in_files = {"manifest.json", "step.onnx", "predict.onnx", "weights.safetensors", "MODEL_CARD.md"}
    assert len(set(table)) == len(table)
    gradient = places(gradient_bundle.manifest) | places(learned_bundle.manifest)
    assert set(table) - in_files == places(full) | gradient
