"""`cxstream query`: answers as tables, JSON or CSV; a module per topic adds its commands."""

from cxstream.cli.queries import (
    drivers,
    journey,
    linkage,
    metrics,
    models,
    programs,
    reliability,
)
from cxstream.cli.queries.asking import app

__all__ = [
    "app",
    "drivers",
    "journey",
    "linkage",
    "metrics",
    "models",
    "programs",
    "reliability",
]
