"""Questions about sets of questions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from cxstream_api.v1 import reliability_pb2
from cxstream_client import results
from cxstream_client._asking.asking import Asked, Asking, names_of, selection_of
from cxstream_client._enums import number_of
from cxstream_client.errors import InvalidInput


class Reliability(Asking):
    """Reliability of sets of questions."""

    def reliability(
        self,
        program: str,
        items: Iterable[str] = (),
        *,
        index: str | None = None,
        missing: str | None = None,
        interval: str | None = None,
        **asked: Unpack[Asked],
    ) -> results.ReliabilityResult:
        """Return how well several questions measure one thing: alpha, omega, items.

        Parameters
        ----------
        program
            The program.
        items
            At least two questions with scales.
        index
            Instead of items: those of a declared index.
        missing
            ``"listwise"``, the default: who answered all items. ``"pairwise"``: each covariance of who answered both,
            of questions whose pairs the program keeps (``[insights]``); without interval.
        interval
            Of alpha: ``"feldt"``, or ``"log_delta"`` for answers of any distribution, which takes
            fourth-order moments. When left out ``log_delta`` where the program declares a ``robust``
            model of the items.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Raises
        ------
        InvalidInput
            Where both or neither of items and index are given.

        Notes
        -----
        What it says
            Whether several questions measure one thing: alpha and omega, 0..1, and per item its correlation
            with the others and what alpha would be without it; ``mean_inter_item`` is the mean correlation
            of two of them. A high alpha does not say that there is only one thing. Items that do not vary
            are left out and named.
        Missing answers
            Only respondents who answered all items count; the others are dropped as ``incomplete``.
            ``missing="pairwise"`` drops nobody; ``n`` is then that of the pair that fewest answered.
        Weights
            With ``weighting="declared"`` or ``rake`` all is of weighted covariances over those who have a weight. ``se``
            and the interval (``log_delta``) are design-based, from fourth-order sums of squared weights, with
            the effective n for n; they take a model with ``robust = true`` over just these questions, without
            which alpha stands alone. Feldt's interval is of equally weighted normal answers and is not given.
            Raked, ``se`` is of the residuals on the margins' indicators. ``missing="pairwise"`` is refused:
            pairs are kept without weights.
        Interval
            ``log_delta``, also in ``free_interval``, takes no distribution and covers 93 to 97 % from 30
            answers on (raked 92 to 98); it takes fourth-order moments, and is there by default for the columns of a model
            declared ``robust``. For others ``feldt``: right for answers near normal, 94 to 96 %; too narrow where answers crowd
            at one end (69 to 86 %), and for yes or no at 90:10 (80 %), at any n. ``normal_se`` is that of
            normal answers (psych's ``ase``); alpha less and plus z times it is Duhachek's interval, which
            is not offered. Omega has no interval.

        References
        ----------
        ``reliability``, ``interval.feldt``, ``interval.log_delta``,
        ``weighted``, ``raking``

        Examples
        --------
        >>> found = client.reliability("shop", ["satisfied", "effort", "compared"])
        >>> print(f"alpha {found.alpha:.3f}, omega {found.omega:.3f}, n {found.n}")
        alpha 0.789, omega 0.805, n 395
        >>> items = ["satisfied", "effort", "compared"]
        >>> for method in ("feldt", "log_delta"):
        ...     bounds = client.reliability("shop", items, interval=method).interval
        ...     print(f"{bounds.method:9} [{bounds.lower:.3f}, {bounds.upper:.3f}]")
        feldt     [0.751, 0.823]
        log_delta [0.749, 0.824]
        >>> for item in found.items:
        ...     print(f"{item.item:9} {item.item_total:.2f}, alpha without it {item.alpha_if_dropped:.3f}")
        satisfied 0.69, alpha without it 0.667
        effort    0.67, alpha without it 0.699
        compared  0.58, alpha without it 0.769
        """
        names = names_of(items, "items")
        if (index is None) == (not names):
            raise InvalidInput(
                "reliability: expected either items or an index",
                reason="BAD_OPTION",
                details={"field": "items"},
            )
        methods = reliability_pb2.AlphaIntervalMethod
        method = 0 if interval is None else number_of(methods.DESCRIPTOR, interval, "interval")
        policies = reliability_pb2.MissingItems
        policy = 0 if missing is None else number_of(policies.DESCRIPTOR, missing, "missing")
        selection = selection_of(program, asked)
        request = reliability_pb2.ReliabilityRequest(
            selection=selection,
            index=index or "",
            items=names,
            interval_method=methods.ValueType(method),
            missing=policies.ValueType(policy),
        )
        response = self._ask("Reliability", request, reliability_pb2.ReliabilityResponse, asked)
        return results.ReliabilityResult.from_message(response, selection.by)
