"""Questions about outcomes by NPS class, first contacts and relative performance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from cxstream_api.v1 import common_pb2, linkage_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import Asked, Asking, selection_of
from cxstream_client.errors import InvalidInput


class Linkages(Asking):
    """Linkage, customer value, first contact, relative performance."""

    def linkage(
        self,
        program: str,
        score: str,
        outcome: str,
        *,
        correction: str = "holm",
        **asked: Unpack[Asked],
    ) -> results.LinkageResult:
        """Return an operational outcome by NPS class, and what the classes differ by.

        Parameters
        ----------
        program, score
            Which nps question. Its column must be a dimension of the program too.
        outcome
            A boolean (first contact resolved, churned) or number (spend) question.
        correction
            How the p values of the moves are corrected: ``"holm"`` or ``"benjamini_hochberg"``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            What became of detractors, passives and promoters: the share that says yes, or the mean of a
            number, in each class, and the differences between classes. The classes are different people, so
            a difference is an association: what one who is moved would do is not known from it.
        Missing answers
            A response without a score is of no class (``no score``); of those with one, a missing outcome is
            dropped by its own reason.
        Weights
            Shares and means are of the weights; classes are domains of one sample, and moves are compared as in
            :meth:`compare`.
        Interval
            Of a class: Wilson's for a share, Student's t for a mean, as of :meth:`csat` and
            :meth:`distribution`. Of a move: Miettinen and Nurminen's for shares, Welch's for means; not
            corrected for the number of moves, as ``p_adjusted`` is.

        References
        ----------
        ``linkage``, ``interval.wilson``, ``interval.student_t``, ``interval.miettinen_nurminen``,
        ``interval.welch``,
        ``weighted.comparison``, ``weighted``

        Examples
        --------
        >>> found = client.linkage("shop", "recommend", "churned")
        >>> for one in found.classes:
        ...     print(f"{one.name:9} {one.n:3} {one.value:4.1f} % ± {one.se:.1f}")
        detractor 103 36.9 % ± 4.8
        passive   155 15.5 % ± 2.9
        promoter  207  3.9 % ± 1.3
        >>> move = found[0].move("detractor", "promoter")
        >>> print(f"{move.difference:.1f} points [{move.interval.lower:.1f}, {move.interval.upper:.1f}]")
        -33.0 points [-43.0, -23.8]
        >>> found.dropped
        {'no score': 15}
        """
        number = _enums.number_of(common_pb2.Correction.DESCRIPTOR, correction, "correction")
        selection = selection_of(program, asked)
        request = linkage_pb2.LinkageRequest(
            selection=selection,
            score=score,
            outcome=outcome,
            correction=common_pb2.Correction.ValueType(number),
        )
        response = self._ask("Linkage", request, linkage_pb2.LinkageResponse, asked)
        return results.LinkageResult.from_message(response, selection.by)

    def customer_value(
        self,
        program: str,
        score: str,
        *,
        margin: str,
        churn: str,
        variant: str = "margin_next",
        discount: float = 0.0,
        acquisition: float = 0.0,
        horizon: int = 0,
        **asked: Unpack[Asked],
    ) -> results.CustomerValueResult:
        """Return lifetime value by NPS class, and what moving one customer is worth.

        Parameters
        ----------
        program, score
            Which nps question. Its column must be a dimension of the program too.
        margin, churn
            A number question, the margin of a period, and a boolean one, whether the customer left
            within it. Where a model keeps the two together, their covariance counts; else standard
            errors are bounds that hold for any.
        variant
            ``"margin_next"``: m r / (1 + i - r) - AC; ``"margin_now"``: m (1 + i) / (1 + i - r) -
            AC; ``"naive"``: m / (1 - r) - AC; ``"finite"``: the sum over t = 1..horizon of m (r / (1 +
            i))^t, less AC.
        discount, acquisition
            Rate i per period; cost AC of winning a customer.
        horizon
            Periods looked ahead, 1 to 1,200; of the finite variant only.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            What a customer of each class is worth over their time, from mean margin per period and
            retention, and the differences between classes. It takes margin and churn to stay as they are,
            and is undefined where retention is not below 1 + ``discount``: the class says so, and its moves
            have no value. Over a finite horizon it is always defined.
        Missing answers
            Responses without score, margin or churn are dropped by reason. Where a model keeps margin and
            churn together, only responses with both count; else each is over those who have it.
        Weights
            Margin and churn are weighted means with Taylor's errors and covariance; the value is computed from
            them as before.
        Interval
            Joined from what the margin (normal) and the retention (Wilson's) reach by themselves: the value
            is far from linear in a retention near 1 + ``discount``, and retention has an end, so the interval
            is not symmetric. It covers 94 to 96 % from 30 answers a class on. Where margin and churn are not kept together it is a bound that holds for any covariance,
            so too wide. ``se`` is by the delta method. No p values.

        References
        ----------
        ``lifetime_value``, ``interval.hybrid_delta``,
        ``weighted``

        Examples
        --------
        >>> outcomes = {"margin": "margin", "churn": "churned"}
        >>> found = client.customer_value("shop", "recommend", **outcomes, discount=0.1)
        >>> for one in found.classes:
        ...     print(f"{one.name:9} {one.margin:.2f} {one.retention:.3f} {one.value:7.2f} ± {one.se:.2f}")
        detractor 82.50 0.637  113.61 ± 20.56
        passive   100.98 0.838  322.71 ± 51.45
        promoter  128.99 0.974 1001.51 ± 110.48
        >>> move = found[0].move("detractor", "passive")
        >>> print(f"detractor to passive: {move.difference:.2f} ± {move.se:.2f}")
        detractor to passive: 209.10 ± 55.40
        """
        kinds = linkage_pb2.LifetimeValueVariant
        number = _enums.number_of(kinds.DESCRIPTOR, variant, "variant")
        selection = selection_of(program, asked)
        request = linkage_pb2.CustomerValueRequest(
            selection=selection,
            score=score,
            margin=margin,
            churn=churn,
            variant=kinds.ValueType(number),
            discount=discount,
            acquisition=acquisition,
            horizon=horizon,
        )
        response = self._ask("CustomerValue", request, linkage_pb2.CustomerValueResponse, asked)
        return results.CustomerValueResult.from_message(response, selection.by)

    def retention(
        self,
        program: str | None = None,
        churned: str | None = None,
        *,
        revenue: str | None = None,
        start: int | None = None,
        end: int | None = None,
        new: int = 0,
        periods: int = 1,
        **asked: Unpack[Asked],
    ) -> results.RetentionResult:
        """Return churn and retention, of customers and of their revenue.

        Parameters
        ----------
        program, churned
            Which boolean question says whether a customer left within the period.
        revenue
            A number question, not below 0: what the customer brought in at the start. The column of
            `churned` must be a dimension of the program too.
        start, end, new
            Instead of a program's responses: customers at the start and at the end of a period, and
            those among the latter who were won within it.
        periods
            Periods to a longer one: 12 where months make a year.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Raises
        ------
        InvalidInput
            Where both or neither of a program and a cohort are given, or its numbers do not go
            together.

        Notes
        -----
        What it says
            Of the customers there were at the start, the share that left and the share that stayed, and
            what part of the revenue left with them. Customers won in between belong to another period:
            retention is (end - new) / start. ``churn_over`` is 1 - (1 - churn)^periods, and takes every
            period to lose the same share.
        Missing answers
            Customers of whom it is not known whether they left are dropped by reason; those without a
            revenue count for churn only, ``revenue_n`` have both.
        Weights
            Churn is a weighted share, with the interval of :meth:`csat`; revenue churn the ratio of weighted
            sums, ``SE^2 = n / (n - 1) sum w^2 d^2 / (sum w r)^2``, and an interval of as many customers as say the same.
        Interval
            Wilson's of churn, as of :meth:`csat`; its ends carried over for ``churn_over``. Of revenue churn
            quasi-binomial, with the variance of a ratio by linearisation: 94 to 97 % from 30 customers on,
            less where a few carry most of the revenue.

        References
        ----------
        ``retention``, ``interval.wilson``, ``interval.quasi_binomial``,
        ``weighted``

        Examples
        --------
        >>> found = client.retention("shop", "churned", periods=12)
        >>> print(f"{found.lost} of {found.n}: churn {found.churn:.1f} % ± {found.se:.1f}")
        72 of 480: churn 15.0 % ± 1.6
        >>> print(f"retention {found.retention:.1f} %, churn over a year {found.churn_over:.1f} %")
        retention 85.0 %, churn over a year 85.8 %
        >>> client.retention(start=1_000, end=1_020, new=95).retention
        92.5
        """
        if (churned is None) == (start is None) or (start is None) != (end is None):
            raise InvalidInput(
                "retention: expected either a program and churned, or start and end",
                reason="BAD_OPTION",
                details={"field": "churned"},
            )
        selection = selection_of(program or "", asked)
        cohort = None
        if start is not None and end is not None:
            cohort = linkage_pb2.Cohort(start=start, end=end, won=new)
        request = linkage_pb2.RetentionRequest(
            selection=selection,
            churned=churned or "",
            revenue=revenue or "",
            periods=periods,
            cohort=cohort,
        )
        response = self._ask("Retention", request, linkage_pb2.RetentionResponse, asked)
        return results.RetentionResult.from_message(response, selection.by)

    def survival(
        self, survivors: Iterable[int], *, ahead: int = 0, discount: float = 0.0
    ) -> results.SurvivalResult:
        """Return how long customers stay, from how many of a cohort are left.

        Parameters
        ----------
        survivors
            Customers at the start, and left at the end of each period; not rising.
        ahead
            Periods to look ahead, 0 to 1,200.
        discount
            Rate per period, for the residual lifetime.

        Notes
        -----
        What it says
            The shifted beta-geometric model: each customer leaves with a probability of their own, the same
            in every period, and these are Beta(alpha, beta) over customers. So retention rises with time,
            and periods ahead can be told. The numbers are given, not of a program.
        Missing answers
            Do not occur. Without a fit ``message`` says why: fewer than two periods, nobody left or nobody
            is left, or churn that does not fall.
        Weights
            Do not occur.
        Interval
            None. Standard errors are those of maximum likelihood, for cohorts of some hundreds; they take
            the model as true.

        References
        ----------
        ``survival``

        Examples
        --------
        >>> found = client.survival([1000, 869, 743, 653, 593, 551, 517, 491], ahead=5, discount=0.1)
        >>> print(f"alpha {found.alpha:.3f}, beta {found.beta:.3f}, LL {found.log_likelihood:.1f}")
        alpha 0.668, beta 3.806, LL -1611.2
        >>> [round(one.survival, 3) for one in found.periods if one.survivors is None]
        [0.46, 0.436, 0.414, 0.395, 0.378]
        >>> print(f"{found.residual_lifetime:.2f} periods to come")
        7.53 periods to come
        """
        request = linkage_pb2.SurvivalRequest(
            survivors=list(survivors), ahead=ahead, discount=discount
        )
        response = self._call("QueryService", "Survival", request, linkage_pb2.SurvivalResponse)
        return results.SurvivalResult.from_message(response)

    def kaplan_meier(
        self,
        lost: Iterable[int],
        censored: Iterable[int],
        *,
        times: Iterable[float] = (),
        interval: str = "log_log",
        confidence: float = 0.95,
    ) -> results.KaplanMeierResult:
        """Return how long customers stay, some of whom are still there (Kaplan and Meier).

        Parameters
        ----------
        lost
            By time since their start: who left at it.
        censored
            By time: who was last seen at it without having left.
        times
            The times, rising; 1, 2, .. when left out.
        interval
            Of survival: ``"log_log"``; ``"log"``, which R's survfit takes; or ``"plain"``.
        confidence
            Its level in (0, 1).

        Notes
        -----
        What it says
            The share of customers that stays beyond each time, of any shape; ``median`` is the first time
            at which half or fewer are left. The counts are given, not of a program: of one that has
            tenure as a dimension, :meth:`retention` by it gives them, ``lost`` and ``n - lost``.
        Missing answers
            Who is still there counts until last seen, just beyond those who left at that time.
        Weights
            Do not occur.
        Interval
            ``log_log`` is within 0..1 and covers 95 to 96 % from 10 customers on;
            ``log`` and ``plain`` cover too rarely near either end. None while nobody has left.

        References
        ----------
        ``kaplan_meier``, ``interval.log_log``, ``interval.log_survival``,
        ``interval.wald``

        Examples
        --------
        >>> found = client.kaplan_meier([3, 2, 0, 4], [0, 1, 5, 5])
        >>> for one in found.steps:
        ...     print(f"{one.time:.0f}: {one.at_risk:2} there, {one.survival:.3f} ± {one.se:.3f}")
        1: 20 there, 0.850 ± 0.080
        2: 17 there, 0.750 ± 0.097
        3: 14 there, 0.750 ± 0.097
        4:  9 there, 0.417 ± 0.135
        """
        method = _enums.number_of(
            linkage_pb2.SurvivalIntervalMethod.DESCRIPTOR, interval, "interval"
        )
        request = linkage_pb2.KaplanMeierRequest(
            lost=list(lost),
            censored=list(censored),
            times=list(times),
            interval_method=linkage_pb2.SurvivalIntervalMethod.ValueType(method),
            confidence=confidence,
        )
        response = self._call(
            "QueryService", "KaplanMeier", request, linkage_pb2.KaplanMeierResponse
        )
        return results.KaplanMeierResult.from_message(response)

    def first_contact(
        self,
        program: str,
        resolved: str,
        *,
        not_resolvable: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.FirstContactResult:
        """Return first contact resolution, and net of what could not be resolved at first.

        Parameters
        ----------
        program, resolved
            Which boolean question says whether the first contact resolved the matter.
        not_resolvable
            A boolean question: whether the first level could not have resolved it.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            The share of contacts that were resolved at first, and, net, of those that could have been.
        Missing answers
            Contacts for which it is not known are dropped by reason. A contact that is not known to be
            beyond the first level counts as resolvable.
        Weights
            Both rates are weighted shares with Taylor's errors; ``resolved`` and ``not_resolvable`` stay
            contacts.
        Interval
            Wilson's of both rates, as of :meth:`csat`. That of the net rate takes its base as given, though
            it is counted from the same contacts.

        References
        ----------
        ``first_contact``, ``interval.wilson``,
        ``weighted``

        Examples
        --------
        >>> found = client.first_contact("shop", "resolved", not_resolvable="beyond")
        >>> print(f"{found.resolved} of {found.n}: {found.rate:.1f} % ± {found.se:.1f}")
        341 of 480: 71.0 % ± 2.1
        >>> print(f"net of {found.not_resolvable}: {found.net_rate:.1f} % ± {found.net_se:.1f}")
        net of 30: 75.8 % ± 2.0
        """
        selection = selection_of(program, asked)
        request = linkage_pb2.FirstContactRequest(
            selection=selection, resolved=resolved, not_resolvable=not_resolvable or ""
        )
        response = self._ask("FirstContact", request, linkage_pb2.FirstContactResponse, asked)
        return results.FirstContactResult.from_message(response, selection.by)

    def relative(
        self,
        program: str,
        question: str,
        *,
        percentiles: Iterable[float] = (),
        **asked: Unpack[Asked],
    ) -> results.RelativeResult:
        """Return where customers put a company among its competitors, as a mean percentile.

        Parameters
        ----------
        program, question
            A question with one answer, its options from the worst place to the best.
        percentiles
            Percentile of each option, rising within 0..100; evenly spaced where left out.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            The mean percentile that answers to "how do we compare with others" stand for: 0 the worst of
            all competitors, 100 the best, 50 the middle. It is what customers say, not a rank that was
            measured.
        Missing answers
            Nulls and declared missing codes are not in n; ``dropped`` counts them by reason.
        Weights
            The score is a weighted mean with Taylor's error.
        Interval
            Quasi-binomial, from two answers on, as the mean of :meth:`csat`: within the scale, also where
            all answers are alike. Weighted with few answers it is too wide: up to 98.6 % at 30.

        References
        ----------
        ``relative``, ``interval.quasi_binomial``,
        ``weighted``

        Examples
        --------
        >>> found = client.relative("shop", "compared")
        >>> print(f"{found.score:.1f} ± {found.se:.1f} of {found.n}")
        60.1 ± 1.2 of 429
        >>> print(f"{client.relative('shop', 'compared', percentiles=[5, 25, 50, 75, 95]).score:.1f}")
        59.5
        """
        selection = selection_of(program, asked)
        request = linkage_pb2.RelativeRequest(
            selection=selection, question=question, percentiles=list(percentiles)
        )
        response = self._ask("Relative", request, linkage_pb2.RelativeResponse, asked)
        return results.RelativeResult.from_message(response, selection.by)
