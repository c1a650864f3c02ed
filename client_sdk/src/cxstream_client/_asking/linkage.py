"""Questions about outcomes by NPS class, first contacts and relative performance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from cxstream_api.v1 import common_pb2, linkage_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import Asked, Asking, selection_of


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
            AC; ``"naive"``: m / (1 - r) - AC.
        discount, acquisition
            Rate i per period; cost AC of winning a customer.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.
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
        )
        response = self._ask("CustomerValue", request, linkage_pb2.CustomerValueResponse, asked)
        return results.CustomerValueResult.from_message(response, selection.by)

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
        """
        selection = selection_of(program, asked)
        request = linkage_pb2.RelativeRequest(
            selection=selection, question=question, percentiles=list(percentiles)
        )
        response = self._ask("Relative", request, linkage_pb2.RelativeResponse, asked)
        return results.RelativeResult.from_message(response, selection.by)
