"""Atari 2600 games, emulated by ale-py on all cores (Bellemare et al. 2013, arXiv:1207.4708)."""

from __future__ import annotations

import difflib
from pathlib import Path

import ale_py
import numpy as np
from ale_py import roms

from sim_tasks.discrete.protocol import DiscreteEnv
from sim_tasks.errors import TaskError

FRAME_SKIP = 4
EPISODE_STEPS = 108_000 // FRAME_SKIP
"""30 minutes of play."""
FRAMES, SIZE, NO_OPS = 4, 84, 30
_SEEDS = 2**31 - 1
_REPLAY = 20_000
"""Steps after which an episode that begins gets a seed of its own: `restore` plays no more of them, and one episode."""


class Atari(DiscreteEnv):
    """A game as Mnih et al. (2015) show it: every fourth frame, the brighter of it and the one before, in grey, 84 x 84
    pixels, the last four of them; up to 30 no-ops at first. By default as Machado et al. (2018, arXiv:1709.06009) ask:
    all 18 actions, and with probability 0.25 the emulator repeats the action before. A lost life ends no episode;
    30 minutes do.

    Observation: shape (4, 84, 84), uint8, oldest first, black before the episode's first. Returns are of the game's
    score, clipped or not. `state` holds the last actions, and `restore` plays them again: up to 47,000 steps, and once
    that costs as much as they did.

    Raises:
        TaskError: an unknown game; the message lists near matches. A probability outside [0, 1].
    """

    def __init__(
        self,
        envs: int,
        seed: int,
        *,
        game: str,
        split: str = "train",
        tasks: int = 1,
        sticky: float = 0.25,
        full_actions: bool = True,
        clip: bool = False,
        threads: int = 0,
    ):
        """
        Args:
            envs: how many emulators, N.
            seed: fixes everything that is drawn.
            game: as `MsPacman`.
            split: the same game, but other no-ops and repetitions.
            tasks: blocks of environments; they play the same.
            sticky: probability that the emulator repeats its action before, at every frame.
            full_actions: all 18 actions, or those alone that do something in this game.
            clip: rewards are cut to [-1, 1].
            threads: of the emulators; 0: one per core.
        """
        if not 0.0 <= sticky <= 1.0:
            raise TaskError(f"sticky: {sticky}; valid: 0 to 1")
        rom = rom_of(game)
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self._ale = ale_py.ALEVectorInterface(
            rom_path=Path(str(roms.get_rom_path(rom))),
            num_envs=envs,
            frame_skip=FRAME_SKIP,
            stack_num=FRAMES,
            img_height=SIZE,
            img_width=SIZE,
            noop_max=NO_OPS,
            use_fire_reset=False,
            reward_clipping=False,
            max_episode_steps=EPISODE_STEPS * FRAME_SKIP,
            repeat_action_probability=sticky,
            full_action_space=full_actions,
            num_threads=threads,
            grayscale=True,
            maxpool=True,
            episodic_life=False,
            life_loss_info=False,
            batch_size=0,
            thread_affinity_offset=-1,
            autoreset_mode="NextStep",
        )
        super().__init__(
            f"atari:{game_of(rom)}",
            envs,
            seed,
            actions=len(self._ale.get_action_set()),
            observation_shape=(FRAMES, SIZE, SIZE),
            split=split,
            tasks=tasks,
            dtype=np.uint8,
            stacked=FRAMES,
        )
        self.clip = clip
        self._score = np.zeros(envs, np.float32)
        self._paddle = np.ones(envs, np.float32)
        self._seeds = np.zeros(envs, np.int64)
        """Given to the emulators last. Shape (N,)."""
        self._actions = np.zeros((envs, _REPLAY + EPISODE_STEPS + 1), np.uint8)
        """Taken since then, the ignored ones too. Shape (N, most steps)."""
        self._length = np.zeros(envs, np.int64)
        self._frames = self.observation
        self.reset()

    def _advance(self, action: np.ndarray) -> None:
        taken = np.ascontiguousarray(action[:, 0])
        self._actions[self._all, self._length] = taken
        self._length += 1
        self._frames, score, terminated, truncated = self._play(taken)
        self._score[:] = score
        self.reward[:] = np.clip(score, -1, 1) if self.clip else score
        np.logical_or(terminated, truncated, out=self.last)

    def _begin(self, ids: np.ndarray) -> None:
        """The emulators begin anew by themselves; a new seed costs as much as hundreds of steps."""
        long = ids[self._length[ids] >= _REPLAY]
        if len(long):
            self._seed(long)

    def _restart(self, ids: np.ndarray) -> None:
        self._seed(ids)
        super()._restart(ids)

    def _seed(self, ids: np.ndarray) -> None:
        """New episodes in environments `ids`, shape (n,), whose past is forgotten."""
        if not len(ids):
            return
        self._seeds[ids] = self.random.rows(ids).integers(0, _SEEDS, (len(ids),))
        self._length[ids] = 0
        self._frames = self._ale.reset(ids, self._seeds[ids])[0]

    def _observe(self) -> None:
        self.observation[:] = self._frames

    def _own_state(self) -> dict[str, np.ndarray]:
        return {
            "seeds": self._seeds.copy(),
            "length": self._length.copy(),
            "actions": self._actions[:, : self._length.max()].copy(),
        }

    def _restore_own(self, state: dict[str, np.ndarray]) -> None:
        """Plays the actions since the last seeds again, emulators with fewer of them joining later.

        Raises:
            TaskError: they show other pictures than then: another game, option or version of the emulator.
        """
        self._seeds[:], self._length[:] = state["seeds"], state["length"]
        steps = int(self._length.max())
        self._actions[:, :steps] = state["actions"]
        joins = steps - self._length
        self._frames = self._ale.reset(self._all, self._seeds)[0]
        for step in range(steps + 1):
            joining = np.flatnonzero(joins == step)
            if len(joining):
                self._frames = self._ale.reset(joining, self._seeds[joining])[0]
            if step < steps:
                places = np.maximum(step - joins, 0)
                taken = np.where(step < joins, 0, self._actions[self._all, places])
                self._frames = self._play(taken.astype(np.int64))[0]
        if not np.array_equal(self._frames, self.observation):
            raise TaskError(
                f"{self.name}: the actions of the state lead elsewhere; it is of other options or versions"
            )

    def _play(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Frames, points, and who is terminated or truncated."""
        self._ale.send(action, self._paddle)
        return self._ale.recv()[:4]


def game_of(rom: str) -> str:
    """`MsPacman` of `ms_pacman`."""
    return "".join(part.capitalize() for part in rom.split("_"))


def rom_of(game: str) -> str:
    """Inverse of `game_of`.

    Raises:
        TaskError: there is no such game; the message lists near matches.
    """
    known = {game_of(rom): rom for rom in roms.get_all_rom_ids()}
    if game not in known:
        lower = {name.lower(): name for name in known}
        near = difflib.get_close_matches(game.lower().replace("_", ""), lower, n=5, cutoff=0.4)
        hint = f"near it: {', '.join(lower[name] for name in near)}" if near else f"valid: {', '.join(known)}"
        raise TaskError(f"unknown Atari game {game!r}; {hint}")
    return known[game]
