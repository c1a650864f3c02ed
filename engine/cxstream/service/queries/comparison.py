"""Comparisons, and how many answers it takes."""

from __future__ import annotations

from cxstream.answers import OnRows
from cxstream.engine import Engine
from cxstream.queries.scored import Metric, Side
from cxstream.service.messages import to_query, to_reply, to_where, word
from cxstream.service.queries.asked import Asked
from cxstream_api.v1 import comparison_pb2

_KINDS = ("", "nps", "csat", "index", "regression", "mean")
_METHODS = ("score", "score", "adjusted_wald", "wald", "pooled", "continuity")
_CORRECTIONS = ("holm", "holm", "benjamini_hochberg")


def to_metric(metric: comparison_pb2.Metric) -> Metric:
    """Return the plain form of a metric."""
    return Metric(
        kind=word(_KINDS, metric.kind, "metric.kind"),
        name=metric.name,
        top=metric.top if metric.HasField("top") else None,
        missing=metric.missing,
        driver=metric.driver,
    )


def to_side(side: comparison_pb2.Side) -> Side:
    """Return the plain form of a side."""
    return Side(to_where(side.where), side.since, side.until)


def compare(engine: Engine, request: comparison_pb2.CompareRequest, on_rows: OnRows) -> bytes:
    """Two sides, or each group with all others."""
    answer = engine.compare(
        to_query(request.selection, on_rows),
        to_metric(request.metric),
        a=to_side(request.a) if request.HasField("a") else None,
        b=to_side(request.b) if request.HasField("b") else None,
        against=request.against,
        method=word(_METHODS, request.method, "method"),
        correction=word(_CORRECTIONS, request.correction, "correction"),
    )
    return to_reply(answer, comparison_pb2.CompareResponse)


def sample_size(
    engine: Engine, request: comparison_pb2.SampleSizeRequest, on_rows: OnRows
) -> bytes:
    """Answers that a margin or a difference takes."""
    wanted = request.WhichOneof("wanted")
    answer = engine.sample_size(
        to_query(request.selection, on_rows),
        to_metric(request.metric),
        assumed=tuple(request.assumed),
        margin=request.margin if wanted == "margin" else None,
        difference=request.difference if wanted == "difference" else None,
        power=request.power if request.HasField("power") else 0.8,
        ratio=request.ratio if request.HasField("ratio") else 1.0,
        population=request.population if request.HasField("population") else None,
    )
    return to_reply(answer, comparison_pb2.SampleSizeResponse)


#: By class of request.
ASKED: Asked = {
    comparison_pb2.CompareRequest: compare,
    comparison_pb2.SampleSizeRequest: sample_size,
}
