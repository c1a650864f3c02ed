"""The questions a client can ask, a mixin per topic."""

from cxstream_client._asking.change import Changes
from cxstream_client._asking.comparison import Comparisons
from cxstream_client._asking.drivers import Drivers
from cxstream_client._asking.journey import Journeys
from cxstream_client._asking.linkage import Linkages
from cxstream_client._asking.metrics import Metrics
from cxstream_client._asking.models import Models
from cxstream_client._asking.monitoring import Monitorings
from cxstream_client._asking.reliability import Reliability


class Questions(
    Metrics, Models, Comparisons, Changes, Monitorings, Drivers, Reliability, Journeys, Linkages
):
    """All of them."""


__all__ = ["Questions"]
