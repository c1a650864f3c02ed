"""Questions about how answers move together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from cxstream_api.v1 import common_pb2, models_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import Asked, Asking, names_of, selection_of
from cxstream_client.errors import InvalidInput

#: Errors of R's sandwich that are not offered.
_OTHER_HC = ("HC4", "HC4M", "HC5")
_ERRORS = "classical, HC0, HC1, HC2, HC3, cluster, design"


class Models(Asking):
    """Regression and insights."""

    def regression(
        self,
        program: str,
        model: str | None = None,
        *,
        outcome: str | None = None,
        drivers: Iterable[str] = (),
        errors: str | None = None,
        cluster: str | None = None,
        interval: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.RegressionResult:
        """Return a linear regression by ordinary least squares.

        Parameters
        ----------
        program, model
            Which declared model.
        outcome, drivers
            Instead of a model: the question explained and those that explain it, together exactly
            the columns of one declared model.
        errors
            Standard errors: ``"classical"``; ``"HC0"``, ``"HC1"``, ``"HC2"`` or ``"HC3"`` for residuals of
            unequal variance; ``"design"`` for survey weights; ``"cluster"`` for residuals that go
            together. When left out classical, or with weighting design. HC0, HC1 and design need a model
            declared ``robust``, HC2 and HC3 one with ``leverage`` (or a server with a data directory, which
            reads what is stored for it).
        cluster
            The dimension that says who belongs together, with errors by cluster.
        interval
            Of intervals and p: ``"student_t"``, with n less the number of coefficients as degrees of
            freedom, or clusters less one; of all but ``classical`` also ``"satterthwaite"``, with those of
            the error itself, and ``"bell_mccaffrey"``, with these and an error enlarged by what it falls
            short of on average. When left out ``bell_mccaffrey`` with all but ``classical`` and ``HC0``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Raises
        ------
        InvalidInput
            Where both or neither of model and outcome with drivers are given.

        Notes
        -----
        What it says
            How much higher the outcome is for one unit more of a driver, the other drivers equal: an
            association, not an effect. ``status`` says where there is no fit: too few rows, a driver that
            others determine (named), an outcome that does not vary.
        Missing answers
            Only responses that answer outcome and all drivers count; the others are dropped as
            ``incomplete``.
        Weights
            With ``weighting="declared"`` or ``rake`` it is weighted least squares; without ``errors`` named
            its errors are then design-based, and raked those of the residuals on the margins' indicators.
            Errors by cluster are Taylor's of a survey that drew whole clusters, with G / (G - 1) for G of
            them; raked, those of the residuals on the margins of all responses of a cluster, also of those
            whom the model leaves out, and whoever has no cluster is one.
        Interval
            Student's t. ``classical`` errors, the default, which is what ``lm`` prints, take residuals of
            one variance and cover 95 % then; ratings that crowd at one end do not have it, and coverage
            falls to 66 to 79 % at any n. ``HC1`` of a model declared ``robust`` takes any variance. A few bad ratings decide a slope there, its error is known from as few, and they fit
            their own errors: so ``HC1`` and ``design`` take degrees of freedom and size from fourth-order
            moments (``bell_mccaffrey``; ``se`` and ``t`` stay those of the errors named, ``df`` is what p
            takes), and cover 92 to 98 % from 30 answers on, 90 to 98 % where bad ratings are the heavier
            ones; with n less the number of coefficients (``interval="student_t"``, what R prints) 77 to
            94 % at 30. ``HC2`` and ``HC3`` divide each response's squared residual by what its own
            leverage leaves of it. That is no function of sums, but one of how many gave each combination of
            answers: kept of models with ``leverage``, up to 1,048,576 in all groups of a view, beyond which
            HC1 says the same. Their degrees of freedom are exact: from 30 answers on HC3 covers 94 to 99 %
            with them, and HC2 91 to 97 %; with n less the number of coefficients 89 to 97 % and 82 to 94 % at
            30. Errors by cluster have Bell and McCaffrey's
            too, which sums by cluster give exactly: 91 to 96 % from 5 clusters on, where the number of
            clusters less one (``"student_t"``, what Stata prints) falls to 78 %.

        References
        ----------
        ``regression``, ``errors.HC0``, ``errors.HC1``, ``errors.HC2``, ``errors.HC3``, ``errors.cluster``,
        ``errors.design``, ``interval.student_t``, ``interval.satterthwaite``, ``interval.bell_mccaffrey``, ``weighted``,
        ``raking``

        Examples
        --------
        >>> found = client.regression("shop", "satisfaction", errors="HC1")
        >>> print(f"n {found.n}, R2 {found.fit.r2:.3f}")
        n 395, R2 0.485
        >>> for term in found.terms:
        ...     bounds = f"[{term.interval.lower:.3f}, {term.interval.upper:.3f}]"
        ...     print(f"{term.term:8} {term.coefficient:6.3f} ± {term.se:.3f} {bounds}")
        const     0.855 ± 0.153 [0.551, 1.159]
        effort    0.373 ± 0.033 [0.308, 0.438]
        compared  0.258 ± 0.044 [0.171, 0.345]
        >>> found.dropped
        {'incomplete': 85}
        >>> found = client.regression("shop", "satisfaction", errors="HC3")
        >>> for term in found.terms:
        ...     print(f"{term.term:8} ± {term.se:.4f}, {term.df:.0f} degrees of freedom")
        const    ± 0.1547, 124 degrees of freedom
        effort   ± 0.0332, 146 degrees of freedom
        compared ± 0.0443, 145 degrees of freedom
        """
        names = model_of("regression", model, outcome, drivers)
        kind = 0
        if errors is not None:
            words = models_pb2.StandardErrors.DESCRIPTOR
            if errors.upper() in _OTHER_HC:
                raise InvalidInput(
                    f"errors {errors!r} are not offered; expected one of {_ERRORS}: HC2 with the interval "
                    "bell_mccaffrey makes up for responses of large leverage, which they are asked for",
                    reason="NOT_OFFERED",
                    details={"field": "errors", "expected": _ERRORS},
                )
            kind = _enums.number_of(words, errors.lower(), "errors")
        method = 0
        if interval is not None:
            methods = models_pb2.CoefficientIntervalMethod.DESCRIPTOR
            method = _enums.number_of(methods, interval, "interval")
        selection = selection_of(program, asked)
        request = models_pb2.RegressionRequest(
            selection=selection,
            model=model or "",
            outcome=outcome or "",
            drivers=names,
            errors=models_pb2.StandardErrors.ValueType(kind),
            cluster=cluster or "",
            interval_method=models_pb2.CoefficientIntervalMethod.ValueType(method),
        )
        response = self._ask("Regression", request, models_pb2.RegressionResponse, asked)
        return results.RegressionResult.from_message(response, selection.by)

    def insights(
        self,
        program: str,
        *,
        outcome: str | None = None,
        correction: str = "holm",
        **asked: Unpack[Asked],
    ) -> results.InsightsResult:
        """Return how much a change in one question moves another, for every pair.

        Parameters
        ----------
        program
            The program.
        outcome
            Only pairs that explain this question.
        correction
            How p values are corrected for the number of pairs: ``"holm"`` or
            ``"benjamini_hochberg"``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            For every ordered pair of the declared questions, how much y moves with one unit of x, nothing
            else held equal; the strongest first. ``p_adjusted`` is what to read when looking for some pair:
            the family is all pairs of the group's answer.
        Missing answers
            Pair by pair: whoever answered both. So n differs between pairs, and ``dropped`` is the pair's
            own.
        Weights
            With ``weighting="declared"`` slopes are of weighted least squares, ``r`` of the weighted
            correlation, and ``se`` is design-based, with Bell and McCaffrey's interval. That takes
            fourth-order sums of squared weights: a model with ``robust = true`` that has all the questions,
            or stored responses; all pairs are then over those who answered every question of it. With
            ``rake`` errors are those of the residuals on the margins' indicators.
        Interval
            Student's t with n - 2 degrees of freedom, of the slope, at the level asked for and not corrected
            for the number of pairs: of many pairs some miss. Classical errors, as of :meth:`regression`:
            where ratings crowd at one end they cover 81 % at any n, because sums of pairs keep nothing of
            fourth order. Weighted ones have ``design`` errors, and cover 90 to 96 %.

        References
        ----------
        ``insights``, ``interval.student_t``,
        ``interval.bell_mccaffrey``, ``errors.design``, ``weighted``, ``raking``

        Examples
        --------
        >>> for pair in client.insights("sfo-2017", outcome="netpro")[0].pairs[:3]:
        ...     print(f"{pair.x:15} {pair.n} {pair.slope:.2f} ± {pair.se:.2f}, r {pair.r:.2f}")
        overall         2625 1.36 ± 0.04, r 0.55
        clean_overall   2673 1.02 ± 0.04, r 0.43
        security        2373 0.84 ± 0.04, r 0.43
        """
        number = _enums.number_of(common_pb2.Correction.DESCRIPTOR, correction, "correction")
        selection = selection_of(program, asked)
        request = models_pb2.InsightsRequest(
            selection=selection,
            outcome=outcome or "",
            correction=common_pb2.Correction.ValueType(number),
        )
        response = self._ask("Insights", request, models_pb2.InsightsResponse, asked)
        return results.InsightsResult.from_message(response, selection.by)


def model_of(
    asked: str, model: str | None, outcome: str | None, drivers: Iterable[str]
) -> list[str]:
    """Return the names of the drivers, where exactly one of both ways to say a model is used."""
    names = names_of(drivers, "drivers")
    if (model is None) == (outcome is None and not names):
        raise InvalidInput(
            f"{asked}: expected either a model, or outcome and drivers",
            reason="BAD_OPTION",
            details={"field": "model"},
        )
    return names
