"""`cxstream query`: answers as tables, JSON or CSV; a module per topic adds its commands."""

from cxstream.cli.queries import journey, linkage, metrics, models, programs
from cxstream.cli.queries.asking import app

__all__ = ["app", "journey", "linkage", "metrics", "models", "programs"]
