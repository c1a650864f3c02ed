"""Reliability of sets of questions."""

from __future__ import annotations

from cxstream.answers import OnRows
from cxstream.engine import Engine
from cxstream.service.messages import to_query, to_reply, word
from cxstream.service.queries.asked import Asked
from cxstream_api.v1 import reliability_pb2

_MISSING = ("listwise", "listwise", "pairwise")
_INTERVALS = ("", "feldt", "log_delta")


def reliability(
    engine: Engine, request: reliability_pb2.ReliabilityRequest, on_rows: OnRows
) -> bytes:
    """Alpha, omega, items."""
    answer = engine.reliability(
        to_query(request.selection, on_rows),
        index=request.index,
        items=tuple(request.items),
        missing=word(_MISSING, request.missing, "missing"),
        interval=word(_INTERVALS, request.interval_method, "interval_method"),
    )
    return to_reply(answer, reliability_pb2.ReliabilityResponse)


#: By class of request.
ASKED: Asked = {reliability_pb2.ReliabilityRequest: reliability}
