"""pandas: group-bys over a frame in memory; NumPy for the regression's sums."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.tasks import GROUPS, TERMS, Answer, least_squares, nps_of
from benchmarks.workload import NO_NPS, OPTIONS, RATINGS, WEIGHTS

VERSION = pd.__version__
_KEYS = ["touchpoint", "month", "region"]
_UPPER = np.triu_indices(TERMS + 1)


def prepare(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas()


def _classes(frame: pd.DataFrame, by: list[str]) -> Answer:
    cut = pd.cut(frame["nps"], [-1, 6, 8, 10], labels=False)
    scores = pd.get_dummies(cut).astype(np.int64)
    classes = scores.groupby([frame[name] for name in by]).sum().to_numpy()
    return {"classes": classes, "nps": nps_of(classes)}


def _index(frame: pd.DataFrame, by: list[str]) -> Answer:
    ratings = frame[list(RATINGS)]
    weights = (ratings > 0) @ np.array(WEIGHTS)
    value = 25.0 * (ratings @ np.array(WEIGHTS) - weights) / weights.where(weights > 0)
    found = value.groupby([frame[name] for name in by]).agg(["count", "mean"])
    return {"index_n": found["count"].to_numpy(), "index": found["mean"].to_numpy()}


def _scorecard(frame: pd.DataFrame, by: list[str]) -> Answer:
    improve = frame["improve"]
    ticked = pd.DataFrame({one: improve & (1 << one) > 0 for one in range(OPTIONS)})
    ticked["base"] = improve > 0
    found = ticked.groupby([frame[name] for name in by]).sum().to_numpy(dtype=np.int64)
    return {"base": found[:, -1], "ticked": found[:, :-1]}


def _complete(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[(frame[list(RATINGS)] > 0).all(axis=1) & (frame["nps"] < NO_NPS)]


def t1(frame: pd.DataFrame) -> Answer:
    return _classes(frame, ["region", "age_group"])


def t2(frame: pd.DataFrame) -> Answer:
    return _index(frame, ["touchpoint", "month"])


def t3(frame: pd.DataFrame) -> Answer:
    wide = _complete(frame)[[*RATINGS, "nps"]].to_numpy(dtype=np.float64)
    wide = np.column_stack([np.ones(len(wide)), wide])
    return least_squares((wide.T @ wide)[_UPPER][None])


def t4(frame: pd.DataFrame) -> Answer:
    return _scorecard(frame, ["region"])


def t5(frame: pd.DataFrame) -> Answer:
    kept = _complete(frame)
    wide = kept[[*RATINGS, "nps"]].to_numpy(dtype=np.float64)
    columns = [np.ones(len(kept)), *wide.T]
    left, right = _UPPER
    table = pd.DataFrame(
        {at: columns[i] * columns[j] for at, (i, j) in enumerate(zip(left, right, strict=True))}
    )
    sums = table.groupby([kept[name].to_numpy() for name in _KEYS]).sum().to_numpy()
    assert len(sums) == GROUPS
    return {
        **_classes(frame, _KEYS),
        **_index(frame, _KEYS),
        **_scorecard(frame, _KEYS),
        **least_squares(sums),
    }


TASKS = {"T1": t1, "T2": t2, "T3": t3, "T4": t4, "T5": t5}
