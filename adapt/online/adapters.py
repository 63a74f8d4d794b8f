"""Adapters that run a bundle's step graph with onnxruntime."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from adapt.bundle import PolicyBundle
from adapt.errors import AdaptError
from adapt.online.graph import Graph
from adapt.types import Belief


def _sizes(bundle: PolicyBundle) -> dict[str, int | None]:
    """Numbers per robot of everything that a bundle's graphs take and give, by its name there.

    None of what only a robot has: a benchmark's body has neither observation nor action layout.
    """
    manifest, adapter = bundle.manifest, bundle.manifest["adapter"]
    observation = bundle.observation.size if "observation" in manifest else None
    action = len(manifest["action"]["centre"]) if "action" in manifest else None
    sent = None if action is None else action * adapter.get("action_history", 0)
    quantities = len(manifest["family"]["belief_names"])
    return {
        **dict.fromkeys(("observation", "before", "next_observation"), observation),
        **dict.fromkeys(("action", "previous_action"), action),
        **dict.fromkeys(("previous_reward", "new_episode"), 1),
        **dict.fromkeys(("hidden", "next_hidden"), adapter.get("hidden", 0)),
        **dict.fromkeys(("parameters", "parameter_std"), adapter.get("parameters", quantities)),
        "actions": sent,
        "log_std": action,
        "inputs": observation,
        "belief": 2 * adapter.get("latent", 0),
    }


def bundle_graph(
    bundle: PolicyBundle,
    file: str,
    inputs: Collection[str],
    outputs: Collection[str],
    needed: Collection[str],
) -> Graph:
    """One of a bundle's graphs, which takes `inputs`, those that are `needed` at least, and gives `outputs`."""
    sizes = _sizes(bundle)
    return Graph(bundle, file, {n: sizes[n] for n in inputs}, {n: sizes[n] for n in outputs}, needed)


def check_state(
    state: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    unknown_at_first: Collection[str] = (),
) -> None:
    """Refuses to restore what is not of an adapter like this one; `unknown_at_first` may be NaN.

    Raises:
        AdaptError: names the first array that is missing, is of another shape or type, or is not finite.
    """
    for name, like in expected.items():
        array = state.get(name)
        if array is None or array.shape != like.shape or array.dtype != like.dtype:
            found = "none" if array is None else f"{array.dtype} of shape {array.shape}"
            raise AdaptError(f"{name}: {found}; expected {like.dtype} of shape {like.shape}")
        if name not in unknown_at_first and not np.isfinite(array).all():
            raise AdaptError(f"{name}: not all numbers are finite")
    for name in state:
        if name not in expected:
            raise AdaptError(f"{name}: unknown; valid: {', '.join(expected) or 'nothing, it does not adapt'}")


def _trusted(listen: np.ndarray, said: Sequence[np.ndarray]) -> np.ndarray | None:
    """Who is listened to, shape (N,), and of whom a graph gave finite numbers alone; None: all. Shape (N, 1), bool."""
    finite = [np.isfinite(each) for each in said]
    if all(np.count_nonzero(each) == each.size for each in (listen, *finite)):
        return None
    return np.logical_and.reduce([listen, *(each.all(axis=1) for each in finite)])[:, None]


def _where(chosen: np.ndarray, yes: Belief, no: Belief) -> Belief:
    """Of each robot one of two beliefs; `chosen` has the shape (N, 1)."""
    return Belief(
        np.where(chosen, yes.mean, no.mean),
        np.where(chosen, yes.log_std, no.log_std),
        np.where(chosen, yes.parameters, no.parameters),
        np.where(chosen, yes.parameter_std, no.parameter_std),
    )


class FixedAdapter:
    """A policy without memory: no adaptation."""

    def __init__(self, bundle: PolicyBundle, robots: int = 1):
        self._step = bundle_graph(
            bundle, "step.onnx", ("observation", "previous_action"), ("action",), ("observation",)
        )

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        """Nothing to forget."""

    def act(
        self,
        observation: np.ndarray,
        previous_action: np.ndarray,
        previous_reward: np.ndarray,
        new_episode: np.ndarray,
        listen: np.ndarray,
    ) -> np.ndarray:
        return self._step(observation=observation, previous_action=previous_action)[0]

    def belief(self) -> None:
        return None

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        check_state(state, {})


class MemoryAdapter:
    """A recurrent policy: what it has understood stays in its memory, shape (N, H). It says nothing of it."""

    outputs = ("action", "next_hidden")
    unknown_at_first: tuple[str, ...] = ()
    """What of its state is NaN until something was heard."""

    def __init__(self, bundle: PolicyBundle, robots: int = 1):
        adapter = bundle.manifest["adapter"]
        heard = () if adapter["reward_free"] else ("previous_reward",)
        inputs = ("observation", "previous_action", *heard, "new_episode", "hidden")
        self._step = bundle_graph(
            bundle, "step.onnx", inputs, self.outputs, ("observation", *heard, "hidden")
        )
        self._hidden = np.zeros((robots, adapter["hidden"]), np.float32)

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        self._hidden[ids] = 0.0

    def act(
        self,
        observation: np.ndarray,
        previous_action: np.ndarray,
        previous_reward: np.ndarray,
        new_episode: np.ndarray,
        listen: np.ndarray,
    ) -> np.ndarray:
        action, *said, hidden = self._step(
            observation=observation,
            previous_action=previous_action,
            previous_reward=previous_reward,
            new_episode=new_episode,
            hidden=self._hidden,
        )
        trusted = _trusted(listen, (hidden, *said))
        self._hidden = hidden if trusted is None else np.where(trusted, hidden, self._hidden)
        self._believe(said, trusted)
        return action

    def belief(self) -> Belief | None:
        return None

    def state(self) -> dict[str, np.ndarray]:
        return {"hidden": self._hidden.copy()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        check_state(state, self.state(), self.unknown_at_first)
        self._hidden = state["hidden"].copy()

    def _believe(self, said: list[np.ndarray], trusted: np.ndarray | None) -> None:
        """What the graph gave between action and memory, of the robots that are trusted, shape (N, 1); None: all."""


class BeliefAdapter(MemoryAdapter):
    """A recurrent belief over the task and a policy on it."""

    outputs = ("action", "belief", "parameters", "parameter_std", "next_hidden")
    unknown_at_first = ("parameters", "parameter_std")

    def __init__(self, bundle: PolicyBundle, robots: int = 1):
        super().__init__(bundle, robots)
        latent = bundle.manifest["adapter"]["latent"]
        quantities = len(bundle.manifest["family"]["belief_names"])
        self._belief = self._unheard = Belief(
            np.zeros((robots, latent), np.float32),
            np.zeros((robots, latent), np.float32),
            np.full((robots, quantities), np.nan, np.float32),
            np.full((robots, quantities), np.nan, np.float32),
        )

    def reset(self, ids: np.ndarray | slice = slice(None)) -> None:
        super().reset(ids)
        forgotten = np.zeros((len(self._hidden), 1), dtype=bool)
        forgotten[ids] = True
        self._belief = _where(forgotten, self._unheard, self._belief)

    def belief(self) -> Belief:
        return self._belief

    def state(self) -> dict[str, np.ndarray]:
        return super().state() | {name: array.copy() for name, array in vars(self._belief).items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        super().restore(state)
        self._belief = Belief(**{name: state[name].copy() for name in vars(self._belief)})

    def _believe(self, said: list[np.ndarray], trusted: np.ndarray | None) -> None:
        belief, parameters, parameter_std = said
        latent = belief.shape[1] // 2
        new = Belief(belief[:, :latent], belief[:, latent:], parameters, parameter_std)
        self._belief = new if trusted is None else _where(trusted, new, self._belief)


class MotionPredictor:
    """The belief's own forecast of the next observation: how well the robot is understood, on any recording."""

    inputs = ("observation", "before", "actions", "belief")

    def __init__(self, bundle: PolicyBundle):
        self._graph = bundle_graph(bundle, "predict.onnx", self.inputs, ("next_observation",), self.inputs)

    def __call__(
        self,
        observation: np.ndarray,
        before: np.ndarray,
        actions: np.ndarray,
        mean: np.ndarray,
        log_std: np.ndarray,
    ) -> np.ndarray:
        """The next observation, shape (N, O).

        Args:
            observation: shape (N, O).
            before: the observation one control step earlier, shape (N, O).
            actions: those sent, newest first, shape (N, H A).
            mean: of the belief, shape (N, L).
            log_std: of the belief, shape (N, L).
        """
        belief = np.concatenate([mean, log_std], axis=1).astype(np.float32)
        return self._graph(observation=observation, before=before, actions=actions, belief=belief)[0]
