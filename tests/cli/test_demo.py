"""`cxstream demo` with few rows, and its generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cxstream.demo import SURVEY_CSV
from cxstream.demo.generator import generate


def test_as_json(run: Callable[..., Any]) -> None:
    ran = run("demo", "--rows", 150_000, "--json")
    assert ran.code == 0, ran.err
    found = ran.json
    assert found["survey"]["nps"][0]["n"] == 2746
    assert len(found["survey"]["nps_by_boarding_area"]) == 7
    assert [one["rank"] for one in found["survey"]["improve"]] == list(range(1, 11))
    assert found["survey"]["drivers_of_nps"][0]["status"] == "ok"
    stream = found["stream"]
    assert (stream["rows"], stream["batches"], stream["batches_that_moved_nps"]) == (150_000, 3, 3)
    assert stream["last_nps"] > stream["first_nps"]
    assert stream["counts_checked"] > 10 * 150_000
    assert found["server_exit_code"] == 0


def test_for_people(run: Callable[..., Any]) -> None:
    ran = run("demo", "--rows", 1000)
    assert ran.code == 0, ran.err
    for text in (
        "2,831 real responses",
        "39.8 ± 1.3",
        "Boarding area G",
        "Wider choice of restaurants",
        "Cleanliness overall",
        "1 of 1 batches moved the NPS",
        "The server ended with code 0",
    ):
        assert text in ran.out
    assert "\033" not in ran.out


@pytest.fixture(scope="module")
def survey() -> pa.RecordBatch:
    from pyarrow import csv

    return csv.read_csv(SURVEY_CSV).combine_chunks().to_batches()[0]


def mood(survey: pa.RecordBatch) -> Any:
    return survey["NETPRO"].cast(pa.float64()).to_numpy(zero_copy_only=False)


def test_generator_tallies_what_it_draws(survey: pa.RecordBatch) -> None:
    drawn = list(generate(survey, mood(survey), 10_000, batch_rows=4096))
    assert [one.batch.num_rows for one in drawn] == [4096, 4096, 1808]
    areas = np.array(survey["BAREA"].to_pylist())
    for one in drawn:
        assert one.times.sum() == one.batch.num_rows
        counts = {item["values"]: item["counts"] for item in
                  one.batch["BAREA"].value_counts().to_pylist()}  # fmt: skip
        assert counts == {area: one.times[areas == area].sum() for area in counts}


def test_generator_repeats_itself_and_drifts(survey: pa.RecordBatch) -> None:
    once = list(generate(survey, mood(survey), 60_000, batch_rows=20_000))
    again = list(generate(survey, mood(survey), 60_000, batch_rows=20_000))
    assert all(a.batch.equals(b.batch) for a, b in zip(once, again, strict=True))
    means = [float(one.times @ np.nan_to_num(mood(survey))) / 20_000 for one in once]
    assert means == sorted(means)
    assert means[0] != means[-1]
