"""What moved a score, how far each segment pulls it, and factors of a product."""

from __future__ import annotations

from cxstream.answers import OnRows
from cxstream.engine import Engine
from cxstream.service.messages import to_query, to_reply
from cxstream.service.queries.asked import Asked
from cxstream.service.queries.comparison import to_metric, to_side
from cxstream_api.v1 import change_pb2


def change(engine: Engine, request: change_pb2.ChangeRequest, on_rows: OnRows) -> bytes:
    """Mix and rate by segment."""
    answer = engine.change(
        to_query(request.selection, on_rows),
        to_metric(request.metric),
        before=to_side(request.before),
        after=to_side(request.after),
    )
    return to_reply(answer, change_pb2.ChangeResponse)


def impact(engine: Engine, request: change_pb2.ImpactRequest, on_rows: OnRows) -> bytes:
    """Leave-one-out impact of every segment."""
    answer = engine.impact(to_query(request.selection, on_rows), to_metric(request.metric))
    return to_reply(answer, change_pb2.ImpactResponse)


def decompose(engine: Engine, request: change_pb2.DecomposeRequest, on_rows: OnRows) -> bytes:
    """Factors of a product."""
    del on_rows  # nothing is counted
    answer = engine.decompose(
        [(one.name, tuple(one.before), tuple(one.after)) for one in request.factors]
    )
    return to_reply(answer, change_pb2.DecomposeResponse)


#: By class of request.
ASKED: Asked = {
    change_pb2.ChangeRequest: change,
    change_pb2.ImpactRequest: impact,
    change_pb2.DecomposeRequest: decompose,
}
