"""VariBAD's pieces worked out by hand, and what its networks may and may not learn from."""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch

from adapt.checkpoint import load_checkpoint, save_checkpoint
from adapt.learners import elbo
from adapt.learners.ppo import PPOConfig
from adapt.learners.setup import Setup
from adapt.learners.trial_buffer import TrialBuffer, Trials
from adapt.learners.varibad import VariBADConfig, VariBADLearner, build_varibad
from adapt.networks.steps import Signature
from adapt.networks.trajectory import TrajectoryEncoder, TransitionDecoder
from sim_tasks.families import load_family
from sim_tasks.families.point_robot import point_robot
from sim_tasks.trial_env import TrialVecEnv
from tests.adapt.small import VARIBAD


def small(family: str = "point_robot", **changes: object) -> VariBADLearner:
    return build_varibad(Setup(load_family(family), dataclasses.replace(VARIBAD, **changes), 0, 1))


def fill(learner: VariBADLearner, trials: int = 4) -> None:
    """Plays until the buffer holds so many trials."""
    while len(learner._buffer) < trials:
        learner.collect()


def test_kl_between_following_beliefs_by_hand():
    # One latent, two steps: q_0 = N(1, 1), q_1 = N(3, 2^2).
    # KL(q_0 || N(0, 1)) = log(1 / 1) + (1 + 1^2) / 2 - 1 / 2 = 0.5
    # KL(q_1 || q_0)     = log(1 / 2) + (4 + (3 - 1)^2) / 2 - 1 / 2 = 3.5 - log 2
    belief = torch.tensor([[[1.0, 0.0]], [[3.0, math.log(2.0)]]])
    torch.testing.assert_close(elbo.kl_to_previous(belief), torch.tensor([[0.5], [3.5 - math.log(2.0)]]))


def test_kl_is_torchs_own_in_many_dimensions():
    torch.manual_seed(0)
    mean, log_std = torch.randn(5, 3, 4), 0.3 * torch.randn(5, 3, 4)
    now = torch.distributions.Normal(mean[1:], log_std[1:].exp())
    before = torch.distributions.Normal(mean[:-1], log_std[:-1].exp())
    expected = torch.distributions.kl_divergence(now, before).sum(dim=-1)
    kl = elbo.kl_to_previous(torch.cat([mean, log_std], dim=-1))
    torch.testing.assert_close(kl[1:], expected)


def test_latent_samples_by_hand():
    belief = torch.tensor([[2.0, -1.0, math.log(3.0), 0.0]])
    samples = elbo.latent_samples(belief, torch.tensor([[2.0, -1.0]]))
    torch.testing.assert_close(samples, torch.tensor([[8.0, -2.0]]))  # 2 + 3 * 2, -1 - 1


class Sum(TransitionDecoder):
    """Predicts the sum of latent and inputs, without any scaling."""

    def forward(self, latent: torch.Tensor, transitions: torch.Tensor) -> torch.Tensor:
        return latent.sum(dim=-1)[:, None, :, None] + transitions.sum(dim=-1)[None, ..., None]


def test_reconstruction_by_hand():
    decoder = Sum(1, 1, 1, (2, 2))
    latent = torch.tensor([[[0.0]], [[1.0]]])  # two times t of one trial
    inputs, target = torch.tensor([[[1.0]], [[2.0]], [[9.0]]]), torch.zeros(3, 1, 1)
    valid = torch.tensor([[True], [True], [False]])
    # Squared errors, mean over both t: transition 0: (1 + 4) / 2, transition 1: (4 + 9) / 2; the third does not count.
    error = elbo.reconstruction(decoder, latent, inputs, target, valid)
    torch.testing.assert_close(error, torch.tensor((2.5 + 6.5) / 2), rtol=1e-4, atol=1e-4)


def test_every_latent_is_decoded_with_every_transition_of_its_own_trial():
    torch.manual_seed(0)
    decoder = TransitionDecoder(3, 2, 1, (5, 4))
    latent, inputs = torch.randn(6, 2, 2), torch.randn(7, 2, 3)
    decoded = decoder(latent, inputs)
    assert decoded.shape == (6, 7, 2, 1)
    alone = decoder(latent[4:5, 1:2], inputs[3:4, 1:2])
    torch.testing.assert_close(decoded[4, 3, 1], alone[0, 0, 0])


def test_what_a_trial_says_of_its_transitions():
    # O = 2, A = 1; three steps, of which the second ends the first episode.
    heard = torch.tensor([
        [1.0, 2.0, 0.0, 0.0, 1.0],
        [3.0, 4.0, 0.5, 11.0, 0.0],
        [5.0, 6.0, 0.0, 21.0, 1.0],
        [7.0, 8.0, 0.7, 31.0, 0.0],
    ])[:, None]  # fmt: skip
    earned = torch.tensor([0.0, 10.0, 20.0, 30.0])[:, None, None]  # one less than what is heard
    trials = Trials(heard, torch.tensor([3]), earned, torch.zeros(1, 1), (2, 1))
    k = torch.arange(3)
    assert trials.observation(k)[:, 0].tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    torch.testing.assert_close(trials.action(k)[:, 0, 0], torch.tensor([0.5, 0.0, 0.7]))
    assert trials.reward(k)[:, 0, 0].tolist() == [10.0, 20.0, 30.0]
    assert trials.valid(k)[:, 0].tolist() == [True, False, True], "the next observation is of another episode"
    shorter = dataclasses.replace(trials, length=torch.tensor([1]))
    assert shorter.valid(k)[:, 0].tolist() == [True, False, False]


def test_looking_further_ahead():
    # O = 1, A = 1; four steps, of which the third ends the first episode. An observation is 10 k, an action 1 + k.
    heard = torch.tensor([
        [0.0, 0.0, 0.0, 1.0],
        [10.0, 1.0, 0.0, 0.0],
        [20.0, 2.0, 0.0, 0.0],
        [30.0, 3.0, 0.0, 1.0],
        [40.0, 4.0, 0.0, 0.0],
    ])[:, None]  # fmt: skip
    trials = Trials(heard, torch.tensor([4]), torch.zeros(5, 1, 1), torch.zeros(1, 1), (1, 1))
    k = torch.arange(4)
    assert trials.valid(k, 2)[:, 0].tolist() == [True, False, False, False], (
        "another episode, and the trial's end"
    )
    assert trials.valid(k, 3).any().item() is False
    assert elbo.state_inputs(trials, k, 2)[:2, 0].tolist() == [[0.0, 1.0, 2.0], [10.0, 2.0, 3.0]]
    assert elbo.reward_inputs(trials, k)[1, 0].tolist() == [10.0, 2.0, 20.0]


@pytest.mark.parametrize("ahead", [1, 3])
def test_the_state_decoder_is_asked_for_what_comes_that_far_ahead(ahead, monkeypatch):
    learner = small(episodes=2, ahead=ahead)
    fill(learner)
    trials, asked = learner._buffer.sample(torch.tensor([0, 1])), {}

    def listen(decoder, latent, inputs, target, valid):
        asked[decoder] = inputs, target, valid
        return reconstruction(decoder, latent, inputs, target, valid)

    reconstruction = elbo.reconstruction
    monkeypatch.setattr(elbo, "reconstruction", listen)
    steps, border = learner.env.trial_steps, learner.env.episode_steps
    k = torch.arange(steps)
    learner._reconstruction(trials, torch.zeros(1, 2, learner.config.latent), k)
    inputs, target, valid = asked[learner.decoders["state"]]
    observation, action = trials.sizes
    seen, sent = trials.heard[..., :observation], trials.heard[..., observation : observation + action]
    for trial in range(2):
        for t in range(steps):
            inside = t + ahead <= steps and not t < border <= t + ahead
            assert valid[t, trial] == inside, t
            if inside:
                assert torch.equal(target[t, trial], seen[t + ahead, trial] - seen[t, trial])
                played = sent[t + 1 : t + 1 + ahead, trial].flatten()
                assert torch.equal(inputs[t, trial], torch.cat([seen[t, trial], played]))


def test_the_buffer_keeps_whole_trials_as_they_were_played():
    """Against a second environment, stepped by hand with the same actions."""
    learner = small(episodes=2)
    family, env = learner.env.family, learner.env
    env.restore(TrialVecEnv(family, env.robots, 5, threads=1, episodes=2).state())  # no staggering
    learner._buffer = TrialBuffer(env, 8)
    fill(learner)
    trials = learner._buffer.sample(torch.tensor([0]))
    steps = env.trial_steps
    k = torch.arange(steps)
    assert trials.length.tolist() == [steps]
    assert trials.valid(k).sum() == steps - 1  # all but the border between the episodes
    again = TrialVecEnv(family, env.robots, 5, threads=1, episodes=2)
    np.testing.assert_array_equal(trials.task[0], again.context[0])
    actions = np.zeros((env.robots, family.action_size))
    for t in range(steps):
        np.testing.assert_array_equal(trials.observation(k)[t, 0], again.observation[0])
        actions[0] = trials.action(k)[t, 0]
        transition = again.step(actions)
        if t != family.episode_steps - 1:
            assert trials.reward(k)[t, 0] == np.float32(transition.reward[0])
    np.testing.assert_array_equal(trials.observation(k + 1)[-1, 0], again.observation[0])


def test_trials_that_were_staggered_into_their_middle_are_not_kept():
    learner = small()
    env = learner.env
    assert (env.elapsed > 0).any()
    first = env.trial_steps - env.elapsed.max()
    played = 0
    while played < first:
        played += learner.collect() // env.robots
    assert len(learner._buffer) == 0
    fill(learner)
    assert (learner._buffer.sample(torch.arange(4)).heard[0, :, -1] == 1).all(), (
        "a trial begins with an episode"
    )


def test_the_buffer_drops_the_oldest_first():
    env = TrialVecEnv(load_family("point_robot"), 3, 0, threads=1)
    buffer = TrialBuffer(env, 2)
    size = sum(buffer.sizes) + 2
    for number in range(3):
        buffer._whole[number] = True
        env.elapsed[number] = 1
        heard, earned = np.full((1, size), number + 1.0, np.float32), np.full((1, 1), number + 5.0)
        buffer.end(env, np.array([number]), heard, earned)
    assert (len(buffer), buffer.added) == (2, 3)
    assert buffer.sample(torch.tensor([0, 1])).heard[1, :, 0].tolist() == [3.0, 2.0]
    assert buffer.sample(torch.tensor([0, 1])).earned[1, :, 0].tolist() == [7.0, 6.0]


def test_no_gradient_of_the_policy_enters_the_encoder_and_none_of_the_task_head_either():
    learner = small()
    fill(learner)
    draws = learner._draws()[0]
    before = [p.detach().clone() for p in learner.encoder.parameters()]
    learner.ppo.update(learner._rollout, learner.ppo.shuffles(learner._rollout))
    assert all(torch.equal(a, b) for a, b in zip(before, learner.encoder.parameters(), strict=True))
    gradients, model = [], copy.deepcopy(learner.model.state_dict())
    for told in (0.0, 100.0):  # other true tasks: the head's gradient changes, the encoder's does not
        learner._buffer._task[:] = told
        learner.optimizer.step = lambda: None  # type: ignore[method-assign]
        learner._step(draws)
        learner.model.load_state_dict(model)  # the decoders' normalisers have seen more
        gradients.append(
            [
                [p.grad.clone() for p in part.parameters() if p.grad is not None]
                for part in (learner.encoder, learner.task_head)
            ]
        )
    (encoder, head), (other_encoder, other_head) = gradients
    assert all(torch.equal(a, b) for a, b in zip(encoder, other_encoder, strict=True))
    assert any(g.abs().max() > 0 for g in encoder)
    assert not any(torch.equal(a, b) for a, b in zip(head, other_head, strict=True))


@pytest.mark.parametrize("hears", [True, False])
def test_whether_the_encoder_listens_to_rewards(hears):
    torch.manual_seed(0)
    encoder = TrajectoryEncoder(2, 1, latent=2, hidden=4, embedding=8, reward=hears)
    heard = torch.randn(6, 3, encoder.size)
    other = heard.clone()
    other[..., -2] += 1.0
    beliefs = [encoder(x, torch.zeros(3, 4))[0] for x in (heard, other)]
    assert torch.equal(*beliefs) is not hears


def test_a_sequence_is_heard_as_step_by_step():
    torch.manual_seed(0)
    encoder = TrajectoryEncoder(2, 1, latent=2, hidden=4, embedding=8, reward=True)
    heard, memory = torch.randn(6, 3, encoder.size), torch.zeros(3, 4)
    whole, last = encoder(heard, memory)
    for t in range(6):
        belief, memory = encoder(heard[t : t + 1], memory)
        torch.testing.assert_close(belief[0], whole[t])
    torch.testing.assert_close(memory, last)


def test_memory_and_reward_end_with_the_trial_and_last_over_episodes():
    learner = small(horizon=1)
    env = learner.env
    seen = {"trial": 0, "episode": 0}
    for _ in range(2 * env.trial_steps):
        learner.collect()
        fresh, border = env.elapsed == 0, (env.elapsed > 0) & (env.episode_step == 0)
        assert (learner._memory[fresh] == 0).all()
        assert (learner._reward[fresh] == 0).all()
        assert (env.previous_reward[fresh] == 0).all()
        assert (learner._memory[border] != 0).any(dim=-1).all()
        seen = {"trial": seen["trial"] + fresh.sum(), "episode": seen["episode"] + border.sum()}
    assert min(seen.values()) > 0


def test_both_halves_of_an_update_give_the_same_side_by_side_as_one_after_the_other(monkeypatch, tmp_path):
    learner = small()
    fill(learner)
    save_checkpoint(tmp_path / "before", learner.state())
    together = learner.update()
    monkeypatch.setattr(
        "adapt.learners.varibad.side_by_side", lambda *work: [function() for function in work]
    )
    learner.restore(load_checkpoint(tmp_path / "before"))
    assert learner.update() == together


@torch.no_grad()
@pytest.mark.parametrize("hears", [True, False])
def test_what_is_deployed_acts_as_the_policy_on_the_belief_does(hears):
    learner = small(hears_reward=hears, horizon=1)
    learner.collect()
    step = learner.step()
    assert Signature.of(step).reward_free is not hears
    env, memory = learner.env, torch.zeros(8, VARIBAD.memory)
    learner._memory.zero_()
    for _ in range(20):
        given = {
            "observation": env.observation,
            "previous_action": env.previous_action,
            "previous_reward": env.previous_reward[:, None],
            "new_episode": env.new_episode[:, None],
        }
        tensors = [torch.from_numpy(given[name].copy()) for name in step.inputs[:-1]]
        action, belief, *_, memory = step(*tensors, memory)
        inputs = learner._listen(learner._heard[0])
        known = inputs[:, : learner._rollout.policy_inputs.shape[-1]]
        torch.testing.assert_close(belief, known[:, -2 * VARIBAD.latent :])
        torch.testing.assert_close(action, learner.policy(known).clamp(-1.0, 1.0))
        over = np.flatnonzero(env.step(action.numpy()).done)
        learner._begin(over)
        memory[over] = 0.0


@pytest.mark.parametrize(("hears", "expected"), [(True, True), (False, False)])
def test_a_belief_that_hears_rewards_finds_the_goal_and_one_that_does_not_cannot(hears, expected):
    """point_robot with 30 steps per episode: knowing the goal is worth -6, waiting in the middle of all goals -21."""
    config = VariBADConfig(
        robots=128, horizon=15, episodes=1, hidden=(32, 32), std=1.0, latent=2, memory=32, embedding=32,
        hears_reward=hears, updates=8, trials=32, times=10, transitions=20, buffer=400, learning_rate=3e-3,
        ppo=PPOConfig(
            gamma=0.9, gae_lambda=0.9, epochs=6, minibatches=4, learning_rate=3e-3, entropy=0.0, huber=True
        ),
    )  # fmt: skip
    learner = build_varibad(Setup(point_robot(episode_steps=30), config, 0, 1))
    metrics, iterations = {}, 60
    for iteration in range(iterations):
        learner.set_progress(iteration / iterations)
        learner.collect()
        metrics = learner.update()
    # Return of the newest episodes, seeds 0 to 3: -12.7 -13.7 -8.2 -10.5; without rewards -22.2 -22.4 -22.9 -21.8.
    assert (metrics["return"] > -17.0) is expected, metrics
