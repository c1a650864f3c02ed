"""A metric over time."""

from __future__ import annotations

from cxstream.answers import OnRows
from cxstream.engine import Engine
from cxstream.service.messages import to_query, to_reply
from cxstream.service.queries.asked import Asked
from cxstream.service.queries.comparison import to_metric
from cxstream_api.v1 import monitoring_pb2


def monitor(engine: Engine, request: monitoring_pb2.MonitorRequest, on_rows: OnRows) -> bytes:
    """Series, limits, change points."""
    answer = engine.monitor(
        to_query(request.selection, on_rows),
        to_metric(request.metric),
        bucket=request.bucket or "week",
        baseline=(request.baseline_since, request.baseline_until),
        smoothing=request.smoothing if request.HasField("smoothing") else 0.2,
        sigmas=request.sigmas if request.HasField("sigmas") else 3.0,
        false_alarm=request.false_alarm if request.HasField("false_alarm") else 0.05,
    )
    return to_reply(answer, monitoring_pb2.MonitorResponse)


#: By class of request.
ASKED: Asked = {monitoring_pb2.MonitorRequest: monitor}
