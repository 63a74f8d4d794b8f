"""Results go to JSON, whatever kind of number they were measured as."""

from __future__ import annotations

import json

import numpy as np

from ros_bridge.hil.soak_report import known


def test_numbers_of_numpy_are_plain_and_what_is_no_number_is_null():
    measured = {
        "passed": np.float64(1.0) >= 0.0,
        "count": np.int64(3),
        "margin": np.float32(0.5),
        "nothing": [np.nan, np.float64(np.inf), -np.inf],
        "words": ("a", None, True),
    }
    assert json.loads(json.dumps(known(measured), allow_nan=False)) == {
        "passed": True,
        "count": 3,
        "margin": 0.5,
        "nothing": [None, None, None],
        "words": ["a", None, True],
    }
