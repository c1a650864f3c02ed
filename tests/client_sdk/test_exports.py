"""What users import is frozen here: a name that goes or comes is a decision."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import cxstream_client

HEAVY = ("numba", "pandas", "polars", "numpy", "pyarrow", "grpc", "duckdb")

NAMES = """
AppendCall AppendStream AsOf Cancelled CesResult CesRow Checkpoint Client Conflict CsatResult CsatRow
CxstreamError DeadlineExceeded DistributionResult DistributionRow Driver DriversResult DriversRow ErasureReceipt Explanation FitResult FitRow Formula
GrpcOptions GrpcTransport IndexResult IndexRow InsightsResult InsightsRow Internal Interval InvalidInput Item
LevelShare NotFound NpsResult NpsRow OptionShare Overloaded PairInsight PartScore PermissionDenied
PreconditionFailed Program ProgramInfo Rebuild Receipt Refusal RegressionResult RegressionRow
ReliabilityResult ReliabilityRow ScorecardResult ScorecardRow SummaryResult SummaryRow Term Transport Unauthenticated Unavailable
ClassOutcome CompareJourneysResult CompareJourneysRow CustomerValueResult CustomerValueRow FirstContactResult FirstContactRow
JourneyResult JourneyRow JourneyStage LifetimeValue LinkageResult LinkageRow MarginError
Move Raking RelativeResult RelativeRow StageComparison Weights
ChangeResult DecomposeResult DecomposeRow Effect FactorEffect ImpactResult ImpactRow SegmentChange
WholeChange WholeScore CompareResult CompareRow SampleSizeResult SampleSizeRow MonitorResult MonitorRow Regime Series
__version__ connect message_to_dict
"""


def test_exports() -> None:
    assert sorted(cxstream_client.__all__) == sorted(NAMES.split())
    assert all(hasattr(cxstream_client, name) for name in cxstream_client.__all__)
    assert (Path(cxstream_client.__file__).parent / "py.typed").exists()


def test_methods_of_the_client() -> None:
    public = {name for name in dir(cxstream_client.Client) if not name.startswith("_")}
    assert public == {
        "append", "ces", "checkpoint", "close", "compare_journeys", "csat", "customer_value", "distribution",
        "drivers", "drop_before", "erase", "first_contact", "get_program", "index", "insights", "journey", "linkage",
        "list_programs", "nps", "program_info", "put_program", "regression", "relative", "retention", "reliability", "scorecard", "target",
        "wait_ready",
        "survival", "kaplan_meier", "change", "compare", "decompose", "impact", "monitor", "sample_size",
    }  # fmt: skip


def test_importing_is_light() -> None:
    """How long it takes is `benchmarks/bench_startup.py`'s."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import sys, cxstream_client; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(cxstream_client.__file__).parents[1])},
    )
    assert not set(HEAVY) & set(done.stdout.split())


def test_logging_is_silent_by_default() -> None:
    handlers = logging.getLogger("cxstream_client").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)
