"""What happens to customers of each NPS class, first contacts, and where a company stands among others."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics.linkage import CLASSES, CLV_VARIANTS, HORIZON_MAX, Margin
from cxstream.analytics.raking import Calibration
from cxstream.analytics.survey import Weights
from cxstream.answers import Answer, AsOf, Query, Row
from cxstream.errors import FailedPreconditionError, InvalidArgumentError
from cxstream.program import Block, BlockKind, Kind, Program, Question, compile_block
from cxstream.queries.asking import (
    Part,
    answered,
    block_of,
    dropped,
    group_keys,
    level_labels,
    levels,
    word,
)
from cxstream.queries.metric_sums import added
from cxstream.queries.weighted_answers import NO_WEIGHT
from cxstream.queries.weighted_sums import WeightedClasses, WeightedPatterns
from cxstream.queries.weighting import Tables, Weighing
from cxstream.state import ProgramState
from cxstream.tally import Slice

#: Why an outcome is of no class.
NO_SCORE = "no score"


@dataclass(frozen=True, slots=True)
class _Classes:
    """A slice by NPS class, put together by group.

    Attributes
    ----------
    part : Part
        The groups asked for.
    wide : Part
        By level of the score too.
    group, place : (r,) int64
        Of each row of `wide`: its group, and its class, -1 for none.
    """

    part: Part
    wide: Part
    group: NDArray[np.int64]
    place: NDArray[np.int64]

    def add(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Add rows of the wide slice up, (groups, 3, ...)."""
        groups, classes = len(self.part.groups), len(CLASSES)
        table = added(rows, self.numbered, groups * classes)
        return table.reshape(groups, classes, *rows.shape[1:])

    @property
    def numbered(self) -> NDArray[np.int64]:
        """Return a number for the group and class of each row of the wide slice, -1 for none."""
        return np.where(self.place >= 0, len(CLASSES) * self.group + self.place, -1)

    def without_class(self) -> NDArray[np.int64]:
        """Return the responses of each group that have no score."""
        none = np.where(self.place < 0, self.group, -1)
        return added(self.wide.rows, none, len(self.part.groups))


class Linkages(Weighing):
    """Outcomes by NPS class, lifetime value, first contact resolution, relative performance."""

    @answered
    def linkage(
        self, query: Query, score: str, outcome: str, *, correction: str = "holm"
    ) -> Answer:
        """Return an outcome by NPS class; see `cxstream.analytics.linkage`."""
        state, asked = self._ask(query, outcome, (Kind.BOOLEAN, Kind.NUMBER), weighted=True)
        options: dict[str, Any] = {
            "correction": word(correction, analytics.corrections.CORRECTIONS, "correction"),
            "confidence": query.confidence,
        }
        block = block_of(state, BlockKind.COMPLETE, {outcome}) if asked.is_number else None
        if query.weighting:
            return self._weighted_linkage(state, query, score, asked, block, options)
        classes = self._by_class(state, query, score, (outcome,), block)
        if block is None:
            answers = classes.add(classes.wide.of(outcome)[:, :2])
            values = analytics.linkage.share_by_class(
                answers[:, :, 1], answers.sum(axis=2), **options
            )
        else:
            sums = classes.add(classes.wide.sums)
            values = analytics.linkage.mean_by_class(
                *(sums[:, :, column].tolist() for column in range(3)),
                origin=asked.origin,
                step=asked.step,
                **options,
            )
        return self._answer(classes.part, values, self._lost(state, classes, (asked,)))

    @answered
    def customer_value(
        self,
        query: Query,
        score: str,
        *,
        margin: str,
        churn: str,
        variant: str = "margin_next",
        discount: float = 0.0,
        acquisition: float = 0.0,
        horizon: int = 0,
    ) -> Answer:
        """Return lifetime value by NPS class; see `cxstream.analytics.linkage.value_by_class`."""
        state, money = self._ask(query, margin, (Kind.NUMBER,), weighted=True)
        _, left = self._ask(query, churn, (Kind.BOOLEAN,), weighted=True)
        options: dict[str, Any] = {
            "variant": word(variant, CLV_VARIANTS, "variant"),
            "discount": discount,
            "acquisition": acquisition,
            "horizon": horizon,
            "confidence": query.confidence,
        }
        if not (math.isfinite(discount) and discount >= 0.0 and math.isfinite(acquisition)):
            raise InvalidArgumentError(
                "INVALID_RATE", f"discount {discount} and acquisition {acquisition}: expected a "
                "rate of 0 or more, and a number"
            )  # fmt: skip
        if (variant == "finite") != (1 <= horizon <= HORIZON_MAX):
            raise InvalidArgumentError(
                "INVALID_HORIZON",
                f"horizon {horizon}: the finite variant takes 1 to {HORIZON_MAX:,} periods, and "
                "no other takes any",
                column="horizon",
            )
        both = state.plan.block(BlockKind.COMPLETE, {margin, churn})
        if both is None and self._scans:
            both = compile_block(state.program, BlockKind.COMPLETE, {margin, churn})
        block = both or block_of(state, BlockKind.COMPLETE, {margin})
        if query.weighting:
            return self._weighted_value(state, query, score, money, left, block, options)
        classes = self._by_class(state, query, score, (margin, churn), block)
        sums = classes.add(classes.wide.sums)
        counts = classes.add(classes.wide.of(churn)[:, :2])
        values = []
        for group in range(len(classes.part.groups)):
            rows = [
                _joint(sums[group, c].tolist(), block, money)
                if both is not None
                else _apart(sums[group, c].tolist(), counts[group, c].tolist(), money)
                for c in range(len(CLASSES))
            ]
            values.append(analytics.linkage.value_by_class(rows, **options))
        lost = self._lost(state, classes, (money, left))
        return self._answer(classes.part, values, lost)

    @answered
    def retention(
        self,
        query: Query,
        churned: str = "",
        *,
        revenue: str = "",
        periods: int = 1,
        cohort: tuple[int, int, int] | None = None,
    ) -> Answer:
        """Return churn and retention; see `cxstream.analytics.retention`.

        `cohort`: customers at the start and at the end of a period, and those won within it, instead
        of a program's responses.
        """
        if cohort is not None:
            return self._cohort(query, churned or revenue, periods, cohort)
        state, asked = self._ask(query, churned, (Kind.BOOLEAN,), weighted=True)
        if periods < 1:
            raise InvalidArgumentError(
                "INVALID_PERIODS", f"periods {periods}: expected 1 or more", column="periods"
            )
        money = None
        amount = None
        if revenue:
            _, amount = self._ask(query, revenue, (Kind.NUMBER,), weighted=True)
        if query.weighting:
            return self._weighted_retention(state, query, asked, amount, periods)
        if amount is not None:
            money = self._revenue(state, query, asked, amount)
        part = self._slice(state, query, churned)
        answers = part.counts[:, :2]
        values = analytics.retention.retention(
            answers[:, 1],
            answers.sum(axis=1),
            periods=periods,
            revenue=None if money is None else [money[one] for one in part.groups],
            confidence=query.confidence,
        )
        return self._answer(part, values, dropped(state, part, asked))

    def _cohort(
        self, query: Query, also: str, periods: int, cohort: tuple[int, int, int]
    ) -> Answer:
        if query.weighting:
            raise InvalidArgumentError(
                "NOT_WEIGHTED", "weights are those of a program's responses", column="weighting"
            )
        if query.program or also:
            raise InvalidArgumentError(
                "INVALID_COHORT",
                "either a program's responses or a cohort, not both",
                column="cohort",
            )
        try:
            value = analytics.retention.retention_of(
                *cohort, periods=periods, confidence=query.confidence
            )
        except ValueError as error:
            raise InvalidArgumentError("INVALID_COHORT", str(error), column="cohort") from error
        return Answer(AsOf("", 0, 0, 0, ""), [Row((), 0, {}, value)])

    def survival(
        self, survivors: Sequence[int], *, ahead: int = 0, discount: float = 0.0
    ) -> Answer:
        """Return how long customers stay; of a cohort given, not of a program.

        See `cxstream.analytics.survival.survival`.
        """
        try:
            value = analytics.survival.survival(survivors, ahead=ahead, discount=discount)
        except ValueError as error:
            raise InvalidArgumentError("INVALID_COHORT", str(error), column="survivors") from error
        return Answer(AsOf("", 0, 0, 0, ""), [Row((), 0, {}, value)])

    def kaplan_meier(
        self,
        lost: Sequence[int],
        censored: Sequence[int],
        *,
        times: Sequence[float] = (),
        interval: str = "log_log",
        confidence: float = 0.95,
    ) -> Answer:
        """Return how long customers stay, some of whom are still there; of counts given.

        See `cxstream.analytics.kaplan_meier.kaplan_meier`.
        """
        method = word(interval, analytics.kaplan_meier.METHODS, "interval")
        try:
            value = analytics.kaplan_meier.kaplan_meier(
                lost, censored, times=times, method=method, confidence=confidence
            )
        except ValueError as error:
            raise InvalidArgumentError("INVALID_COHORT", str(error), column="lost") from error
        return Answer(AsOf("", 0, 0, 0, ""), [Row((), 0, {}, value)])

    def _revenue(
        self, state: ProgramState, query: Query, churned: Question, amount: Question
    ) -> dict[Any, list[list[int]]]:
        """Return how many, sum and sum of squares of a number, of those who stayed and who left."""
        block, wide = _by_side(state, query, churned, amount)
        part = self._slice(state, wide, None, block)
        codes = _side_codes(churned)
        first = Fraction(amount.origin) / amount.step
        found: dict[Any, list[list[int]]] = defaultdict(lambda: [[0, 0, 0], [0, 0, 0]])
        for group, row in zip(part.groups, part.sums.tolist(), strict=True):
            side = codes.get(str(group[-1]))
            if side in (0, 1):
                n, total, squares = (int(one) for one in row)
                # From 0, not from the lowest value there may be.
                shift = int(first)
                moved = n, total + n * shift, squares + 2 * shift * total + n * shift**2
                held = found[group[:-1]][side]
                for at, value in enumerate(moved):
                    held[at] += value
        return found

    @answered
    def first_contact(self, query: Query, resolved: str, *, not_resolvable: str = "") -> Answer:
        """Return first contact resolution; see `cxstream.analytics.linkage.first_contact`."""
        state, asked = self._ask(query, resolved, (Kind.BOOLEAN,), weighted=True)
        names: tuple[str, ...] = (resolved,)
        if not_resolvable:
            self._ask(query, not_resolvable, (Kind.BOOLEAN,), weighted=True)
            if not_resolvable == resolved:
                raise InvalidArgumentError(
                    "INVALID_OUTCOME", f"{resolved!r} is the question of what was resolved"
                )
            names = (resolved, not_resolvable)
        if query.weighting:
            return self._weighted_first_contact(state, query, names)
        part = self._slice(state, query, names)
        answers = part.of(resolved)[:, :2]
        try:
            values = analytics.linkage.first_contact(
                answers[:, 1],
                answers.sum(axis=1),
                part.of(not_resolvable)[:, 1] if not_resolvable else None,
                confidence=query.confidence,
            )
        except ValueError as error:
            raise InvalidArgumentError("INVALID_OUTCOME", str(error)) from None
        lost = [
            dict(zip(state.plan.slots[asked.name].reasons, row[2:].tolist(), strict=True))
            for row in part.of(resolved)
        ]
        return self._answer(part, values, lost)

    @answered
    def relative(self, query: Query, question: str, *, percentiles: Sequence[float] = ()) -> Answer:
        """Return the percentile score; see `cxstream.analytics.relative`."""
        state, asked = self._ask(
            query, question, (Kind.RATING, Kind.CSAT, Kind.CHOICE), weighted=True
        )
        if asked.multiple:
            raise InvalidArgumentError(
                "WRONG_KIND", f"question {question!r} takes several answers: nobody has one place"
            )
        try:
            places = analytics.relative.percentiles_of(
                asked.levels, [Fraction(value) for value in percentiles] or None
            )
        except (ValueError, OverflowError) as error:
            raise InvalidArgumentError("INVALID_PERCENTILES", f"percentiles: {error}") from None
        if query.weighting:
            weighed = self._weighed(state, query, asked)
            sample = weighed.sample
            if asked.lower_is_better:
                sample = sample.take(range(asked.levels)[::-1])
            found = analytics.relative.weighted_performance(
                sample, places, confidence=query.confidence
            )
            labels = level_labels(asked)
            return self._weighted_answer(query, weighed, found, weighed.dropped, labels)
        part = self._slice(state, query, asked.name)
        counts = levels(part, asked)
        values = analytics.relative.relative_performance(
            counts[:, ::-1] if asked.lower_is_better else counts,
            places,
            confidence=query.confidence,
        )
        return self._answer(part, values, dropped(state, part, asked), level_labels(asked))

    def _by_class(
        self,
        state: ProgramState,
        query: Query,
        score: str,
        questions: tuple[str, ...],
        block: Block | None,
    ) -> _Classes:
        """Cut by the level of the score, and sort the levels into classes."""
        asked, wide = self._wide(state, query, score)
        part = self._slice(state, wide, questions, block)
        return self._sorted(state, query, asked, part)

    def _wide(self, state: ProgramState, query: Query, score: str) -> tuple[Question, Query]:
        """Return the question of the score, and the query by its level too."""
        _, asked = self._ask(query, score, (Kind.NPS,), weighted=True)
        dimension = _dimension_of(state.program, asked)
        if dimension in query.by:
            raise InvalidArgumentError(
                "INVALID_GROUPING", f"by: {dimension!r} has the classes already"
            )
        return asked, dataclasses.replace(query, by=(*query.by, dimension))

    def _sorted(self, state: ProgramState, query: Query, asked: Question, part: Part) -> _Classes:
        """Sort the groups of a cut by the level of the score into groups and classes."""
        codes = asked.text_codes(labels=True)
        place = np.array([_class_of(asked, codes, one[-1]) for one in part.groups], dtype=np.int64)
        picked = [one[:-1] for one in part.groups]
        shown: list[Any] = list(dict.fromkeys(picked)) if query.by else [()]
        at = {one: number for number, one in enumerate(shown)}
        group = np.array([at[one] for one in picked], dtype=np.int64)
        rows = added(part.rows, group, len(shown))
        made = Slice(shown, rows, np.zeros((len(shown), 0), np.int64), None, part.slice.view)
        keys = group_keys(state.program, query.by, shown)
        counted = part.counted or part.slice
        return _Classes(Part(made, part.as_of, keys, {}, counted), part, group, place)

    def _weighted_linkage(
        self,
        state: ProgramState,
        query: Query,
        score: str,
        asked: Question,
        block: Block | None,
        options: dict[str, Any],
    ) -> Answer:
        rated, wide = self._wide(state, query, score)
        tables = self._tables(state, wide, (asked.name,), block)
        classes = self._sorted(state, query, rated, tables.part)
        of, size = classes.numbered, 3 * len(classes.part.groups)
        if block is None:
            answers = tables.answers(state, asked).merged(of, size)
            outcomes = analytics.weighted_linkage.shares(answers.sample, query.confidence)
            estimates = WeightedClasses(answers, asked, 1).estimates
        else:
            sums = WeightedPatterns(
                tables.part.rows, tables.without, tables.patterns(block), {}, asked
            ).merged(of, size)
            values = sums.values(query.confidence)
            outcomes = [(one.n, one.mean, one.se, one.interval) for one in values]
            estimates = sums.estimates
        found = analytics.weighted_linkage.by_class(outcomes, estimates, **options)
        owner = np.repeat(np.arange(len(found)), 3)
        weights = estimates.pooled(owner, len(found))
        lost = self._weighted_lost(state, tables, classes, (asked,))
        return self._told(query, classes.part, found, lost, weights, tables.calibration)

    def _weighted_value(
        self,
        state: ProgramState,
        query: Query,
        score: str,
        money: Question,
        left: Question,
        block: Block,
        options: dict[str, Any],
    ) -> Answer:
        rated, wide = self._wide(state, query, score)
        tables = self._tables(state, wide, (money.name, left.name), block)
        classes = self._sorted(state, query, rated, tables.part)
        of, groups = classes.numbered, len(classes.part.groups)
        given = tables.patterns(block)
        there = np.flatnonzero(of[given.group] >= 0)
        sums = analytics.weighted_index.PatternSums.of(
            of[given.group[there]], given.pattern[there], given.n[there], given.sums[there],
            given.sums2[there], given.step, None if given.cell is None else given.cell[there],
            given.calibration,
        )  # fmt: skip
        steps = [float(money.step) if name == money.name else 1.0 for name in block.columns]
        origins = [float(money.origin) if name == money.name else 0.0 for name in block.columns]
        means = analytics.weighted_index.column_means(
            sums, groups=3 * groups, origins=origins, steps=steps
        )
        at = block.columns.index(money.name)
        answers = tables.answers(state, left).merged(of, 3 * groups)
        churns = analytics.weighted_linkage.shares(answers.sample, query.confidence)
        joint = left.name in block.columns
        margins = []
        for place in range(3 * groups):
            n, total = int(means.n[place, at]), means.total[place, at]
            spread = np.sqrt(np.maximum(np.diag(means.covariance[place]), 0.0)).tolist()
            margin = float(means.value[place, at]) if total > 0.0 else None
            error = spread[at] if n > 1 and total > 0.0 else None
            if joint:
                # A mean of 0 and 1, but for rounding.
                share = min(max(float(means.value[place, 1 - at]), 0.0), 1.0)
                churn = share if total > 0.0 else None
                churn_error = spread[1 - at] if n > 1 and total > 0.0 else None
                covariance = float(means.covariance[place, 0, 1]) if error is not None else None
                margins.append(Margin(n, margin, error, churn, churn_error, covariance))
                continue
            asked, percent, share_error, _ = churns[place]
            margins.append(
                Margin(
                    min(n, asked),
                    margin,
                    error,
                    None if percent is None else percent / 100.0,
                    None if share_error is None else share_error / 100.0,
                )
            )
        kept = analytics.weighted_linkage.kept_bounds(
            np.array([one.churn for one in margins], dtype=np.float64),
            np.array([one.churn_se for one in margins], dtype=np.float64),
            means.effective_n[:, 1 - at if joint else at],
            answers.sample,
            query.confidence,
        )
        margins = [
            dataclasses.replace(one, kept=bounds) for one, bounds in zip(margins, kept, strict=True)
        ]
        values = [
            analytics.linkage.value_by_class(margins[g : g + 3], **options)
            for g in range(0, 3 * groups, 3)
        ]
        owner = np.repeat(np.arange(groups), 3)
        squares = [
            t * t / e if e > 0.0 else 0.0
            for t, e in zip(means.total[:, at], means.effective_n[:, at], strict=True)
        ]
        sizes, totals, square = (
            np.bincount(owner, weights=np.asarray(one, dtype=np.float64), minlength=groups)
            for one in (means.n[:, at], means.total[:, at], squares)
        )
        weights = analytics.weighted_comparison.weights_from(sizes, totals, square)
        lost = self._weighted_lost(state, tables, classes, (money, left))
        return self._told(query, classes.part, values, lost, weights, tables.calibration)

    def _weighted_retention(
        self,
        state: ProgramState,
        query: Query,
        churned: Question,
        amount: Question | None,
        periods: int,
    ) -> Answer:
        tables = self._tables(state, query, (churned.name,))
        answers = tables.answers(state, churned)
        revenue = None
        if amount is not None:
            block, wide = _by_side(state, query, churned, amount)
            sides = self._tables(state, wide, (), block)
            codes = _side_codes(churned)
            place = {one: at for at, one in enumerate(tables.part.groups)}
            of = np.full(len(sides.part.groups), -1, dtype=np.int64)
            for at, group in enumerate(sides.part.groups):
                side = codes.get(str(group[-1]))
                if side in (0, 1) and group[:-1] in place:
                    of[at] = 2 * place[group[:-1]] + side
            revenue = (
                WeightedPatterns(sides.part.rows, sides.without, sides.patterns(block), {}, amount)
                .merged(of, 2 * len(tables.part.groups))
                .points
            )
        values = analytics.weighted_linkage.retention(
            answers.sample, periods=periods, revenue=revenue, confidence=query.confidence
        )
        weights = analytics.survey.weights_of(answers.sample)
        return self._told(
            query, tables.part, values, answers.dropped(), weights, tables.calibration
        )

    def _weighted_first_contact(
        self, state: ProgramState, query: Query, names: tuple[str, ...]
    ) -> Answer:
        tables = self._tables(state, query, names)
        resolved, *others = (tables.answers(state, state.program.questions[name]) for name in names)
        net = None
        if others:
            (hopeless,) = others
            without = []
            for own, off in zip(resolved.tables, hopeless.tables, strict=True):
                left = own.copy()
                left[:, 0] = own[:, 0] - off[:, 1]
                without.append(left)
            if any((one < 0).any() for one in without):
                raise InvalidArgumentError(
                    "INVALID_OUTCOME",
                    "resolved and not resolvable come to more than all contacts: a contact that was "
                    "resolved counts as not resolvable",
                )
            counts, sums, squares = without
            net = dataclasses.replace(resolved, counts=counts, sums=sums, squares=squares).sample
        values = analytics.weighted_linkage.first_contact(
            resolved.sample, net, confidence=query.confidence
        )
        weights = analytics.survey.weights_of(resolved.sample)
        return self._told(
            query, tables.part, values, resolved.dropped(), weights, tables.calibration
        )

    def _told(
        self,
        query: Query,
        part: Part,
        values: Sequence[Any],
        lost: list[dict[str, int]],
        weights: Sequence[Weights],
        calibration: Calibration | None,
    ) -> Answer:
        answer = self._answer(part, values, lost)
        return answer.weighed(query.weighting, weights, calibration)

    def _weighted_lost(
        self,
        state: ProgramState,
        tables: Tables,
        classes: _Classes,
        questions: tuple[Question, ...],
    ) -> list[dict[str, int]]:
        """Say how many responses have no score, or a score and no outcome or weight."""
        result = [{NO_SCORE: int(count)} for count in classes.without_class()]
        for question in questions:
            answers = tables.answers(state, question)
            missing = classes.add(answers.lost).sum(axis=1)
            prefix = f"{question.name} " if len(questions) > 1 else ""
            for row, counts in zip(result, missing.tolist(), strict=True):
                for reason, count in zip(answers.reasons, counts, strict=True):
                    row[reason if reason == NO_WEIGHT else f"{prefix}{reason}"] = count
        return result

    def _lost(
        self, state: ProgramState, classes: _Classes, questions: tuple[Question, ...]
    ) -> list[dict[str, int]]:
        """Say how many responses have no score, or a score and no outcome."""
        result = [{NO_SCORE: int(count)} for count in classes.without_class()]
        for question in questions:
            slot = state.plan.slots[question.name]
            missing = classes.add(classes.wide.of(question.name)[:, slot.levels :]).sum(axis=1)
            prefix = f"{question.name} " if len(questions) > 1 else ""
            for row, counts in zip(result, missing.tolist(), strict=True):
                row |= {f"{prefix}{r}": c for r, c in zip(slot.reasons, counts, strict=True)}
        return result


def _by_side(
    state: ProgramState, query: Query, churned: Question, amount: Question
) -> tuple[Block, Query]:
    """Return the block of a revenue, and the query that parts who stayed from who left."""
    if amount.origin < 0:
        raise InvalidArgumentError(
            "INVALID_OUTCOME", f"{amount.name!r} may be below 0, and revenue may not"
        )
    dimension = _dimension_of(state.program, churned)
    if dimension in query.by:
        raise InvalidArgumentError(
            "INVALID_GROUPING", f"by: {dimension!r} parts who stayed from who left already"
        )
    block = block_of(state, BlockKind.COMPLETE, {amount.name})
    return block, dataclasses.replace(query, by=(*query.by, dimension))


def _side_codes(churned: Question) -> dict[str, int]:
    """Return which levels of its dimension say that a customer left; a column of booleans has these."""
    return {"false": 0, "true": 1} | churned.text_codes(labels=True)


def _dimension_of(program: Program, score: Question) -> str:
    """Return the dimension that has the very column of a score."""
    for one in program.dimensions.values():
        if one.column == score.columns[0]:
            return one.name
    declare = f'[dimensions]\n{score.name}_level = {{ column = "{score.columns[0]}" }}'
    raise FailedPreconditionError(
        "NO_CLASSES",
        f"nothing keeps answers by {score.name!r}; make its column a dimension too: "
        + declare.replace("\n", " "),
        expected=declare,
    )


def _class_of(score: Question, codes: dict[str, int], level: object) -> int:
    code = codes.get(str(level), score.levels) if level is not None else score.levels
    if code >= score.levels:
        return -1
    return int(code >= score.passive - score.low) + int(code >= score.promoter - score.low)


def _apart(sums: list[int], counts: list[int], money: Question) -> Margin:
    """Margin and churn, each over those who have it; what they have in common is not known."""
    n, total, squares = sums
    (mean,) = analytics.means.means([n], [total], [squares], origin=money.origin, step=money.step)
    asked = sum(counts)
    churn = counts[1] / asked if asked else None
    spread = math.sqrt(counts[0] * counts[1] / (asked - 1)) / asked if asked > 1 else None
    return Margin(min(n, asked), mean.mean, mean.se, churn, spread)


def _joint(sums: list[int], block: Block, money: Question) -> Margin:
    """Margin and churn over those who have both, with their covariance."""
    n = sums[0]
    at = block.columns.index(money.name)
    s = sums[1:3]
    squares = (sums[3], sums[5])
    money_sum, churn_sum = s[at], s[1 - at]
    (mean,) = analytics.means.means(
        [n], [money_sum], [squares[at]], origin=money.origin, step=money.step
    )
    if n < 2:
        return Margin(n, mean.mean, None, churn_sum / n if n else None, None)
    centred = n * sums[4] - money_sum * churn_sum
    covariance = float(Fraction(centred, n * n * (n - 1)) * money.step)
    churn = churn_sum / n
    spread = math.sqrt((n * squares[1 - at] - churn_sum**2) / (n * n * (n - 1)))
    return Margin(n, mean.mean, mean.se, churn, spread, covariance)
