"""The metrics of one question, or of one index."""

from __future__ import annotations

from cxstream.answers import OnRows
from cxstream.engine import Engine
from cxstream.service.messages import to_query, to_reply, word
from cxstream.service.queries.asked import Asked
from cxstream_api.v1 import metrics_pb2

_NPS_METHODS = ("", "adjusted_wald", "score", "wald", "student_t", "goodman")
_CES_VARIANTS = ("mean", "mean", "net", "agree")


def nps(engine: Engine, request: metrics_pb2.NpsRequest, on_rows: OnRows) -> bytes:
    """Net promoter score."""
    answer = engine.nps(
        to_query(request.selection, on_rows),
        request.question,
        method=word(_NPS_METHODS, request.interval_method, "interval_method"),
    )
    return to_reply(answer, metrics_pb2.NpsResponse)


def csat(engine: Engine, request: metrics_pb2.CsatRequest, on_rows: OnRows) -> bytes:
    """Top-box share."""
    answer = engine.csat(
        to_query(request.selection, on_rows),
        request.question,
        top=request.top if request.HasField("top") else None,
    )
    return to_reply(answer, metrics_pb2.CsatResponse)


def ces(engine: Engine, request: metrics_pb2.CesRequest, on_rows: OnRows) -> bytes:
    """Customer effort score."""
    answer = engine.ces(
        to_query(request.selection, on_rows),
        request.question,
        variant=word(_CES_VARIANTS, request.variant, "variant"),
    )
    return to_reply(answer, metrics_pb2.CesResponse)


def distribution(
    engine: Engine, request: metrics_pb2.DistributionRequest, on_rows: OnRows
) -> bytes:
    """All answers of a question."""
    answer = engine.distribution(to_query(request.selection, on_rows), request.question)
    return to_reply(answer, metrics_pb2.DistributionResponse)


def weighted_index(
    engine: Engine, request: metrics_pb2.WeightedIndexRequest, on_rows: OnRows
) -> bytes:
    """Weighted composite index."""
    answer = engine.weighted_index(
        to_query(request.selection, on_rows), request.index, missing=request.missing
    )
    return to_reply(answer, metrics_pb2.WeightedIndexResponse)


def scorecard(engine: Engine, request: metrics_pb2.ScorecardRequest, on_rows: OnRows) -> bytes:
    """Share and count of every option."""
    answer = engine.scorecard(to_query(request.selection, on_rows), request.question)
    return to_reply(answer, metrics_pb2.ScorecardResponse)


#: By class of request.
ASKED: Asked = {
    metrics_pb2.NpsRequest: nps,
    metrics_pb2.CsatRequest: csat,
    metrics_pb2.CesRequest: ces,
    metrics_pb2.DistributionRequest: distribution,
    metrics_pb2.WeightedIndexRequest: weighted_index,
    metrics_pb2.ScorecardRequest: scorecard,
}
