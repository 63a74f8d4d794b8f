"""`RowRandom`: each stream depends on seed and number alone, and its numbers are as random as they should be."""

from __future__ import annotations

import numpy as np
import pytest

from sim_tasks.row_random import RowRandom, Rows

CALLS = {
    "random": lambda rows, n: rows.random((n, 7)),
    "uniform": lambda rows, n: rows.uniform([-1.0, 2.0], 5.0, (n, 2)),
    "integers": lambda rows, n: rows.integers(-3, 9, (n, 5)),
    "standard_normal": lambda rows, n: rows.standard_normal((n, 7)),
    "normal": lambda rows, n: rows.normal(3.0, [1.0, 2.0], (n, 2)),
}


def streams(count: int, first: int = 0, seed: int = 3) -> RowRandom:
    return RowRandom([seed, 1], count, first)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("count", [1, 5, 16, 37])
def test_a_stream_is_the_same_alone_and_among_others(call, count):
    # 37 and 5 leave remainders of whatever width the processor computes at once.
    together = [call(many.all, 3000) for many in [streams(3000)] for _ in range(3)]
    for first in (0, 1, 1000, 3000 - count):
        some = streams(count, first)
        for draw in together:
            np.testing.assert_array_equal(call(some.all, count), draw[first : first + count])


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_some_rows_draw_what_they_would_have_drawn_with_all(call):
    one, two, ids = streams(50), streams(50), np.array([41, 3, 17])
    expected = call(one.all, 50)
    np.testing.assert_array_equal(call(two.rows(ids), 3), expected[ids])
    # The others have not moved on; those three have.
    again = call(two.all, 50)
    others = np.setdiff1d(np.arange(50), ids)
    np.testing.assert_array_equal(again[others], expected[others])
    assert (again[ids] != expected[ids]).any()


def test_many_rows_are_drawn_in_blocks_that_do_not_show():
    # 16384 pairs are made at once: 4000 rows of 10 in three blocks.
    whole = streams(4000).all.standard_normal((4000, 20))
    np.testing.assert_array_equal(streams(1, 3999).all.standard_normal((1, 20))[0], whole[3999])
    ids = np.arange(4000)[::-1]
    np.testing.assert_array_equal(streams(4000).rows(ids).standard_normal((4000, 20)), whole[ids])


def test_numbers_are_written_where_room_is_given():
    room = np.full((5, 8), np.nan)
    drawn = streams(5).all.standard_normal((5, 7), room)
    np.testing.assert_array_equal(drawn, streams(5).all.standard_normal((5, 7)))
    np.testing.assert_array_equal(room[:, :7], drawn)


def test_seeds_streams_and_calls_differ():
    draws = [streams(1, first, seed).all.random((1, 50)) for first in range(3) for seed in range(3)]
    rows = streams(1).all
    rows.random((1, 50))
    draws.append(rows.random((1, 50)))
    assert len(np.unique(np.concatenate(draws))) == 500


@pytest.mark.parametrize("axis", [0, 1])
def test_uniform_numbers_are_uniform_within_a_stream_and_across(axis):
    draws = streams(2000).all.random((2000, 50)) if axis == 0 else streams(50).all.random((50, 2000))
    # 100,000 numbers in 20 boxes: 5000 each with a standard deviation of 69; the sum of (deviation / 69)^2 over the
    # boxes, about chi-square with 19 degrees of freedom, is below 44 with a chance of 99.9 %.
    counts = np.histogram(draws, 20, (0, 1))[0]
    assert ((counts - 5000) ** 2 / 4750).sum() < 44
    # Correlation of neighbours along streams and across: standard deviation 1 / sqrt(100,000) = 0.0032.
    for one, two in ((draws[:, 1:], draws[:, :-1]), (draws[1:], draws[:-1])):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 4 * 0.0032


def test_normals_are_normal():
    draws = streams(4000).all.standard_normal((4000, 50))
    # 200,000 numbers: mean good to 0.0022, variance to 0.0032, kurtosis to 0.022; four times that.
    assert abs(draws.mean()) < 4 * 0.0022
    assert abs(draws.var() - 1) < 4 * 0.0032
    assert abs((draws**4).mean() - 3) < 4 * 0.022
    # Beyond 1, 2 and 3: 31.73, 4.55 and 0.27 %, each good to sqrt(p / 200,000).
    for bound, share in ((1, 0.3173), (2, 0.0455), (3, 0.0027)):
        assert np.mean(np.abs(draws) > bound) == pytest.approx(share, abs=4 * np.sqrt(share / 200_000))
    # The two that are made of one word, cosine and sine, are independent: so are their squares.
    for power in (1, 2):
        pairs = draws[:, :25].ravel() ** power, draws[:, 25:].ravel() ** power
        assert abs(np.corrcoef(*pairs)[0, 1]) < 4 / np.sqrt(100_000)


def test_normals_are_finite_whatever_the_bits():
    class Ends(RowRandom):
        def bits(self, ids, width):
            words = np.zeros((2, width), np.uint64)
            words[1] = np.uint64(2**64 - 1)
            return words

    draws = Rows(Ends([0], 2), slice(None), 2).standard_normal((2, 2))
    # Lowest bits: radius sqrt(-2 ln 2^-33) = 6.764 at angle 0. Highest: radius 0.
    np.testing.assert_allclose(draws, [[6.764, 0.0], [0.0, 0.0]], atol=1e-3)


def test_ranges():
    rows = streams(1000).all
    whole = rows.integers(-3, 4, (1000, 20))
    assert set(np.unique(whole)) == set(range(-3, 4))
    values = rows.uniform(np.array([0.0, 10.0]), np.array([1.0, 20.0]), (1000, 2))
    assert ((values >= [0, 10]) & (values < [1, 20])).all()


def test_streams_go_on_from_a_saved_state():
    one, other = streams(8), streams(8, seed=99)
    one.all.random((8, 3))
    one.rows(np.array([2, 5])).standard_normal((2, 4))
    other.restore({name: np.asarray(array.tolist()) for name, array in one.state().items()})
    np.testing.assert_array_equal(one.all.random((8, 5)), other.all.random((8, 5)))


def test_the_first_axis_is_the_streams():
    with pytest.raises(ValueError, match="the first axis must be the 4 streams"):
        streams(4).all.random((3, 2))


def test_segments_begin_at_multiples_of_two_to_the_32():
    random = RowRandom([0], 4)
    random.counters[:] = [0, 1, 2**32, 2**32 + 7]
    assert random.next_segment().tolist() == [0, 2**32, 2**32, 2**33]


def test_streams_can_be_drawn_from_ahead():
    random, ids = RowRandom([0], 4), np.array([1, 3])
    ahead = random.ahead(ids, np.array([5, 2**32], np.uint64))
    seen = ahead.all.random((2, 3))
    assert random.counters.tolist() == [0] * 4
    assert ahead.counters.tolist() == [8, 2**32 + 3]
    random.counters[ids] = [5, 2**32]
    np.testing.assert_array_equal(random.rows(ids).random((2, 3)), seen)
