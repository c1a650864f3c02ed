"""Journeys, and two compared."""

from __future__ import annotations

from cxstream.answers import OnRows
from cxstream.engine import Engine
from cxstream.queries.journey import Along
from cxstream.service.messages import to_query, to_reply, word
from cxstream.service.queries.asked import Asked
from cxstream_api.v1 import journey_pb2

_METRICS = ("", "nps", "top_box", "mean")
_CORRECTIONS = ("holm", "holm", "benjamini_hochberg")


def journey(engine: Engine, request: journey_pb2.JourneyRequest, on_rows: OnRows) -> bytes:
    """Metrics of stages, and steps between them."""
    answer = engine.journey(to_query(request.selection, on_rows), _along(request.path))
    return to_reply(answer, journey_pb2.JourneyResponse)


def compare_journeys(
    engine: Engine, request: journey_pb2.CompareJourneysRequest, on_rows: OnRows
) -> bytes:
    """Two journeys, stage by stage."""
    answer = engine.compare_journeys(
        to_query(request.selection, on_rows),
        _along(request.path),
        dimension=request.dimension,
        a=request.a,
        b=request.b,
    )
    return to_reply(answer, journey_pb2.CompareJourneysResponse)


def _along(path: journey_pb2.JourneyPath) -> Along:
    return Along(
        path.question,
        path.dimension,
        tuple(path.stages),
        tuple(path.questions),
        word(_METRICS, path.metric, "metric"),
        word(_CORRECTIONS, path.correction, "correction"),
    )


#: By class of request.
ASKED: Asked = {
    journey_pb2.JourneyRequest: journey,
    journey_pb2.CompareJourneysRequest: compare_journeys,
}
