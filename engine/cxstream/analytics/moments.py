"""From exact sums of products to moments about the mean: whole numbers first, floats last."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Floats, divide
from cxstream.kernels.importance import recentre

Table = npt.NDArray[Any]  # int64, or object with Python integers
_Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Second:
    """Means and centred products of some columns, by group, in units of the codes.

    Attributes
    ----------
    total : ndarray of float64, shape (g,)
        Responses, or with weights their sum.
    mean : ndarray of float64, shape (g, q)
        Of the codes; 0 where total is 0.
    product : ndarray of float64, shape (g, q, q)
        Sums of (x_i - mean_i)(x_j - mean_j).
    near : ndarray of int64 or object, shape (g, q)
        Whole numbers next to the means.
    rest : ndarray of float64, shape (g, q)
        mean - near.
    """

    total: Floats
    mean: Floats
    product: Floats
    near: Table
    rest: Floats


def table_of(values: npt.ArrayLike, name: str, width: int) -> Table:
    """Return sums as an array of int64 or of Python integers, or say what is wrong with them.

    Parameters
    ----------
    values : array_like of int, shape (g, width)
    name : str
        What to call it in the message.
    width : int
        Number of sums.

    Returns
    -------
    ndarray of int64 or object, shape (g, width)

    Raises
    ------
    ValueError
        Not integers, or of another shape.
    """
    table: Table = np.asarray(values)
    if table.dtype.kind not in "iuO":
        raise ValueError(f"{name} must hold integers, not {table.dtype}")
    if table.ndim != 2 or table.shape[1] != width:
        raise ValueError(f"{name} must have shape (groups, {width}), not {table.shape}")
    return table if table.dtype.kind == "O" else table.astype(np.int64, copy=False)


def second_width(columns: int) -> int:
    """Return how many sums [1, x_1..x_columns] has up to the second order."""
    return (columns + 1) * (columns + 2) // 2


def fourth_width(columns: int) -> int:
    """Return how many sums [1, x_1..x_columns] has up to the fourth order."""
    return second_width(columns) * (columns + 3) * (columns + 4) // 12


@lru_cache(maxsize=64)
def _second_places(columns: int, chosen: tuple[int, ...]) -> tuple[_Places, _Places]:
    """Return where the sums and the products of the chosen columns stand."""
    place = {
        pair: at for at, pair in enumerate(combinations_with_replacement(range(columns + 1), 2))
    }
    first = np.array([1 + j for j in chosen], dtype=np.intp)
    cross = [[place[min(i, j) + 1, max(i, j) + 1] for j in chosen] for i in chosen]
    return first, np.array(cross, dtype=np.intp).reshape(len(chosen), len(chosen))


@lru_cache(maxsize=64)
def fourth_places(columns: int, chosen: tuple[int, ...]) -> _Places:
    """Return where the products of two pairs of [1, chosen columns] stand among the sums.

    Parameters
    ----------
    columns : int
        Columns of the block.
    chosen : tuple of int
        Some of them, 0..columns-1.

    Returns
    -------
    ndarray of int, shape (P, P)
        P = (q+1)(q+2)/2 pairs of the q chosen columns and the constant: the upper triangle, row by
        row.
    """
    fours = combinations_with_replacement(range(columns + 1), 4)
    place: dict[tuple[int, ...], int] = {four: at for at, four in enumerate(fours)}
    pairs = list(combinations_with_replacement((0, *(1 + j for j in chosen)), 2))
    table = [[place[tuple(sorted((*left, *right)))] for right in pairs] for left in pairs]
    return np.array(table, dtype=np.intp)


@lru_cache(maxsize=64)
def _second_of_fourth(columns: int) -> _Places:
    fours = combinations_with_replacement(range(columns + 1), 4)
    return np.array([at for at, four in enumerate(fours) if four[:2] == (0, 0)], dtype=np.intp)


def second_of_fourth(fourth: Table, columns: int) -> Table:
    """Return the sums up to the second order that stand among those up to the fourth.

    Parameters
    ----------
    fourth : ndarray of int, shape (g, C(columns+4, 4))
    columns : int

    Returns
    -------
    ndarray of int, shape (g, (columns+1)(columns+2)/2)
    """
    sums: Table = fourth[:, _second_of_fourth(columns)]
    return sums


def second_order(sums: Table, columns: int, chosen: Sequence[int]) -> Second:
    """Centre the sums of products of some columns.

    The sums are moved to the whole number next to the mean exactly, in 64 bits that may wrap
    around on the way, or in Python integers; what is left of the mean, at most half a code, is
    taken away in floats and costs a bit at most.

    Parameters
    ----------
    sums : ndarray of int, shape (g, (columns+1)(columns+2)/2)
        Upper triangle of the products of [1, x_1..x_columns]; see `table_of`.
    columns : int
        How many there are.
    chosen : sequence of int
        Which are wanted, in which order.

    Returns
    -------
    Second
    """
    first, cross = _second_places(columns, tuple(chosen))
    n = sums[:, :1]
    total = n[:, 0].astype(np.float64)
    s, c = sums[:, first], sums[:, cross]
    whole = np.where(n == 0, 1, n)
    near = (2 * s + n) // (2 * whole) if sums.dtype.kind == "O" else _nearest(s, whole)
    moved = s - n * near
    across = near[:, :, None] * s[:, None, :]
    exact = c - across - across.transpose(0, 2, 1) + n[:, :, None] * _outer(near)
    rest = divide(moved.astype(np.float64), total[:, None])
    product = exact.astype(np.float64) - total[:, None, None] * _outer(rest)
    return Second(total, near.astype(np.float64) + rest, product, near, rest)


def _nearest(s: npt.NDArray[np.int64], n: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.rint(s / n).astype(np.int64)


def _outer(v: Table) -> Table:
    return v[:, :, None] * v[:, None, :]


def fourth_order(fourth: Table, second: Second, places: _Places) -> Floats:
    """Move fourth-order sums of some columns to their means.

    Parameters
    ----------
    fourth : ndarray of int, shape (g, C(columns+4, 4))
        Sums of products of four of [1, x_1..x_columns], in the order of
        ``itertools.combinations_with_replacement(range(columns + 1), 4)``.
    second : Second
        Of the chosen columns, for the same groups.
    places : ndarray of int, shape (P, P)
        From `fourth_places`.

    Returns
    -------
    ndarray of float64, shape (g, P, P)
        Sums of products of two pairs of [1, x - mean].
    """
    raw: Table = np.take(fourth, places, axis=1)
    near = _after_constant(second.near)
    if raw.dtype.kind == "O" or near.dtype.kind == "O":
        exact = _recentre_whole(raw.astype(object), near.astype(object)).astype(np.float64)
    else:
        whole = np.empty(raw.shape, dtype=np.int64)
        recentre(raw, near, whole)
        exact = whole.astype(np.float64)
    central = np.empty(exact.shape, dtype=np.float64)
    recentre(np.ascontiguousarray(exact), _after_constant(second.rest), central)
    return central


def _after_constant(by: Table) -> Table:
    """Return the origins with 0 for the constant in front, row by row in memory."""
    result = np.zeros((by.shape[0], 1 + by.shape[1]), dtype=by.dtype)
    result[:, 1:] = by
    return result


def _recentre_whole(moments: Table, by: Table) -> Table:
    """Do what the kernel does, in Python integers: sums that 64 bits do not hold."""
    left, right = np.triu_indices(by.shape[1])
    moved = moments
    for _ in range(2):
        m_a, m_b = by[:, left, None], by[:, right, None]
        # Places of (0, a) and (0, b) are a and b.
        rows = moved - m_a * moved[:, right] - m_b * moved[:, left] + m_a * m_b * moved[:, :1]
        moved = rows.transpose(0, 2, 1)
    return moved
