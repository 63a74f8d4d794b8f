"""`Proposer`: from a window of experience to a proposal that has passed its gates, where there is torch.

All that is recorded of a window is in order of time: R rollouts of T control steps each. P parameters.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import torch

from adapt.bundle import PolicyBundle
from adapt.bundle_gradient import META_PARAMS, META_STATE, WEIGHTS, without_prefix
from adapt.errors import AdaptError
from adapt.inner_steps import inner_step_from_manifest
from adapt.inner_steps.episodes import Episodes, Played, judge
from adapt.inner_steps.inner_step import Tensors
from adapt.networks.task_policies import TaskPolicies
from adapt.online.adapters import bundle_graph
from adapt.online.gates import Gate, GateSettings, Recorded, as_data, judge_proposal
from adapt.online.proposal import Proposal

SCALES = (1.0, 0.5, 0.25, 0.125)
"""Shares of a step that are tried, the longest first, until one passes the gates."""
_ROWS = 256
"""Recorded states that the graph is asked about at a time: each comes with all parameters."""
_AGREEMENT = 1e-3
"""Largest difference between the graph that acted and the network that learns, in half action ranges."""


class Proposer:
    """Computes proposals for one bundle."""

    def __init__(self, bundle: PolicyBundle, settings: GateSettings):
        adapter, robot = bundle.manifest["adapter"], bundle.manifest["robot"]
        half_range = np.array(bundle.manifest["action"]["half_range"])
        driven = ~np.array(robot["passive"], dtype=bool)
        self._step_limit = np.array(robot["command_rate"])[driven] * robot["control_period"] / half_range
        self._adapter, self._settings = adapter, settings
        self._policies = TaskPolicies(bundle.observation.size, len(half_range), adapter["layers"])
        self._inner_step = inner_step_from_manifest(adapter["rule"])
        self._meta_params = _as_tensors(
            f"{bundle.path}: {WEIGHTS}: {META_PARAMS}",
            bundle.meta_params,
            self._inner_step.initial_meta_params(self._policies),
        )
        state = {name: array[None] for name, array in bundle.meta_state.items()}
        _as_tensors(f"{bundle.path}: {WEIGHTS}: {META_STATE}", state, self._inner_step.initial_meta_state(1))
        self._graph = bundle_graph(
            bundle,
            "step.onnx",
            ("observation", "parameters"),
            ("action", "log_std", "inputs"),
            ("parameters",),
        )

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> Proposal:
        """A proposal; without parameters where no share of the step passes the gates.

        Args:
            arrays: `Window.arrays()`, `parameters` that played, shape (P,), what the inner step remembers with them, by
                prefix, and the number `step` of the update from 0.

        Raises:
            AdaptError: the network that learns is not the graph that acted.
        """
        began = time.perf_counter()
        start = arrays["parameters"]
        episodes = self._episodes(arrays)
        rate = self._adapter["rates"][min(int(arrays["step"]), len(self._adapter["rates"]) - 1)]
        state = {name: array[None] for name, array in without_prefix(META_STATE, arrays).items()}
        remembered = _as_tensors(META_STATE, state, self._inner_step.initial_meta_state(1))
        (moved,), remembers = self._inner_step(self._policies, episodes, rate, self._meta_params, remembered)
        moved = moved.numpy()
        recorded, gates, passed = self._recorded(arrays, episodes), list[Gate](), False
        candidate, scale = moved, 0.0
        for scale in SCALES:
            candidate = (start + np.float32(scale) * (moved - start)).astype(np.float32)
            gates = judge_proposal(self._act, candidate, recorded, self._step_limit, self._settings)
            passed = all(gate.passed for gate in gates)
            if passed:
                break
        report = {
            "passed": passed,
            "scale": scale,
            "gates": as_data(gates),
            "seconds": round(time.perf_counter() - began, 4),
        }
        meta_state = {name: tensor[0].numpy() for name, tensor in remembers.items()}
        return Proposal(candidate, report, meta_state) if passed else Proposal(None, report)

    def _episodes(self, arrays: Mapping[str, np.ndarray]) -> Episodes:
        adapter, alive = self._adapter, self._by_time(arrays["alive"])[..., 0]
        inputs, mean = self._by_time(arrays["inputs"]), self._by_time(arrays["mean"])
        parameters = torch.from_numpy(arrays["parameters"].copy()).unsqueeze(0)
        with torch.no_grad():
            policy = self._policies.distribution(parameters, inputs.flatten(1, 2))
        difference = ((policy.mean - mean.flatten(1, 2)) * alive.flatten(1, 2).unsqueeze(-1)).abs().max()
        if not float(difference) <= _AGREEMENT:
            raise AdaptError(f"the network that learns differs from what acted by {float(difference):.2g}")
        played = Played(
            parameters,
            self._by_time(arrays["observation"]),
            inputs,
            self._by_time(arrays["action"]),
            mean,
            policy.log_std,
            self._by_time(arrays["reward"])[..., 0] * alive,
            alive,
            self._by_time(arrays["own"])[..., 0],
        )
        return judge(played, adapter["gamma"], adapter["gae_lambda"])

    def _by_time(self, array: np.ndarray) -> torch.Tensor:
        """Of a window's array, shape (R T, ...), one of shape (1, T, R, ...)."""
        rows = array.reshape(self._adapter["rollouts"], self._adapter["episode_steps"], -1)
        return torch.from_numpy(np.ascontiguousarray(rows.swapaxes(0, 1))).unsqueeze(0)

    def _recorded(self, arrays: Mapping[str, np.ndarray], episodes: Episodes) -> Recorded:
        """The steps in which the policy drove, each with its advantage."""
        shape = self._adapter["episode_steps"], self._adapter["rollouts"]
        advantage = episodes.advantage[0].numpy().reshape(shape).swapaxes(0, 1).reshape(-1)
        counts = arrays["own"] > 0
        names = ("observation", "action", "mean", "log_std", "sent")
        return Recorded(**{name: arrays[name][counts] for name in names}, advantage=advantage[counts])

    def _act(self, observation: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = []
        for first in range(0, len(observation), _ROWS):
            rows = observation[first : first + _ROWS]
            parts.append(self._graph(observation=rows, parameters=np.tile(parameters, (len(rows), 1)))[:2])
        mean, log_std = (np.concatenate(part) for part in zip(*parts, strict=True))
        return mean, log_std


def _as_tensors(where: str, arrays: Mapping[str, np.ndarray], expected: Tensors) -> Tensors:
    """Of an inner step's own arrays; they must be those that it has."""
    for name in (*expected, *arrays):
        found = None if name not in arrays else arrays[name].shape
        needed = None if name not in expected else tuple(expected[name].shape)
        if found != needed:
            raise AdaptError(f"{where}{name}: {found or 'none'}; the inner step has {needed or 'none'}")
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}
