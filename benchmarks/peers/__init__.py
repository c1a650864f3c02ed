"""What else one would use for the tasks: a module each, written as its experts would.

A module imports its library when it is imported, and has

- ``VERSION``: of the library;
- ``prepare(table)``: takes `workload.compact`, returns it as the library holds data in memory;
- ``TASKS``: by task, a function of what was prepared that returns the `tasks.Answer`.

For T6 a function takes batches of `workload.compact` (record batches). ``APPROXIMATE`` names tasks
whose coefficients are not least squares. ``SCANS``, where there are any: by task, a function of a
pattern of Parquet files of the history.

Both processors are used everywhere: by the library, or by a pool of threads. No answer carries
intervals, and only regressions standard errors, which is less than cxstream's do.
"""

from __future__ import annotations

import importlib
from types import ModuleType

#: In the order of the table. A user of a language of queries picks one of the first four.
DATABASES = ("duckdb", "polars", "chdb", "datafusion")
NAMES = (*DATABASES, "numpy", "pandas", "statsmodels", "sklearn")


def load(name: str) -> ModuleType:
    """Import a peer.

    Raises
    ------
    ImportError
        Its library is not installed.
    """
    return importlib.import_module(f"benchmarks.peers.{name}")
