"""Insight ScoreCard: which answer to a choice question how many give."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Counts, as_counts, divide, where_any
from cxstream.analytics.columns import Column, Columns, listed
from cxstream.analytics.intervals import (
    Interval,
    check_confidence,
    goodman_columns,
    share_se,
)


@dataclass(frozen=True, slots=True)
class OptionShare:
    """One option of a choice question.

    Attributes
    ----------
    count : int
        Respondents who chose it.
    share : float or None
        100 count / base; None when the base is 0.
    se : float or None
        Standard error of the share.
    interval : Interval or None
        Goodman interval: those of all options of the group hold together.
    rank : int or None
        1 for the option chosen most; equal counts share a rank and the next one is skipped
        (1, 2, 2, 4). None when the base is 0.
    """

    count: int
    share: float | None
    se: float | None
    interval: Interval | None
    rank: int | None


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All options of a choice question in one group.

    Attributes
    ----------
    base : int
        Respondents who answered the question.
    selections : int
        Options chosen in all; above the base where several may be chosen.
    options : tuple of OptionShare
        In the order of the count columns.
    """

    FORMULAS: ClassVar = ("scorecard",)

    base: int
    selections: int
    options: tuple[OptionShare, ...]


def _ranks(counts: Counts) -> npt.NDArray[np.int64]:
    """Competition ranks along the last axis, largest count first."""
    groups, width = counts.shape
    order = np.argsort(-counts, axis=1, kind="stable")
    ordered = np.take_along_axis(counts, order, axis=1)
    new = np.ones((groups, width), dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    positions = np.arange(1, width + 1, dtype=np.int64)
    placed = np.maximum.accumulate(np.where(new, positions, 0), axis=1)
    ranks = np.empty((groups, width), dtype=np.int64)
    np.put_along_axis(ranks, order, placed, axis=1)
    return ranks


def scorecard_columns(
    counts: npt.ArrayLike,
    base: npt.ArrayLike,
    *,
    multiple: bool,
    confidence: float = 0.95,
) -> Columns:
    """Share, uncertainty and rank of every option, for every group.

    ``share = 100 count / base``. The base is respondents, not selections, so the shares of a
    question that takes several answers may add to more than 100.

    Parameters
    ----------
    counts : array_like of int, shape (g, K)
        Respondents who chose each option.
    base : array_like of int, shape (g,)
        Respondents who answered the question.
    multiple : bool
        Several options may be chosen.
    confidence : float
        Joint level of the K intervals of a group, in (0, 1).

    Returns
    -------
    Columns of Scorecard, one for each group
        base = 0: share, se, interval and rank of every option are None.

    Raises
    ------
    ValueError
        An option was chosen more often than the base allows, or (unless `multiple`) the
        selections exceed the base.

    References
    ----------
    Goodman, L. A. (1965), https://doi.org/10.1080/00401706.1965.10490252
    """
    check_confidence(confidence)
    chosen = as_counts(counts, "counts", 2)
    answered = as_counts(base, "base", 1, chosen.shape[0])
    width = chosen.shape[1]
    selections = chosen.sum(axis=1)
    if bool((chosen > answered[:, None]).any()):
        raise ValueError("an option was chosen by more respondents than answered the question")
    if not multiple and bool((selections > answered).any()):
        raise ValueError("more selections than respondents in a question that takes one answer")
    under = np.repeat(answered[:, None], width, axis=1)
    own: dict[str, Column] = {
        "count": chosen,
        "share": where_any(under, divide(100 * chosen, under)),
        "se": where_any(under, share_se(chosen, under)),
        "interval": goodman_columns(chosen, under, options=max(width, 1), confidence=confidence),
        "rank": np.ma.array(_ranks(chosen), mask=under == 0),
    }
    fields: dict[str, Column] = {
        "base": answered,
        "selections": selections,
        "options": Columns(OptionShare, chosen.shape, own),
    }
    return Columns(Scorecard, answered.shape, fields)


#: As `scorecard_columns`, as a list.
scorecard = listed(scorecard_columns, Scorecard)
