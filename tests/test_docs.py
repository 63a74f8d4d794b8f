"""The documentation tells the truth: its commands run, its files are right, its links lead somewhere."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from adapt.cli import _COMMANDS, main
from robots import load_robot
from sim_tasks.batch_sim import BatchSim
from sim_tasks.families import load_family
from sim_tasks.randomisation import Parameter
from sim_tasks.trial_env import TrialVecEnv
from tests import hil_tables
from tests.documents import DOCS, Block, blocks, links
from tests.family_table import PAGE, page_with, tables

ROOT = DOCS.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
OWN = "own_robot_and_family.md"
SHORTER = (
    (r"--iterations 80", "--iterations 1"),
    (r"(adapt train all .*)", r"\1 --iterations 1"),
    (r"(adapt view .*)", r"\1 --tasks 2 --seconds 0.2"),
    (r"(adapt bench .*)", r"\1 --seconds 0.2"),
    (r"--seconds 8", "--seconds 1"),
)
"""What a test does not have the time for, and what it does instead."""


def write_files(folder: Path, page: str = OWN) -> None:
    for block in blocks(page):
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text.replace("total_timesteps=100_000", "total_timesteps=4096"))


def steps() -> list[tuple[Block, str | None]]:
    """The page's commands, each with what they print where the page shows it."""
    page = blocks(OWN)
    following = [*page[1:], Block("", "")]
    return [
        (block, after.text if after.language == "text" else None)
        for block, after in zip(page, following, strict=True)
        if block.language == "sh"
    ]


def run(commands: str, folder: Path) -> str:
    """What a block of commands prints; all that it has started is gone afterwards."""
    for pattern, shorter in SHORTER:
        commands = re.sub(pattern, shorter, commands)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MENAGERIE_BASE_URL": (folder / "no_network").as_uri(),
        "MENAGERIE_CACHE_DIR": str(folder / "cache"),
        "ROS_DOMAIN_ID": str(150 + os.getpid() % 50),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    process = subprocess.Popen(
        ["bash", "-euc", commands],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=600)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, f"{commands}\n{out}\n{err}"
    return out


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of "Bring your own robot and family"."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_own_robot_has_nothing_to_mend(rig, capsys):
    assert main(["robot", "check", "furuta"]) == 0
    assert capsys.readouterr().out == next(shown for _, shown in steps() if shown)


def test_own_family_is_listed_as_the_page_shows(rig, capsys):
    command = next(block.text for block, _ in steps() if "adapt list" in block.text)
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out == next(shown for block, shown in steps() if block.text == command)


def test_own_files_are_short():
    lengths = {block.file: block.text.count("\n") for block in blocks(OWN) if block.file}
    assert lengths["furuta/robot.yaml"] < 60
    assert lengths["furuta/furuta.xml"] < 60
    assert lengths["furuta_swingup.py"] < 130


@pytest.mark.slow
@pytest.mark.ros
def test_the_whole_page_can_be_followed(tmp_path):
    write_files(tmp_path)
    for block, shown in steps():
        printed = run(block.text, tmp_path)
        if shown is not None:
            assert printed == shown
        if "menagerie" in block.text:
            assert f"not in {tmp_path / 'cache'} and cannot be downloaded" in printed
    assert (tmp_path / "runs/dr/bundle/step.onnx").is_file()
    assert (tmp_path / "runs/all/rma/evaluation.json").is_file()
    assert "<html" in (tmp_path / "trained.html").read_text(encoding="utf-8")


def test_the_term_of_the_page_on_simulation_writes_its_field(tmp_path):
    write_files(tmp_path, "simulation.md")
    term = runpy.run_path(str(tmp_path / "my_terms.py"))["JointSpring"]
    spring = Parameter("spring", "N m/rad", term("pivot"), 0.0, 0.01, ood="high")
    sim = BatchSim(load_family("pendulum_swingup").plant, (spring,), robots=2, threads=1)
    sim.set_parameters(np.arange(2), np.array([[0.002], [0.008]]))
    assert sim.field("jnt_stiffness")[:, 0].tolist() == [0.002, 0.008]


def test_the_body_of_the_page_on_simulation_steps(tmp_path):
    write_files(tmp_path, "simulation.md")
    family = load_family(f"{tmp_path / 'my_body.py'}:inverted_pendulum")
    env = TrialVecEnv(family, 3, seed=0, threads=1)
    transition = env.step(np.zeros((3, 1)))
    # Two time steps of 0.02 s, as Gymnasium's environment; the pole starts within 0.2 rad of upright.
    assert family.period == pytest.approx(0.04)
    assert transition.reward.tolist() == [1.0, 1.0, 1.0]
    assert not transition.terminated.any()
    assert len(set(env.sim.field("body_mass")[:, 2])) == 3


def test_every_registered_family_is_in_the_table_as_it_is():
    text = PAGE.read_text(encoding="utf-8")
    assert text == page_with(tables(), text), "run: python -m tests.family_table"


def test_what_scenario_files_can_say_is_in_the_tables_as_it_is():
    text = hil_tables.PAGE.read_text(encoding="utf-8")
    assert text == hil_tables.page_with(hil_tables.tables(), text), "run: python -m tests.hil_tables"


@pytest.mark.parametrize(
    ("file", "controller", "robot"),
    [
        ("go2_controllers.yaml", "position_controller", "go2"),
        ("ur5e_controllers.yaml", "joint_trajectory_controller", "ur5e"),
    ],
)
def test_controllers_have_the_robot_s_joints_in_its_order(file, controller, robot, tmp_path):
    write_files(tmp_path, "deploy.md")
    controllers = yaml.safe_load((tmp_path / file).read_text(encoding="utf-8"))
    assert tuple(controllers[controller]["ros__parameters"]["joints"]) == load_robot(robot).joint_names
    assert controller in controllers["controller_manager"]["ros__parameters"]


@pytest.mark.slow
@pytest.mark.ros
def test_the_programs_of_the_page_on_deployment_work(tmp_path):
    write_files(tmp_path, "deploy.md")
    commands = """
    adapt sim-robot pendulum_swingup --namespace left --seconds 3 & robot=$!
    timeout 20 python -u listen.py pendulum left | grep -q -m 1 "age .* pivot"
    kill $robot
    python call.py /left/adaptation/stop 2>&1 | grep "no such service"
    """
    assert run(commands, tmp_path) == "/left/adaptation/stop: no such service\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    assert not [link for link in links(page) if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page):
    named = set(re.findall(r"^adapt ([a-z][a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= _COMMANDS.keys()
