"""What a bundle's manifest may hold, field by field; `docs/bundle.md` says what each means.

J joints, A of them not passive, G numbers of a goal, Q quantities of a belief.
"""

from __future__ import annotations

from typing import Any

from adapt.bundle_gradient import GRADIENT_FIELDS, LEARNED_FIELDS
from adapt.schema import (
    Check,
    SchemaError,
    choice,
    either,
    flag,
    items,
    nullable,
    number,
    pattern,
    record,
    shown,
    table,
    text,
    variants,
    whole,
)
from robots.goal import SIZES
from robots.observation import MAX_HISTORY
from robots.quantities import NAMES
from robots.reward import COMBINES
from robots.reward_terms import MEASURED, SHAPES
from robots.spec import INTERFACES
from robots.tolerance import SIGMOIDS

SCHEMA = 3
KINDS = ("belief", "memory", "none", "gradient")
MAX_FILES = 16
MAX_JOINTS = 64
MAX_TERMS = 64
MAX_PARTS = 16
"""Of a reward, and of each of its terms."""
MAX_QUANTITIES = 1000
"""Of parameters, of goals, of what a belief speaks of."""
LEVELS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
"""Shares of the trials of a familiarity's calibration that its `quantiles` are of."""

_NAME, _UNIT, _FINITE, _POSITIVE = text(100), text(50), number(), number(above=0.0)
_SIZE = whole(1, 4096)
_SHA256 = pattern(r"[0-9a-f]{64}", "a sha256 of 64 hexadecimal digits")
_FILE_NAME = pattern(r"(?!manifest\.json$)\w[\w.-]{0,63}", "a plain file name")


def _identity(joints: int) -> Check:
    """`RobotSpec.identity()` of a robot with so many joints."""
    each, limits = items(_FINITE, joints), items(items(_FINITE, joints), 2)
    positive, vector = items(_POSITIVE, joints), items(_FINITE, 3)
    step = record({"joint": _NAME, "translation": vector, "rpy": vector, "axis": vector})
    chain = {"steps": items(step, 1, MAX_JOINTS), "offset": vector}
    return record(
        {
            "robot": _NAME,
            "joint_names": items(_NAME, 1, MAX_JOINTS),
            "control_period": _POSITIVE,
            "interface": choice(*INTERFACES),
            "position_limits": limits,
            "velocity_limit": positive,
            "command_limits": limits,
            "effort_limit": positive,
            "command_rate": positive,
            "command_acceleration": items(nullable(_POSITIVE), joints),
            "default_position": each,
            "action_range": limits,
            "passive": items(flag, joints),
            "gains": items(nullable(items(number(0.0), 2)), joints),
            "imu": flag,
            "tool": nullable(record(chain)),
            "soft_start": _POSITIVE,
            "stale_after": _POSITIVE,
            "damping": positive,
            "recovery": number(0.0),
            "tilt": _POSITIVE,
        },
        {
            "feet": items(record({**chain, "radius": number(0.0)}), 1, MAX_JOINTS),
            "effort_sensor": record({"sustained": number(0.0), "margin": number(1.0)}),
            "base_height": _POSITIVE,
            "servo_effort": _POSITIVE,
        },
    )


def _robot(value: Any, where: str) -> None:
    names = value.get("joint_names") if isinstance(value, dict) else None
    _identity(len(names) if isinstance(names, list) else 0)(value, where)


_TERM = record(
    {
        "name": choice(*NAMES),
        "unit": _UNIT,
        "scale": _POSITIVE,
        "clip": _POSITIVE,
        "history": whole(1, MAX_HISTORY),
        "size": whole(1, MAX_QUANTITIES),
        "goal": whole(0, MAX_QUANTITIES),
    }
)
_ACTION = record({"centre": items(_FINITE, 1, MAX_JOINTS), "half_range": items(_POSITIVE, 1, MAX_JOINTS)})
_GOAL = record(
    {
        "kind": choice(*SIZES),
        "names": items(_NAME, 1, MAX_QUANTITIES),
        "units": items(_UNIT, 1, MAX_QUANTITIES),
        "low": items(_FINITE, 1, MAX_QUANTITIES),
        "high": items(_FINITE, 1, MAX_QUANTITIES),
    }
)
_VECTOR = items(_FINITE, 1, MAX_JOINTS)
_TOLERANCE = record(
    {
        "kind": choice("tolerance"),
        "bounds": items(nullable(_FINITE), 2),
        "margin": number(0.0),
        "sigmoid": choice(*SIGMOIDS),
        "value_at_margin": number(0.0, 1.0),
    }
)
_PART = record(
    {
        "weight": _FINITE,
        "measured": choice(*MEASURED),
        "unit": _UNIT,
        "target": nullable(either(choice("goal"), _VECTOR)),
        "mix": nullable(items(_VECTOR, 1, MAX_JOINTS)),
        "wrapped": flag,
        "shape": variants(
            "kind", {"tolerance": _TOLERANCE, **{kind: record({"kind": choice(kind)}) for kind in SHAPES}}
        ),
    }
)
_REWARD = record(
    {
        "combine": choice(*COMBINES),
        "terms": items(
            record({"name": _NAME, "offset": _FINITE, "parts": items(_PART, 1, MAX_PARTS)}), 1, MAX_PARTS
        ),
    }
)
_KIND = {"kind": choice(*KINDS)}
_MEMORY = {**_KIND, "hidden": _SIZE, "reward_free": flag}
_INNER_STEP = {"name": choice("policy_gradient", "low_variance_curvature", "clipped_adam", "learned")}
_ADAPTER = variants(
    "kind",
    {
        "belief": record({**_MEMORY, "latent": _SIZE}, {"action_history": whole(1, MAX_HISTORY)}),
        "memory": record(_MEMORY),
        "none": record(_KIND),
        "gradient": record({**_KIND, **GRADIENT_FIELDS}, LEARNED_FIELDS),
    },
)
_PARAMETER = record(
    {"name": _NAME, "unit": _UNIT, "low": _FINITE, "high": _FINITE, "source": text(1000, least=0)}
)
_FAMILY = record(
    {
        "name": text(),
        "parameters": items(_PARAMETER, 0, MAX_QUANTITIES),
        "belief_names": items(_NAME, 0, MAX_QUANTITIES),
        "belief_units": items(_UNIT, 0, MAX_QUANTITIES),
    }
)
_COUNT = whole(0, 10**15)
_TRAINING = record(
    {}, {"learner": _NAME, "seed": _COUNT, "iterations": _COUNT, "steps": _COUNT, "seconds": number(0.0)}
)
_INTERVAL = items(number(-1e15, 1e15), 2)
_ESTIMATE = record({"mean": number(-1e15, 1e15), "interval": _INTERVAL})
_EVALUATION = record(
    {
        "split": _NAME,
        "tasks": _COUNT,
        "episodes": _COUNT,
        "return": _ESTIMATE,
        "score": nullable(_ESTIMATE),
    }
)
MAX_WINDOW = 60.0
"""Of what a familiarity is judged by, in [s]."""
MAX_WINDOW_STEPS = 10_000
"""The same in control steps."""
_FAMILIARITY = record(
    {
        "threshold": _POSITIVE,
        "window": number(above=0.0, most=MAX_WINDOW),
        "smoothing": whole(1, 100),
        "clip": _POSITIVE,
        "scale": items(_POSITIVE, 1, MAX_QUANTITIES),
        "quantiles": items(number(0.0), len(LEVELS)),
        "tasks": whole(1, 10**6),
        "seconds": _POSITIVE,
        "seed": _COUNT,
        "false_alarms": number(0.0, 1.0),
        "certainty": number(0.0, 1.0),
    }
)
_MANIFEST = record(
    {
        "schema": whole(SCHEMA, SCHEMA),
        "files": table(_FILE_NAME, _SHA256, MAX_FILES),
        "robot": _robot,
        "robot_digest": _SHA256,
        "observation": items(_TERM, 1, MAX_TERMS),
        "action": _ACTION,
        "goal": nullable(_GOAL),
        "adapter": _ADAPTER,
        "family": _FAMILY,
        "training": _TRAINING,
        "evaluation": nullable(_EVALUATION),
        "git_commit": text(least=0),
        "manifest_digest": _SHA256,
    },
    {"familiarity": nullable(_FAMILIARITY), "reward": nullable(_REWARD)},
)


def check_manifest(manifest: Any) -> None:
    """Refuses what is no manifest of this schema.

    Raises:
        SchemaError: names the field, its value and what is valid.
    """
    version = manifest.get("schema") if isinstance(manifest, dict) else SCHEMA
    if isinstance(version, int) and not isinstance(version, bool) and version != SCHEMA:
        raise SchemaError(
            f"schema: version {shown(version)}, this release reads {SCHEMA}: export the run again"
        )
    _MANIFEST(manifest, "")
    _check_lengths(manifest)
    if manifest.get("familiarity") is not None:
        _check_familiarity(manifest)


def _check_lengths(manifest: dict[str, Any]) -> None:
    """Lists that must be as long as others, each name once."""
    robot, action, family = manifest["robot"], manifest["action"], manifest["family"]
    driven, quantities = robot["passive"].count(False), len(family["belief_names"])
    for where, value, count, of in (
        ("action.centre", action["centre"], driven, "joint that is not passive"),
        ("action.half_range", action["half_range"], driven, "joint that is not passive"),
        ("family.belief_units", family["belief_units"], quantities, "name in belief_names"),
    ):
        if len(value) != count:
            raise SchemaError(f"{where}: {len(value)} values; expected {count}, one per {of}")
    for where, names in (
        ("robot.joint_names", robot["joint_names"]),
        ("family.belief_names", family["belief_names"]),
    ):
        if len(set(names)) < len(names):
            raise SchemaError(f"{where}: a name stands there twice: {', '.join(names):.80}")
    if manifest["adapter"]["kind"] == "belief" and not quantities:
        raise SchemaError("family.belief_names: expected a list of 1 or more, got []")


def _check_familiarity(manifest: dict[str, Any]) -> None:
    """What a familiarity is judged by fits the forecast that it is made of."""
    found, steps = manifest["familiarity"], MAX_WINDOW_STEPS
    if "action_history" not in manifest["adapter"]:
        raise SchemaError(
            "familiarity: expected null: there is no forecast, adapter.action_history is missing"
        )
    if sorted(found["quantiles"]) != found["quantiles"]:
        raise SchemaError(
            f"familiarity.quantiles: {shown(found['quantiles'])}; expected no value below the one before"
        )
    if found["window"] > steps * manifest["robot"]["control_period"]:
        raise SchemaError(f"familiarity.window: {found['window']} s; expected at most {steps} control steps")
