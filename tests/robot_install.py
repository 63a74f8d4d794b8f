"""A robot's computer from nothing: the package's wheel, environments outside of the source tree, and a node in one.

The environments have nothing of the one that runs the tests: neither its packages nor what ROS's wheels set in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
PACKAGES = ("robots", "sim_tasks", "adapt", "ros_bridge")
DATA = "launch"
"""What comes with the wheel beside packages."""
PATIENCE = 600.0
"""For one command, in [s]: an index may be far away."""
_OF_THESE_TESTS = (
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "ROS_DISTRO",
    "_ROS_WHEELS_BOOTSTRAP_COMPLETE",
)


def tracked(*folders: str) -> list[Path]:
    """The files that a clone of this tree has, relative to it, as they are now."""
    listed = run(["git", "ls-files", "-z", "--", *folders], ROOT)
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def run(command: list[str], cwd: Path, environment: dict[str, str] | None = None) -> str:
    """What a command prints; its errors are shown where it fails."""
    clean = {name: value for name, value in os.environ.items() if name not in _OF_THESE_TESTS}
    done = subprocess.run(
        command, cwd=cwd, env=clean | (environment or {}), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, (
        f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


def build_wheel(folder: Path) -> Path:
    """The wheel of a copy of the tree that has nothing but what is tracked."""
    source = folder / "source"
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    run([sys.executable, "-m", "pip", "wheel", *_QUIET, "--no-deps", "-w", str(folder), str(source)], folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@dataclass
class Environment:
    """A virtual environment, and what is sourced beside it."""

    path: Path
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, path: Path) -> Environment:
        """A new one, of the Python that `ROBOT_PYTHON` names, or of that which runs the tests."""
        run([os.environ.get("ROBOT_PYTHON") or sys.executable, "-m", "venv", str(path)], path.parent)
        return cls(path)

    def pip(self, *arguments: str) -> str:
        return run([str(self.path / "bin/python"), "-m", "pip", *arguments, *_QUIET], self.path)

    def install(self, wheel: Path, extras: str) -> None:
        """Versions are those of `constraints.txt`, from the index that this machine's pip is set up for."""
        self.pip("install", f"{wheel}[{extras}]", "-c", str(CONSTRAINTS))

    def python(self, *arguments: str) -> str:
        return run([str(self.path / "bin/python"), *arguments], self.path, self.variables)

    @contextmanager
    def process(self, log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """`python ARGUMENTS`, which is gone afterwards, its output in `log`."""
        clean = {name: value for name, value in os.environ.items() if name not in _OF_THESE_TESTS}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(self.path / "bin/python"), *arguments],
                cwd=self.path, env=clean | self.variables, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        return Path(self.python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())


def install_ros(prefix: Path, environment: Environment) -> dict[str, str]:
    """ROS 2 in a folder of its own, as a distribution is in /opt/ros, and the variables that sourcing it would set.

    It is that of the wheels, without what makes them wheels: pip's records of them, and the start of a second Python.
    """
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line.startswith("ros-") and "bootstrapper" not in line]
    assert len(names) > 50
    environment.pip("install", "--no-deps", "--ignore-installed", "--prefix", str(prefix), *names)
    (packages,) = prefix.glob("lib/python3.*/site-packages")
    for record in packages.glob("ros_*.dist-info"):
        shutil.rmtree(record)
    libraries = [prefix / "lib", *packages.glob("ros_*.libs")]
    return {
        "ROS_DISTRO": "kilted",
        "PYTHONPATH": str(packages),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
    }


def resident(pid: int) -> float:
    """Memory of a process in [MiB]."""
    (line,) = [
        line
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        if line.startswith("VmRSS:")
    ]
    return int(line.split()[1]) / 1024


_QUIET = ("-q", "--no-input", "--disable-pip-version-check")
