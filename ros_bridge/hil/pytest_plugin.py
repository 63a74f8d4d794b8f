"""pytest plugin: a fixture `adapt_hil` and a marker of the same name, so that tests of your own run scenarios.

```python
@pytest.mark.adapt_hil("my_scenario.yaml", bundle="runs/mine/bundle")
def test_my_policy_bears_a_blind_encoder(adapt_hil):
    run = adapt_hil.run()
    assert run.passed, run.reason
    assert run.margin("periods_to_safe") >= 1
```

It is loaded by itself where the package is installed; nothing of ROS or MuJoCo is imported before a scenario runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

MARKER = "adapt_hil"
_OPTIONS = ("bundle", "seeds", "lock_step")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("adapt_hil", "hardware in the loop")
    group.addoption(
        "--hil-out",
        metavar="FOLDER",
        help="keep traces, bags and reports of scenarios here (default: pytest's temporary folder)",
    )
    group.addoption(
        "--i-am-at-the-emergency-stop",
        action="store_true",
        help="needed by scenarios with `robot: real`: the robot moves, and things go wrong on purpose",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARKER}(scenario, ..., bundle=None, seeds=None, lock_step=False): what the fixture `adapt_hil` runs",
    )


class HilError(AssertionError):
    """A run that says nothing of the node: it was invalid, or did not come about."""


@dataclass(frozen=True)
class HilRun:
    """One run of a scenario."""

    result: dict[str, Any]
    """Content of its `result.json`."""
    folder: Path
    """Its trace, bag and logs."""

    @property
    def passed(self) -> bool:
        """Whether everything came out as expected."""
        return self.result["outcome"] == "passed"

    @property
    def reason(self) -> str:
        """Why not, in words; empty if it passed."""
        return str(self.result["reason"])

    def value(self, expectation: str) -> float | None:
        """What was measured, in the expectation's unit; None where nothing was.

        Raises:
            KeyError: the run has no such expectation; names those that it has.
        """
        return self._finding(expectation)["value"]

    def margin(self, expectation: str) -> float | None:
        """How much better than its limit, in the expectation's unit; negative where it was missed.

        Raises:
            KeyError: as for `value`.
        """
        return self._finding(expectation)["margin"]

    def trace(self) -> Any:
        """What was heard in the run: a `ros_bridge.hil.judging.trace.Trace`."""
        from ros_bridge.hil.judging.trace import Trace

        return Trace.load(self.folder / "trace.npz")

    def _finding(self, expectation: str) -> dict[str, Any]:
        found = {finding["name"]: finding for finding in self.result["findings"]}
        if expectation not in found:
            raise KeyError(f"{expectation!r}: the run has {', '.join(found)}")
        return found[expectation]


class AdaptHil:
    """Runs scenarios for a test, each in a ROS domain of its own. All processes have ended when a call returns."""

    def __init__(self, out: Path, marked: pytest.Mark | None = None, at_the_emergency_stop: bool = False):
        """`at_the_emergency_stop`: somebody is; without that no real robot is driven."""
        self.out = out
        """Folder of what is kept."""
        self._at_the_emergency_stop = at_the_emergency_stop
        self._marked = marked
        self._calls = 0

    def run(self, *scenarios: str | Path, **options: Any) -> HilRun:
        """As `runs`, of one scenario with one seed.

        Raises:
            HilError: there are several; or as `runs`.
        """
        runs = self.runs(*scenarios, **options)
        if len(runs) != 1:
            names = ", ".join(f"{run.result['scenario']} {run.result['seed']}" for run in runs)
            raise HilError(f"expected one run, got {len(runs)}: {names}; use `runs`, or `seeds=[0]`")
        return runs[0]

    def runs(
        self,
        *scenarios: str | Path,
        bundle: str | Path | None = None,
        seeds: Sequence[int] | None = None,
        lock_step: bool | None = None,
    ) -> list[HilRun]:
        """Runs scenarios, those of the marker where none are given.

        Args:
            scenarios: files or folders, from the present folder.
            bundle: folder of a bundle, in place of the scenarios' own.
            seeds: in place of the scenarios' own.
            lock_step: as fast as the machine can, on simulated time.

        Returns:
            One run for every scenario and seed, in that order.

        Raises:
            HilError: a run was invalid, the robot was not on time, or did not come about.
            UserError: a scenario or bundle cannot be used.
        """
        from dataclasses import replace

        from ros_bridge.hil.pages.write import write_report
        from ros_bridge.hil.running.campaign import run_campaign
        from ros_bridge.hil.scenario.campaign import find
        from ros_bridge.hil.scenario.vocabulary import Vocabulary

        asked = self._asked(bundle=bundle, seeds=seeds, lock_step=lock_step)
        files = scenarios or (self._marked.args if self._marked else ())
        if not files:
            raise HilError(f"no scenario: name some in the call, or in @pytest.mark.{MARKER}(...)")
        chosen = asked["bundle"]
        found = find([Path(file) for file in files], Vocabulary(check_bundles=chosen is None))
        if asked["seeds"] is not None:
            found = [replace(scenario, seeds=tuple(asked["seeds"])) for scenario in found]
        self._calls += 1
        out = self.out / f"call_{self._calls}"
        campaign = run_campaign(
            found,
            out,
            bundles=None if chosen is None else {Path(chosen).name: str(chosen)},
            pace="lock_step" if asked["lock_step"] else None,
            at_the_emergency_stop=self._at_the_emergency_stop,
        )
        write_report(out)
        if campaign["stopped_early"]:
            raise KeyboardInterrupt  # the runner took the signal, and ended everything in an orderly way
        runs = [HilRun(result, out / result["folder"]) for result in campaign["runs"]]
        for run in runs:
            if run.result["outcome"] in ("invalid", "error"):
                raise HilError(
                    f"{run.result['scenario']}: {run.result['outcome']}: {run.reason}; {run.folder}"
                )
        return runs

    def _asked(self, **options: Any) -> dict[str, Any]:
        """What was asked for, the call before the marker."""
        marked = dict(self._marked.kwargs) if self._marked else {}
        return {name: marked.get(name) if value is None else value for name, value in options.items()}


@pytest.fixture
def adapt_hil(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AdaptHil:
    """Runs hardware-in-the-loop scenarios: see `AdaptHil`."""
    marked = request.node.get_closest_marker(MARKER)
    if marked is not None and (unknown := sorted(set(marked.kwargs) - set(_OPTIONS))):
        raise pytest.UsageError(
            f"@pytest.mark.{MARKER}: unknown {unknown[0]!r}; valid: {', '.join(_OPTIONS)}"
        )
    kept = request.config.getoption("--hil-out")
    name = "".join(each if each.isalnum() or each in "-_." else "_" for each in request.node.nodeid)
    out = tmp_path_factory.mktemp("hil") if kept is None else Path(kept) / name
    return AdaptHil(out, marked, bool(request.config.getoption("--i-am-at-the-emergency-stop")))
