"""Importance of drivers."""

from __future__ import annotations

from cxstream.answers import OnRows
from cxstream.engine import Engine
from cxstream.service.messages import to_query, to_reply, word
from cxstream.service.queries.asked import Asked
from cxstream_api.v1 import drivers_pb2

_CUTS = ("mean", "mean", "median")


def drivers(engine: Engine, request: drivers_pb2.DriversRequest, on_rows: OnRows) -> bytes:
    """Importance of drivers."""
    answer = engine.drivers(
        to_query(request.selection, on_rows),
        model=request.model,
        outcome=request.outcome,
        drivers=tuple(request.drivers),
        cut=word(_CUTS, request.cut, "cut"),
    )
    return to_reply(answer, drivers_pb2.DriversResponse)


#: By class of request.
ASKED: Asked = {drivers_pb2.DriversRequest: drivers}
