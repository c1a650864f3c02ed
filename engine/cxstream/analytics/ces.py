"""Customer effort score, in the three forms in use."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Counts, as_counts, divide, where_any
from cxstream.analytics.columns import Column, Columns, listed
from cxstream.analytics.distribution import moments
from cxstream.analytics.intervals import Interval, net_columns, share_se, wilson_columns
from cxstream.analytics.means import means_columns
from cxstream.kernels.scores import net_scores

Variant = Literal["mean", "net", "agree"]

VARIANTS: Final[tuple[Variant, ...]] = ("mean", "net", "agree")


@dataclass(frozen=True, slots=True)
class Ces:
    """Customer effort score of one group.

    Attributes
    ----------
    n : int
        Respondents who answered.
    variant : {"mean", "net", "agree"}
        Which form.
    score : float or None
        ``mean``: on the stored scale; ``net``: -100..100; ``agree``: 0..100. None when n is 0.
    se : float or None
        Standard error on the scale of the score. ``mean``: None when n is below 2.
    interval : Interval or None
        ``mean``: quasi-binomial; ``net``: score; ``agree``: Wilson.
    positive, neutral, negative : int or None
        The classes behind ``net`` and ``agree``, adding to n; None for ``mean``.
    """

    FORMULAS: ClassVar = ("ces",)

    n: int
    variant: Variant
    score: float | None
    se: float | None
    interval: Interval | None
    positive: int | None
    neutral: int | None
    negative: int | None


def ces_columns(
    histogram: npt.ArrayLike,
    *,
    variant: Variant,
    origin: int = 0,
    low_to: int | None = None,
    high_from: int | None = None,
    agree_from: int | None = None,
    reverse: bool = False,
    confidence: float = 0.95,
) -> Columns:
    """Score the effort customers had, for every group.

    ``mean``: the mean of the stored values. ``net``: 100 (share of index >= high_from less share
    of index <= low_to). ``agree``: 100 times the share of index >= agree_from.

    Parameters
    ----------
    histogram : array_like of int, shape (g, K)
        Respondents at each level, lowest stored value first.
    variant : {"mean", "net", "agree"}
        Which form: mean of 1..7 (CES 2.0 as reported by most), net of 6-7 over 1-3, share that
        agree.
    origin : int
        Stored value of level index 0 (``mean``).
    low_to, high_from : int
        Last level index of the negative class and first of the positive one (``net``): 2 and 5
        for "1-3" and "6-7" of 1..7. ``agree`` needs neither; if `low_to` is given there, the
        levels between it and `agree_from` are neutral, else all that do not agree are negative.
    agree_from : int
        First level index that agrees (``agree``): 4 for "5-7" of 1..7, 3 for "4-5" of 1..5.
    reverse : bool
        Low stored values are the good ones (the older wording, "how much effort"). The value x
        counts as max + min - x, and the cuts apply after that.
    confidence : float
        Level in (0, 1).

    Returns
    -------
    Columns of Ces, one for each group
        n = 0: score, se and interval are None.

    Raises
    ------
    ValueError
        Unknown variant; cuts missing or out of order.

    References
    ----------
    Dixon, M., Freeman, K., Toman, N. (2010), "Stop trying to delight your customers", Harvard
    Business Review 88(7/8); https://help.delighted.com/article/249
    """
    counts = as_counts(histogram, "histogram", 2)
    if reverse:
        counts = counts[:, ::-1]
    if variant == "mean":
        return _mean(counts, origin, confidence)
    if variant == "agree":
        return _agree(counts, low_to, agree_from, confidence)
    if variant == "net":
        return _net(counts, low_to, high_from, confidence)
    raise ValueError(f"variant {variant!r} is not known: use one of {', '.join(VARIANTS)}")


#: As `ces_columns`, as a list.
ces = listed(ces_columns, Ces)


def _cut(name: str, value: int | None, low: int, high: int) -> int:
    if value is None:
        raise ValueError(f"{name} is needed for this variant")
    if not low <= value <= high:
        raise ValueError(f"{name} {value} is not allowed: it must be in {low}..{high}")
    return value


def cuts(
    variant: Variant,
    levels: int,
    low_to: int | None,
    high_from: int | None,
    agree_from: int | None,
) -> tuple[int, int]:
    """Give the last level of the negative class and the first of the positive one.

    Parameters
    ----------
    variant : {"net", "agree"}
    levels : int
        Levels of the scale.
    low_to, high_from, agree_from : int or None
        As in `ces`.

    Returns
    -------
    tuple of two ints

    Raises
    ------
    ValueError
        Another variant; cuts missing or out of order.
    """
    last = levels - 1
    if variant == "net":
        low = _cut("low_to", low_to, 0, last - 1)
        return low, _cut("high_from", high_from, low + 1, last)
    if variant == "agree":
        high = _cut("agree_from", agree_from, 1, last)
        return high - 1 if low_to is None else _cut("low_to", low_to, 0, high - 1), high
    raise ValueError(f"variant {variant!r} is not known: use one of {', '.join(VARIANTS)}")


def _mean(counts: Counts, origin: int, confidence: float) -> Columns:
    found = means_columns(
        *moments(counts, range(counts.shape[1])),
        origin=Fraction(origin),
        step=Fraction(1),
        ends=(Fraction(origin), Fraction(origin + counts.shape[1] - 1)),
        confidence=confidence,
    ).fields
    return _columns("mean", found["n"], found["mean"], found["se"], found["interval"])


def _net(counts: Counts, low_to: int | None, high_from: int | None, confidence: float) -> Columns:
    low, high = cuts("net", counts.shape[1], low_to, high_from, None)
    classes = _classes(counts, low, high)
    score, _, se = (found := np.empty((3, len(counts))))
    net_scores(classes, *found)
    interval = net_columns(*classes.T, confidence=confidence)
    return _columns("net", classes.sum(axis=1), score, se, interval, classes)


def _agree(
    counts: Counts, low_to: int | None, agree_from: int | None, confidence: float
) -> Columns:
    low, cut = cuts("agree", counts.shape[1], low_to, None, agree_from)
    classes = _classes(counts, low, cut)
    n, positive = classes.sum(axis=1), classes[:, 2]
    score, se = divide(100 * positive, n), share_se(positive, n)
    interval = wilson_columns(positive, n, confidence=confidence)
    return _columns("agree", n, where_any(n, score), where_any(n, se), interval, classes)


def _classes(counts: Counts, low: int, high: int) -> Counts:
    """Return negative, neutral and positive answers, (g, 3)."""
    parts = counts[:, : low + 1], counts[:, low + 1 : high], counts[:, high:]
    return np.stack([one.sum(axis=1) for one in parts], axis=1)


def _columns(
    variant: Variant,
    n: Column,
    score: Column,
    se: Column,
    interval: Column,
    classes: Counts | None = None,
) -> Columns:
    low, middle, high = (None, None, None) if classes is None else classes.T
    fields: dict[str, Column] = {
        "n": n,
        "variant": variant,
        "score": score,
        "se": se,
        "interval": interval,
        "positive": high,
        "neutral": middle,
        "negative": low,
    }
    return Columns(Ces, n.shape, fields)
