"""Weighted composite index on 0..100: the Customer Delight Meter."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Counts, as_counts
from cxstream.analytics.columns import Column, Columns, listed
from cxstream.analytics.intervals import Interval, quasi_binomial_columns
from cxstream.kernels.index import find_starts, item_mean_moments, respondent_moments
from cxstream.kernels.scores import mean_scores

Policy = Literal["renormalise", "complete", "item_means"]

POLICIES: Final[tuple[Policy, ...]] = ("renormalise", "complete", "item_means")

# A pattern is a 64-bit word.
_MOST_ITEMS: Final = 64
# Centred sums stay within 64 bits below this (see cxstream.kernels.index).
_LARGEST: Final = 2**62


@dataclass(frozen=True, slots=True)
class Part:
    """One sub-index.

    Attributes
    ----------
    name : str
        What it is called.
    weight : float
        0 or more; weights need not add to 1.
    items : tuple of int
        Positions of its items among the k items, each once.
    """

    name: str
    weight: float
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PartScore:
    """Score of one sub-index in one group.

    Attributes
    ----------
    name : str
        From the `Part`.
    weight : float
        From the `Part`, as given.
    n : int
        Respondents behind the score.
    score : float or None
        Mean on 0..100; None when n is 0.
    se : float or None
        Standard error; None when n is below 2.
    interval : Interval or None
        Quasi-binomial; None when n is below 2.
    """

    name: str
    weight: float
    n: int
    score: float | None
    se: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Index:
    """Composite index of one group.

    Attributes
    ----------
    n : int
        Respondents behind the score.
    score : float or None
        Index on 0..100; None when n is 0.
    se : float or None
        Standard error, the weights taken as known; None when n is below 2.
    interval : Interval or None
        Quasi-binomial; None when n is below 2.
    parts : tuple of PartScore
        In the order of the parts given.
    """

    FORMULAS: ClassVar = ("index",)

    n: int
    score: float | None
    se: float | None
    interval: Interval | None
    parts: tuple[PartScore, ...]


def _merged(
    group: Counts, pattern: npt.NDArray[np.uint64], sums: Counts, groups: int
) -> tuple[Counts, npt.NDArray[np.uint64], Counts]:
    """Sort rows by group and pattern, add up rows of the same pair, and find each group's rows."""
    start = np.empty(groups + 1, dtype=np.int64)
    group, pattern = np.ascontiguousarray(group), np.ascontiguousarray(pattern)
    if not find_starts(group, pattern, start):
        order = np.lexsort((pattern, group))
        group, pattern, sums = group[order], pattern[order], sums[order]
        new = np.ones(group.size, dtype=bool)
        new[1:] = (group[1:] != group[:-1]) | (pattern[1:] != pattern[:-1])
        first = np.flatnonzero(new)
        if first.size < group.size:
            sums = np.add.reduceat(sums, first, axis=0)
            group, pattern = group[first], pattern[first]
        find_starts(group, pattern, start)
    return start, pattern, np.ascontiguousarray(sums)


def index_columns(
    group: npt.ArrayLike,
    pattern: npt.ArrayLike,
    sums: npt.ArrayLike,
    *,
    groups: int,
    ranges: Sequence[int],
    reverse: Sequence[bool],
    parts: Sequence[Part],
    policy: Policy = "renormalise",
    confidence: float = 0.95,
) -> Columns:
    """Composite index with its uncertainty, for every group.

    Item j counts 100 x_j / range_j, reversed items 100 (range_j - x_j) / range_j. What happens to
    missing answers is the policy:

    ``renormalise``
        A respondent's part score is the mean of the items answered; the respondent's index is the
        weighted mean of those parts. Whoever answered nothing in a part of positive weight is not
        counted.
    ``complete``
        The same, from respondents who answered every item of every part.
    ``item_means``
        The weighted mean over parts of the mean of the items' own means, each item with its own
        number of answers; n counts whoever answered any item. An item or part nobody answered is
        left out, the rest renormalised. The standard error is by linearisation, n / (n - 1) times
        the sum of squared influences.

    Where nothing is missing all three agree.

    Parameters
    ----------
    group : array_like of int, shape (r,)
        Group of each row, 0..groups-1. Rows may come in any order; the result is the same to the
        last bit.
    pattern : array_like of uint64, shape (r,)
        Bit j set: item j answered.
    sums : array_like of int, shape (r, (k+1)(k+2)/2)
        Upper triangle, row-major, of the sums of products of [1, x_1..x_k] over the respondents
        of that group and pattern; x_j is a code 0..range_j, and 0 where missing.
    groups : int
        Number of groups.
    ranges : sequence of int, length k
        Largest code of each item, 1 or more.
    reverse : sequence of bool, length k
        Items on which low is good.
    parts : sequence of Part
        The sub-indices.
    policy : {"renormalise", "complete", "item_means"}
        See above.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    Columns of Index, one for each group
        n = 0: score None. n = 1: a score, no spread. Standard errors from the sample variance
        (divisor n - 1).

    Raises
    ------
    ValueError
        Shapes that do not fit, an item of range 0, a part without items, a negative weight or
        none above 0, or sums too large to be centred in 64 bits.

    References
    ----------
    American Customer Satisfaction Index: weighted mean of items on 0..100,
    https://www.theacsi.org/. Linearisation of a mean of ratios: Woodruff, R. S. (1971), JASA 66,
    411-414, https://doi.org/10.1080/01621459.1971.10482279
    """
    form = _form_of(tuple(ranges), tuple(reverse), tuple(parts), policy)
    k = len(form.scale)
    where = as_counts(group, "group", 1)
    answered = np.asarray(pattern, dtype=np.uint64)
    rows = as_counts(sums, "sums", 2, (k + 1) * (k + 2) // 2)
    if not where.shape[0] == answered.shape[0] == rows.shape[0]:
        raise ValueError("group, pattern and sums must have the same number of rows")
    if where.size and int(where.max()) >= groups:
        raise ValueError(f"group {int(where.max())} is not below {groups}")
    if k < _MOST_ITEMS and answered.size and int(answered.max()) >> k:
        raise ValueError(f"a pattern has a bit beyond the {k} items")
    # Where all together are few enough, each group is.
    if int(rows[:, 0].sum()) * form.span**2 >= _LARGEST:
        largest = np.zeros(groups, dtype=np.int64)
        np.add.at(largest, where, rows[:, 0])
        if int(largest.max(initial=0)) * form.span**2 >= _LARGEST:
            raise ValueError("too many respondents for the range of the items: n range^2 >= 2^62")

    start, answered, rows = _merged(where, answered, rows, groups)
    shape = (groups, 1 + len(form.weight))
    count, mean, squares = np.zeros(shape, dtype=np.int64), np.zeros(shape), np.zeros(shape)
    forms = (form.scale, form.shift, form.part_start, form.part_item, form.weight)
    if policy == "item_means":
        item_mean_moments(start, answered, rows, *forms, count, mean, squares)
    else:
        needed = np.uint64(form.items if policy == "complete" else 0)
        respondent_moments(start, answered, rows, *forms, needed, count, mean, squares)
    return _answers(form, count, mean, squares, confidence)


#: As `index_columns`, as a list.
index = listed(index_columns, Index)


@dataclass(frozen=True, slots=True)
class _Form:
    """How an index is made, as the kernels take it.

    Attributes
    ----------
    names : tuple of str
        The parts'.
    span : int
        Largest range of an item.
    items : int
        The pattern of all items of all parts.
    scale, shift, part_start, part_item, weight : ndarray
        See `cxstream.kernels.index`.
    """

    names: tuple[str, ...]
    span: int
    items: int
    scale: npt.NDArray[np.float64]
    shift: npt.NDArray[np.float64]
    part_start: Counts
    part_item: Counts
    weight: npt.NDArray[np.float64]


@functools.lru_cache(maxsize=256)
def _form_of(
    ranges: tuple[int, ...], reverse: tuple[bool, ...], parts: tuple[Part, ...], policy: str
) -> _Form:
    """Check an index's declaration: the same is asked again and again."""
    if policy not in POLICIES:
        raise ValueError(f"policy {policy!r} is not known: use one of {', '.join(POLICIES)}")
    span = as_counts(ranges, "ranges", 1)
    k = span.shape[0]
    if not 0 < k <= _MOST_ITEMS:
        raise ValueError(f"an index takes 1..{_MOST_ITEMS} items, not {k}")
    if int(span.min()) < 1:
        raise ValueError("an item of range 0 cannot be put on 0..100")
    low_good = np.asarray(reverse, dtype=bool)
    if low_good.shape != (k,):
        raise ValueError(f"reverse must have {k} entries")
    check_parts(parts, k)
    sizes = [len(part.items) for part in parts]
    part_item = np.array([j for part in parts for j in part.items], dtype=np.int64)
    return _Form(
        names=tuple(part.name for part in parts),
        span=int(span.max()),
        items=sum(1 << j for j in set(part_item.tolist())),
        scale=np.where(low_good, -100.0, 100.0) / span,
        shift=np.where(low_good, 100.0, 0.0),
        part_start=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        part_item=part_item,
        weight=np.array([part.weight for part in parts], dtype=np.float64),
    )


def check_parts(parts: Sequence[Part], k: int) -> None:
    """Refuse parts that make no index.

    Parameters
    ----------
    parts : sequence of Part
    k : int
        Number of items there are.

    Raises
    ------
    ValueError
        A part without items, with an item twice or beyond k, or of a negative weight; none of a
        weight above 0.
    """
    for part in parts:
        if not part.items:
            raise ValueError(f"part {part.name!r} has no items")
        if len(set(part.items)) < len(part.items):
            raise ValueError(f"part {part.name!r} names an item twice")
        if not all(0 <= j < k for j in part.items):
            raise ValueError(f"part {part.name!r} names an item outside 0..{k - 1}")
        if not (math.isfinite(part.weight) and part.weight >= 0.0):
            raise ValueError(f"part {part.name!r} has weight {part.weight}: it must be 0 or more")
    if not any(part.weight > 0.0 for part in parts):
        raise ValueError("at least one part must have a weight above 0")


def _answers(
    form: _Form,
    count: Counts,
    mean: npt.NDArray[np.float64],
    squares: npt.NDArray[np.float64],
    confidence: float,
) -> Columns:
    """Turn moments (columns: index, then parts) into columns."""
    score, se = np.empty((2, *count.shape))
    mean_scores(count.ravel(), mean.ravel(), squares.ravel(), score.ravel(), se.ravel())
    interval = quasi_binomial_columns(
        score, se, count.astype(np.float64), ends=(0.0, 100.0), confidence=confidence
    )
    parts = _some(count, score, se, interval, slice(1, None))
    own: dict[str, Column] = {"name": form.names, "weight": form.weight, **parts}
    groups, width = count.shape
    made = Columns(PartScore, (groups, width - 1), own)
    fields = {**_some(count, score, se, interval, 0), "parts": made}
    return Columns(Index, (groups,), fields)


def _some(
    count: Counts,
    score: npt.NDArray[np.float64],
    se: npt.NDArray[np.float64],
    interval: Columns,
    which: int | slice,
) -> dict[str, Column]:
    """Return some of what every group has several of."""
    at = (slice(None), which)
    fields, known = interval.fields, interval.known
    assert known is not None
    bounds = {**fields, "lower": fields["lower"][at], "upper": fields["upper"][at]}
    its = Columns(interval.kind, known[at].shape, bounds, known[at])
    return {"n": count[at], "score": score[at], "se": se[at], "interval": its}
