"""Catch against a few lines that play one board, and its best player."""

import numpy as np
import pytest

from sim_tasks.discrete import make


class OneBoard:
    """Catch for one board, by its rules; where the ball starts is told."""

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns

    def begin(self, ball: int) -> tuple[np.ndarray, float, bool]:
        self.ball, self.height, self.paddle = ball, 0, self.columns // 2
        return self.picture(), 0.0, False

    def step(self, action: int) -> tuple[np.ndarray, float, bool]:
        self.paddle = min(max(self.paddle + (-1, 0, 1)[action], 0), self.columns - 1)
        self.height += 1
        over = self.height == self.rows - 1
        return self.picture(), (1.0 if self.paddle == self.ball else -1.0) if over else 0.0, over

    def picture(self):
        board = np.zeros((self.rows, self.columns))
        board[self.height, self.ball] = board[self.rows - 1, self.paddle] = 1.0
        return board


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (5, 5), (2, 3), (10, 5), (4, 1)])
def test_it_is_catch(rows, columns):
    env, boards = make(f"catch:{rows}x{columns}", 6, 1), [OneBoard(rows, columns) for _ in range(6)]
    rng = np.random.default_rng(0)
    seen = [board.begin(int(env.observation[i, 0].argmax())) for i, board in enumerate(boards)]
    starts = set()
    for _ in range(200):
        action, over = rng.integers(0, 3, (6, 1)), env.last.copy()
        env.step(action)
        for i, board in enumerate(boards):
            seen[i] = (
                board.begin(int(env.observation[i, 0].argmax())) if over[i] else board.step(int(action[i, 0]))
            )
            starts |= {board.ball}
            picture, reward, last = seen[i]
            assert np.array_equal(env.observation[i], picture)
            assert (env.reward[i], env.last[i]) == (reward, last)
    assert starts == set(range(columns))


def test_the_best_player_always_wins():
    env = make("catch", 16, 0)
    for _ in range(400):
        ball = np.where(
            env.observation[:, :-1].any(axis=(1, 2)), env.observation[:, :-1].max(axis=1).argmax(axis=1), 0
        )
        paddle = env.observation[:, -1].argmax(axis=1)
        env.step((np.sign(ball - paddle) + 1)[:, None])
    returns = env.returns()
    assert len(returns) == 16 * 50  # of 7 steps and the one that begins
    assert (returns == 1.0).all()
