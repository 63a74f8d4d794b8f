"""Checks the values of one YAML file: every error names the file, the key and what would be valid."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from robots.errors import RobotSpecError
from robots.kinematics import Vector


class Reader:
    """Turns plain YAML values into checked ones. `key` is where a value stands, such as `joints[0].velocity`."""

    def __init__(self, path: Path):
        self.path = path

    def fail(self, key: str, message: str) -> RobotSpecError:
        return RobotSpecError(f"{self.path}: {key or 'top level'}: {message}")

    def mapping(
        self, value: Any, key: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        valid = (*needed, *optional)
        if not isinstance(value, dict):
            raise self.fail(key, f"expected a mapping with the keys {', '.join(valid)}, got {value!r}")
        for name in value:
            if name not in valid:
                raise self.fail(key, f"unknown key {name!r}; valid: {', '.join(valid)}")
        for name in needed:
            if name not in value:
                raise self.fail(key, f"missing key {name!r}; needed: {', '.join(needed)}")
        return value

    def entries(self, value: Any, key: str, what: str) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise self.fail(key, f"expected a list with at least one {what}, got {value!r}")
        return value

    def text(self, value: Any, key: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, f"expected text, got {value!r}")
        return value

    def flag(self, value: Any, key: str) -> bool:
        if not isinstance(value, bool):
            raise self.fail(key, f"expected true or false, got {value!r}")
        return value

    def choice(self, value: Any, key: str, valid: tuple[str, ...]) -> str:
        if value not in valid:
            raise self.fail(key, f"got {value!r}; valid: {', '.join(valid)}")
        return value

    def number(self, value: Any, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.fail(key, f"expected a finite number, got {value!r}")
        return float(value)

    def positive(self, value: Any, key: str) -> float:
        number = self.number(value, key)
        if number <= 0:
            raise self.fail(key, f"expected a number above 0, got {number}")
        return number

    def not_negative(self, value: Any, key: str) -> float:
        number = self.number(value, key)
        if number < 0:
            raise self.fail(key, f"expected a number from 0, got {number}")
        return number

    def interval(self, value: Any, key: str, unit: str) -> tuple[float, float]:
        """Two numbers; that they are in order is for the caller to check."""
        if not isinstance(value, list) or len(value) != 2:
            raise self.fail(key, f"expected [lowest, highest] in {unit}, got {value!r}")
        return self.number(value[0], key), self.number(value[1], key)

    def vector(self, value: Any, key: str) -> Vector:
        if not isinstance(value, list) or len(value) != 3:
            raise self.fail(key, f"expected three numbers [x, y, z], got {value!r}")
        return self.number(value[0], key), self.number(value[1], key), self.number(value[2], key)
