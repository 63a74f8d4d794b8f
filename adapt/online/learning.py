"""`OnRobotLearning`: collects a window of experience, has a proposal computed, tries it out, keeps or drops it.

Every proposal, its gates and what became of it are events of an audit log. One robot; R rollouts of T control steps.
"""

from __future__ import annotations

import enum
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.online.experience import Window
from adapt.online.gates import GateSettings
from adapt.online.gradient import GradientAdapter
from adapt.online.update_worker import Proposal, Updates, UpdateWorker
from robots.safety import Reason

BLOCKS = 5
"""A window's return is compared block by block, so that one can tell a fall from its scatter."""
EARLY = 2
"""How many times clearer it has to be, before a trial is over, that it is worse: one looks several times."""
LEAST_USABLE = 0.8
"""Share of a window's steps that have to count; of a window with less nothing is learned."""
LEAST_DRIVEN = 0.2
"""Share of a window's steps in which the policy has to drive, and not the safe mode."""

Event = dict[str, Any]


class Phase(enum.Enum):
    """What is going on."""

    COLLECTING = "collecting"
    """Explores, and records."""
    COMPUTING = "computing"
    """A proposal is computed; acts by the mean."""
    WAITING = "waiting for accept"
    """A proposal has passed its gates, and a person has to allow it."""
    TRIAL = "on trial"
    """Acts by a proposal, explores, and records."""
    DONE = "adapted"
    """As many steps were kept as the policy was made for; acts by the mean."""


@dataclass(frozen=True)
class LearningSettings:
    """How a robot learns."""

    exploration: float = 1.0
    """Standard deviations of exploration, in those of the policy; at most 1."""
    by_itself: bool = True
    """Whether a proposal that has passed its gates acts at once; otherwise it waits for `accept`."""
    attempts: int = 3
    """So many proposals may fail, one after the other, before adaptation ends."""
    margin: float = 1.0
    """A proposal is rolled back where its return falls by more than this many standard errors."""
    interventions: float = 0.02
    """Or where the share of control steps rises by more, in which the safety filter has to limit it."""
    gates: GateSettings = field(default_factory=GateSettings)


class OnRobotLearning:
    """Of one adapter by gradients.

    Raises:
        AdaptError: settings out of range, or there is no torch to compute gradients with.
    """

    def __init__(
        self,
        bundle: PolicyBundle,
        adapter: GradientAdapter,
        settings: LearningSettings | None = None,
        log: Callable[[Event], None] | None = None,
        updates: Updates | None = None,
    ):
        """`log` is told of every event; `updates`: None for a process of its own."""
        self.settings = settings or LearningSettings()
        _check(self.settings)
        made = bundle.manifest["adapter"]
        self._limit = len(made["rates"])
        self._adapter, self._log = adapter, log
        self._updates = updates or _worker(bundle, self.settings)
        sizes = bundle.observation.size, len(bundle.manifest["action"]["centre"])
        self._window = Window(made["rollouts"], made["episode_steps"], *sizes)
        self._base = Window(made["rollouts"], made["episode_steps"], *sizes)
        """What the present proposal was made of."""
        self.phase = Phase.COLLECTING
        self.kept = 0
        """Proposals that were kept."""
        self.rolled_back = 0
        """Proposals that were tried, and dropped."""
        self.rejected = 0
        """Proposals that did not pass a gate, or were not computed."""
        self._failures = 0
        self._proposal: Proposal | None = None
        self._stale = 0
        """Answers that are still to come, to questions that nobody asks any more."""
        self._steps = 0
        self.reset()

    def reset(self) -> None:
        """Begins anew from the adapter's present parameters."""
        if self.phase is Phase.COMPUTING:
            self._stale += 1
        self.phase = Phase.COLLECTING
        self.kept = self._failures = 0
        self._proposal = None
        self._window.clear()

    def close(self) -> None:
        """Ends the process that computes gradients."""
        self._updates.close()

    def step(
        self, observation: np.ndarray, sent: np.ndarray, reward: float, listens: bool, reasons: int
    ) -> None:
        """A control step was taken. Never waits.

        Args:
            observation: that was acted on, shape (1, O).
            sent: action of the control step before, as it was sent, shape (1, A).
            reward: of the control step before.
            listens: whether the robot may be learned from now.
            reasons: why the command is not what was asked for; a bit mask of `robots.safety.Reason`.
        """
        self._steps += 1
        if self._records:
            self._window.hear(reward)
            if self._window.full:
                self._window_is_full()
        elif self.phase is Phase.COMPUTING:
            self._poll(listens)
        if self.phase is Phase.TRIAL and reasons & Reason.POLICY_NOT_FINITE:
            self._roll_back("an action was not finite")
        acted = self._adapter.newest
        # Where parameters were exchanged just now, this step was still acted by the others.
        if self._records and listens and acted is not None and acted.parameters is self._adapter.parameters:
            self._window.add(observation, acted, sent, listens, reasons)
            if self.phase is Phase.TRIAL:
                self._watch_trial()
        self._adapter.exploration = self.settings.exploration if listens and self._records else 0.0

    def interrupt(self) -> None:
        """What was done last has no consequence that is known."""
        self._window.hear(np.nan)

    @property
    def _records(self) -> bool:
        """Whether what is done now is experience."""
        return self.phase in (Phase.COLLECTING, Phase.TRIAL)

    def accept(self) -> str | None:
        """Allows the proposal that waits, or keeps the one that is on trial; why not, or None."""
        if self.phase is Phase.WAITING:
            assert self._proposal is not None
            self._begin_trial(self._proposal, "by a person")
        elif self.phase is Phase.TRIAL:
            self._keep("by a person")
        else:
            return f"nothing to accept: {self.phase.value}"
        return None

    def rollback(self) -> str | None:
        """Drops the proposal that waits or is on trial, else what was kept last; why not, or None."""
        if self.phase is Phase.WAITING:
            self._reject("by a person", {})
        elif self.phase is Phase.TRIAL:
            self._roll_back("by a person")
        elif self._adapter.rollback():
            self.kept = max(self.kept - 1, 0)
            self._tell("rolled back", why="by a person", kept=self.kept)
            if self.phase is Phase.COMPUTING:
                self._stale += 1
            self._collect()
        else:
            return "nothing to roll back: these are the parameters that it started with"
        return None

    def status(self) -> dict[str, str]:
        """In words, for whoever watches."""
        room = self._window.rollouts * self._window.steps
        share = f" ({100 * self._window.count // room} %)" if self._records else ""
        return {
            "learning": self.phase.value + share,
            "proposals kept": f"{self.kept} of {self._limit}",
            "proposals rejected": str(self.rejected),
            "proposals rolled back": str(self.rolled_back),
        }

    def _window_is_full(self) -> None:
        usable, driven = self._window.usable, self._window.driven
        if usable < LEAST_USABLE or driven < LEAST_DRIVEN:
            if self.phase is Phase.TRIAL:
                self._roll_back("too little of it can be judged", {"usable": usable, "driven": driven})
            else:
                self._tell("window dropped", usable=usable, driven=driven)
                self._fail()
        elif self.phase is Phase.TRIAL:
            self._end_trial()
        else:
            self._ask()

    def _ask(self) -> None:
        """Has a proposal computed from the window, which becomes what it is compared with."""
        self._window, self._base = self._base, self._window
        self._window.clear()
        arrays = self._base.arrays()
        arrays["parameters"] = self._adapter.parameters[0].copy()
        arrays["step"] = np.array(self.kept, np.int64)
        self._updates.submit(arrays)
        self.phase = Phase.COMPUTING
        self._tell(
            "window collected",
            reward=_mean(self._base),
            usable=self._base.usable,
            interventions=self._base.interventions,
        )

    def _poll(self, listens: bool) -> None:
        if self.settings.by_itself and not listens:
            return  # whoever is not learned from is not experimented with
        proposal = self._updates.poll()
        if proposal is None:
            return
        if self._stale:
            self._stale -= 1
            return
        if proposal.parameters is None:
            self._reject(str(proposal.report.get("error", "a gate")), proposal.report)
        elif self.settings.by_itself:
            self._begin_trial(proposal, "all gates passed")
        else:
            self._proposal, self.phase = proposal, Phase.WAITING
            self._tell("proposal waits", **proposal.report)

    def _begin_trial(self, proposal: Proposal, why: str) -> None:
        assert proposal.parameters is not None
        try:
            self._adapter.propose(proposal.parameters[None])
        except AdaptError as error:
            self._reject(str(error), proposal.report)
            return
        self._proposal = None
        self.phase = Phase.TRIAL
        self._window.clear()
        self._tell("trial begins", why=why, **proposal.report)

    def _watch_trial(self) -> None:
        """Ends a trial early that goes wrong: after each block of the window."""
        count, block = self._window.count, len(self._window.reward) // BLOCKS
        if count % max(block, 1) == 0 and count < len(self._window.reward):
            self._worse(count // max(block, 1))

    def _end_trial(self) -> None:
        if not self._worse(BLOCKS):
            self._keep("the return has not fallen")

    def _worse(self, blocks: int) -> bool:
        """Whether the trial is worse so far than what was before it, and was rolled back."""
        before, after, settings = self._base, self._window, self.settings
        margin = settings.margin * (1 if blocks == BLOCKS else EARLY)
        rise = _rise(before.limits(BLOCKS), after.limits(blocks), margin)
        if rise > settings.interventions:
            facts = {"before": before.interventions, "after": after.interventions}
            self._roll_back("the safety filter intervenes more often", facts)
        elif _rise(-before.rewards(BLOCKS), -after.rewards(blocks), margin) > 0.0:
            self._roll_back("the return falls", self._returns())
        else:
            return False
        return True

    def _returns(self) -> dict[str, float | None]:
        """Mean reward per control step before the trial and in it."""
        return {"before": _mean(self._base), "after": _mean(self._window)}

    def _keep(self, why: str) -> None:
        full = self._window.full
        self._adapter.accept()
        self.kept += 1
        self._failures = 0
        self._tell("kept", why=why, kept=self.kept, **self._returns())
        if self.kept >= self._limit:
            self.phase = Phase.DONE
            self._tell("adapted", kept=self.kept)
        elif full:
            self._ask()  # what was played on trial is what the next step learns from
        else:
            self._collect()

    def _roll_back(self, why: str, facts: Mapping[str, Any] | None = None) -> None:
        self._adapter.rollback()
        self.rolled_back += 1
        self._tell("rolled back", why=why, kept=self.kept, **(facts or {}))
        self._fail()

    def _reject(self, why: str, report: Mapping[str, Any]) -> None:
        self.rejected += 1
        self._proposal = None
        self._tell("rejected", why=why, **report)
        self._fail()

    def _fail(self) -> None:
        self._failures += 1
        if self._failures >= self.settings.attempts:
            self.phase = Phase.DONE
            self._tell("gave up", failures=self._failures, kept=self.kept)
        else:
            self._collect()

    def _collect(self) -> None:
        self.phase = Phase.COLLECTING
        self._window.clear()

    def _tell(self, event: str, **facts: Any) -> None:
        if self._log is not None:
            self._log({"event": event, "control_step": self._steps} | facts)


def _worker(bundle: PolicyBundle, settings: LearningSettings) -> UpdateWorker:
    if importlib.util.find_spec("torch") is None:
        raise AdaptError(
            f"{bundle.path}: adapts by gradients, and those need torch: pip install 'adapt-robots[gradient]'"
        )
    return UpdateWorker(bundle, settings.gates)


def _check(settings: LearningSettings) -> None:
    for name, value, low, high in (
        ("exploration", settings.exploration, 0.0, 1.0),
        ("attempts", settings.attempts, 1, 1000),
        ("margin", settings.margin, 0.0, 10.0),
        ("interventions", settings.interventions, 0.0, 1.0),
        ("trust_region", settings.gates.trust_region, 0.0, 2.0),
        ("spread", settings.gates.spread, 1.0, 10.0),
    ):
        if not low <= value <= high:
            raise AdaptError(f"{name}: {value}; valid: {low:g} to {high:g}")


def _mean(window: Window) -> float | None:
    """Mean reward per control step; None where none counts."""
    value = window.rewards(1)[0]
    return float(value) if np.isfinite(value) else None


def _rise(before: np.ndarray, after: np.ndarray, margin: float) -> float:
    """By how much a mean has risen, less so many standard errors; infinite where nothing is known of one.

    The blocks before, shape (b,), say how blocks scatter; those after, shape (a,), may be few.
    """
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if len(before) < 2 or not len(after):
        return np.inf
    error = np.sqrt(before.var(ddof=1) * (1 / len(before) + 1 / len(after)))
    return float(after.mean() - before.mean() - margin * error)
