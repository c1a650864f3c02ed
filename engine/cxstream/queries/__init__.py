"""What can be asked: a module per topic, each a mixin over `Asking`."""

from cxstream.queries.change import Changes
from cxstream.queries.comparison import Comparisons
from cxstream.queries.drivers import DriverQuestions
from cxstream.queries.journey import Journeys
from cxstream.queries.linkage import Linkages
from cxstream.queries.metrics import Metrics
from cxstream.queries.models import Models
from cxstream.queries.monitoring import Monitorings
from cxstream.queries.reliability import ReliabilityQuestions


class Queries(
    Metrics,
    Models,
    Comparisons,
    Changes,
    Monitorings,
    DriverQuestions,
    ReliabilityQuestions,
    Journeys,
    Linkages,
):
    """All questions."""


__all__ = ["Queries"]
