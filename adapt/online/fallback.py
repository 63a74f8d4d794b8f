"""`Fallback`: a policy that does not adapt, of the user's choice, where the adaptive one is not to be trusted.

That is: with robots that are not of its family, and after it has asked for what is not finite.
"""

from __future__ import annotations

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.online.kinds import make_adapter
from robots import RobotSpec, SensorFrame
from robots.action import ActionLayout
from robots.observer import Observer

SOUND_AGAIN = 2.0
"""For how long an adaptive policy has to have been finite before it drives again after it was not, in [s]."""


class Fallback:
    """Takes over command by command within the safety filter's soft start, and hands back likewise. N robots.

    A request that is not finite is not hidden from the safety filter, which answers it with its safe mode; from the
    next step on the fallback is asked alone, and begins softly out of it.

    Raises:
        AdaptError: the bundle's policy adapts: what it understands of a robot is what is in doubt.
        BundleError: it is for another robot.
    """

    def __init__(self, bundle: PolicyBundle, spec: RobotSpec, robots: int = 1):
        kind = bundle.manifest["adapter"]["kind"]
        if kind != "none":
            raise AdaptError(f"{bundle.path}: adapter.kind: {kind!r}; a fallback does not adapt: 'none'")
        bundle.check_robot(spec)
        self.observation = bundle.observation
        self.share = np.zeros(robots)
        """Of the command that is the fallback's. Shape (N,)."""
        self._adapter = make_adapter(bundle, robots)
        self._observer = Observer(bundle.observation, robots)
        self._action = ActionLayout(spec)
        self._taken = np.zeros(robots, dtype=np.int64)
        self._ramp = max(1, round(spec.safety.soft_start / spec.period))
        """Control steps from one to the other."""
        self._doubtful = np.zeros(robots, dtype=np.int64)
        """Control steps for which the adaptive policy is to be finite before it drives again."""
        self._sound_again = round(SOUND_AGAIN / spec.period)
        self._unheard = np.zeros((robots, 1), np.float32)

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Robots `ids` are the adaptive policy's again, at once: they begin softly anyway."""
        self._taken[ids] = 0
        self._doubtful[ids] = 0
        self.share[ids] = 0.0
        self.begin_episode(ids)

    def begin_episode(self, ids: np.ndarray | slice = slice(None)) -> None:
        """The history of the observations of robots `ids` begins anew; who drives stays."""
        self._observer.reset(ids)

    def __call__(
        self,
        requested: np.ndarray,
        frame: SensorFrame,
        goal: np.ndarray | None,
        fresh: np.ndarray,
        sent: np.ndarray,
        unfamiliar: np.ndarray,
    ) -> np.ndarray:
        """What is asked for, shape (N, J), of robots of which some, shape (N,), bool, are unfamiliar.

        Args:
            requested: what the adaptive policy asks for, in [command unit], shape (N, J).
            frame: newest sensor reading.
            goal: what the task asks for, shape (N, G), where there is one.
            fresh: whose reading is new and usable. Shape (N,), bool.
            sent: the action of the control step before, shape (N, A).
            unfamiliar: who is to be driven by the fallback. Shape (N,), bool.
        """
        with np.errstate(invalid="ignore"):  # readings that are not finite are not used
            observation = self._observer.observe(frame, goal, fresh)
        taken = np.clip(self._taken + np.where(unfamiliar, 1, -1), 0, self._ramp)
        self._taken[:] = np.where(self._doubtful > 0, self._ramp, taken)
        broken = fresh & ~np.isfinite(requested).all(axis=1)
        self._doubtful[:] = np.where(broken, self._sound_again, np.maximum(self._doubtful - 1, 0))
        self.share[:] = self._taken / self._ramp
        if not self.share.any():
            return requested
        action = self._adapter.act(observation, sent, self._unheard, self._unheard, fresh)
        own, share = self._action.to_command(action), self.share[:, None]
        # Where one of the two drives alone, it does not matter whether the other is finite.
        blended = np.where(share == 1.0, own, requested + share * (own - requested))
        return np.where(share == 0.0, requested, blended)
