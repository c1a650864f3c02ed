"""What moves an outcome, and where to act."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from cxstream import analytics
from cxstream.answers import Answer, Query
from cxstream.errors import InvalidArgumentError
from cxstream.program import BlockKind
from cxstream.queries.asking import answered, word
from cxstream.queries.model_sums import ModelSums
from cxstream.queries.models import model_of


class DriverQuestions(ModelSums):
    """Importance of drivers."""

    @answered
    def drivers(
        self,
        query: Query,
        *,
        model: str = "",
        outcome: str = "",
        drivers: Sequence[str] = (),
        cut: str = "mean",
    ) -> Answer:
        """Importance of every driver of a model; see `cxstream.analytics.drivers.drivers`."""
        state = self._checked(query, weighted=True)
        with state.declaring:
            outcome, drivers, _ = model_of(state.program, model, outcome, drivers)
            _check_size(1, len(drivers))
            block = self._model_block(
                state, outcome, drivers, (BlockKind.FOURTH, BlockKind.COMPLETE)
            )
        sums = self._sums(state, query, block)
        _check_size(len(sums.part.groups), len(drivers))
        names = sums.names
        make = functools.partial(
            analytics.drivers.drivers_columns,
            sums.second,
            names=names,
            outcome=names.index(outcome),
            drivers=[names.index(name) for name in drivers],
            fourth=sums.fourth,
            responses=sums.responses,
            raked=None if sums.weighing is None else sums.weighing.raked,
            cut=word(cut, analytics.drivers.CUTS, "cut"),
            confidence=query.confidence,
            pool=self._pool,
            **sums.ends,
        )
        return self._column_answer(query, sums, make, outcome, drivers)


def _check_size(groups: int, drivers: int) -> None:
    try:
        analytics.drivers.check_size(groups, drivers)
    except ValueError as error:
        raise InvalidArgumentError("TOO_MANY_DRIVERS", str(error)) from error
