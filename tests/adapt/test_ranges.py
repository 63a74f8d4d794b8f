"""Numbers that an option cannot have."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from adapt.cli import main
from adapt.errors import AdaptError
from adapt.learners import LEARNERS
from adapt.options import learner_config
from adapt.ranges import check_ranges, ranged
from tests.adapt.test_options import PRESETS


@dataclasses.dataclass(frozen=True)
class Inner:
    discount: float = ranged(0.9, 0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Outer:
    count: int = 3
    rate: float = 0.1
    offset: int = ranged(0, -1)
    layers: tuple[int, ...] = (8, 8)
    flag: bool = False
    name: str = "gru"
    inner: Inner = dataclasses.field(default_factory=Inner)


def test_both_ends_of_a_range_are_in_it():
    check_ranges(Outer(count=1, rate=0.0, offset=-1, inner=Inner(1.0)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "count: 0; valid: 1 or more"),
        ({"rate": -0.1}, "rate: -0.1; valid: 0 or more"),
        ({"rate": math.nan}, "rate: nan; valid: 0 or more"),
        ({"rate": math.inf}, "rate: inf; valid: 0 or more"),
        ({"offset": -2}, "offset: -2; valid: -1 or more"),
        ({"layers": (8, 0)}, "layers: 0; valid: 1 or more"),
        ({"inner": Inner(1.5)}, "inner.discount: 1.5; valid: 0 to 1"),
    ],
)
def test_a_number_out_of_its_range_is_named_with_the_range(changes, message):
    with pytest.raises(AdaptError) as refused:
        check_ranges(dataclasses.replace(Outer(), **changes))
    assert str(refused.value) == message


@pytest.mark.parametrize("learner", LEARNERS)
def test_defaults_and_presets_are_in_range(learner):
    for family in {"point_robot", *(family for name, family in PRESETS if name == learner)}:
        check_ranges(learner_config(learner, family))


@pytest.mark.parametrize(
    ("learner", "option", "value", "valid"),
    [
        ("varibad", "latent", "0", "1 or more"),
        ("varibad", "ahead", "0", "1 or more"),
        ("rl2", "horizon", "0", "1 or more"),
        ("dr", "ppo.gamma", "1.5", "0 to 1"),
        ("oracle", "latent", "-1", "0 or more"),
        ("maml", "rollouts", "0", "1 or more"),
        ("promp", "std", "0.0", "0.001 or more"),
        ("sb3_ppo", "learning-rate", "nan", "0 or more"),
    ],
)
def test_the_command_refuses_it_before_anything_is_written(
    learner, option, value, valid, tmp_path: Path, capsys
):
    run = tmp_path / "run"
    code = main(["train", learner, "point_robot", "--out", str(run), f"--{option}", value])
    said = capsys.readouterr().err
    assert code == 2
    assert not run.exists()
    assert f"{option.replace('-', '_')}: {value}; valid: {valid}" in said
