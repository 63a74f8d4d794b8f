"""A node or a simulated robot without some of its protections, for the test of the tests:

    python -m ros_bridge.hil.unprotected --without finite,stale -- deploy BUNDLE ...
    python -m ros_bridge.hil.unprotected --without drive_timeout -- -m MODULE ...

What follows `--` is an `adapt` command, or a module with its arguments. Only for simulated robots, in a domain that a
campaign's runner has taken for itself.
"""

from __future__ import annotations

import os
import runpy
import sys

from robots.errors import UserError
from ros_bridge.errors import BridgeError
from ros_bridge.hil.protections import protection, without

DOMAIN = "ADAPT_HIL_DOMAIN"
"""Environment variable: the ROS domain that a runner has taken for simulated robots. Nobody else sets it."""
_USAGE = "expected --without NAME[,NAME] -- COMMAND ..., or -- -m MODULE ..."


def command_line(names: list[str], command: list[str]) -> list[str]:
    """Arguments of this module that run `command`, arguments of `adapt` or `-m` and a module's, without protections."""
    return ["--without", ",".join(names), "--", *command]


def unprotected(arguments: list[str]) -> int:
    """Runs a command without protections; its exit code.

    Raises:
        BridgeError: an unknown protection, a command line of another form, or a domain that is not the runner's own.
    """
    names, command = _parsed(arguments)
    abouts = {name: protection(name).about for name in names}
    _require_own_domain()
    for name, about in abouts.items():
        print(f"UNPROTECTED: {name} is switched off. It protects from {about}.", file=sys.stderr, flush=True)
    with without(names):
        return _run(command)


def _parsed(arguments: list[str]) -> tuple[list[str], list[str]]:
    if len(arguments) < 4 or arguments[0] != "--without" or arguments[2] != "--":
        raise BridgeError(f"{' '.join(arguments)!r}: {_USAGE}")
    return arguments[1].split(","), arguments[3:]


def _require_own_domain() -> None:
    taken, used = os.environ.get(DOMAIN), os.environ.get("ROS_DOMAIN_ID")
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE")
    if not taken or taken != used or reach != "LOCALHOST":
        raise BridgeError(
            f"{DOMAIN} {taken!r}, ROS_DOMAIN_ID {used!r}, ROS_AUTOMATIC_DISCOVERY_RANGE {reach!r}: nothing runs "
            "without protections but in a runner's own domain, on this machine alone: a real robot could hear it"
        )


def _run(command: list[str]) -> int:
    if command[0] == "-m":
        if len(command) < 2:
            raise BridgeError(f"-m: no module; {_USAGE}")
        sys.argv = command[1:]
        try:
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        return 0
    from adapt.cli import main

    sys.argv = ["adapt", *command]  # where `lifetime.ros` looks for --ros-args
    return main(command)


def main() -> int:
    """As a program; errors that the user can mend are one line and exit code 2."""
    try:
        return unprotected(sys.argv[1:])
    except UserError as error:
        print(f"unprotected: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
