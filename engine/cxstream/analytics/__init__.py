"""Slices of a tally in, answers with their uncertainty out.

Every function here is pure: exact integer sums go in, frozen dataclasses come out, one per group.
No rows, no files, no locks. What is undefined is ``None``: never NaN, and never 0 for a group in
which nobody answered.
"""

from cxstream.analytics import (
    ces,
    change,
    change_points,
    comparison,
    corrections,
    csat,
    decomposition,
    distribution,
    impact,
    index,
    insights,
    intervals,
    journey,
    linkage,
    monitoring,
    nps,
    raking,
    regression,
    relative,
    sample_size,
    scorecard,
    scores,
    survey,
    weighted,
    weighted_index,
)

__all__ = [
    "ces",
    "change",
    "change_points",
    "comparison",
    "corrections",
    "csat",
    "decomposition",
    "distribution",
    "impact",
    "index",
    "insights",
    "intervals",
    "journey",
    "linkage",
    "monitoring",
    "nps",
    "raking",
    "regression",
    "relative",
    "sample_size",
    "scorecard",
    "scores",
    "survey",
    "weighted",
    "weighted_index",
]
