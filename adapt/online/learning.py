"""`OnRobotLearning`: collects a window of experience, has a proposal computed, tries it out, keeps or drops it.

Every proposal, its gates and what became of it are events of an audit log. One robot; R rollouts of T control steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.bundle_gradient import META_STATE, prefixed
from adapt.errors import AdaptError
from adapt.online.experience import Window
from adapt.online.gradient import GradientAdapter
from adapt.online.learning_phase import RECORDED, Phase
from adapt.online.learning_settings import LearningSettings
from adapt.online.proposal import Proposal
from adapt.online.trial import BLOCKS, at_a_block, fallen, limited_more
from adapt.online.update_worker import Updates, open_worker
from robots.safety import Reason

LEAST_USABLE = 0.8
"""Share of a window's steps that have to count; of a window with less nothing is learned."""
LEAST_DRIVEN = 0.2
"""Share of a window's steps in which the policy has to drive, and not the safe mode."""

Event = dict[str, Any]


class OnRobotLearning:
    """Of one adapter by gradients.

    Raises:
        AdaptError: the adapter is of more than one robot, or there is no torch to compute gradients with.
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
        if len(adapter.parameters) != 1:
            raise AdaptError(f"{len(adapter.parameters)} robots; one at a time can learn by gradients")
        self.settings = settings or LearningSettings()
        made = bundle.manifest["adapter"]
        self._limit = len(made["rates"])
        self._adapter, self._log = adapter, log
        self._updates = updates or open_worker(bundle, self.settings.gates)
        sizes = bundle.observation.size, len(bundle.manifest["action"]["centre"])
        self._window = Window(made["rollouts"], made["episode_steps"], *sizes)
        self._base = Window(made["rollouts"], made["episode_steps"], *sizes)
        """What the present proposal was made of."""
        self.rolled_back = 0
        """Proposals that were tried, and dropped."""
        self.rejected = 0
        """Proposals that did not pass a gate, or were not computed."""
        self._steps = 0
        self._begin()

    @property
    def kept(self) -> int:
        """Steps that were kept, from the bundle's start parameters to those of now."""
        return self._adapter.steps

    def reset(self) -> None:
        """Begins anew from the adapter's present parameters."""
        self._tell("reset", phase=self.phase.value, kept=self.kept)
        self._begin()

    def close(self) -> None:
        """Ends the process that computes gradients."""
        self._updates.close()

    def begin_step(self, listens: bool) -> None:
        """A control step begins. It explores where experience is collected and the robot may be learned from."""
        explores = listens and self.phase in RECORDED
        self._adapter.exploration = self.settings.exploration if explores else 0.0

    def step(
        self, observation: np.ndarray, sent: np.ndarray, reward: float, listens: bool, reasons: int
    ) -> None:
        """A control step was taken. Never waits.

        Args:
            observation: that was acted on, shape (1, O).
            sent: action of the control step before, as it was sent, shape (1, A).
            reward: of the control step before; NaN where nobody knows it.
            listens: whether the robot may be learned from now.
            reasons: why the command is not what was asked for; a bit mask of `robots.safety.Reason`.
        """
        self._steps += 1
        phase = self.phase
        """In which this step was acted: it is recorded in no other."""
        if phase in RECORDED:
            self._hear(reward)
        elif phase is Phase.COMPUTING:
            self._poll(listens)
        if phase is Phase.TRIAL and self.phase is phase and reasons & Reason.POLICY_NOT_FINITE:
            self._roll_back("an action was not finite")
        if self.phase is phase and phase in RECORDED and listens and self._adapter.newest is not None:
            self._window.add(observation, self._adapter.newest, sent, reasons)

    def interrupt(self) -> None:
        """What was done last has no consequence that is known."""
        self._window.hear(np.nan)

    def accept(self) -> str | None:
        """Allows the proposal that waits, or keeps the one that is on trial; why not, or None."""
        if self.phase is Phase.WAITING:
            assert self._proposal is not None
            return self._begin_trial(self._proposal, "by a person")
        if self.phase is Phase.TRIAL:
            self._keep("by a person")
            return None
        return f"nothing to accept: {self.phase.value}"

    def rollback(self) -> str | None:
        """Drops the proposal that waits or is on trial, else what was kept last; why not, or None."""
        if self.phase is Phase.WAITING:
            self._reject("by a person", {})
        elif self.phase is Phase.TRIAL:
            self._roll_back("by a person")
        elif self._adapter.rollback():
            self._tell("rolled back", why="by a person", kept=self.kept)
            self._begin()
        else:
            return "nothing to roll back: there are no older parameters"
        return None

    def status(self) -> dict[str, str]:
        """In words, for whoever watches."""
        room = self._window.rollouts * self._window.steps
        share = f" ({100 * self._window.count // room} %)" if self.phase in RECORDED else ""
        return {
            "learning": self.phase.value + share,
            "proposals kept": f"{self.kept} of {self._limit}",
            "proposals rejected": str(self.rejected),
            "proposals rolled back": str(self.rolled_back),
        }

    def _begin(self) -> None:
        self._proposal: Proposal | None = None
        self._failures = 0
        self._collect()
        if self.kept >= self._limit:
            self.phase = Phase.DONE

    def _hear(self, reward: float) -> None:
        came = self._window.hear(reward)
        if self._window.full:
            self._window_is_full()
        elif came and self.phase is Phase.TRIAL and (blocks := at_a_block(self._window)):
            self._judge(blocks)

    def _window_is_full(self) -> None:
        usable, driven = self._window.usable, self._window.driven
        if usable < LEAST_USABLE or driven < LEAST_DRIVEN:
            self._tell("window dropped", usable=usable, driven=driven)
            if self.phase is Phase.TRIAL:
                self._roll_back("too few control steps count")
            else:
                self._fail()
        elif self.phase is Phase.COLLECTING:
            self._ask()
        elif self._judge(BLOCKS):
            self._keep("the return has not fallen")

    def _ask(self) -> None:
        """Has a proposal computed from the window, which becomes what it is compared with."""
        self._window, self._base = self._base, self._window
        self._window.clear()
        arrays = self._base.arrays()
        stage = self._adapter.stage
        arrays["parameters"] = stage.parameters[0].copy()
        state = {name: array[0].copy() for name, array in stage.meta_state.items()}
        arrays |= prefixed(META_STATE, state)
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
        if proposal.parameters is None:
            self._reject(str(proposal.report.get("error", "a gate")), proposal.report)
        elif self.settings.by_itself:
            self._begin_trial(proposal, "all gates passed")
        else:
            self._proposal, self.phase = proposal, Phase.WAITING
            self._tell("proposal waits", **proposal.report)

    def _begin_trial(self, proposal: Proposal, why: str) -> str | None:
        """Why there is none, or None."""
        assert proposal.parameters is not None
        try:
            state = {name: array[None] for name, array in proposal.meta_state.items()}
            self._adapter.propose(proposal.parameters[None], state)
        except AdaptError as error:
            self._reject(str(error), proposal.report)
            return f"rejected: {error}"
        self._proposal = None
        self.phase = Phase.TRIAL
        self._window.clear()
        self._tell("trial begins", why=why, **proposal.report)
        return None

    def _judge(self, blocks: int) -> bool:
        """Ends a trial that goes wrong, of which there are so many blocks; whether it goes on."""
        before, after, settings = self._base, self._window, self.settings
        if limited_more(before, after, blocks, settings.margin, settings.interventions):
            facts = {"before": before.interventions, "after": after.interventions}
            self._roll_back("the safety filter intervenes more often", facts)
        elif fallen(before, after, blocks, settings.margin):
            self._roll_back("the return falls", {"before": _mean(before), "after": _mean(after)})
        else:
            return True
        return False

    def _keep(self, why: str) -> None:
        full = self._window.full
        self._adapter.accept()
        self._failures = 0
        self._tell("kept", why=why, kept=self.kept, before=_mean(self._base), after=_mean(self._window))
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
        self._collect()
        if self._failures >= self.settings.attempts:
            self.phase = Phase.GAVE_UP
            self._tell("gave up", failures=self._failures, kept=self.kept)

    def _collect(self) -> None:
        self.phase = Phase.COLLECTING
        self._window.clear()

    def _tell(self, event: str, **facts: Any) -> None:
        if self._log is not None:
            self._log({"event": event, "control_step": self._steps} | facts)


def _mean(window: Window) -> float | None:
    """Mean reward of a window, for JSON."""
    mean = window.rewards(1)[0]
    return float(mean) if np.isfinite(mean) else None
