"""Questions about journeys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from cxstream_api.v1 import common_pb2, journey_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import Asked, Asking, names_of, selection_of


class Journeys(Asking):
    """A journey, and two compared."""

    def journey(
        self,
        program: str,
        question: str | None = None,
        along: str | None = None,
        *,
        stages: Iterable[str] = (),
        questions: Iterable[str] = (),
        metric: str | None = None,
        correction: str = "holm",
        **asked: Unpack[Asked],
    ) -> results.JourneyResult:
        """Return a metric at an ordered list of touchpoints, the steps between them, the biggest drop.

        Parameters
        ----------
        program
            The program.
        question, along
            A question asked at every touchpoint, and the dimension of the touchpoints: their
            respondents are independent groups.
        stages
            Levels of that dimension, in order; all there are, as they sort, where left out.
        questions
            Instead of all that: a question per touchpoint, in order, answered by the same
            respondents. Means have exact paired steps; net scores and top boxes have bounded ones.
        metric
            ``"nps"``, ``"top_box"`` or ``"mean"`` (0..100); of nps questions ``"nps"`` where left
            out, of others ``"mean"``.
        correction
            How the p values of the steps are corrected: ``"holm"`` or ``"benjamini_hochberg"``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            A metric at every touchpoint, the steps from one to the next, and the step that falls most.
            ``p_adjusted`` is corrected for the number of steps, so looking for the biggest drop costs
            nothing more.
        Missing answers
            Each stage has its own n; ``dropped`` adds up over the stages what is missing, by reason, and
            counts responses at no stage as ``other stage``. A stage that nobody answered has no score, and
            no step leads to it or from it.
        Weights
            Along a dimension: scores are of the weights, steps are compared as in :meth:`compare`. Along
            questions: a step between two means has Taylor's error with the covariance over those who answered
            both; it takes an index that has all the questions, or stored responses, because pairs are kept
            without weights. Steps between shares and net scores are bounded as before.
        Interval
            Of a stage: that of the metric by itself, see :meth:`nps` and :meth:`csat`. Of a step, not
            corrected for their number: between levels of a dimension joined score intervals (nps),
            Miettinen and Nurminen's (top box), joined quasi-binomial intervals (mean). Between questions of
            the same respondents means have Student's t with their exact covariance; net scores and top
            boxes a bound that holds whatever the covariance, and so is far too wide where answers agree (it
            covers 99 to 100 %): ``basis`` says which.

        References
        ----------
        ``journey``, ``interval.score``, ``interval.wilson``, ``interval.quasi_binomial``,
        ``interval.student_t``, ``interval.hybrid_score``, ``interval.miettinen_nurminen``,
        ``interval.hybrid_quasi_binomial``, ``interval.bound``,
        ``weighted.comparison``, ``weighted``

        Examples
        --------
        >>> stages = ["order", "delivery", "invoice", "support"]
        >>> found = client.journey("shop", "recommend", "touchpoint", stages=stages)
        >>> for stage in found.stages:
        ...     step = "" if stage.change is None else f"{stage.change:+6.1f}, p {stage.p_adjusted:.1g}"
        ...     print(f"{stage.stage:8} {stage.n:3} {stage.score:6.1f} {step}".rstrip())
        order    120   49.2
        delivery 117    0.9  -48.3, p 6e-06
        invoice  125   48.0  +47.1, p 6e-06
        support  103  -15.5  -63.5, p 5e-09
        >>> found.biggest_drop, found.basis
        ('support', 'independent')
        >>> client.journey("sfo-2017", questions=["getting_there", "security", "find_way", "food"]).basis
        'paired'
        """
        selection = selection_of(program, asked)
        path = _path(question, along, stages, questions, metric, correction)
        request = journey_pb2.JourneyRequest(selection=selection, path=path)
        response = self._ask("Journey", request, journey_pb2.JourneyResponse, asked)
        return results.JourneyResult.from_message(response, selection.by)

    def compare_journeys(
        self,
        program: str,
        question: str | None = None,
        along: str | None = None,
        *,
        between: tuple[str, str, str],
        stages: Iterable[str] = (),
        questions: Iterable[str] = (),
        metric: str | None = None,
        correction: str = "holm",
        **asked: Unpack[Asked],
    ) -> results.CompareJourneysResult:
        """Return two journeys beside each other, with a test of every stage and of the whole.

        Parameters
        ----------
        program, question, along, stages, questions, metric, correction
            As in :meth:`journey`.
        between
            A dimension and two of its levels: ``("flight", "342", "344")``.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Notes
        -----
        What it says
            Two groups of different respondents along the same touchpoints: the difference at every stage,
            their mean, and one test of whether the journeys differ anywhere (``chi2``).
        Missing answers
            Each stage and side has its own n; ``dropped`` is of both. A stage that one side did not answer
            has no difference, and is not in the mean or the test.
        Weights
            As :meth:`journey` and :meth:`compare`; chi2 is Wald's with Taylor's covariances.
        Interval
            Of a stage's difference, not corrected for their number: joined score intervals (nps),
            Miettinen and Nurminen's (top box), joined quasi-binomial intervals (mean). Of the mean
            difference: normal, from the standard errors of the stages, weighted with t; of net scores and
            top boxes of questions a bound that holds whatever the covariance (it covers 99 %). Raked, with
            30 respondents a journey, it covers 92 %. ``chi2`` needs
            covariances, so there is none for the latter; with few answers at some stage it rejects too
            often.

        References
        ----------
        ``journey.comparison``, ``interval.hybrid_score``, ``interval.miettinen_nurminen``,
        ``interval.hybrid_quasi_binomial``, ``interval.wald``, ``interval.bound``,
        ``weighted.comparison``, ``weighted``

        Examples
        --------
        >>> found = client.compare_journeys(
        ...     "shop", "recommend", "touchpoint", between=("region", "north", "south")
        ... )
        >>> for stage in found.stages:
        ...     scores = f"{stage.a:5.1f} {stage.b:5.1f} {stage.difference:+5.1f}"
        ...     print(f"{stage.stage:8} {scores}, p {stage.p_adjusted:.3f}")
        delivery   0.0   4.5  -4.5, p 1.000
        invoice   62.0  46.2 +15.8, p 0.818
        order     58.1  51.1  +7.1, p 1.000
        support    4.3 -18.2 +22.5, p 0.818
        >>> print(f"mean difference {found.difference:.1f} ± {found.se:.1f}")
        mean difference 10.2 ± 7.8
        >>> print(f"anywhere: chi2 {found.chi2:.2f} with {found.df} df, p {found.chi2_p:.3f}")
        anywhere: chi2 3.26 with 4 df, p 0.516
        """
        selection = selection_of(program, asked)
        dimension, a, b = names_of([str(one) for one in between], "between")
        request = journey_pb2.CompareJourneysRequest(
            selection=selection,
            path=_path(question, along, stages, questions, metric, correction),
            dimension=dimension,
            a=a,
            b=b,
        )
        reply = journey_pb2.CompareJourneysResponse
        response = self._ask("CompareJourneys", request, reply, asked)
        return results.CompareJourneysResult.from_message(response, selection.by)


def _path(
    question: str | None,
    along: str | None,
    stages: Iterable[str],
    questions: Iterable[str],
    metric: str | None,
    correction: str,
) -> journey_pb2.JourneyPath:
    measured = 0
    if metric is not None:
        measured = _enums.number_of(journey_pb2.JourneyMetric.DESCRIPTOR, metric, "metric")
    corrected = _enums.number_of(common_pb2.Correction.DESCRIPTOR, correction, "correction")
    return journey_pb2.JourneyPath(
        question=question or "",
        dimension=along or "",
        stages=names_of(stages, "stages"),
        questions=names_of(questions, "questions"),
        metric=journey_pb2.JourneyMetric.ValueType(measured),
        correction=common_pb2.Correction.ValueType(corrected),
    )
