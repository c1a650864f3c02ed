"""Questions about what moved a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from cxstream_api.v1 import change_pb2
from cxstream_client import results
from cxstream_client._asking.asking import Asked, Asking, selection_of
from cxstream_client._asking.comparison import Side, metric_of, side_of

#: One value, or one for each group over which a product is summed.
Values = float | Sequence[float]


class Changes(Asking):
    """Change, impact, decomposition."""

    def change(
        self,
        program: str,
        metric: str,
        name: str,
        *,
        before: Side,
        after: Side,
        top: int | None = None,
        missing: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.ChangeResult:
        """Split a change of a score into mix (who answered) and rate (how they answered).

        Parameters
        ----------
        program, metric, name
            What: ``"nps"`` or ``"csat"`` of a question, or ``"index"``.
        before, after
            The two periods ``(since, until)``; or other parts of the responses, as levels by
            dimension. They have no responses in common.
        top, missing
            Of a csat and of an index, as in :meth:`csat` and :meth:`index`.
        **asked
            Which responses, and more; see :class:`~cxstream_client.Client`. ``by`` names the
            dimensions that make up the segments.

        Notes
        -----
        What it says
            Why a score moved: because other people answered (mix), or because they answered otherwise
            (rate). The two add to the change exactly, for the whole and for every segment. A segment that is
            new or has vanished is all mix. ``warning`` says where the segments disagree with the whole
            (Simpson's paradox).
        Missing answers
            Who did not answer is in no segment's share; ``dropped`` adds up both periods. An index whose
            policy is ``item_means`` is refused: its segments do not add up to the whole.
        Weights
            Shares and scores are of the weights, and the mix of ``s_k = W_k / W`` is exact as before. Standard
            errors are Taylor's, of the linearised shares and scores of both periods; raked, of the residuals
            over all responses, which ties the periods together. ``n`` count respondents; intervals take
            effective n.
        Interval
            Student's t around the value. Its error is that of the delta method with a respondent of the
            whole's variance added to every segment, so that few answers, or answers that agree, make no
            interval of no width; ``se`` itself is without them. The two periods are independent; segments
            are not corrected for their number. Change and rate of the whole cover 93 to 97 % from 30
            answers on. Mix covers too often where the segments hardly differ or move: it is a product of
            two small numbers then. A segment that only one period has is given no rate, which is not to
            say that it had none: the interval takes the score that is not there from one respondent of the
            whole. Of a segment of one to five answers a period that of the rate covers 91 to 94 %,
            weighted 85 to 87.

        References
        ----------
        ``change``, ``interval.segment_t``,
        ``weighted.change``, ``weighted``

        Examples
        --------
        >>> first, second = ("2026-01-01", "2026-04-01"), ("2026-04-01", "2026-07-01")
        >>> found = client.change("shop", "nps", "recommend", by="touchpoint", before=first, after=second)
        >>> for name, part in (("change", found.change), ("mix", found.mix), ("rate", found.rate)):
        ...     print(f"{name:6} {part.value:+6.1f} ± {part.se:.1f}")
        change  -25.0 ± 7.2
        mix      -1.8 ± 2.7
        rate    -23.2 ± 6.7
        >>> for row in found:
        ...     print(f"{row.group['touchpoint']:8} mix {row.mix.value:+5.1f} rate {row.rate.value:+6.1f}")
        delivery mix  +0.1 rate  -19.4
        invoice  mix  +0.6 rate   -1.5
        order    mix  -1.3 rate   -4.4
        support  mix  -1.1 rate   +2.1
        """
        selection = selection_of(program, asked)
        request = change_pb2.ChangeRequest(
            selection=selection,
            metric=metric_of(metric, name, top, missing, None),
            before=side_of(before, "before"),
            after=side_of(after, "after"),
        )
        response = self._ask("Change", request, change_pb2.ChangeResponse, asked)
        return results.ChangeResult.from_message(response, selection.by)

    def impact(
        self,
        program: str,
        metric: str,
        name: str,
        *,
        top: int | None = None,
        missing: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.ImpactResult:
        """Return how far each segment pulls a score: that of all less that without the segment.

        Parameters
        ----------
        program, metric, name
            What: ``"nps"`` or ``"csat"`` of a question, or ``"index"``.
        top, missing
            Of a csat and of an index, as in :meth:`csat` and :meth:`index`.
        **asked
            Which responses, and more; see :class:`~cxstream_client.Client`. ``by`` names the
            dimensions that make up the segments; or, of an nps, a choice question.

        Notes
        -----
        What it says
            How far a segment pulls the score: what the score would lose without it. That depends on how
            large the segment is and how far it lies from the others; impacts do not add up to the score.
            By a choice question it is what the score would lose without those who named an option, who
            may have named others too; the column of the score must be a dimension of the program then.
        Missing answers
            As the metric treats them; ``dropped`` counts them by segment. An index whose policy is
            ``item_means`` is refused.
        Weights
            Score and share are of the weights, ``W_k (N_k - N) / (W - W_k)``; the standard error is Taylor's,
            and t has the effective n less 1 degrees of freedom.
        Interval
            Student's t around the impact, with the standard error by the delta method, which knows that the
            segment is part of the whole, and n - 1 for its n. For a segment of a few answers it is too wide;
            in 30 answers of which nearly all are alike it covers 92 %, weighted 91. Not corrected for the
            number of segments.

        References
        ----------
        ``impact``, ``interval.student_t``; of the whole ``nps``, ``csat``, ``index``, ``interval.score``,
        ``interval.wilson``, ``interval.quasi_binomial``,
        ``weighted.change``, ``weighted``

        Examples
        --------
        >>> found = client.impact("shop", "nps", "recommend", by="touchpoint")
        >>> print(f"all: {found.whole.score:.1f} of {found.whole.n}")
        all: 22.4 of 465
        >>> for row in found:
        ...     print(f"{row.group['touchpoint']:8} {row.score:+6.1f} {row.impact:+5.1f} ± {row.se:.1f}")
        delivery   +0.9  -7.2 ± 2.2
        invoice   +48.0  +9.4 ± 2.1
        order     +49.2  +9.3 ± 2.1
        support   -15.5 -10.8 ± 2.1
        """
        selection = selection_of(program, asked)
        request = change_pb2.ImpactRequest(
            selection=selection, metric=metric_of(metric, name, top, missing, None)
        )
        response = self._ask("Impact", request, change_pb2.ImpactResponse, asked)
        return results.ImpactResult.from_message(response, selection.by)

    def decompose(self, factors: Mapping[str, tuple[Values, Values]]) -> results.DecomposeResult:
        """Share the change of a product out among its factors (Das Gupta).

        Parameters
        ----------
        factors
            Before and after by factor: a number each, or a number for each group over which the
            product is summed.

        Notes
        -----
        What it says
            How much of the change of a product, such as revenue = customers x purchases x price, each factor
            has brought about: its own step times the other factors, averaged over all orders in which they
            could have changed. The effects add up to the change exactly; ``before`` and ``after`` of an
            effect are the standardised products it is the difference of.
        Missing answers
            It is of the numbers given, not of responses; every factor has one for each group.
        Weights
            None: nothing is sampled.
        Interval
            None: the numbers are taken as known.

        References
        ----------
        ``decomposition``

        Examples
        --------
        >>> found = client.decompose({"customers": (1000, 1200), "spend": (20.0, 19.0)})
        >>> found.change
        2800.0
        >>> for one in found.effects:
        ...     print(f"{one.factor:9} {one.effect:+.0f}")
        customers +3900
        spend     -1100
        """
        request = change_pb2.DecomposeRequest(
            factors=[
                change_pb2.Factor(name=name, before=_values(before), after=_values(after))
                for name, (before, after) in factors.items()
            ]
        )
        response = self._call("QueryService", "Decompose", request, change_pb2.DecomposeResponse)
        return results.DecomposeResult.from_message(response)


def _values(values: Values) -> list[float]:
    return list(values) if isinstance(values, Sequence) else [values]
