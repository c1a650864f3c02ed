"""Questions about one question, or one index."""

from __future__ import annotations

from typing import Unpack

from cxstream_api.v1 import metrics_pb2, program_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import Asked, Asking, selection_of


class Metrics(Asking):
    """NPS, CSAT, CES, distribution, index, scorecard."""

    def nps(
        self,
        program: str,
        question: str,
        *,
        interval: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.NpsResult:
        """Return the net promoter score of an nps question, -100..100.

        Parameters
        ----------
        program, question
            Which question.
        interval
            How the interval is made: ``"score"``, the default, ``"adjusted_wald"``, that of weighted
            scores, or ``"wald"``, ``"student_t"`` or ``"goodman"``, for comparison with other tools.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            The share of promoters less the share of detractors, in points. ``se`` is the standard error of
            a multinomial difference; it is 0 where all are of one class, and says nothing then: read the
            interval.
        Missing answers
            Nulls and declared missing codes are in none of the classes and in no n; ``dropped`` counts them
            by reason (``null``, ``missing:11``). With nobody left the score is None.
        Weights
            With ``weighting="declared"`` or ``rake`` shares are those of the weights, the standard error is
            Taylor's, and ``promoters``, ``passives``, ``detractors`` and ``n`` stay responses. Responses
            without a weight are dropped with the reason ``weight``.
        Interval
            The default, ``score``, holds all scores that a score test does not reject. It is defined from
            one answer on, does not collapse where all are of one class, and always holds the score.
            ``adjusted_wald`` adds 3/4, 3/2 and 3/4 of a respondent to the three classes and is cut to
            -100..100; it is centred nearer to 0 than the score, and too wide where nearly all are of one
            class. ``wald`` is score -+ z se, for comparison with other tools: at small n, and near either
            end, it covers far too rarely, and so do ``student_t``, of the classes as numbers, and ``goodman``,
            which is wider as it holds for all contrasts of the classes. Weighted scores have
            ``adjusted_wald`` only, with t for the normal quantile: where the rare answers are the heavier
            ones, or a few carry most of the weight, 91 to 99.6 % at 30 answers.

        References
        ----------
        ``nps``, ``interval.score``, ``interval.adjusted_wald``, ``interval.wald``,
        ``interval.student_t``, ``interval.goodman_contrast``, ``weighted``, ``raking``

        Examples
        --------
        >>> print(client.nps("sfo-2017", "netpro"))
        NpsResult('sfo-2017', n=2746, score=39.8398, interval=[37.1894, 42.4188])
        >>> for row in client.nps("sfo-2017", "netpro", by="peak"):
        ...     bounds = f"[{row.interval.lower:.1f}, {row.interval.upper:.1f}]"
        ...     print(f"{row.labels['peak']:17} {row.n:4} {row.score:5.1f} {bounds}")
        Domestic peak      759  41.8 [36.8, 46.5]
        Domestic off-peak  966  44.8 [40.4, 49.1]
        International     1021  33.7 [29.2, 38.0]
        """
        methods = metrics_pb2.NpsIntervalMethod
        method = (
            0 if interval is None else _enums.number_of(methods.DESCRIPTOR, interval, "interval")
        )
        selection = selection_of(program, asked)
        request = metrics_pb2.NpsRequest(
            selection=selection,
            question=question,
            interval_method=methods.ValueType(method),
        )
        response = self._ask("Nps", request, metrics_pb2.NpsResponse, asked)
        return results.NpsResult.from_message(response, selection.by)

    def csat(
        self,
        program: str,
        question: str,
        *,
        top: int | None = None,
        **asked: Unpack[Asked],
    ) -> results.CsatResult:
        """Return the top-box share, 0..100, and the mean of a question with a scale.

        Parameters
        ----------
        program, question
            Which question.
        top
            The lowest value in the top box (the highest, where lower is better); as declared when
            absent.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            Two statistics of one scale: the share of answers in the top box (``score``), and the mean
            stretched to 0..100 (``mean``), 100 the best answer. Where lower is better, both count from
            that end.
        Missing answers
            Nulls and declared missing codes are not in n; ``dropped`` counts them by reason. The mean's
            standard error takes two answers.
        Weights
            Share and mean are of the weights, both standard errors are Taylor's; ``n`` and ``top`` stay
            responses. Responses without a weight are dropped with the reason ``weight``.
        Interval
            Wilson's for the share: inside 0..100, defined from one answer on, also where nobody or
            everybody is in the box. It covers less often than it says for a share within a few respondents
            of 0 or of 100 %. Of the mean quasi-binomial, Wilson's of a share with the variance of the
            answers: within the scale, with a width also where all answers are alike, 93 to 97 % from 30
            answers on (Student's t, once the default, 66 % where 95 of 100 tick the best level). On a scale
            of two levels it is that of a share. Weighted, both take the n that has the Taylor variance
            (Korn and Graubard) and Student's t; where few answers carry most of the weight they cover 92 to
            99 %.

        References
        ----------
        ``csat``, ``interval.wilson``, ``interval.quasi_binomial``, ``weighted``, ``raking``

        Examples
        --------
        >>> found = client.csat("sfo-2017", "food")
        >>> print(f"{found.top} of {found.n}: {found.score:.1f} %, mean {found.mean:.1f} of 100")
        1349 of 2421: 55.7 %, mean 65.4 of 100
        >>> found.dropped
        {'missing:0': 69, 'missing:6': 341}
        >>> print(f"excellent only: {client.csat('sfo-2017', 'food', top=5).score:.1f} %")
        excellent only: 17.9 %
        """
        selection = selection_of(program, asked)
        request = metrics_pb2.CsatRequest(selection=selection, question=question, top=top)
        response = self._ask("Csat", request, metrics_pb2.CsatResponse, asked)
        return results.CsatResult.from_message(response, selection.by)

    def ces(
        self,
        program: str,
        question: str,
        *,
        variant: str = "mean",
        **asked: Unpack[Asked],
    ) -> results.CesResult:
        """Return the customer effort score of a ces question.

        Parameters
        ----------
        program, question
            Which question.
        variant
            ``"mean"`` on the question's scale, ``"net"`` in points or ``"agree"``, a share.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            How easy customers found it, in one of the three forms in use: the mean of the scale, the share
            of easy less the share of hard (``net``), or the share that agrees it was easy (``agree``). The
            declaration says which answers are which, and whether low values are the good ones.
        Missing answers
            Nulls and declared missing codes are not in n; ``dropped`` counts them by reason.
        Weights
            All three are of the weights, with Taylor's standard error; counts stay responses.
        Interval
            That of the form: quasi-binomial as of :meth:`csat` for ``mean``, score as of :meth:`nps` for
            ``net`` (weighted: adjusted Wald), Wilson's as of :meth:`csat` for ``agree``; each fails where it
            fails there.

        References
        ----------
        ``ces``, ``interval.quasi_binomial``, ``interval.score``, ``interval.wilson``, ``weighted``,
        ``raking``

        Examples
        --------
        >>> for variant in ("mean", "net", "agree"):
        ...     found = client.ces("shop", "effort", variant=variant)
        ...     print(f"{variant:5} {found.score:5.2f} ± {found.se:.2f}, {found.interval.method}")
        mean   5.17 ± 0.06, quasi_binomial
        net   32.04 ± 2.96, score
        agree 69.03 ± 2.14, wilson
        """
        number = _enums.number_of(metrics_pb2.CesVariant.DESCRIPTOR, variant, "variant")
        selection = selection_of(program, asked)
        request = metrics_pb2.CesRequest(
            selection=selection,
            question=question,
            variant=metrics_pb2.CesVariant.ValueType(number),
        )
        response = self._ask("Ces", request, metrics_pb2.CesResponse, asked)
        return results.CesResult.from_message(response, selection.by)

    def distribution(
        self,
        program: str,
        question: str,
        **asked: Unpack[Asked],
    ) -> results.DistributionResult:
        """Return all answers of a question, level by level, and their moments.

        Parameters
        ----------
        program, question
            Which question, of any kind.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            How many gave each answer, and, on a scale or of a number, mean, standard deviation and standard
            error of the mean, on the scale itself. A number has no levels.
        Missing answers
            Nulls and declared missing codes are no levels; ``dropped`` counts them by reason, and shares
            are of those who answered. Of a question that takes several answers that is who gave any.
        Weights
            Shares, mean and deviation are of the weights; counts stay responses.
        Interval
            Wilson's for every share, each by itself: that all of them hold at once is less likely than
            their level (see :meth:`scorecard` for joint ones). Quasi-binomial for the mean of a scale, as of
            :meth:`csat`. A number has no ends: Student's t, which covers too rarely, even at some hundred
            answers, where a few large ones decide, as in spend (lognormal, 30 answers: 88 %).

        References
        ----------
        ``distribution``, ``interval.wilson``, ``interval.quasi_binomial``, ``interval.student_t``,
        ``weighted``, ``raking``

        Examples
        --------
        >>> found = client.distribution("shop", "compared")
        >>> for level in found.levels:
        ...     print(f"{level.level} {level.count:4} {level.share:5.1f} %")
        1    9   2.1 %
        2   61  14.2 %
        3  164  38.2 %
        4  138  32.2 %
        5   57  13.3 %
        >>> print(f"mean {found.mean:.2f}, sd {found.sd:.2f}")
        mean 3.40, sd 0.96
        >>> print(client.distribution("shop", "margin"))
        DistributionResult('shop', n=461, mean=110.324, interval=[103.667, 116.982])
        """
        selection = selection_of(program, asked)
        request = metrics_pb2.DistributionRequest(selection=selection, question=question)
        response = self._ask("Distribution", request, metrics_pb2.DistributionResponse, asked)
        return results.DistributionResult.from_message(response, selection.by)

    def index(
        self,
        program: str,
        index: str,
        *,
        missing: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.IndexResult:
        """Return a weighted composite index, 0..100, with its parts.

        Parameters
        ----------
        program, index
            Which index.
        missing
            Another policy than the declared one: ``"renormalise"``, ``"item_means"`` or
            ``"complete"``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            Items stretched to 0..100, averaged within their part, and the parts averaged by their declared
            weights. Items on which low is good are turned around.
        Missing answers
            The policy decides. ``renormalise``: a respondent's parts are the means of the items answered,
            and the index their weighted mean; who answered nothing in a part of positive weight is dropped
            (``no_answer``). ``complete``: only who answered every item (else dropped as ``incomplete``).
            ``item_means``: every item's mean over those who answered it, then averaged; n is who answered
            any. The three agree where nothing is missing; ``item_means`` differs where those who skip an
            item would have judged otherwise.
        Weights
            Those of the parts are declared and taken as known: the standard error has no part for them.
            Survey weights apply to respondents, with Taylor's standard error.
        Interval
            Quasi-binomial, from two respondents on: Wilson's of a share with the variance of the index, so
            within 0..100, and with a width also where all respondents agree. 93 to 97.5 % from 30
            respondents on. Weighted, with the effective n and Student's t: too wide at 30, up to 98.6 %.

        References
        ----------
        ``index``, ``interval.quasi_binomial``, ``weighted``, ``raking``

        Examples
        --------
        >>> found = client.index("sfo-2017", "delight")
        >>> print(found)
        IndexResult('sfo-2017', n=2820, score=81.7169, interval=[81.191, 82.2312])
        >>> for part in found.parts:
        ...     print(f"{part.name:11} {part.weight:.1f} {part.n:5} {part.score:5.1f}")
        cleanliness 0.3  2736  81.9
        wayfinding  0.2  2683  85.3
        security    0.2  2407  82.7
        safety      0.2  2781  84.4
        food        0.1  2421  65.4
        >>> for missing in ("renormalise", "item_means", "complete"):
        ...     found = client.index("sfo-2017", "delight", missing=missing)
        ...     print(f"{missing:11} {found.n} {found.score:.2f} {found.dropped}")
        renormalise 2820 81.72 {'no_answer': 11}
        item_means  2820 81.58 {'no_answer': 11}
        complete    2031 81.43 {'incomplete': 800}
        """
        if missing is not None:
            _enums.number_of(program_pb2.MissingPolicy.DESCRIPTOR, missing, "missing")
        selection = selection_of(program, asked)
        request = metrics_pb2.WeightedIndexRequest(
            selection=selection, index=index, missing=missing or ""
        )
        response = self._ask("WeightedIndex", request, metrics_pb2.WeightedIndexResponse, asked)
        return results.IndexResult.from_message(response, selection.by)

    def scorecard(
        self,
        program: str,
        question: str,
        **asked: Unpack[Asked],
    ) -> results.ScorecardResult:
        """Return share and count of every option of a choice question.

        Parameters
        ----------
        program, question
            Which question.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            How many chose each option. Where several may be chosen, shares are of respondents, not of
            choices, and may add up to more than 100. Equal counts share a rank.
        Missing answers
            The base is who chose at least one option; all others are in ``dropped``, by reason.
        Weights
            Shares and ranks are of the weights; counts stay responses.
        Interval
            Goodman's: the intervals of all options of a group hold together at the level asked for, so each
            is wider than one by itself. They are conservative where the options are many. For an option
            chosen by very few the lower bound is the weaker side: of 30 answers, with options that 1 to 5
            of 100 choose, all hold in 89 to 91 % of samples; from 100 answers on in 93 to 96.

        References
        ----------
        ``scorecard``, ``interval.goodman``, ``weighted``, ``raking``

        Examples
        --------
        >>> found = client.scorecard("sfo-2017", "improve")
        >>> print(found.base, "respondents,", found.selections, "answers")
        1423 respondents, 1943 answers
        >>> for option in sorted(found.options, key=lambda one: one.rank)[:3]:
        ...     bounds = f"[{option.interval.lower:.1f}, {option.interval.upper:.1f}]"
        ...     print(f"{option.label}: {option.count}, {option.share:.1f} % {bounds}")
        Nothing to improve, keep it up: 269, 18.9 % [15.6, 22.7]
        Wider choice of restaurants: 150, 10.5 % [8.1, 13.7]
        More charging stations and plugs: 116, 8.2 % [6.0, 11.0]
        """
        selection = selection_of(program, asked)
        request = metrics_pb2.ScorecardRequest(selection=selection, question=question)
        response = self._ask("Scorecard", request, metrics_pb2.ScorecardResponse, asked)
        return results.ScorecardResult.from_message(response, selection.by)
