"""Questions about one question, or one index."""

from __future__ import annotations

from collections.abc import Iterable

from cxstream_api.v1 import metrics_pb2, program_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import Asking, Instant, OnProgress, Where, selection_of


class Metrics(Asking):
    """NPS, CSAT, CES, distribution, index, scorecard."""

    def nps(
        self,
        program: str,
        question: str,
        *,
        by: str | Iterable[str] = (),
        where: Where | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        confidence: float = 0.95,
        interval: str = "adjusted_wald",
        on_progress: OnProgress | None = None,
    ) -> results.NpsResult:
        """Return the net promoter score of an nps question, -100..100.

        Parameters
        ----------
        program, question
            Which question.
        by, where, since, until, confidence, on_progress
            Which responses, and how far it is; see :class:`~cxstream_client.Client`.
        interval
            How the interval is made: ``"adjusted_wald"``, ``"score"`` or ``"wald"``.
        """
        method = _enums.number_of(metrics_pb2.NpsIntervalMethod.DESCRIPTOR, interval, "interval")
        selection = selection_of(program, by, where, since, until, confidence)
        request = metrics_pb2.NpsRequest(
            selection=selection,
            question=question,
            interval_method=metrics_pb2.NpsIntervalMethod.ValueType(method),
        )
        response = self._ask("Nps", request, metrics_pb2.NpsResponse, on_progress)
        return results.NpsResult.from_message(response, selection.by)

    def csat(
        self,
        program: str,
        question: str,
        *,
        top: int | None = None,
        by: str | Iterable[str] = (),
        where: Where | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        confidence: float = 0.95,
        on_progress: OnProgress | None = None,
    ) -> results.CsatResult:
        """Return the top-box share, 0..100, and the mean of a question with a scale.

        Parameters
        ----------
        program, question
            Which question.
        top
            The lowest value in the top box (the highest, where lower is better); as declared when
            absent.
        by, where, since, until, confidence, on_progress
            Which responses, and how far it is; see :class:`~cxstream_client.Client`.
        """
        selection = selection_of(program, by, where, since, until, confidence)
        request = metrics_pb2.CsatRequest(selection=selection, question=question, top=top)
        response = self._ask("Csat", request, metrics_pb2.CsatResponse, on_progress)
        return results.CsatResult.from_message(response, selection.by)

    def ces(
        self,
        program: str,
        question: str,
        *,
        variant: str = "mean",
        by: str | Iterable[str] = (),
        where: Where | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        confidence: float = 0.95,
        on_progress: OnProgress | None = None,
    ) -> results.CesResult:
        """Return the customer effort score of a ces question.

        Parameters
        ----------
        program, question
            Which question.
        variant
            ``"mean"`` on the question's scale, ``"net"`` in points or ``"agree"``, a share.
        by, where, since, until, confidence, on_progress
            Which responses, and how far it is; see :class:`~cxstream_client.Client`.
        """
        number = _enums.number_of(metrics_pb2.CesVariant.DESCRIPTOR, variant, "variant")
        selection = selection_of(program, by, where, since, until, confidence)
        request = metrics_pb2.CesRequest(
            selection=selection,
            question=question,
            variant=metrics_pb2.CesVariant.ValueType(number),
        )
        response = self._ask("Ces", request, metrics_pb2.CesResponse, on_progress)
        return results.CesResult.from_message(response, selection.by)

    def distribution(
        self,
        program: str,
        question: str,
        *,
        by: str | Iterable[str] = (),
        where: Where | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        confidence: float = 0.95,
        on_progress: OnProgress | None = None,
    ) -> results.DistributionResult:
        """Return all answers of a question, level by level, and their moments.

        Parameters
        ----------
        program, question
            Which question, of any kind.
        by, where, since, until, confidence, on_progress
            Which responses, and how far it is; see :class:`~cxstream_client.Client`.
        """
        selection = selection_of(program, by, where, since, until, confidence)
        request = metrics_pb2.DistributionRequest(selection=selection, question=question)
        response = self._ask("Distribution", request, metrics_pb2.DistributionResponse, on_progress)
        return results.DistributionResult.from_message(response, selection.by)

    def index(
        self,
        program: str,
        index: str,
        *,
        missing: str | None = None,
        by: str | Iterable[str] = (),
        where: Where | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        confidence: float = 0.95,
        on_progress: OnProgress | None = None,
    ) -> results.IndexResult:
        """Return a weighted composite index, 0..100, with its parts.

        Parameters
        ----------
        program, index
            Which index.
        missing
            Another policy than the declared one: ``"renormalise"``, ``"item_means"`` or
            ``"complete"``.
        by, where, since, until, confidence, on_progress
            Which responses, and how far it is; see :class:`~cxstream_client.Client`.
        """
        if missing is not None:
            _enums.number_of(program_pb2.MissingPolicy.DESCRIPTOR, missing, "missing")
        selection = selection_of(program, by, where, since, until, confidence)
        request = metrics_pb2.WeightedIndexRequest(
            selection=selection, index=index, missing=missing or ""
        )
        response = self._ask(
            "WeightedIndex", request, metrics_pb2.WeightedIndexResponse, on_progress
        )
        return results.IndexResult.from_message(response, selection.by)

    def scorecard(
        self,
        program: str,
        question: str,
        *,
        by: str | Iterable[str] = (),
        where: Where | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        confidence: float = 0.95,
        on_progress: OnProgress | None = None,
    ) -> results.ScorecardResult:
        """Return share and count of every option of a choice question.

        Parameters
        ----------
        program, question
            Which question.
        by, where, since, until, confidence, on_progress
            Which responses, and how far it is; see :class:`~cxstream_client.Client`.
        """
        selection = selection_of(program, by, where, since, until, confidence)
        request = metrics_pb2.ScorecardRequest(selection=selection, question=question)
        response = self._ask("Scorecard", request, metrics_pb2.ScorecardResponse, on_progress)
        return results.ScorecardResult.from_message(response, selection.by)
