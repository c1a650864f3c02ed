"""The weighted sums of a metric, by group (and raking cell): what `metric_sums` is to unweighted ones."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics.comparison import Comparison
from cxstream.analytics.points import Linear, Points, merged
from cxstream.analytics.raking import Calibration, RakedProducts
from cxstream.analytics.scores import Scores
from cxstream.analytics.survey import ClassSums, Sample, Weights, degrees_of_freedom, weights_of
from cxstream.analytics.weighted_comparison import WEIGHTED_METHODS, Estimates
from cxstream.analytics.weighted_index import PatternSums
from cxstream.errors import InvalidArgumentError
from cxstream.program import Question
from cxstream.queries.asking import word
from cxstream.queries.metric_sums import Sums, added, narrow
from cxstream.queries.weighted_answers import LEFT_OUT, NO_WEIGHT, Answers


class WeightedSums(Sums):
    """The weighted sums of a metric, by group."""

    calibration: Calibration | None

    @property
    @abstractmethod
    def estimates(self) -> Estimates:
        """The statistic of each group with what its error is made of."""

    @property
    @abstractmethod
    def points(self) -> Points:
        """Respondents' points by group."""

    @property
    def weights(self) -> list[Weights]:
        """See `Sums`."""
        return self.points.weights

    def compared(
        self, other: Self, *, method: str, correction: Any, confidence: float
    ) -> list[Comparison]:
        """See `Sums`."""
        return list(
            analytics.weighted_comparison.compare(
                self.estimates,
                other.estimates,
                method=word(method, WEIGHTED_METHODS, "method of a weighted comparison"),
                correction=correction,
                confidence=confidence,
            )
        )

    def together(self, other: Self) -> list[Weights]:
        """See `Sums`."""
        return self.estimates.together(other.estimates)

    def scores(self) -> Scores:
        """See `Sums`."""
        raise NotImplementedError("weighted sums have points")

    def spread(self) -> list[tuple[int, float, float]]:
        """See `Sums`."""
        points = self.points
        return list(
            zip(points.n.tolist(), points.variance.tolist(), points.design_effect.tolist(),
                strict=True)
        )  # fmt: skip

    def changed(self, after: Self, confidence: float) -> analytics.change.Change:
        """See `Sums`."""
        return analytics.weighted_change.change(self.points, after.points, confidence=confidence)

    def impacts(self, everybody: Self, confidence: float) -> list[analytics.impact.Impact]:
        """See `Sums`."""
        del everybody  # the groups make it up
        return analytics.weighted_change.impacts(self.points, confidence=confidence)

    def watched(self, values: list[Any], **options: Any) -> analytics.monitoring.Monitoring:
        """See `Sums`."""
        return analytics.weighted_monitoring.monitor(
            values, self.points, classes=self.sample, **options
        )

    @property
    def sample(self) -> Sample | None:
        """The classes whose shares the score is made of, lowest first, where it is."""
        return None


@dataclass(frozen=True)
class WeightedAnswers(WeightedSums):
    """The weighted sums of a metric of one question's levels."""

    answers: Answers

    @property
    def rows(self) -> NDArray[np.int64]:  # type: ignore[override]
        """See `Sums`."""
        return self.answers.rows

    @property
    def calibration(self) -> Calibration | None:  # type: ignore[override]
        """See `WeightedSums`."""
        return self.answers.calibration

    def merged(self, of: NDArray[np.int64], groups: int) -> Self:
        """See `Sums`."""
        return dataclasses.replace(self, answers=self.answers.merged(of, groups))

    def rest(self) -> Self:
        """See `Sums`."""
        return dataclasses.replace(self, answers=self.answers.rest())

    def repeated(self, groups: int) -> Self:
        """See `Sums`."""
        return dataclasses.replace(self, answers=self.answers.repeated(groups))

    def dropped(self) -> list[dict[str, int]]:
        """See `Sums`."""
        return self.answers.dropped()


@dataclass(frozen=True)
class WeightedClasses(WeightedAnswers):
    """Weighted answers by class: detractors, passives, promoters; or out of and in the top box.

    `top_from`: first level of the top box, counted from the bad end; None of a net score.
    """

    question: Question
    top_from: int | None

    def values(self, confidence: float) -> list[Any]:
        """See `Sums`."""
        if self.top_from is None:
            return [one.value for one in analytics.weighted.nps(self.sample, confidence=confidence)]
        found = analytics.weighted.csat(
            self.answers.sample,
            top_from=self.top_from,
            reverse=self.question.lower_is_better,
            confidence=confidence,
        )
        return [one.value for one in found]

    @property
    def sample(self) -> Sample:
        """See `WeightedSums`."""
        levels, sample = self.question.levels, self.answers.sample
        if self.top_from is None:
            asked = self.question
            edges = (0, asked.passive - asked.low, asked.promoter - asked.low, levels)
            return sample.folded(edges)
        if self.question.lower_is_better:
            sample = sample.take(range(levels)[::-1])
        return sample.folded((0, self.top_from, levels))

    @property
    def points(self) -> Points:
        """See `WeightedSums`."""
        asked, levels = self.question, range(self.question.levels)
        if self.top_from is None:
            low, high = asked.passive - asked.low, asked.promoter - asked.low
            return self.answers.points([100 * ((k >= low) + (k >= high) - 1) for k in levels])
        last = asked.levels - 1
        from_bad = [last - k if asked.lower_is_better else k for k in levels]
        return self.answers.points([100 * (k >= self.top_from) for k in from_bad])

    @property
    def estimates(self) -> Estimates:
        """See `WeightedSums`."""
        if self.top_from is None:
            df = degrees_of_freedom(self.sample, (0.0, 0.5, 1.0))
            return Estimates.of(self.points, (-100.0, 100.0), df=df)
        df = degrees_of_freedom(self.sample, (0.0, 1.0))
        return Estimates.of(self.points, (0.0, 100.0), df=df)


@dataclass(frozen=True)
class WeightedNets(WeightedAnswers):
    """Respondents counted by class: detractors, passives, promoters."""

    def values(self, confidence: float) -> list[Any]:
        """See `Sums`."""
        return [one.value for one in analytics.weighted.nps(self.sample, confidence=confidence)]

    @property
    def sample(self) -> Sample:
        """See `WeightedSums`."""
        return self.answers.sample

    @property
    def points(self) -> Points:
        """See `WeightedSums`."""
        return self.answers.points([-100, 0, 100])

    @property
    def estimates(self) -> Estimates:
        """See `WeightedSums`."""
        df = degrees_of_freedom(self.sample, (0.0, 0.5, 1.0))
        return Estimates.of(self.points, (-100.0, 100.0), df=df)


@dataclass(frozen=True)
class WeightedScale(WeightedAnswers):
    """Weighted answers on a scale, of which the mean is wanted."""

    question: Question

    def values(self, confidence: float) -> list[Any]:
        """See `Sums`."""
        scale = [self.question.origin + k for k in range(self.question.levels)]
        found = analytics.weighted.distribution(self.answers.sample, scale, confidence=confidence)
        return [one.value for one in found]

    @property
    def points(self) -> Points:
        """See `WeightedSums`."""
        asked = self.question
        return self.answers.points(list(range(asked.levels)), origin=Fraction(asked.origin))

    @property
    def estimates(self) -> Estimates:
        """See `WeightedSums`."""
        return Estimates.of(self.points, None, spread=True)


@dataclass(frozen=True)
class WeightedPatterns(WeightedSums):
    """Weighted sums by pattern of answered items, of an index; or of a number, which has one pattern.

    `options`: how the index is made; empty for a number.
    """

    rows: NDArray[np.int64]
    without: NDArray[np.int64]
    sums: PatternSums
    options: dict[str, Any]
    question: Question | None = None

    @property
    def calibration(self) -> Calibration | None:  # type: ignore[override]
        """See `WeightedSums`."""
        return self.sums.calibration

    def merged(self, of: NDArray[np.int64], groups: int) -> Self:
        """See `Sums`."""
        return self._with(
            added(self.rows, of, groups), added(self.without, of, groups), *self._added(of)
        )

    def rest(self) -> Self:
        """See `Sums`."""
        groups = len(self.rows)
        everybody = np.zeros(groups, dtype=np.int64)
        _, key, total = self._added(everybody)
        place = np.searchsorted(key, self._keys()[1])
        tables = []
        for one, own in zip(total, self._tables, strict=True):
            left = np.repeat(one[None], groups, axis=0)
            np.subtract.at(left, (self.sums.group, place), own)
            tables.append(left.reshape(groups * len(key), *one.shape[1:]))
        rest = analytics.comparison.complement
        return self._with(
            rest(self.rows.sum(), self.rows),
            rest(self.without.sum(), self.without),
            np.repeat(np.arange(groups), len(key)),
            np.tile(key, groups),
            tables,
        )

    def repeated(self, groups: int) -> Self:
        """See `Sums`."""
        _, key = self._keys()
        return self._with(
            np.repeat(self.rows, groups),
            np.repeat(self.without, groups),
            np.repeat(np.arange(groups), len(key)),
            np.tile(key, groups),
            [np.tile(one, (groups, *(1,) * (one.ndim - 1))) for one in self._tables],
        )

    @property
    def _tables(self) -> tuple[NDArray[Any], ...]:
        return self.sums.n, self.sums.sums, self.sums.sums2

    def _kinds(self) -> tuple[NDArray[np.uint64], int]:
        """Return the patterns there are, and how many raking cells."""
        cell = self.sums.cell
        return np.unique(self.sums.pattern), 1 if cell is None else int(cell.max(initial=0)) + 1

    def _keys(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the group of every row, and a number for its pattern and cell."""
        patterns, cells = self._kinds()
        at = np.searchsorted(patterns, self.sums.pattern)
        cell = 0 if self.sums.cell is None else self.sums.cell
        return self.sums.group, at * cells + cell

    def _added(
        self, of: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], list[NDArray[Any]]]:
        group, key = self._keys()
        found, number, tables = merged(of, group, key, self._tables)
        assert number is not None
        return found, number, tables

    def _with(
        self,
        rows: NDArray[np.int64],
        without: NDArray[np.int64],
        group: NDArray[np.int64],
        key: NDArray[np.int64],
        tables: list[NDArray[Any]],
    ) -> Self:
        patterns, cells = self._kinds()
        n, sums, squares = tables
        made = PatternSums.of(
            group,
            patterns[key // cells],
            n,
            sums,
            squares,
            self.sums.step,
            None if self.sums.cell is None else key % cells,
            self.sums.calibration,
        )
        return dataclasses.replace(self, rows=rows, without=without, sums=made)

    def values(self, confidence: float) -> list[Any]:
        """See `Sums`."""
        groups = len(self.rows)
        if self.question is None:
            found = analytics.weighted_index.index(
                self.sums, groups=groups, confidence=confidence, **self.options
            )
            return [one.value for one in found]
        numbers = analytics.weighted_index.number(
            self.sums,
            groups=groups,
            origin=Fraction(self.question.origin),
            step=Fraction(self.question.step),
            confidence=confidence,
        )
        return [one.value for one in numbers]

    @property
    def weights(self) -> list[Weights]:
        """See `Sums`."""
        estimates = self.estimates
        return estimates.pooled(np.arange(len(estimates.n)), len(estimates.n))

    @property
    def points(self) -> Points:
        """See `WeightedSums`."""
        groups = len(self.rows)
        if self.question is not None:
            return analytics.weighted_index.number_points(
                self.sums,
                groups=groups,
                origin=Fraction(self.question.origin),
                step=Fraction(self.question.step),
            )
        if self.options["policy"] == "item_means":
            raise InvalidArgumentError(
                "WRONG_POLICY",
                "a weighted index of item means is no mean over respondents; ask with missing = "
                "renormalise or complete",
                column="missing",
                expected="renormalise or complete",
            )
        return analytics.weighted_index.points(self.sums, groups=groups, **self.options)

    @property
    def estimates(self) -> Estimates:
        """See `WeightedSums`."""
        if self.question is not None:
            return Estimates.of(self.points, None, spread=True)
        return analytics.weighted_index.estimates(self.sums, groups=len(self.rows), **self.options)

    def dropped(self) -> list[dict[str, int]]:
        """See `Sums`."""
        reason = "no_answer"
        if self.options.get("policy") == "complete":
            reason = "incomplete"
        used = self.estimates.n
        return [
            {NO_WEIGHT: int(lost), reason: int(rows) - int(lost) - int(n)}
            for rows, lost, n in zip(self.rows, self.without, used, strict=True)
        ]


@dataclass(frozen=True)
class WeightedCoefficients(WeightedSums):
    """Weighted sums of the columns of a model, up to fourth order, of which one coefficient is wanted."""

    rows: NDArray[np.int64]
    without: NDArray[np.int64]
    left_out: NDArray[np.int64]
    responses: NDArray[np.int64]
    second: NDArray[Any]
    fourth: NDArray[Any]
    step: Fraction
    options: dict[str, Any]
    driver: str
    raked: RakedProducts | None = None

    @property
    def calibration(self) -> Calibration | None:  # type: ignore[override]
        """See `WeightedSums`."""
        return None if self.raked is None else self.raked.calibration

    def _each(self, change: Any) -> Self:
        names = ("rows", "without", "left_out", "responses", "second", "fourth")
        raked = None if self.raked is None else self.raked.each(change)
        changed = {name: change(getattr(self, name)) for name in names}
        return dataclasses.replace(self, raked=raked, **changed)

    def merged(self, of: NDArray[np.int64], groups: int) -> Self:
        """See `Sums`."""
        return self._each(lambda values: added(values, of, groups))

    def rest(self) -> Self:
        """See `Sums`."""
        rest = analytics.comparison.complement
        return self._each(lambda values: rest(values.sum(axis=0), values))

    def repeated(self, groups: int) -> Self:
        """See `Sums`."""
        return self._each(lambda values: np.repeat(values, groups, axis=0))

    def values(self, confidence: float) -> list[Any]:
        """See `Sums`."""
        return self._fits(confidence, self.raked)

    def _fits(self, confidence: float, raked: RakedProducts | None) -> list[Any]:
        return analytics.robust.heteroscedastic(
            narrow(self.second),
            narrow(self.fourth),
            kind="design",
            interval="bell_mccaffrey",
            responses=self.responses,
            weight_step=self.step,
            raked=raked,
            confidence=confidence,
            **self.options,
        )

    @property
    def estimates(self) -> Estimates:
        """See `WeightedSums`."""
        # Errors as if the weights had been given; what raking does to them is found of differences.
        fits = self._fits(0.95, None)
        terms = [next((one for one in fit.terms if one.term == self.driver), None) for fit in fits]
        value = np.array([0.0 if one is None else one.coefficient for one in terms])
        error = np.array([0.0 if one is None else one.se or 0.0 for one in terms])
        weights = self.weights
        return Estimates(
            np.array([fit.n for fit in fits], dtype=np.int64),
            value,
            np.array([one is not None for one in terms], dtype=bool),
            Linear(error * error, *self._linear(fits), self.calibration),
            np.array([one.effective_n or 0.0 for one in weights]),
            np.array([one.total for one in weights]),
            np.array([0.0 if one is None else one.df for one in terms]),
            None,
            reach=np.array(
                [1.0 if one is None else analytics.robust.reach_of(one) for one in terms]
            ),
        )

    def _linear(self, fits: Sequence[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return sums of the coefficient's linearised values, by group and cell."""
        cells = 1 if self.raked is None else self.raked.first.shape[1]
        once, twice = np.zeros((2, len(fits), cells))
        there = [at for at, fit in enumerate(fits) if fit.status == "ok"]
        if self.raked is None or not there:
            return once, twice
        forms = analytics.robust.linear_forms(self.second[there], **self.options)
        term = [one.term for one in fits[there[0]].terms].index(self.driver)
        chosen = (*self.options["drivers"], self.options["outcome"])
        for at, form in zip(there, forms, strict=True):
            scale = math.sqrt(fits[at].n / (fits[at].n - 1))
            for out, sums in zip((once, twice), self.raked.linear(at, form, chosen), strict=True):
                out[at] = scale * sums[term]
        return once, twice

    @property
    def weights(self) -> list[Weights]:
        """See `Sums`."""
        columns = (self.responses[:, None], self.second[:, :1], self.fourth[:, :1])
        return weights_of(ClassSums.of(*columns, self.step))

    @property
    def points(self) -> Points:
        """See `WeightedSums`."""
        raise InvalidArgumentError(
            "WRONG_METRIC",
            "a coefficient is no mean of respondents; this takes nps, csat, index or mean",
            expected="nps, csat, index or mean",
        )

    def dropped(self) -> list[dict[str, int]]:
        """See `Sums`."""
        return [
            {NO_WEIGHT: lost, LEFT_OUT: left, "incomplete": rows - lost - left - n}
            for rows, lost, left, n in zip(
                self.rows.tolist(),
                self.without.tolist(),
                self.left_out.tolist(),
                self.responses.tolist(),
                strict=True,
            )
        ]
