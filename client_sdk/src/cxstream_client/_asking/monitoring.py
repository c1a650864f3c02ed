"""Questions about a metric over time."""

from __future__ import annotations

from typing import Unpack

from cxstream_api.v1 import monitoring_pb2
from cxstream_client import results
from cxstream_client._asking.asking import Asked, Asking, Instant, instant_of, selection_of
from cxstream_client._asking.comparison import metric_of


class Monitorings(Asking):
    """Monitoring."""

    def monitor(
        self,
        program: str,
        metric: str,
        name: str,
        *,
        bucket: str = "week",
        baseline: tuple[Instant | None, Instant | None] = (None, None),
        smoothing: float = 0.2,
        sigmas: float = 3.0,
        false_alarm: float = 0.05,
        top: int | None = None,
        missing: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.MonitorResult:
        """Chart a metric over time: intervals, control limits, change points and what moved it.

        Parameters
        ----------
        program, metric, name
            What: ``"nps"`` or ``"csat"`` of a question, or ``"index"``.
        bucket
            The time bucket. One without answers is a gap, not a zero.
        baseline
            The period ``(since, until)`` that the limits are found from; all of it when left out.
        smoothing
            Weight of the newest bucket in the moving average, above 0 and at most 1.
        sigmas
            Width of the limits in standard deviations.
        false_alarm
            Chance of a change point in a series that never changes.
        top, missing
            Of a csat and of an index, as in :meth:`csat` and :meth:`index`.
        **asked
            Which responses, and more; see :class:`~cxstream_client.Client`. ``by`` names the
            segments whose part in every change is wanted.
        """
        selection = selection_of(program, asked)
        request = monitoring_pb2.MonitorRequest(
            selection=selection,
            metric=metric_of(metric, name, top, missing, None),
            bucket=bucket,
            baseline_since=instant_of(baseline[0], "baseline[0]"),
            baseline_until=instant_of(baseline[1], "baseline[1]"),
            smoothing=smoothing,
            sigmas=sigmas,
            false_alarm=false_alarm,
        )
        response = self._ask("Monitor", request, monitoring_pb2.MonitorResponse, asked)
        return results.MonitorResult.from_message(response, [bucket])
