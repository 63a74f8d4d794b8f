"""PPO of stable-baselines3 on discrete actions, with the torso that agents of update rules have. Loads it.

N environments, T steps, J joints of A actions.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from adapt.checkpoint import flat
from adapt.errors import AdaptError
from adapt.learners.environments import environment
from adapt.learners.sb3 import SB3DiscretePPOConfig
from adapt.learners.sb3_learner import algorithm_state, begin, learn, restore_algorithm
from adapt.learners.setup import DiscreteSetup
from adapt.networks.torso import Torso
from sim_tasks.doors.sb3_discrete import DiscreteVecEnv

_REMEMBERED = 100
"""Episodes that the return is the mean of."""


class TorsoExtractor(BaseFeaturesExtractor):
    """The layers of a `Torso`, for policy and critic both."""

    def __init__(self, observation_space: Box, dense: tuple[int, ...], convolutions: str):
        torso = Torso(observation_space.shape, dense, convolutions)
        super().__init__(observation_space, torso.features)
        self.layers = torso.module()

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Of floats: SB3 has brought pictures to [0, 1]."""
        return self.layers(observations)


class DiscretePPOLearner:
    """SB3's PPO. SB3 seeds and uses the global generators of torch and numpy.

    Raises:
        AdaptError: minibatches do not divide the data of an update.
    """

    losses: ClassVar = {
        "policy_loss": "policy_gradient_loss", "value_loss": "value_loss", "entropy_loss": "entropy_loss",
        "kl": "approx_kl",
    }  # fmt: skip

    def __init__(self, setup: DiscreteSetup):
        config: SB3DiscretePPOConfig = setup.config
        self.config, self.iteration_steps = config, config.envs * config.horizon
        if config.batch < 2 or self.iteration_steps % config.batch:
            raise AdaptError(
                f"batch: {config.batch}; expected a divisor, above 1, of envs x horizon = {self.iteration_steps}"
            )
        self.env = environment(setup)
        self._door = DiscreteVecEnv(self.env)
        self._progress = 0.0
        self.model = PPO(
            "MlpPolicy", self._door, seed=setup.seed, device="cpu", gamma=config.gamma,
            n_steps=config.horizon, n_epochs=config.epochs, batch_size=config.batch,
            learning_rate=lambda _: self._falling(config.learning_rate),
            clip_range=lambda _: self._falling(config.clip),
            gae_lambda=config.gae_lambda, ent_coef=config.entropy, vf_coef=config.value_weight,
            max_grad_norm=config.max_gradient,
            policy_kwargs={
                "net_arch": [], "features_extractor_class": TorsoExtractor,
                "features_extractor_kwargs": {"dense": config.dense, "convolutions": config.convolutions},
            },
        )  # fmt: skip
        self._callback = begin(self.model, config.frames)
        self._reward, self._returns = 0.0, np.zeros(0)

    def set_progress(self, fraction: float) -> None:
        """How much of the training is behind us, in [0, 1]: sets learning rate and clipping."""
        self._progress = fraction

    def collect(self) -> int:
        """Plays T steps in all environments with the present policy; returns the steps taken, N T."""
        model = self.model
        model.collect_rollouts(self._door, self._callback, model.rollout_buffer, model.n_steps)
        self._reward = float(model.rollout_buffer.rewards.mean(dtype=float))
        returns = self.env.returns()
        self._returns = np.concatenate([self._returns, returns])[-max(_REMEMBERED, len(returns)) :]
        return self.iteration_steps

    def update(self) -> dict[str, float]:
        """SB3's update on what was collected.

        Returns:
            Mean losses, `reward` per step of the last iteration, and `return`, the mean of the newest 100 episodes.
        """
        report = learn(self.model, self.model.train, self.losses) | {"reward": self._reward}
        return report | ({"return": float(self._returns.mean())} if len(self._returns) else {})

    @torch.no_grad()
    def act(self, observation: np.ndarray, generator: torch.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Logits, shape (N, J, A), and actions drawn by them, (N, J), in states, shape (N, ...)."""
        policy, (joints, actions) = self.model.policy, (self.env.joints, self.env.actions)
        features = policy.extract_features(torch.from_numpy(observation))
        assert isinstance(features, torch.Tensor)  # policy and critic share them
        logits = policy.action_net(policy.mlp_extractor.forward_actor(features)).view(-1, actions)
        drawn = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)
        return logits.view(-1, joints, actions).numpy(), drawn.view(-1, joints).numpy()

    def state(self) -> dict[str, Any]:
        """Everything that a later `restore` needs to go on exactly from here."""
        algorithm = algorithm_state(self.model, {"policy": self.model.policy.optimizer})
        kept = {"reward": self._reward, "returns": self._returns.copy()}
        return algorithm | kept | {"env": self.env.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`.

        Raises:
            TaskError: it is of another environment.
        """
        restore_algorithm(self.model, {"policy": self.model.policy.optimizer}, state)
        self.env.restore({name: np.asarray(value).copy() for name, value in flat(state["env"]).items()})
        self._reward, self._returns = state["reward"], np.asarray(state["returns"]).copy()

    def _falling(self, value: float) -> float:
        return value * (1.0 + self._progress * (self.config.end - 1.0))
