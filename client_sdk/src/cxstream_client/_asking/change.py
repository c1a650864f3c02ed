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
            dimensions that make up the segments.
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

        Examples
        --------
        >>> client.decompose({"customers": (1000, 1200), "spend": (20.0, 19.0)})  # doctest: +SKIP
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
