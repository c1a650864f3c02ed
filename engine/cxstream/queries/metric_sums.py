"""The sums of a metric, by group: merged, taken apart, compared, and turned into statistics."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics.comparison import Comparison, Estimate
from cxstream.analytics.moments import second_of_fourth
from cxstream.analytics.raking import Calibration
from cxstream.analytics.scores import Scores
from cxstream.analytics.survey import Weights
from cxstream.errors import InvalidArgumentError
from cxstream.program import Question
from cxstream.tally import PatternSums


class Sums(ABC):
    """The sums of a metric, by group.

    Attributes
    ----------
    rows : (g,) int64
        Responses.
    """

    rows: NDArray[np.int64]

    @abstractmethod
    def merged(self, of: NDArray[np.int64], groups: int) -> Self:
        """Add the sums of groups up; group k goes to of[k], or nowhere where that is -1."""

    @abstractmethod
    def rest(self) -> Self:
        """Return the sums of everybody but each group, by exact subtraction."""

    @abstractmethod
    def repeated(self, groups: int) -> Self:
        """Return the one group there is as often as wanted."""

    @abstractmethod
    def values(self, confidence: float) -> list[Any]:
        """Return the statistic of each group."""

    @abstractmethod
    def compared(
        self, other: Self, *, method: str, correction: Any, confidence: float
    ) -> list[Comparison]:
        """Compare each group with that of another."""

    @abstractmethod
    def scores(self) -> Scores:
        """Return the mean points of each group."""

    @abstractmethod
    def dropped(self) -> list[dict[str, int]]:
        """Return how many answers are missing, by reason, for each group."""

    @property
    def weights(self) -> Sequence[Weights | None]:
        """What the survey weights of each group come to, where they count."""
        return [None] * len(self.rows)

    @property
    def calibration(self) -> Calibration | None:
        """How weights were fitted to margins, where they were."""
        return None

    def together(self, other: Self) -> Sequence[Weights | None]:
        """Return what the weights of each group and that of another come to, where they count."""
        del other
        return [None] * len(self.rows)

    def spread(self) -> list[tuple[int, float, float]]:
        """Return answers, the variance of one of them and the design effect, of each group."""
        scores = self.scores()
        return [(n, v, 1.0) for n, v in zip(scores.n, scores.variance.tolist(), strict=True)]

    def changed(self, after: Self, confidence: float) -> analytics.change.Change:
        """Split the change from these segments to those of another period."""
        return analytics.change.change(self.scores(), after.scores(), confidence=confidence)

    def impacts(self, everybody: Self, confidence: float) -> list[analytics.impact.Impact]:
        """Return the leave-one-out impact of each group."""
        return analytics.impact.impacts(self.scores(), everybody.scores(), confidence=confidence)

    def watched(self, values: list[Any], **options: Any) -> analytics.monitoring.Monitoring:
        """Chart the groups, which are buckets, given their values."""
        return analytics.monitoring.monitor(values, classes=self.classes, **options)

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """The classes whose shares the score is made of, lowest first, where it is."""
        return None


@dataclass(frozen=True)
class ClassSums(Sums):
    """Respondents by class of an answer: detractors, passives, promoters; or out of and in the top box."""

    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    lost: NDArray[np.int64]
    reasons: tuple[str, ...]
    histogram: NDArray[np.int64]
    question: Question
    top_from: int | None

    def merged(self, of: NDArray[np.int64], groups: int) -> Self:
        """See `Sums`."""
        return self._with(lambda values: added(values, of, groups))

    def rest(self) -> Self:
        """See `Sums`."""
        return self._with(
            lambda values: analytics.comparison.complement(values.sum(axis=0), values)
        )

    def repeated(self, groups: int) -> Self:
        """See `Sums`."""
        return self._with(lambda values: np.repeat(values, groups, axis=0))

    def _with(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Self:
        return dataclasses.replace(
            self,
            rows=change(self.rows),
            counts=change(self.counts),
            lost=change(self.lost),
            histogram=change(self.histogram),
        )

    def values(self, confidence: float) -> list[Any]:
        """See `Sums`."""
        if self.top_from is None:
            return list(analytics.nps.nps(self.counts, confidence=confidence))
        return list(
            analytics.csat.csat(
                self.histogram,
                top_from=self.top_from,
                reverse=self.question.lower_is_better,
                confidence=confidence,
            )
        )

    def compared(
        self, other: Self, *, method: str, correction: Any, confidence: float
    ) -> list[Comparison]:
        """See `Sums`."""
        options: Any = {"method": method, "correction": correction, "confidence": confidence}
        if self.top_from is None:
            return analytics.comparison.compare_nets(self.counts, other.counts, **options)
        a, b = self.counts, other.counts
        return analytics.comparison.compare_shares(
            a[:, 1], a.sum(axis=1), b[:, 1], b.sum(axis=1), **options
        )

    def scores(self) -> Scores:
        """See `Sums`."""
        if self.top_from is None:
            return Scores.of_nets(self.counts)
        return Scores.of_shares(self.counts[:, 1], self.counts.sum(axis=1))

    def dropped(self) -> list[dict[str, int]]:
        """See `Sums`."""
        return [dict(zip(self.reasons, row, strict=True)) for row in self.lost.tolist()]

    @property
    def classes(self) -> NDArray[np.int64]:
        """See `Sums`."""
        return self.counts


@dataclass(frozen=True)
class IndexSums(Sums):
    """Sums by pattern of answered items, of an index."""

    rows: NDArray[np.int64]
    sums: PatternSums
    options: dict[str, Any]

    def merged(self, of: NDArray[np.int64], groups: int) -> Self:
        """See `Sums`."""
        where = of[self.sums.group]
        kept = where >= 0
        return dataclasses.replace(
            self,
            rows=added(self.rows, of, groups),
            sums=PatternSums(where[kept], self.sums.pattern[kept], self.sums.sums[kept]),
        )

    def rest(self) -> Self:
        """See `Sums`."""
        sums = analytics.comparison.complement_patterns(
            self.sums.group, self.sums.pattern, self.sums.sums, groups=len(self.rows)
        )
        rows = analytics.comparison.complement(self.rows.sum(), self.rows)
        return dataclasses.replace(self, rows=rows, sums=PatternSums(*sums))

    def repeated(self, groups: int) -> Self:
        """See `Sums`."""
        rows = len(self.sums.group)
        sums = PatternSums(
            np.repeat(np.arange(groups), rows),
            np.tile(self.sums.pattern, groups),
            np.tile(self.sums.sums, (groups, 1)),
        )
        return dataclasses.replace(self, rows=np.repeat(self.rows, groups), sums=sums)

    def values(self, confidence: float) -> list[Any]:
        """See `Sums`."""
        return list(
            analytics.index.index(
                self.sums.group,
                self.sums.pattern,
                self.sums.sums,
                groups=len(self.rows),
                confidence=confidence,
                **self.options,
            )
        )

    def compared(
        self, other: Self, *, method: str, correction: Any, confidence: float
    ) -> list[Comparison]:
        """See `Sums`."""
        ends = (0.0, 100.0) if method == "score" else None
        sides = [
            [Estimate(one.n, one.score, one.se, one.n - 1, ends) for one in side.values(confidence)]
            for side in (self, other)
        ]
        return analytics.comparison.compare_estimates(
            *sides, correction=correction, confidence=confidence
        )

    def scores(self) -> Scores:
        """See `Sums`."""
        found = self.values(0.95)
        return Scores.of_means(
            [one.n for one in found], [one.score for one in found], [one.se for one in found]
        )

    def dropped(self) -> list[dict[str, int]]:
        """See `Sums`."""
        reason = "incomplete" if self.options["policy"] == "complete" else "no_answer"
        found = self.values(0.95)
        return [{reason: int(rows) - one.n} for rows, one in zip(self.rows, found, strict=True)]


@dataclass(frozen=True)
class MeanSums(Sums):
    """How many answered a question, the sum of their codes and of the squares, as Python integers."""

    rows: NDArray[np.int64]
    moments: NDArray[Any]
    lost: NDArray[np.int64]
    reasons: tuple[str, ...]
    question: Question

    def merged(self, of: NDArray[np.int64], groups: int) -> Self:
        """See `Sums`."""
        return self._with(lambda values: added(values, of, groups))

    def rest(self) -> Self:
        """See `Sums`."""
        return self._with(
            lambda values: analytics.comparison.complement(values.sum(axis=0), values)
        )

    def repeated(self, groups: int) -> Self:
        """See `Sums`."""
        return self._with(lambda values: np.repeat(values, groups, axis=0))

    def _with(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Self:
        return dataclasses.replace(
            self,
            rows=change(self.rows),
            moments=change(self.moments),
            lost=change(self.lost),
        )

    def values(self, confidence: float) -> list[Any]:
        """See `Sums`."""
        asked = self.question
        return list(
            analytics.means.means(
                *self._integers,
                origin=asked.origin,
                step=asked.step,
                ends=None if asked.is_number else asked.ends,
                confidence=confidence,
            )
        )

    @property
    def _integers(self) -> list[list[int]]:
        return [[int(one) for one in column] for column in self.moments.T]

    def compared(
        self, other: Self, *, method: str, correction: Any, confidence: float
    ) -> list[Comparison]:
        """See `Sums`."""
        return analytics.comparison.compare_means(
            self.values(confidence),
            other.values(confidence),
            method="pooled" if method == "pooled" else "welch",
            correction=correction,
            confidence=confidence,
        )

    def scores(self) -> Scores:
        """See `Sums`."""
        return Scores.of_sums(*self._integers, origin=self.question.origin, step=self.question.step)

    def watched(self, values: list[Any], **options: Any) -> analytics.monitoring.Monitoring:
        """See `Sums`."""
        return analytics.monitoring.monitor(values, classes=None, scores=self.scores(), **options)

    def dropped(self) -> list[dict[str, int]]:
        """See `Sums`."""
        return [dict(zip(self.reasons, row, strict=True)) for row in self.lost.tolist()]


@dataclass(frozen=True)
class CoefficientSums(Sums):
    """Cross-products of the columns of a model, of which one coefficient is wanted.

    `robust`: they are of fourth order, and errors take residuals of any variance.
    """

    rows: NDArray[np.int64]
    sums: NDArray[Any]
    options: dict[str, Any]
    driver: str
    robust: bool = False

    def merged(self, of: NDArray[np.int64], groups: int) -> Self:
        """See `Sums`."""
        return dataclasses.replace(
            self, rows=added(self.rows, of, groups), sums=added(self.sums, of, groups)
        )

    def rest(self) -> Self:
        """See `Sums`."""
        rest = analytics.comparison.complement
        return dataclasses.replace(
            self,
            rows=rest(self.rows.sum(), self.rows),
            sums=rest(self.sums.sum(axis=0), self.sums),
        )

    def repeated(self, groups: int) -> Self:
        """See `Sums`."""
        return dataclasses.replace(
            self,
            rows=np.repeat(self.rows, groups),
            sums=np.repeat(self.sums, groups, axis=0),
        )

    def values(self, confidence: float) -> list[Any]:
        """See `Sums`."""
        if not self.robust:
            return list(analytics.regression.fit(self.sums, confidence=confidence, **self.options))
        return list(
            analytics.robust.heteroscedastic(
                second_of_fourth(self.sums, len(self.options["names"])),
                self.sums,
                kind="HC1",
                interval="bell_mccaffrey",
                confidence=confidence,
                **self.options,
            )
        )

    def compared(
        self, other: Self, *, method: str, correction: Any, confidence: float
    ) -> list[Comparison]:
        """See `Sums`."""
        del method  # one test for coefficients
        return analytics.comparison.compare_estimates(
            self.estimates(confidence),
            other.estimates(confidence),
            correction=correction,
            confidence=confidence,
        )

    def estimates(self, confidence: float) -> list[Estimate]:
        """Return the coefficient of each group with its error, and what test and interval take of it."""
        made = []
        for fit in self.values(confidence):
            term = next((one for one in fit.terms if one.term == self.driver), None)
            if term is None:
                made.append(Estimate(fit.n, None, None, None))
            else:
                reach = analytics.robust.reach_of(term)
                made.append(Estimate(fit.n, term.coefficient, term.se, term.df, reach=reach))
        return made

    def scores(self) -> Scores:
        """See `Sums`."""
        raise InvalidArgumentError(
            "WRONG_METRIC",
            "a coefficient is no mean of respondents; this takes nps, csat, index or mean",
            expected="nps, csat, index or mean",
        )

    def dropped(self) -> list[dict[str, int]]:
        """See `Sums`."""
        found = self.values(0.95)
        return [
            {"incomplete": int(rows) - one.n} for rows, one in zip(self.rows, found, strict=True)
        ]


def added(values: NDArray[Any], of: NDArray[np.int64], groups: int) -> NDArray[Any]:
    """Add rows up by the group they go to, or leave them out where that is -1."""
    total = np.zeros((groups, *values.shape[1:]), dtype=values.dtype)
    kept = of >= 0
    np.add.at(total, of[kept], values[kept])
    return total


def narrow(sums: NDArray[Any]) -> NDArray[Any]:
    """Take 64 bits where they hold the sums: the models know what they may do with them."""
    try:
        return sums.astype(np.int64)
    except OverflowError:
        return sums
