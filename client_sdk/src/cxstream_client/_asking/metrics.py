"""Questions about one question, or one index."""

from __future__ import annotations

from typing import Unpack

from cxstream_api.v1 import metrics_pb2, program_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import Asked, Asking, selection_of


class Metrics(Asking):
    """NPS, CSAT, CES, distribution, index, scorecard."""

    def nps(
        self,
        program: str,
        question: str,
        *,
        interval: str = "adjusted_wald",
        **asked: Unpack[Asked],
    ) -> results.NpsResult:
        """Return the net promoter score of an nps question, -100..100.

        Parameters
        ----------
        program, question
            Which question.
        interval
            How the interval is made: ``"adjusted_wald"``, ``"score"`` or ``"wald"``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.
        """
        method = _enums.number_of(metrics_pb2.NpsIntervalMethod.DESCRIPTOR, interval, "interval")
        selection = selection_of(program, asked)
        request = metrics_pb2.NpsRequest(
            selection=selection,
            question=question,
            interval_method=metrics_pb2.NpsIntervalMethod.ValueType(method),
        )
        response = self._ask("Nps", request, metrics_pb2.NpsResponse, asked)
        return results.NpsResult.from_message(response, selection.by)

    def csat(
        self,
        program: str,
        question: str,
        *,
        top: int | None = None,
        **asked: Unpack[Asked],
    ) -> results.CsatResult:
        """Return the top-box share, 0..100, and the mean of a question with a scale.

        Parameters
        ----------
        program, question
            Which question.
        top
            The lowest value in the top box (the highest, where lower is better); as declared when
            absent.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.
        """
        selection = selection_of(program, asked)
        request = metrics_pb2.CsatRequest(selection=selection, question=question, top=top)
        response = self._ask("Csat", request, metrics_pb2.CsatResponse, asked)
        return results.CsatResult.from_message(response, selection.by)

    def ces(
        self,
        program: str,
        question: str,
        *,
        variant: str = "mean",
        **asked: Unpack[Asked],
    ) -> results.CesResult:
        """Return the customer effort score of a ces question.

        Parameters
        ----------
        program, question
            Which question.
        variant
            ``"mean"`` on the question's scale, ``"net"`` in points or ``"agree"``, a share.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.
        """
        number = _enums.number_of(metrics_pb2.CesVariant.DESCRIPTOR, variant, "variant")
        selection = selection_of(program, asked)
        request = metrics_pb2.CesRequest(
            selection=selection,
            question=question,
            variant=metrics_pb2.CesVariant.ValueType(number),
        )
        response = self._ask("Ces", request, metrics_pb2.CesResponse, asked)
        return results.CesResult.from_message(response, selection.by)

    def distribution(
        self,
        program: str,
        question: str,
        **asked: Unpack[Asked],
    ) -> results.DistributionResult:
        """Return all answers of a question, level by level, and their moments.

        Parameters
        ----------
        program, question
            Which question, of any kind.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.
        """
        selection = selection_of(program, asked)
        request = metrics_pb2.DistributionRequest(selection=selection, question=question)
        response = self._ask("Distribution", request, metrics_pb2.DistributionResponse, asked)
        return results.DistributionResult.from_message(response, selection.by)

    def index(
        self,
        program: str,
        index: str,
        *,
        missing: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.IndexResult:
        """Return a weighted composite index, 0..100, with its parts.

        Parameters
        ----------
        program, index
            Which index.
        missing
            Another policy than the declared one: ``"renormalise"``, ``"item_means"`` or
            ``"complete"``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.
        """
        if missing is not None:
            _enums.number_of(program_pb2.MissingPolicy.DESCRIPTOR, missing, "missing")
        selection = selection_of(program, asked)
        request = metrics_pb2.WeightedIndexRequest(
            selection=selection, index=index, missing=missing or ""
        )
        response = self._ask("WeightedIndex", request, metrics_pb2.WeightedIndexResponse, asked)
        return results.IndexResult.from_message(response, selection.by)

    def scorecard(
        self,
        program: str,
        question: str,
        **asked: Unpack[Asked],
    ) -> results.ScorecardResult:
        """Return share and count of every option of a choice question.

        Parameters
        ----------
        program, question
            Which question.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.
        """
        selection = selection_of(program, asked)
        request = metrics_pb2.ScorecardRequest(selection=selection, question=question)
        response = self._ask("Scorecard", request, metrics_pb2.ScorecardResponse, asked)
        return results.ScorecardResult.from_message(response, selection.by)
