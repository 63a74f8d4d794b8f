"""`new_scenario`: a file to begin with, in which every key stands with a line on what it is for."""

from __future__ import annotations

import os
from pathlib import Path

from robots.errors import UserError
from ros_bridge.hil.scenario.bundles import bundle_folder, check_bundle, is_shipped, shipped_names
from ros_bridge.hil.scenario.families import deployable_names, family_named, goal_layout, is_own
from ros_bridge.hil.scenario.mistakes import ScenarioError, valid_names
from ros_bridge.hil.scenario.reading import read_scenario
from ros_bridge.hil.scenario.run_entries import COMMAND_UNITS
from ros_bridge.hil.scenario.vocabulary import Vocabulary
from sim_tasks.family import TaskFamily

_TEXT = """\
# A HIL scenario; `adapt hil run {file}` runs it. Times are in seconds from the node's first command on; a number may
# carry its unit. What every key means, and which values are valid: docs/hil_scenarios.md. What stands behind # is off.
name: {name}  # of the folder of its results; by default the file's
about: A velocity sensor that says NaN leads to the safe command at once, and control comes back.
protects: finite  # the protection that it tests: `adapt hil prove` switches it off, and the scenario has to fail

robot: simulated  # or real: needs --i-am-at-the-emergency-stop
family: {family}
bundle: {bundle}  # a shipped one's name, or a folder, relative to this file
task: {{held_out: 3}}  # or held_out: drawn; out_of_family: 0, or drawn; values:
# task: {{values: {{{parameter}: {value:.6g}}}}}  # {parameter_unit}; what is not named is as in the robot's model
duration: 10 s  # s, ms or min
seeds: [0]  # one run for each
# repetitions: 3  # in place of seeds: as many runs, with seeds from 0
pace: real_time  # or lock_step: as fast as the machine can, by /clock
tags: [own]  # `--tag own` runs those that have it

{goal}
faults:  # `adapt hil list --kinds` lists them
  - {{kind: nan, target: joints, joints: [{joint}], field: velocity, at: 4 s, for: 0.5 s, name: blind}}
  # - {{kind: bias, target: joints, field: position, magnitude: 3 deg, at: 4 s, for: 2 s, ramp: 1 s}}
  # - {{kind: loss, target: commands, magnitude: 0.3, at: 2 s, for: 1 s, probability: 0.5}}

expect:  # `adapt hil list --expectations` lists them
  periods_to_safe: {{at_most: 3, fault: blind}}
  time_to_recover: {{at_most: 2 s, fault: blind}}
  driven: {{at_least: 0.5, from: 1 s, to: 10 s}}
  command_limits: 1
  # says: {{at_most: 0.1 s, reason: sensor_not_finite, fault: blind}}
  # adapted_within: {{at_most: 8 s, parameter: {parameter}, tolerance: 0.3}}

limits:  # beside the robot's own; a run that breaks one has failed, and real hardware is stopped by them
  lateness: {lateness:.6g} ms  # of the simulated robot behind its schedule; beyond it the run is invalid
  position: {{{joint}: [{low:.6g}, {high:.6g}]}}  # rad, or with the unit deg
  velocity: {{{joint}: {velocity:.6g}}}  # rad/s
  command: {{{joint}: {command:.6g}}}  # {command_unit}, away from 0

node:
  record: true  # keeps a bag
  belief_file: false  # keeps what it has understood over restarts
  # fallback: {bundle}  # drives while the robot is unfamiliar
"""
_NO_GOAL = """\
# goal:  # {family} tells its policy nothing; of others it is a list of steps, each held until the next
#   - {at: 0 s, forward: 0.5, left: 0, turning: 30 deg/s}
"""


def new_scenario(name: str, family: str, bundle: str | None, out: Path, vocabulary: Vocabulary) -> Path:
    """Writes it, never over a file that is there. The result is valid.

    Raises:
        UserError: the file is there already, the name is no word, or family or bundle do not exist or fit each other.
    """
    if out.exists() or out.is_symlink():
        raise UserError(f"{out}: is there already; choose another file with --out")
    if is_own(family) and not vocabulary.own_families:
        raise UserError(f"family {family!r}: loading it runs code, which needs --own-families")
    loaded = family_named(family)
    if not loaded.on_robot:
        valid = valid_names(family, deployable_names())
        raise UserError(f"family {family!r}: is about a body that no node drives; {valid}")
    text = _text(name, family, _bundle(bundle, loaded, out, vocabulary), out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("x", encoding="utf-8") as file:
        file.write(text)
    try:
        read_scenario(out, vocabulary)
    except ScenarioError:
        out.unlink()
        raise
    return out


def _bundle(name: str | None, family: TaskFamily, out: Path, vocabulary: Vocabulary) -> str:
    """As the file has it: a shipped one's name, or a folder relative to the file."""
    if name is None:
        return _shipped_for(family, vocabulary)
    folder = bundle_folder(name, shipped=vocabulary.bundles)
    check_bundle(folder, family)
    if is_shipped(name, folder, vocabulary.bundles):
        return name
    return os.path.relpath(folder, out.parent.resolve())


def _shipped_for(family: TaskFamily, vocabulary: Vocabulary) -> str:
    """The first that fits."""
    for name in shipped_names(vocabulary.bundles):
        try:
            check_bundle(bundle_folder(name, vocabulary.bundles, vocabulary.bundles), family)
        except UserError:
            continue
        return name
    raise UserError(f"no bundle for {family.name} comes with this package; give one with --bundle FOLDER")


def _text(name: str, family: str, bundle: str, out: Path) -> str:
    loaded, spec = family_named(family), family_named(family).robot
    place = int(spec.active[0])
    joint, parameter = spec.joints[place], loaded.parameters[0]
    return _TEXT.format(
        file=out.name,
        name=name,
        family=family,
        bundle=bundle,
        parameter=parameter.name,
        parameter_unit="a factor or share" if parameter.unit == "1" else parameter.unit,
        value=float(loaded.bounds[:, 0].mean()),
        goal=_goal(family),
        joint=joint.name,
        lateness=1e3 * spec.period,
        low=joint.position[0],
        high=joint.position[1],
        velocity=joint.velocity,
        command=float(abs(spec.command_limits[:, place]).max()),
        command_unit=COMMAND_UNITS[spec.interface],
    )


def _goal(family: str) -> str:
    layout = goal_layout(family)
    if layout is None:
        return _NO_GOAL.replace("{family}", family)
    first, second = (
        [
            round(low + share * (high - low), 2) + 0.0
            for low, high in zip(layout.low, layout.high, strict=True)
        ]
        for share in (0.5, 0.75)
    )
    values = ", ".join(f"{name}: {value:g}" for name, value in zip(layout.names, first, strict=True))
    ranges = zip(layout.names, layout.low, layout.high, layout.units, strict=True)
    told = ", ".join(f"{name} {low:.3g} to {high:.3g} {unit}" for name, low, high, unit in ranges)
    return (
        f"goal:  # {told}; each step is held until the next\n  - {{at: 0 s, {values}}}\n"
        f"  - {{at: 5 s, {layout.names[0]}: {second[0]:g}}}\n"
    )
