"""Questions about two groups or periods side by side, and about how many answers it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Unpack

from cxstream_api.v1 import common_pb2, comparison_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import (
    Asked,
    Asking,
    Instant,
    Where,
    filters_of,
    instant_of,
    selection_of,
)
from cxstream_client.errors import InvalidInput

#: Some of the responses: levels by dimension, or a period (since, until).
Side = Where | tuple[Instant | None, Instant | None]


class Comparisons(Asking):
    """Comparison and sample size."""

    def compare(
        self,
        program: str,
        metric: str,
        name: str,
        *,
        a: Side | None = None,
        b: Side | None = None,
        against: str = "complement",
        method: str = "score",
        correction: str = "holm",
        top: int | None = None,
        missing: str | None = None,
        driver: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.CompareResult:
        """Compare two groups or periods, or each group with all others.

        Parameters
        ----------
        program, metric, name
            What: ``"nps"``, ``"csat"`` or ``"mean"`` of a question, ``"index"``, or
            ``"regression"``, a coefficient of a model.
        a, b
            The two sides: levels by dimension, or a period ``(since, until)``. They have no
            responses in common. Not with `by`.
        against
            With `by`: ``"complement"``, everybody but the group, or a level of the one dimension
            in `by` that all others are compared with.
        method
            ``"score"``, ``"adjusted_wald"`` or ``"wald"``, for nps, csat and index (but for score,
            by Welch's test); coefficients and means are compared by Welch's, means also by
            Student's: ``"pooled"``. Shares also as chi-squared tests do, with one share for both
            (``"pooled"``) and with Yates' correction (``"continuity"``, R's prop.test).
        correction
            How p values are corrected for the number of rows: ``"holm"`` or
            ``"benjamini_hochberg"``.
        top, missing
            Of a csat and of an index, as in :meth:`csat` and :meth:`index`.
        driver
            The driver whose coefficient is compared, or ``"const"``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Raises
        ------
        InvalidInput
            ``OVERLAPPING_SIDES``: `a` and `b` have responses in common.

        Notes
        -----
        What it says
            By how much two groups of different respondents differ, and how surely. A group is compared with
            its complement, never with a whole that it is part of. Sides that have responses in common are
            refused. Of many groups read ``p_adjusted``: corrected for the number of rows. The nps `by` a
            choice question is that of those who named an option, against everybody else with a score,
            whatever they named; the column of the score must be a dimension of the program too.
        Missing answers
            As the metric treats them (see :meth:`nps`, :meth:`csat`, :meth:`index`, :meth:`regression`);
            ``dropped`` adds up both sides. Where a side has no answer, nothing is compared.
        Weights
            With ``weighting="declared"`` or ``rake`` statistics are those of the weights and the standard error
            is Taylor's: groups of different respondents are domains of one sample, so ``SE^2 = SE_a^2 +
            SE_b^2``, also for a group and its complement; raked, the covariance of the residuals is taken off.
            ``weights`` are those of both sides, ``effective_n_a`` and ``effective_n_b`` those of each.
            ``score`` then joins quasi-binomial intervals for all that has two ends, ``wald`` is Welch's test
            with design-based errors; ``adjusted_wald`` and ``pooled`` have no weighted form. A mean on its
            scale, and a coefficient, has Welch's either way; a coefficient takes a model with ``robust =
            true``. Responses without a weight are dropped with the reason ``weight``.
        Interval
            Not corrected for the number of rows. By default (``score``) joined score intervals for nps and
            Miettinen and Nurminen's for csat; both are too wide only where nearly all of both groups lie
            near one end. An index has joined quasi-binomial intervals, which do the same. ``adjusted_wald``
            draws net scores of small groups near opposite ends together, and covers too rarely there;
            ``wald`` does wherever a group is small. Of an index both stand for Welch's, as a coefficient
            always has: two standard errors of 0 give neither test nor interval, and means of few answers
            at one end 74 % in place of 95. A coefficient of a model declared ``robust``, or weighted, has
            the errors of :meth:`regression` with Bell and McCaffrey's degrees of freedom, and p and the
            interval their enlarged error; of any other classical ones, which cover 66 to 79 % where
            ratings crowd at one end. A mean has Welch's too, unless asked for one variance
            (``pooled``), which is too sure where the smaller group varies more; of a number as skewed as
            spend it covers 92 % at 30 answers. Weighted, joined intervals are wide where nearly all of a small
            group lie at one end (92 to 99.5 %), coefficients cover 89 to 96 %; ``cohen_d`` and
            ``hedges_g`` say how large the difference is. A share's ``pooled`` has the interval of
            ``wald``, and ``continuity`` one that is wider by one answer in each group.

        References
        ----------
        ``comparison``, ``interval.hybrid_score``, ``interval.miettinen_nurminen``,
        ``interval.hybrid_quasi_binomial``, ``interval.welch``, ``interval.bell_mccaffrey``,
        ``interval.adjusted_wald``,
        ``interval.agresti_caffo``, ``interval.wald``, ``interval.wald_continuity``,
        ``interval.pooled_t``, ``effect_size``,
        ``weighted.comparison``, ``weighted``, ``raking``

        Examples
        --------
        >>> domestic, international = {"peak": ["1", "2"]}, {"peak": "3"}
        >>> print(client.compare("sfo-2017", "nps", "netpro", a=domestic, b=international))
        CompareResult('sfo-2017', n=1725, 1021, difference=9.7858, interval=[4.35575, 15.2724], p=0.000389)
        >>> for row in client.compare("sfo-2017", "csat", "food", by="boarding_area"):
        ...     area = row.group["boarding_area"]
        ...     print(f"{area} {row.difference:+5.1f} ± {row.se:.1f}, p {row.p_adjusted:.3f}")
        A  -8.8 ± 2.3, p 0.001
        B -12.2 ± 4.2, p 0.015
        C  -4.9 ± 3.7, p 0.186
        D +16.8 ± 2.7, p 0.000
        E +13.8 ± 3.9, p 0.004
        F  +4.7 ± 2.7, p 0.169
        G  -4.6 ± 2.4, p 0.169
        >>> weighted = client.compare(
        ...     "sfo-2017", "nps", "netpro", a=domestic, b=international, weighting="declared"
        ... )
        >>> print(f"{weighted.difference:.2f} ± {weighted.se:.2f}, p {weighted.p:.4f}")
        11.77 ± 2.94, p 0.0001
        >>> print(f"effective n {weighted.effective_n_a:.0f} and {weighted.effective_n_b:.0f}")
        effective n 1509 and 925
        """
        selection = selection_of(program, asked)
        chosen = _enums.number_of(comparison_pb2.ComparisonMethod.DESCRIPTOR, method, "method")
        corrected = _enums.number_of(common_pb2.Correction.DESCRIPTOR, correction, "correction")
        request = comparison_pb2.CompareRequest(
            selection=selection,
            metric=metric_of(metric, name, top, missing, driver),
            a=None if a is None else side_of(a, "a"),
            b=None if b is None else side_of(b, "b"),
            against="" if against == "complement" else against,
            method=comparison_pb2.ComparisonMethod.ValueType(chosen),
            correction=common_pb2.Correction.ValueType(corrected),
        )
        response = self._ask("Compare", request, comparison_pb2.CompareResponse, asked)
        return results.CompareResult.from_message(response, selection.by)

    def sample_size(
        self,
        metric: str = "nps",
        name: str = "",
        *,
        program: str = "",
        margin: float | None = None,
        difference: float | None = None,
        assumed: float | Iterable[float] = (),
        power: float = 0.8,
        ratio: float = 1.0,
        population: int | None = None,
        top: int | None = None,
        missing: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.SampleSizeResult:
        """Return how many answers a margin, or a difference to be found, takes.

        Parameters
        ----------
        metric
            ``"nps"``, ``"csat"``, ``"index"`` or ``"mean"``.
        margin
            Half the length of the interval, in points; or instead:
        difference
            A difference of two groups, in points, that a test finds with probability `power`.
        program, name
            The question or index whose answers so far, group by group, show how answers vary.
        assumed
            Without a program, what is assumed: detractors, passives, promoters on any scale (nps),
            the share on 0..100 (csat; of a difference also the two shares), the standard deviation
            (index, mean). Left out, the distribution that takes most answers.
        power, ratio
            Of a difference: the probability to find it, and answers of the second group for one of
            the first.
        population
            Of a margin: how many customers there are; taken as many when absent.
        top, missing
            Of a csat and of an index, as in :meth:`csat` and :meth:`index`.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Raises
        ------
        InvalidInput
            Where both or neither of margin and difference are given.

        Notes
        -----
        What it says
            How many answers, not invitations: divide by the share of customers who answer. Where answers of
            a program show how they vary, one figure per group.
        Missing answers
            The variance is of those who answered; ``dropped`` counts the others.
        Weights
            Of a program's weights: the weighted variance, and Kish's ``design_effect`` of the answers so far,
            times which the answers needed are multiplied, before a population is looked at. That supposes that
            weights will vary as they do now, and have nothing to do with the answers. Without a program weights
            are refused: multiply by the design effect expected.
        Interval
            The margin is that of a normal interval (of an index Student's), so for shares and net scores near
            an end, and below some thirty answers, the interval asked for later is not quite as wide. The
            figure itself has none: a variance seen in few answers is as uncertain as they are few. Of a
            difference of means the power is that of Student's test (R's power.t.test), of two assumed
            shares that of the pooled one (power.prop.test).

        References
        ----------
        ``sample_size``,
        ``weighted``

        Examples
        --------
        >>> client.sample_size("nps", margin=5).answers
        1537
        >>> client.sample_size("csat", margin=2, assumed=80, population=5000).answers
        1176
        >>> found = client.sample_size("nps", "netpro", program="sfo-2017", difference=10, power=0.9)
        >>> found.answers, found.answers_b
        (1028, 1028)
        """
        if (margin is None) == (difference is None):
            raise InvalidInput(
                "sample_size: expected either a margin or a difference",
                reason="BAD_OPTION",
                details={"field": "margin"},
            )
        selection = selection_of(program, asked)
        request = comparison_pb2.SampleSizeRequest(
            selection=selection,
            metric=metric_of(metric, name, top, missing, None),
            assumed=[assumed] if isinstance(assumed, (int, float)) else list(assumed),
            power=power,
            ratio=ratio,
            population=population,
        )
        if margin is not None:
            request.margin = margin
        elif difference is not None:
            request.difference = difference
        response = self._ask("SampleSize", request, comparison_pb2.SampleSizeResponse, asked)
        return results.SampleSizeResult.from_message(response, selection.by)


def metric_of(
    kind: str, name: str, top: int | None, missing: str | None, driver: str | None
) -> comparison_pb2.Metric:
    """Return the request part that says of what."""
    number = _enums.number_of(comparison_pb2.MetricKind.DESCRIPTOR, kind, "metric")
    return comparison_pb2.Metric(
        kind=comparison_pb2.MetricKind.ValueType(number),
        name=name,
        top=top,
        missing=missing or "",
        driver=driver or "",
    )


def side_of(given: object, where: str) -> comparison_pb2.Side:
    """Return the request part that says which responses are on a side."""
    if isinstance(given, tuple) and len(given) == 2:
        since, until = given
        return comparison_pb2.Side(
            since=instant_of(since, f"{where}[0]"), until=instant_of(until, f"{where}[1]")
        )
    if isinstance(given, Mapping):
        return comparison_pb2.Side(where=filters_of(given))
    raise InvalidInput(
        f"{where}: expected levels by dimension, or a period (since, until), not {given!r}",
        reason="WRONG_TYPE",
        details={"field": where, "expected": "levels by dimension, or (since, until)"},
    )
