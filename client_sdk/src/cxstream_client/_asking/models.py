"""Questions about how answers move together."""

from __future__ import annotations

from collections.abc import Iterable

from cxstream_api.v1 import common_pb2, models_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import (
    Asking,
    Instant,
    OnProgress,
    Where,
    names_of,
    selection_of,
)
from cxstream_client.errors import InvalidInput


class Models(Asking):
    """Regression and insights."""

    def regression(
        self,
        program: str,
        model: str | None = None,
        *,
        outcome: str | None = None,
        drivers: Iterable[str] = (),
        by: str | Iterable[str] = (),
        where: Where | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        confidence: float = 0.95,
        on_progress: OnProgress | None = None,
    ) -> results.RegressionResult:
        """Return a linear regression by ordinary least squares.

        Parameters
        ----------
        program, model
            Which declared model.
        outcome, drivers
            Instead of a model: the question explained and those that explain it, together exactly
            the columns of one declared model.
        by, where, since, until, confidence, on_progress
            Which responses, and how far it is; see :class:`~cxstream_client.Client`.

        Raises
        ------
        InvalidInput
            Where both or neither of model and outcome with drivers are given.
        """
        names = names_of(drivers, "drivers")
        if (model is None) == (outcome is None and not names):
            raise InvalidInput(
                "regression: expected either a model, or outcome and drivers",
                reason="BAD_OPTION",
                details={"field": "model"},
            )
        selection = selection_of(program, by, where, since, until, confidence)
        request = models_pb2.RegressionRequest(
            selection=selection, model=model or "", outcome=outcome or "", drivers=names
        )
        response = self._ask("Regression", request, models_pb2.RegressionResponse, on_progress)
        return results.RegressionResult.from_message(response, selection.by)

    def insights(
        self,
        program: str,
        *,
        outcome: str | None = None,
        correction: str = "holm",
        by: str | Iterable[str] = (),
        where: Where | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        confidence: float = 0.95,
        on_progress: OnProgress | None = None,
    ) -> results.InsightsResult:
        """Return how much a change in one question moves another, for every pair.

        Parameters
        ----------
        program
            The program.
        outcome
            Only pairs that explain this question.
        correction
            How p values are corrected for the number of pairs: ``"holm"`` or
            ``"benjamini_hochberg"``.
        by, where, since, until, confidence, on_progress
            Which responses, and how far it is; see :class:`~cxstream_client.Client`.
        """
        number = _enums.number_of(common_pb2.Correction.DESCRIPTOR, correction, "correction")
        selection = selection_of(program, by, where, since, until, confidence)
        request = models_pb2.InsightsRequest(
            selection=selection,
            outcome=outcome or "",
            correction=common_pb2.Correction.ValueType(number),
        )
        response = self._ask("Insights", request, models_pb2.InsightsResponse, on_progress)
        return results.InsightsResult.from_message(response, selection.by)
