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
            What: ``"nps"``, ``"csat"`` or ``"mean"`` of a question, or ``"index"``.
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

        Notes
        -----
        What it says
            Whether a score is in control, bucket by bucket, on three charts: its limits at this n, a moving
            average (sees a small shift that lasts), and chi-squared of the classes (sees shares that move
            while the score stays). ``whole.regimes`` are the runs between change points, each with what
            moved it there. ``whole.autocorrelation`` says how alike neighbouring buckets of the baseline
            are, each counting once: control limits take buckets as independent. If they are, it is about
            0, with ``autocorrelation_se`` for a standard error (a large-sample one: 1 / sqrt(T) of T
            buckets), and beyond twice that in one series of twenty. Where it is positive there are more false
            alarms than ``sigmas`` promises, where it is negative fewer; a shift within the baseline makes it
            positive too.
        Missing answers
            A bucket without answers is a gap: it has no score, leaves the moving average as it is, starts
            no regime, and is nobody's neighbour: the autocorrelation is of the pairs of buckets that are left,
            and no nearer to 0 for the gaps. ``dropped`` counts what is missing in each bucket; responses
            without a time are in ``whole.dropped``.
        Weights
            Scores, standard errors and intervals of buckets and regimes are those of the weighted metric.
            Limits take the baseline's variance by squared weights, and the effective n of every bucket for its
            n; chi2 is corrected by Rao and Scott's mean design effect, and change points are sought in weighted
            shares of so many effective respondents. Raked weights count in the limits as if they had been
            given: the limits are wide rather than narrow. An index of item means has no weighted series. The
            autocorrelation is of the weighted scores.
        Interval
            Of a bucket and of a regime: that of the metric by itself, see :meth:`nps`, :meth:`csat`,
            :meth:`index` and :meth:`distribution`. Control limits are no intervals: they take the baseline
            as known, and with few answers in it there are more false alarms; without one declared it is the
            whole series, shifts included, and the limits are too wide for those. That regimes were sought
            makes their difference look surer than it is.

        References
        ----------
        ``monitor``, ``autocorrelation``, ``change_points``, ``change``, ``interval.score``, ``interval.wilson``,
        ``interval.quasi_binomial``, ``interval.segment_t``,
        ``weighted.monitor``, ``weighted``

        Examples
        --------
        >>> found = client.monitor(
        ...     "shop",
        ...     "nps",
        ...     "recommend",
        ...     bucket="month",
        ...     baseline=("2026-01-01", "2026-04-01"),
        ...     where={"touchpoint": "delivery"},
        ... )
        >>> for row in found:
        ...     limits = f"[{row.lower_limit:.0f}, {row.upper_limit:.0f}]"
        ...     print(f"{row.group['month']} {row.n:2} {row.score:+6.1f} {limits} {row.alarms}".rstrip())
        2026-01-01 23  +43.5 [-5, 81]
        2026-02-01 21  +52.4 [-7, 83]
        2026-03-01 16  +12.5 [-13, 90]
        2026-04-01 20  -45.0 [-8, 84] limits ewma chi2
        2026-05-01 20  -20.0 [-8, 84] limits ewma chi2
        2026-06-01 17  -52.9 [-12, 88] limits ewma chi2
        >>> for regime in found.whole.regimes:
        ...     print(f"{regime.since} {regime.n} {regime.score:+.1f} ± {regime.se:.1f}")
        2026-01-01 60 +38.3 ± 8.8
        2026-04-01 57 -38.6 ± 9.8
        >>> # Weeks of all six months, the shift in April included, are not independent of each other.
        >>> weeks = client.monitor("shop", "nps", "recommend", where={"touchpoint": "delivery"}).whole
        >>> print(f"{weeks.autocorrelation:+.2f} ± {weeks.autocorrelation_se:.2f}")
        +0.52 ± 0.19
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
