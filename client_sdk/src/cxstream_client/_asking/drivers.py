"""Questions about what moves an outcome."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from cxstream_api.v1 import drivers_pb2
from cxstream_client import _enums, results
from cxstream_client._asking.asking import Asked, Asking, selection_of
from cxstream_client._asking.models import model_of


class Drivers(Asking):
    """Importance of drivers."""

    def drivers(
        self,
        program: str,
        model: str | None = None,
        *,
        outcome: str | None = None,
        drivers: Iterable[str] = (),
        cut: str = "mean",
        **asked: Unpack[Asked],
    ) -> results.DriversResult:
        """Return how much each driver of a model matters, and where to act.

        Importance is each driver's share of R2: LMG (Shapley), with standard error and interval of
        models declared ``robust``, beside Johnson's relative weight and others. With it come the
        performance of each driver, the quadrant the two make, and weights for an index.

        Parameters
        ----------
        program, model
            Which declared model.
        outcome, drivers
            Instead of a model: the question explained and those that explain it, together exactly
            the columns of one declared model.
        cut
            Where the quadrants meet: at the ``"mean"`` or the ``"median"`` over the drivers.
        **asked
            Which responses, how they are grouped, and more; see :class:`~cxstream_client.Client`.

        Raises
        ------
        InvalidInput
            Where both or neither of model and outcome with drivers are given.
        """
        names = model_of("drivers", model, outcome, drivers)
        number = _enums.number_of(drivers_pb2.QuadrantCut.DESCRIPTOR, cut, "cut")
        selection = selection_of(program, asked)
        request = drivers_pb2.DriversRequest(
            selection=selection,
            model=model or "",
            outcome=outcome or "",
            drivers=names,
            cut=drivers_pb2.QuadrantCut.ValueType(number),
        )
        response = self._ask("Drivers", request, drivers_pb2.DriversResponse, asked)
        return results.DriversResult.from_message(response, selection.by)
