"""What a check found, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco

from robots import RobotSpec


@dataclass(frozen=True)
class Finding:
    """One thing that is right, or one that is to be mended."""

    check: str
    """Name of the check."""
    ok: bool
    text: str
    """What was found, with the numbers."""
    mend: str = ""
    """What to change, and to what; empty where nothing is wrong."""


@dataclass(frozen=True)
class Problem:
    """What is wrong, and what to change."""

    text: str
    mend: str


@dataclass(frozen=True)
class Case:
    """A robot under examination."""

    spec: RobotSpec
    model: mujoco.MjModel

    def key(self, joint: int, field: str) -> str:
        """Where a joint's value stands in robot.yaml, with the joint's name."""
        return f"joints[{joint}].{field} ({self.spec.joint_names[joint]})"


def findings_table(findings: Sequence[Finding]) -> str:
    """A line per finding, and below what is wrong what to change."""
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'MEND'}  {finding.check:<{width}}  {finding.text}")
        if finding.mend:
            lines.append(f"      {'':<{width}}  -> {finding.mend}")
    wrong = sum(not finding.ok for finding in findings)
    lines.append(f"{wrong} to mend" if wrong else "nothing to mend")
    return "\n".join(lines)
