"""How answers move together: regressions, and every pair of questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cxstream import analytics
from cxstream.analytics import regression
from cxstream.answers import Answer, Query
from cxstream.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, nearest
from cxstream.program import BlockKind, Program
from cxstream.queries.asking import Part, answered, block_of, word
from cxstream.queries.model_sums import ModelSums
from cxstream.state import ProgramState
from cxstream.tally import combinations

ERRORS: Final = ("classical", "HC0", "HC1", "HC2", "HC3", "cluster", "design")


class Models(ModelSums):
    """Regression and insights."""

    @answered
    def regression(
        self,
        query: Query,
        *,
        model: str = "",
        outcome: str = "",
        drivers: Sequence[str] = (),
        errors: str = "",
        cluster: str = "",
        interval: str = "",
    ) -> Answer:
        """Least squares of a declared model, or within a declared model's columns.

        See `cxstream.analytics.regression.fit` and `cxstream.analytics.robust`. Where no errors are
        named, those of a weighted regression are design-based. Where no interval is named, all errors
        but classical ones and HC0 have Bell and McCaffrey's.
        """
        state = self._checked(query, weighted=True)
        kind = word(errors or ("design" if query.weighting else "classical"), ERRORS, "errors")
        if cluster and kind != "cluster":
            raise InvalidArgumentError(
                "INVALID_ERRORS", f"a cluster is for errors by cluster, not {kind}"
            )
        own = "student_t" if kind in ("classical", "HC0") else "bell_mccaffrey"
        reference = word(interval or own, analytics.robust.REFERENCES, "interval")
        if interval not in ("", "student_t") and kind == "classical":
            raise InvalidArgumentError(
                "INVALID_INTERVAL",
                "the error's own degrees of freedom are those of all errors but classical ones",
                column="interval",
            )
        by_leverage = kind in analytics.leverage_errors.KINDS
        if by_leverage and query.weighting is not None:
            raise InvalidArgumentError(
                "NOT_WEIGHTED",
                f"{kind} takes every response as one: weighted ones have errors design",
                column="errors",
                expected="design",
            )
        order = BlockKind.FOURTH if kind in analytics.robust.KINDS else BlockKind.COMPLETE
        if by_leverage:
            order = BlockKind.DISTINCT
        with state.declaring:
            outcome, drivers, intercept = model_of(state.program, model, outcome, drivers)
            block = self._model_block(state, outcome, drivers, (order,))
        names = list(block.columns)
        options: dict[str, Any] = {
            "names": names,
            "outcome": names.index(outcome),
            "drivers": [names.index(name) for name in drivers],
            "intercept": intercept,
            "confidence": query.confidence,
        }
        if kind == "cluster":
            sums, owner, without, weighted = self._clusters(state, query, cluster, block)
            values = analytics.robust.clustered(
                sums.second,
                owner,
                groups=len(sums.part.groups),
                interval=reference,
                **sums.scales,
                **options,
                **weighted,
            )
            dropped = sums.dropped(
                one.n + lost for one, lost in zip(values, without.tolist(), strict=True)
            )
            for reasons, lost in zip(dropped, without.tolist(), strict=True):
                reasons["no_cluster"] = lost
            return self._model_answer(query, sums, values, dropped, outcome, drivers)
        sums = self._sums(state, query, block)
        if by_leverage:
            codes, counts, group = combinations(sums.part.sums)
            values = analytics.leverage_errors.by_leverage(
                codes,
                counts,
                group,
                groups=len(sums.part.groups),
                kind=kind,
                interval=reference,
                **sums.scales,
                **options,
            )
            dropped = sums.dropped(one.n for one in values)
            return self._model_answer(query, sums, values, dropped, outcome, drivers)
        if sums.weighing is not None:
            options["responses"] = sums.responses
            options["weight_step"] = sums.weighing.step
        make: Callable[[], regression.Fits]
        if sums.fourth is None:
            make = partial(
                regression.fit_arrays, sums.second, pool=self._pool, **sums.scales, **options
            )
        else:
            make = partial(
                analytics.robust.heteroscedastic_arrays,
                sums.second,
                sums.fourth,
                kind=kind,
                interval=reference,
                raked=None if sums.weighing is None else sums.weighing.raked,
                pool=self._pool,
                **sums.scales,
                **options,
            )
        return self._column_answer(query, sums, lambda: make().columns(), outcome, drivers)

    @answered
    def insights(self, query: Query, *, outcome: str = "", correction: str = "holm") -> Answer:
        """Every ordered pair of questions; see `cxstream.analytics.insights.insights`."""
        state = self._checked(query, weighted=True)
        with state.declaring:
            program = state.program
            names = program.insights
            if len(names) < 2:
                raise FailedPreconditionError(
                    "NO_INSIGHTS",
                    "the program keeps no pairs; declare [insights] questions with at least two",
                    expected="[insights]\nquestions = [...]",
                )
            if outcome and outcome not in names:
                raise NotFoundError(
                    "UNKNOWN_QUESTION",
                    f"no question {outcome!r} among the pairs kept{nearest(outcome, names)}",
                )
            block = block_of(state, BlockKind.PAIRS, set(names))
        word(correction, analytics.corrections.CORRECTIONS, "correction")
        if query.weighting:
            return self._weighted_insights(state, query, names, outcome, correction)
        part = self._slice(state, query, None, block)
        values = analytics.insights.insights(
            *pair_tables(part, len(block.columns)),
            names=list(block.columns),
            outcome=block.columns.index(outcome) if outcome else None,
            correction=word(correction, analytics.corrections.CORRECTIONS, "correction"),
            confidence=query.confidence,
        )
        return self._answer(part, values, [{}] * len(values))

    def _weighted_insights(
        self,
        state: ProgramState,
        query: Query,
        names: Sequence[str],
        outcome: str,
        correction: str,
    ) -> Answer:
        """Regress every question on every other, from the sums of a robust model that has them all."""
        with state.declaring:
            block = state.plan.narrowest(BlockKind.FOURTH, set(names))
            if block is None:
                block = self._model_block(state, names[0], names[1:], (BlockKind.FOURTH,))
        sums = self._sums(state, query, block)
        assert sums.weighing is not None
        values = analytics.insights.weighted_insights(
            sums.second,
            np.asarray(sums.fourth),
            responses=sums.weighing.responses,
            raked=sums.weighing.raked,
            names=sums.names,
            questions=list(names),
            outcome=outcome,
            correction=word(correction, analytics.corrections.CORRECTIONS, "correction"),
            confidence=query.confidence,
            **sums.scales,
        )
        dropped = sums.dropped(sums.weighing.responses.tolist())
        answer = self._answer(sums.part, values, dropped)
        return answer.weighed(query.weighting, sums.weighing.weights, sums.weighing.calibration)


def pair_tables(part: Part, width: int) -> tuple[NDArray[np.int64], ...]:
    """Unpack a pairs block (see Block.products) to four (g, p, p) tables."""
    groups = len(part.groups)
    upper = np.triu_indices(width)
    half, full = len(upper[0]), width * width
    cuts = np.split(part.sums, [half, half + full, half + 2 * full], axis=1)

    def square(values: NDArray[np.int64]) -> NDArray[np.int64]:
        table = np.zeros((groups, width, width), dtype=np.int64)
        table[:, upper[0], upper[1]] = values
        table[:, upper[1], upper[0]] = values
        return table

    return (
        square(cuts[0]),
        cuts[1].reshape(groups, width, width),
        cuts[2].reshape(groups, width, width),
        square(cuts[3]),
    )


def model_of(
    program: Program, model: str, outcome: str, drivers: Sequence[str]
) -> tuple[str, tuple[str, ...], bool]:
    """Return outcome, drivers and whether there is a constant, of a declared model or of names given."""
    if model:
        if outcome or drivers:
            raise InvalidArgumentError(
                "INVALID_MODEL", "either a model, or outcome and drivers, not both"
            )
        declared = program.models.get(model)
        if declared is None:
            raise NotFoundError(
                "UNKNOWN_MODEL", f"no model {model!r}{nearest(model, program.models)}"
            )
        return declared.outcome, declared.drivers, declared.intercept
    if not outcome or not drivers:
        raise InvalidArgumentError(
            "INVALID_MODEL", "expected a model, or an outcome and at least one driver"
        )
    for name in (outcome, *drivers):
        if name not in program.questions:
            raise NotFoundError(
                "UNKNOWN_QUESTION", f"no question {name!r}{nearest(name, program.questions)}"
            )
    if outcome in drivers or len(set(drivers)) < len(drivers):
        raise InvalidArgumentError("INVALID_MODEL", "a question stands there more than once")
    return outcome, tuple(drivers), True
