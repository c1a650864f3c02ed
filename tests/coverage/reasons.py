"""Why a default covers too rarely or too often somewhere; the page lists no failure without."""

from tests.coverage.scenario import Row

#: By statistic, and where one does not do by field or variant.
REASONS: dict[str, str] = {}


def reason_of(row: Row) -> str:
    """Return the reason.

    Raises
    ------
    ValueError
        None is stated.
    """
    for key in (f"{row.statistic}: {row.variant}", f"{row.statistic}: {row.field}", row.statistic):
        if key in REASONS:
            return REASONS[key]
    raise ValueError(f"no reason stated for {row}")
