"""All scenarios there are."""

from collections.abc import Iterator

from tests.coverage import (
    comparisons,
    importance,
    indices,
    journeys,
    means,
    movements,
    nets,
    outcomes,
    raked,
    raked_operations,
    regressions,
    reliabilities,
    series,
    shares,
    weighted_operations,
    weighted_questions,
    weighting,
)
from tests.coverage.scenario import Scenario

#: In the order of the page.
FAMILIES = (
    nets,
    shares,
    means,
    indices,
    comparisons,
    movements,
    series,
    journeys,
    outcomes,
    regressions,
    importance,
    reliabilities,
    weighted_questions,
    weighted_operations,
    weighting,
    raked,
    raked_operations,
)


def scenarios() -> Iterator[Scenario]:
    """Scenarios of all families."""
    for family in FAMILIES:
        yield from family.scenarios()
