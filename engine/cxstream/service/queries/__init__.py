"""The rpcs of QueryService, a module per topic: requests to the engine's questions, answers to messages."""

from cxstream.service.queries import drivers, journey, linkage, metrics, models, reliability
from cxstream.service.queries.asked import Asked

#: By class of request.
ASKED: Asked = {
    **metrics.ASKED,
    **models.ASKED,
    **drivers.ASKED,
    **reliability.ASKED,
    **journey.ASKED,
    **linkage.ASKED,
}

__all__ = ["ASKED", "Asked"]
