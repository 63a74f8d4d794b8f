"""The `adapt` command: which subcommands there are, and how one ends."""

from __future__ import annotations

import sys
from typing import Any

import tyro

from adapt.commands.atari import Atari
from adapt.commands.common import print_json
from adapt.commands.deployment import Demo, Deploy, Echo, Latency, Replay, SimRobot
from adapt.commands.discovery import Discover, Lives, Scaling
from adapt.commands.examination import Course, Experts, Familiarity, Rehearse
from adapt.commands.hil import Hil
from adapt.commands.learning import (
    Compare,
    Evaluate,
    Export,
    Train,
    train_command,
)
from adapt.commands.tools import Bench, Doctor, Fetch, List, Robot, View
from adapt.commands.tuning import Choose, Tune
from robots.errors import UserError

_COMMANDS = {
    "train": Train,
    "discover": Discover,
    "lives": Lives,
    "scaling": Scaling,
    "evaluate": Evaluate,
    "compare": Compare,
    "experts": Experts,
    "tune": Tune,
    "choose": Choose,
    "export": Export,
    "familiarity": Familiarity,
    "course": Course,
    "rehearse": Rehearse,
    "deploy": Deploy,
    "sim-robot": SimRobot,
    "echo": Echo,
    "replay": Replay,
    "latency": Latency,
    "hil": Hil,
    "demo": Demo,
    "atari": Atari,
    "bench": Bench,
    "list": List,
    "fetch": Fetch,
    "robot": Robot,
    "view": View,
    "doctor": Doctor,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs a subcommand; errors that the user can mend are one line and exit code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] in (["deploy"], ["sim-robot"], ["echo"]):
        from ros_bridge.lifetime import split_ros_arguments

        given, _ = split_ros_arguments(given)
    try:
        command = _parsed(given)
        result = command.run()
    except UserError as error:
        print(f"adapt: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("adapt: interrupted", file=sys.stderr)
        return 130
    if isinstance(result, int):
        return result
    if result is not None and getattr(command, "json", False):
        print_json(result)
    return 0


def _parsed(given: list[str]) -> Any:
    commands: dict[str, type] = dict(_COMMANDS)
    if given[:1] == ["train"]:
        commands["train"] = train_command(given[1:])
    return tyro.extras.subcommand_cli_from_dict(
        commands,
        prog="adapt",
        description="Meta-train on a family of simulated robots; deploy a policy that adapts on the robot.",
        args=given,
    )


if __name__ == "__main__":
    sys.exit(main())
