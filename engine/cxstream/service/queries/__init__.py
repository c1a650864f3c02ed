"""The rpcs of QueryService, a module per topic: requests to the engine's questions, answers to messages."""

from cxstream.service.queries import (
    change,
    comparison,
    drivers,
    journey,
    linkage,
    metrics,
    models,
    monitoring,
    reliability,
)
from cxstream.service.queries.asked import Asked

#: By class of request.
ASKED: Asked = {
    **metrics.ASKED,
    **models.ASKED,
    **drivers.ASKED,
    **reliability.ASKED,
    **comparison.ASKED,
    **change.ASKED,
    **monitoring.ASKED,
    **journey.ASKED,
    **linkage.ASKED,
}

__all__ = ["ASKED", "Asked"]
