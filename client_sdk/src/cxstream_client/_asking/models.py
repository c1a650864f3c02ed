"""Questions about how answers move together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from cxstream_api.v1 import common_pb2, models_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import Asked, Asking, names_of, selection_of
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
        errors: str | None = None,
        cluster: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.RegressionResult:
        """Return a linear regression by ordinary least squares.

        Parameters
        ----------
        program, model
            Which declared model.
        outcome, drivers
            Instead of a model: the question explained and those that explain it, together exactly
            the columns of one declared model.
        errors
            Standard errors: ``"classical"``; ``"HC0"`` or ``"HC1"`` for residuals of unequal
            variance; ``"design"`` for survey weights; ``"cluster"`` for residuals that go together.
            When left out classical, or with weighting design. All but classical and cluster need a
            model declared ``robust``.
        cluster
            The dimension that says who belongs together, with errors by cluster.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Raises
        ------
        InvalidInput
            Where both or neither of model and outcome with drivers are given.
        """
        names = model_of("regression", model, outcome, drivers)
        kind = 0
        if errors is not None:
            words = models_pb2.StandardErrors.DESCRIPTOR
            kind = _enums.number_of(words, errors.lower(), "errors")
        selection = selection_of(program, asked)
        request = models_pb2.RegressionRequest(
            selection=selection,
            model=model or "",
            outcome=outcome or "",
            drivers=names,
            errors=models_pb2.StandardErrors.ValueType(kind),
            cluster=cluster or "",
        )
        response = self._ask("Regression", request, models_pb2.RegressionResponse, asked)
        return results.RegressionResult.from_message(response, selection.by)

    def insights(
        self,
        program: str,
        *,
        outcome: str | None = None,
        correction: str = "holm",
        **asked: Unpack[Asked],
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
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.
        """
        number = _enums.number_of(common_pb2.Correction.DESCRIPTOR, correction, "correction")
        selection = selection_of(program, asked)
        request = models_pb2.InsightsRequest(
            selection=selection,
            outcome=outcome or "",
            correction=common_pb2.Correction.ValueType(number),
        )
        response = self._ask("Insights", request, models_pb2.InsightsResponse, asked)
        return results.InsightsResult.from_message(response, selection.by)


def model_of(
    asked: str, model: str | None, outcome: str | None, drivers: Iterable[str]
) -> list[str]:
    """Return the names of the drivers, where exactly one of both ways to say a model is used."""
    names = names_of(drivers, "drivers")
    if (model is None) == (outcome is None and not names):
        raise InvalidInput(
            f"{asked}: expected either a model, or outcome and drivers",
            reason="BAD_OPTION",
            details={"field": "model"},
        )
    return names
