"""What a result needs beside it to be believed: versions, commit, machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

_PACKAGES = (
    "adapt-robots", "numpy", "torch", "mujoco", "dm_control", "onnxruntime", "rclpy", "stable_baselines3",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on; 'not installed' where absent."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str:
    """The project's git commit, with `-dirty` where files were changed; 'unknown' outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip() or "unknown"


def machine() -> str:
    """Processor architecture and number of cores."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
