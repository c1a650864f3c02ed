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

        Notes
        -----
        What it says
            How R2 is shared out among the drivers, and, beside how well each is rated, where to act:
            important and rated low is ``top_priority``. Derived index weights are the shares of the drivers
            whose coefficient is not negative; those of the others are 0, and ``floored`` says so.
            Importance is of associations in these responses, not of what a change would bring about.
        Missing answers
            Only responses that answer outcome and all drivers count; the others are dropped as
            ``incomplete``.
        Weights
            With ``weighting="declared"`` or ``rake`` correlations and means are of the weights, and errors
            design-based; raked, of the residuals on the margins' indicators. Intervals take the effective
            n for n.
        Interval
            Fisher's z of the share's root, from a standard error by the delta method, which takes
            fourth-order moments: only of models declared ``robust``; elsewhere ``without_se`` says why.
            Shares are never below 0, so the interval of a share that can hardly be told from none is too
            wide: up to 98.5 % at a level of 95 %. Where ratings crowd at one end the error comes of few bad
            ones: 90 to 92 % up to 100 answers, weighted 91, raked 84 to 86, and 93 to 95 at 1,000. A quadrant is ``undetermined`` where the interval of the
            distance to a cut holds 0. ``johnson_axes_se``, ``johnson_t`` and ``johnson_p`` are those that
            flipRegression prints: of second-order sums, so of every model, but with the orthogonal axes
            taken as known and residuals of one variance; ``johnson_se`` takes neither.

        References
        ----------
        ``drivers``, ``interval.fisher_z``, ``weighted``, ``raking``

        Examples
        --------
        >>> found = client.drivers("shop", "satisfaction")
        >>> print(f"R2 {found.r2:.3f} of {found.n} responses")
        R2 0.485 of 395 responses
        >>> for one in found.drivers:
        ...     print(f"{one.driver:8} {one.lmg:.3f} ± {one.se:.3f}, {one.performance:.1f}, {one.quadrant}")
        effort   0.314 ± 0.033, 69.4, keep_up
        compared 0.171 ± 0.028, 60.2, ignore
        >>> {name: round(weight, 3) for name, weight in found.weights.items()}
        {'effort': 0.648, 'compared': 0.352}
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
