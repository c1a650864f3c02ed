"""Client of cxstream: stream survey responses in, ask for answers that are always up to date.

>>> import cxstream_client as cx
>>> client = cx.connect("127.0.0.1:50051")
>>> client.close()
"""

import logging as _logging

from cxstream_client._transport import AppendCall, GrpcOptions, GrpcTransport, Transport
from cxstream_client.append import AppendStream, Receipt, Refusal
from cxstream_client.client import Client, connect
from cxstream_client.errors import (
    Cancelled,
    Conflict,
    CxstreamError,
    DeadlineExceeded,
    Internal,
    InvalidInput,
    NotFound,
    Overloaded,
    PermissionDenied,
    PreconditionFailed,
    Unauthenticated,
    Unavailable,
)
from cxstream_client.program import Program, message_to_dict
from cxstream_client.results import (
    AsOf,
    CesResult,
    CesRow,
    Checkpoint,
    CsatResult,
    CsatRow,
    DistributionResult,
    DistributionRow,
    ErasureReceipt,
    Explanation,
    FitResult,
    FitRow,
    Formula,
    IndexResult,
    IndexRow,
    InsightsResult,
    InsightsRow,
    Interval,
    LevelShare,
    NpsResult,
    NpsRow,
    OptionShare,
    PairInsight,
    PartScore,
    ProgramInfo,
    Rebuild,
    RegressionResult,
    RegressionRow,
    ScorecardResult,
    ScorecardRow,
    SummaryResult,
    SummaryRow,
    Term,
)

__version__ = "0.1.0"

__all__ = [
    "AppendCall",
    "AppendStream",
    "AsOf",
    "Cancelled",
    "CesResult",
    "CesRow",
    "Checkpoint",
    "Client",
    "Conflict",
    "CsatResult",
    "CsatRow",
    "CxstreamError",
    "DeadlineExceeded",
    "DistributionResult",
    "DistributionRow",
    "ErasureReceipt",
    "Explanation",
    "FitResult",
    "FitRow",
    "Formula",
    "GrpcOptions",
    "GrpcTransport",
    "IndexResult",
    "IndexRow",
    "InsightsResult",
    "InsightsRow",
    "Internal",
    "Interval",
    "InvalidInput",
    "LevelShare",
    "NotFound",
    "NpsResult",
    "NpsRow",
    "OptionShare",
    "Overloaded",
    "PairInsight",
    "PartScore",
    "PermissionDenied",
    "PreconditionFailed",
    "Program",
    "ProgramInfo",
    "Rebuild",
    "Receipt",
    "Refusal",
    "RegressionResult",
    "RegressionRow",
    "ScorecardResult",
    "ScorecardRow",
    "SummaryResult",
    "SummaryRow",
    "Term",
    "Transport",
    "Unauthenticated",
    "Unavailable",
    "__version__",
    "connect",
    "message_to_dict",
]

# Says nothing unless the application sets up logging.
_logging.getLogger("cxstream_client").addHandler(_logging.NullHandler())
