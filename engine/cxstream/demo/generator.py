"""Endless responses of the survey's shape: real rows drawn again and again, with a slow drift."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.types as pat
from numpy.typing import NDArray

SEED = 2017
BATCH_ROWS = 65_536
#: How much likelier, at the end, a row is drawn whose mood is a standard deviation up.
_DRIFT = 0.35


@dataclass(frozen=True, slots=True)
class Drawn:
    """A batch of generated responses.

    Attributes
    ----------
    batch : pyarrow.RecordBatch
        The responses.
    times : (n,) int64 array
        How often each row of the survey was drawn: the generator's own tally.
    """

    batch: pa.RecordBatch
    times: NDArray[np.int64]


def generate(
    survey: pa.RecordBatch,
    mood: NDArray[np.float64],
    rows: int,
    *,
    batch_rows: int = BATCH_ROWS,
    seed: int = SEED,
) -> Iterator[Drawn]:
    """Draw responses from a survey, with replacement.

    Parameters
    ----------
    survey : pyarrow.RecordBatch
        The real responses.
    mood : (n,) float64 array
        Of each row; those where it is high become likelier from batch to batch. NaN is average.
    rows : int
        Responses in all.
    batch_rows : int
        Responses in a batch; the last may have fewer.
    seed : int
        The same seed gives the same responses.

    Yields
    ------
    Drawn
    """
    compact = _compact(survey)
    score = np.nan_to_num((mood - np.nanmean(mood)) / np.nanstd(mood))
    random = np.random.default_rng(seed)
    done = 0
    while done < rows:
        size = min(batch_rows, rows - done)
        odds = np.exp(_DRIFT * done / rows * score)
        edges = np.cumsum(odds)
        places = np.searchsorted(edges, random.random(size) * edges[-1], side="right")
        places = np.minimum(places, survey.num_rows - 1)
        times = np.bincount(places, minlength=survey.num_rows).astype(np.int64)
        yield Drawn(compact.take(pa.array(places)), times)
        done += size


def _compact(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch in the narrowest types that hold it."""
    return pa.RecordBatch.from_arrays(
        [_narrowest(array) for array in batch.columns], names=batch.schema.names
    )


def _narrowest(array: pa.Array) -> pa.Array:
    for kind in (pa.int8(), pa.int16()):
        try:
            return array.cast(kind)
        except pa.ArrowInvalid:
            continue
    return array.dictionary_encode() if pat.is_string(array.type) else array
