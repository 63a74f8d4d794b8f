"""`Proposal`: what came of a window of experience, and how it goes through a pipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adapt.bundle_gradient import META_STATE, prefixed, without_prefix
from adapt.schema import flag, items, nullable, number, record, text

_FIGURE = number(-1e300, 1e300)
_GATE = record({"name": text(100), "value": nullable(_FIGURE), "limit": _FIGURE, "passed": flag})
_REPORT = record(
    {},
    {
        "passed": flag,
        "scale": number(0.0, 1.0),
        "gates": items(_GATE, 0, 20),
        "seconds": number(0.0),
        "error": text(500),
    },
)


@dataclass(frozen=True)
class Proposal:
    """What came of a window of experience."""

    parameters: np.ndarray | None
    """Shape (P,), float32; None where no step passed the gates, or none was computed."""
    report: dict[str, Any] = field(default_factory=dict)
    """`gates`, `scale` of the step, `seconds`; `error` where none was computed."""
    meta_state: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What the inner step is to remember with these parameters: arrays of one robot, float32, as the bundle's."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Itself as named arrays."""
        report = json.dumps(self.report, allow_nan=False).encode()
        found = {"report": np.frombuffer(report, np.uint8), **prefixed(META_STATE, self.meta_state)}
        return found if self.parameters is None else found | {"parameters": self.parameters}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Proposal:
        """Inverse of `arrays`, of what anybody may have written. Whether its arrays fit, an adapter says.

        Raises:
            KeyError, ValueError, SchemaError: there is no report, or it is none.
        """
        report = json.loads(arrays["report"].tobytes())
        _REPORT(report, "report")
        return cls(arrays.get("parameters"), report, without_prefix(META_STATE, arrays))
