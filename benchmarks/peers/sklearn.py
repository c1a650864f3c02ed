"""scikit-learn: coefficients without standard errors; by gradient descent as batches come."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import sklearn
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, SGDRegressor

from benchmarks.peers.numpy import index_of
from benchmarks.tasks import Answer, nps_of
from benchmarks.workload import NO_NPS, RATINGS

VERSION = sklearn.__version__
APPROXIMATE = {"T6"}

_Floats = NDArray[np.float64]


def prepare(table: pa.Table) -> pa.Table:
    return table


def _complete(table: pa.Table | pa.RecordBatch) -> tuple[_Floats, _Floats]:
    ratings = np.stack([table[name].to_numpy() for name in RATINGS], axis=1)
    nps = table["nps"].to_numpy()
    kept = (ratings > 0).all(axis=1) & (nps < NO_NPS)
    return ratings[kept].astype(np.float64), nps[kept].astype(np.float64)


def t3(table: pa.Table) -> Answer:
    x, y = _complete(table)
    fit = LinearRegression().fit(x, y)
    return {
        "n": np.array([len(y)]),
        "coefficients": np.concatenate([[fit.intercept_], fit.coef_])[None],
    }


def t6(batches: list[pa.RecordBatch]) -> Answer:
    """Descend a step per response; NPS and index by partial sums."""
    model = SGDRegressor(penalty=None, random_state=1)
    classes = np.zeros((1, 3), dtype=np.int64)
    total, count = 0.0, 0
    after: dict[str, list[_Floats]] = {"nps": [], "index": [], "coefficients": []}
    for batch in batches:
        x, y = _complete(batch)
        model.partial_fit(x - 3.0, y)
        scores = np.bincount(batch["nps"].to_numpy(), minlength=NO_NPS + 1)
        classes += [[scores[:7].sum(), scores[7:9].sum(), scores[9:11].sum()]]
        value, some = index_of(batch)
        total += value
        count += some
        constant = model.intercept_ - 3.0 * model.coef_.sum()
        after["nps"].append(nps_of(classes))
        after["index"].append(np.array([total / count]))
        after["coefficients"].append(np.concatenate([constant, model.coef_])[None])
    return {name: np.concatenate(found) for name, found in after.items()}


TASKS = {"T3": t3, "T6": t6}
