"""Questions about journeys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from cxstream_api.v1 import common_pb2, journey_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import Asked, Asking, names_of, selection_of


class Journeys(Asking):
    """A journey, and two compared."""

    def journey(
        self,
        program: str,
        question: str | None = None,
        along: str | None = None,
        *,
        stages: Iterable[str] = (),
        questions: Iterable[str] = (),
        metric: str | None = None,
        correction: str = "holm",
        **asked: Unpack[Asked],
    ) -> results.JourneyResult:
        """Return a metric at an ordered list of touchpoints, the steps between them, the biggest drop.

        Parameters
        ----------
        program
            The program.
        question, along
            A question asked at every touchpoint, and the dimension of the touchpoints: their
            respondents are independent groups.
        stages
            Levels of that dimension, in order; all there are, as they sort, where left out.
        questions
            Instead of all that: a question per touchpoint, in order, answered by the same
            respondents. Means have exact paired steps; net scores and top boxes have bounded ones.
        metric
            ``"nps"``, ``"top_box"`` or ``"mean"`` (0..100); of nps questions ``"nps"`` where left
            out, of others ``"mean"``.
        correction
            How the p values of the steps are corrected: ``"holm"`` or ``"benjamini_hochberg"``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.
        """
        selection = selection_of(program, asked)
        path = _path(question, along, stages, questions, metric, correction)
        request = journey_pb2.JourneyRequest(selection=selection, path=path)
        response = self._ask("Journey", request, journey_pb2.JourneyResponse, asked)
        return results.JourneyResult.from_message(response, selection.by)

    def compare_journeys(
        self,
        program: str,
        question: str | None = None,
        along: str | None = None,
        *,
        between: tuple[str, str, str],
        stages: Iterable[str] = (),
        questions: Iterable[str] = (),
        metric: str | None = None,
        correction: str = "holm",
        **asked: Unpack[Asked],
    ) -> results.CompareJourneysResult:
        """Return two journeys beside each other, with a test of every stage and of the whole.

        Parameters
        ----------
        program, question, along, stages, questions, metric, correction
            As in :meth:`journey`.
        between
            A dimension and two of its levels: ``("flight", "342", "344")``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.
        """
        selection = selection_of(program, asked)
        dimension, a, b = names_of([str(one) for one in between], "between")
        request = journey_pb2.CompareJourneysRequest(
            selection=selection,
            path=_path(question, along, stages, questions, metric, correction),
            dimension=dimension,
            a=a,
            b=b,
        )
        reply = journey_pb2.CompareJourneysResponse
        response = self._ask("CompareJourneys", request, reply, asked)
        return results.CompareJourneysResult.from_message(response, selection.by)


def _path(
    question: str | None,
    along: str | None,
    stages: Iterable[str],
    questions: Iterable[str],
    metric: str | None,
    correction: str,
) -> journey_pb2.JourneyPath:
    measured = 0
    if metric is not None:
        measured = _enums.number_of(journey_pb2.JourneyMetric.DESCRIPTOR, metric, "metric")
    corrected = _enums.number_of(common_pb2.Correction.DESCRIPTOR, correction, "correction")
    return journey_pb2.JourneyPath(
        question=question or "",
        dimension=along or "",
        stages=names_of(stages, "stages"),
        questions=names_of(questions, "questions"),
        metric=journey_pb2.JourneyMetric.ValueType(measured),
        correction=common_pb2.Correction.ValueType(corrected),
    )
