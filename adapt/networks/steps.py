"""One control step of a learner as one torch module: what a bundle's graph is traced from.

N robots, O observation, A action, H memory, L latent, Q physical quantities. A step has the attributes of `Signature`;
its forward takes a tensor of shape (N, size) for each of its `inputs`, in that order, and returns its `outputs`.
All normalisers are inside; actions are the deterministic mean, in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn

from adapt.errors import AdaptError
from adapt.networks.belief import HistoryEncoder
from adapt.networks.gradient_step import GRADIENT_OUTPUTS
from adapt.networks.policy import GaussianPolicy
from sim_tasks.family import TaskFamily

KINDS = ("none", "belief", "memory", "gradient")
INPUTS = ("observation", "previous_action", "previous_reward", "new_episode", "hidden", "parameters")
BELIEF_OUTPUTS = ("belief", "parameters", "parameter_std")


@dataclass(frozen=True)
class Signature:
    """What a step takes, gives and remembers."""

    kind: str
    """`none`: no memory; `belief`: a belief over the task; `memory`: a recurrent policy without a belief; `gradient`:
    a policy without memory whose parameters are given to it."""
    inputs: tuple[str, ...]
    """Out of `INPUTS`, in their order. The reward is that of the control step before; it is 0 as a trial begins."""
    outputs: tuple[str, ...]
    """`action`, then `BELIEF_OUTPUTS` of a belief or `GRADIENT_OUTPUTS`, then `next_hidden` of a memory."""
    memory: int
    """Size of `hidden`, H; all zeros for a new trial. 0 without a memory."""
    latent: int
    """Dimensions of the belief, L; 0 without one."""
    reward_free: bool
    """Whether it adapts without hearing the reward."""

    @staticmethod
    def of(step: nn.Module) -> Signature:
        """What a step's attributes say.

        Raises:
            AdaptError: one is missing, or they contradict each other; names them.
        """
        missing = [field.name for field in fields(Signature) if not hasattr(step, field.name)]
        if missing:
            raise AdaptError(f"{type(step).__name__}: a step needs the attributes {', '.join(missing)}")
        given: Any = step
        inputs, outputs = tuple(given.inputs), tuple(given.outputs)
        found = Signature(given.kind, inputs, outputs, given.memory, given.latent, given.reward_free)
        found._check(type(step).__name__)
        return found

    def _check(self, name: str) -> None:
        if self.kind not in KINDS:
            raise AdaptError(f"{name}: kind {self.kind!r}; valid: {', '.join(KINDS)}")
        remembers, believes = self.kind in ("belief", "memory"), self.kind == "belief"
        learns = self.kind == "gradient"
        said = BELIEF_OUTPUTS if believes else GRADIENT_OUTPUTS if learns else ()
        outputs = ("action", *said, *(("next_hidden",) if remembers else ()))
        hears = not self.reward_free and not learns  # gradients are taken elsewhere
        for what, value, expected in (
            ("inputs", self.inputs, tuple(each for each in INPUTS if each in self.inputs)),
            ("hidden among the inputs", "hidden" in self.inputs, remembers),
            ("previous_reward among the inputs", "previous_reward" in self.inputs, hears),
            ("parameters among the inputs", "parameters" in self.inputs, learns),
            ("outputs", self.outputs, outputs),
            ("memory above 0", self.memory > 0, remembers),
            ("latent above 0", self.latent > 0, believes),
        ):
            if value != expected:
                raise AdaptError(f"{name}: {what}: {value!r}; expected {expected!r} of kind {self.kind!r}")


class PolicyStep(nn.Module):
    """One control step of a policy without memory."""

    kind = "none"
    inputs = ("observation", "previous_action")
    outputs = ("action",)
    memory = 0
    latent = 0
    reward_free = True

    def __init__(self, policy: GaussianPolicy):
        super().__init__()
        self.policy = policy

    def forward(self, observation: torch.Tensor, previous_action: torch.Tensor) -> torch.Tensor:
        """Observation (N, O) and previous action (N, A) to the action (N, A)."""
        return self.policy(torch.cat([observation, previous_action], dim=-1)).clamp(-1.0, 1.0)


class BeliefStep(nn.Module):
    """One control step of a belief and the policy on it; physical quantities come out in their units.

    The belief is over the family's normalised coordinates, unless a head reads those off it.
    """

    kind = "belief"
    inputs = ("observation", "previous_action", "new_episode", "hidden")
    outputs = ("action", *BELIEF_OUTPUTS, "next_hidden")
    reward_free = True

    def __init__(
        self,
        encoder: HistoryEncoder,
        policy: GaussianPolicy,
        family: TaskFamily,
        head: nn.Module | None = None,
    ):
        """`head`: beliefs, shape (N, 2 L), to mean and log standard deviation of the task, shape (N, 2 Q)."""
        super().__init__()
        self.memory = encoder.memory
        self.latent = encoder.latent
        self.encoder = encoder
        self.policy = policy
        self.head = head or nn.Identity()
        self.physical = PhysicalUnits(family)

    def forward(
        self,
        observation: torch.Tensor,
        previous_action: torch.Tensor,
        new_episode: torch.Tensor,
        hidden: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """As `OnlineAdapter.act`, with the memory (N, H) in and out. Belief (N, 2 L), quantities (N, Q)."""
        heard = torch.cat([observation, previous_action, new_episode], dim=-1)
        belief, hidden = self.encoder.step(heard, hidden)
        mean, log_std = self.head(belief).chunk(2, dim=-1)
        action = self.policy(torch.cat([observation, previous_action, belief], dim=-1)).clamp(-1.0, 1.0)
        parameters, parameter_std = self.physical(mean, torch.exp(log_std))
        return action, belief, parameters, parameter_std, hidden


class PhysicalUnits(nn.Module):
    """A Gaussian in a family's normalised coordinates to mean and standard deviation in physical units."""

    mean: torch.Tensor
    scale: torch.Tensor
    log_scaled: torch.Tensor

    def __init__(self, family: TaskFamily):
        super().__init__()
        mean, scale = family.normaliser
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.register_buffer("log_scaled", torch.as_tensor(family.log_scaled))

    def forward(self, mean: torch.Tensor, std: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised mean and standard deviation to physical ones, (N, Q) each: exact where linear, log-normal else."""
        centre, spread = self.mean + self.scale * mean, self.scale * std
        variance = spread.square()
        positive = torch.exp(torch.where(self.log_scaled, centre, torch.zeros_like(centre)) + variance / 2)
        return (
            torch.where(self.log_scaled, positive, centre),
            # sqrt(exp(v) - 1), written so that single precision does not cancel where v is small.
            torch.where(
                self.log_scaled,
                positive * torch.sqrt(2 * torch.exp(variance / 2) * torch.sinh(variance / 2)),
                spread,
            ),
        )


def gru_cell(gru: nn.GRU) -> nn.GRUCell:
    """One step of a one-layer GRU."""
    cell = nn.GRUCell(gru.input_size, gru.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in gru.state_dict().items()})
    return cell
