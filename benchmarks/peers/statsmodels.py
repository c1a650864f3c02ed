"""statsmodels: what one takes for a regression with standard errors."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import statsmodels
import statsmodels.api as sm

from benchmarks.peers.pandas import _complete
from benchmarks.tasks import Answer
from benchmarks.workload import RATINGS

VERSION = statsmodels.__version__


def prepare(table: pa.Table):  # type: ignore[no-untyped-def]
    return table.to_pandas()


def t3(frame) -> Answer:  # type: ignore[no-untyped-def]
    kept = _complete(frame)
    x = sm.add_constant(kept[list(RATINGS)].to_numpy(dtype=np.float64))
    fit = sm.OLS(kept["nps"].to_numpy(dtype=np.float64), x).fit()
    return {
        "n": np.array([int(fit.nobs)]),
        "coefficients": fit.params[None],
        "se": fit.bse[None],
        "r2": np.array([fit.rsquared]),
    }


TASKS = {"T3": t3}
