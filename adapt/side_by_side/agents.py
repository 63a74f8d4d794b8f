"""M agents side by side, each in a block of environments of its own: what they are, do and earn.

T steps, B environments of an agent, J joints, A actions. What is of all agents has a leading axis M.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from adapt.networks.agent import AgentNetwork, AgentSizes
from adapt.side_by_side.environments import SideBySide
from adapt.update_rules.adam import Adam
from adapt.update_rules.lifetime import Learning, Life, join
from adapt.update_rules.rule import Rollout, Tensors, UpdateRule

SMALL_AGENT = AgentSizes(dense=(32, 32), model=16, head=16)


class Agents:
    """Their environments, their network and how they learn; their lives are kept by whom they belong to."""

    def __init__(
        self,
        env: SideBySide,
        count: int,
        rule: UpdateRule,
        sizes: AgentSizes,
        optimiser: Adam,
        draw: Callable[[tuple[int, ...]], torch.Tensor],
        learning: Callable[..., Learning] = Learning,
    ):
        """
        Args:
            env: of all agents, in blocks that follow each other.
            count: how many agents, M.
            rule: by which they learn.
            sizes: of their networks.
            optimiser: of their parameters.
            draw: uniform numbers in [0, 1) of a shape, here (M, B, J, 1), by which actions are chosen.
            learning: makes the learning, as `partial(OnlineTuning, tuner=...)`.
        """
        self.env, self.count, self._draw = env, count, draw
        self.network = AgentNetwork(
            env.observation_shape, env.actions, rule.outputs(env.actions), sizes, env.joints
        )
        self.learning = learning(rule, self.network, optimiser, population=True)
        self._policy = torch.vmap(self.network.logits)

    @torch.no_grad()
    def act(self, params: Tensors) -> Tensors:
        """A moment: what environments show, and the actions that agents draw there.

        `observation`, `reward` and `last` of (M, B, ...), `logits` (M, B, J, A), `action` (M, B, J).
        """
        shown = {name: self._by_agent(getattr(self.env, name)) for name in ("observation", "reward", "last")}
        logits = self._policy(params, shown["observation"])
        uniform = self._draw((*logits.shape[:-1], 1))
        action = (uniform > logits.softmax(dim=-1).cumsum(dim=-1)[..., :-1]).sum(dim=-1)
        return shown | {"logits": logits, "action": action}

    def roll(self, params: Tensors, first: Tensors, steps: int) -> tuple[Rollout, Tensors]:
        """T steps from a first moment on, not yet joined over joints, and the moment after them."""
        moments = [first]
        for _ in range(steps):
            self.env.step(moments[-1]["action"].flatten(0, 1).numpy())
            moments.append(self.act(params))
        told = {name: torch.stack([each[name] for each in moments]).transpose(0, 1) for name in first}
        logits = told["logits"]
        rollout = Rollout(
            observation=told["observation"],
            action=told["action"],
            reward=told["reward"][:, 1:],
            terminal=told["last"][:, 1:],
            counts=1 - told["last"][:, :-1],
            behaviour={"logits": logits if self.env.joints > 1 else logits.squeeze(-2)},
        )
        return rollout, moments[-1]

    def returns(self) -> np.ndarray:
        """Mean returns of the episodes that ended since it was asked last, shape (M,), NaN where none did."""
        ids, values = self.env.ended()
        of = self.env.task_of[ids]
        total = np.bincount(of, weights=values, minlength=self.count)
        count = np.bincount(of, minlength=self.count)
        return np.divide(total, count, out=np.full(self.count, np.nan), where=count > 0)

    def _by_agent(self, values: np.ndarray) -> torch.Tensor:
        """Of all environments, as numbers; pictures stay bytes, which networks take for shares of 255."""
        dtype = None if values.dtype == np.uint8 else torch.get_default_dtype()
        return torch.as_tensor(values, dtype=dtype).unflatten(0, (self.count, -1))


def stacked(each: Sequence[Tensors]) -> Tensors:
    """Parameters of n agents as those of a population: a new leading axis."""
    return {name: torch.stack([one[name] for one in each]) for name in each[0]}


def joined(rollout: Rollout) -> Rollout:
    """`join` of M agents' rollouts."""
    return Rollout.of(torch.vmap(lambda told: join(Rollout.of(told)).tensors())(rollout.tensors()))


def joined_outputs(said: Tensors) -> Tensors:
    """What M agents of J joints say, (M, T, B, J, ...), as rules want to hear it, (M, T, B J, ...)."""
    if said["logits"].dim() == 5:
        return {name: value.flatten(2, 3) for name, value in said.items()}
    return said


def placed(life: Life, fresh: Life, agents: np.ndarray) -> Life:
    """A population's life with the lives of some of its agents, shape (n,), taken by others."""
    index = torch.from_numpy(agents)
    return Life(
        *(
            {name: value.detach().index_copy(0, index, new[name]) for name, value in old.items()}
            for old, new in zip(life.parts(), fresh.parts(), strict=True)
        )
    )
