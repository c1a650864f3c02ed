"""`cxstream query`: answers as tables, JSON or CSV; a module per topic adds its commands."""

from cxstream.cli.queries import (
    change,
    comparison,
    drivers,
    journey,
    linkage,
    metrics,
    models,
    monitoring,
    programs,
    reliability,
)
from cxstream.cli.queries.asking import app

__all__ = [
    "app",
    "change",
    "comparison",
    "drivers",
    "journey",
    "linkage",
    "metrics",
    "models",
    "monitoring",
    "programs",
    "reliability",
]
