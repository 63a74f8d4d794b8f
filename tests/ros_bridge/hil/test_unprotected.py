"""Who may run a node without protections, and what is run then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ros_bridge.errors import BridgeError
from ros_bridge.hil.unprotected import command_line, unprotected

OWN = {"ADAPT_HIL_DOMAIN": "77", "ROS_DOMAIN_ID": "77", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
SAYS = """
import sys
from ros_bridge.drive import Drive
from robots import load_robot
import numpy as np
drive = Drive(load_robot("pendulum"))
print(drive.accept(np.array([9.0]), 0.0), sys.argv[1:])
raise SystemExit(3)
"""


@pytest.fixture
def own(monkeypatch) -> None:
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", OWN)
def test_only_in_a_runner_s_own_domain(monkeypatch, own, name):
    monkeypatch.delenv(name)
    with pytest.raises(BridgeError, match="nothing runs without protections but in a runner's own domain"):
        unprotected(command_line(["finite"], ["list"]))


def test_not_in_another_domain_than_the_runner_s(monkeypatch, own):
    monkeypatch.setenv("ROS_DOMAIN_ID", "78")
    with pytest.raises(BridgeError, match="ADAPT_HIL_DOMAIN '77', ROS_DOMAIN_ID '78'"):
        unprotected(command_line(["finite"], ["list"]))


@pytest.mark.parametrize(
    "arguments", [[], ["deploy", "bundle"], ["--without", "finite"], ["--without", "finite", "--"]]
)
def test_a_command_line_of_another_form_is_refused(own, arguments):
    with pytest.raises(BridgeError, match="expected --without NAME"):
        unprotected(arguments)


def test_an_unknown_protection_is_named(own):
    with pytest.raises(BridgeError, match="protection 'seatbelt': valid: finite"):
        unprotected(command_line(["finite", "seatbelt"], ["deploy", "bundle"]))


def test_a_module_runs_without_them_and_it_is_said_loudly(tmp_path):
    (tmp_path / "says.py").write_text(SAYS)
    command = command_line(["drive_limits", "drive_timeout"], ["-m", "says", "one", "two"])
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])
    done = subprocess.run(
        [sys.executable, "-m", "ros_bridge.hil.unprotected", *command],
        env=os.environ | OWN | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "True ['one', 'two']\n"
    assert done.returncode == 3
    assert "UNPROTECTED: drive_limits is switched off" in done.stderr
    assert "UNPROTECTED: drive_timeout is switched off" in done.stderr
