"""Questions about sets of questions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from cxstream_api.v1 import reliability_pb2
from cxstream_client import results
from cxstream_client._asking.asking import Asked, Asking, names_of, selection_of
from cxstream_client.errors import InvalidInput


class Reliability(Asking):
    """Reliability of sets of questions."""

    def reliability(
        self,
        program: str,
        items: Iterable[str] = (),
        *,
        index: str | None = None,
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
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Raises
        ------
        InvalidInput
            Where both or neither of items and index are given.
        """
        names = names_of(items, "items")
        if (index is None) == (not names):
            raise InvalidInput(
                "reliability: expected either items or an index",
                reason="BAD_OPTION",
                details={"field": "items"},
            )
        selection = selection_of(program, asked)
        request = reliability_pb2.ReliabilityRequest(
            selection=selection, index=index or "", items=names
        )
        response = self._ask("Reliability", request, reliability_pb2.ReliabilityResponse, asked)
        return results.ReliabilityResult.from_message(response, selection.by)
