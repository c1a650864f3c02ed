"""Regressions, and every pair of questions."""

from __future__ import annotations

from cxstream.answers import OnRows
from cxstream.engine import Engine
from cxstream.service.messages import to_query, to_reply, word
from cxstream.service.queries.asked import Asked
from cxstream_api.v1 import models_pb2

_ERRORS = ("", "classical", "HC0", "HC1", "cluster", "design", "HC2", "HC3")
_INTERVALS = ("", "student_t", "satterthwaite", "bell_mccaffrey")
_CORRECTIONS = ("holm", "holm", "benjamini_hochberg")


def regression(engine: Engine, request: models_pb2.RegressionRequest, on_rows: OnRows) -> bytes:
    """Linear regression."""
    answer = engine.regression(
        to_query(request.selection, on_rows),
        model=request.model,
        outcome=request.outcome,
        drivers=tuple(request.drivers),
        errors=word(_ERRORS, request.errors, "errors"),
        cluster=request.cluster,
        interval=word(_INTERVALS, request.interval_method, "interval_method"),
    )
    return to_reply(answer, models_pb2.RegressionResponse)


def insights(engine: Engine, request: models_pb2.InsightsRequest, on_rows: OnRows) -> bytes:
    """Every ordered pair of questions."""
    answer = engine.insights(
        to_query(request.selection, on_rows),
        outcome=request.outcome,
        correction=word(_CORRECTIONS, request.correction, "correction"),
    )
    return to_reply(answer, models_pb2.InsightsResponse)


#: By class of request.
ASKED: Asked = {
    models_pb2.RegressionRequest: regression,
    models_pb2.InsightsRequest: insights,
}
