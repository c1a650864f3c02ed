"""The edge cases that survey statistics are known to get wrong, through the SDK: one test each."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import cxstream
import cxstream_client as cx
from cxstream.embedded import open_client
from cxstream.engine import Engine
from cxstream.store import CustomerKeys, DirectoryStore
from cxstream.store.customers import add_key
from tests.contract.test_bad_input import Raw, ipc, request

RATING = {"kind": "rating", "scale": [1, 5], "missing": [0, 6, 7]}
PROGRAM: dict[str, Any] = {
    "name": "p",
    "questions": {
        "nps": {"kind": "nps"},
        "food": RATING,
        "staff": RATING,
        "clean": RATING,
        "picks": {"kind": "choice", "options": ["x", "y", "z"], "multiple": True},
    },
    "dimensions": {"area": {"max_levels": 10}},
    "indices": {"delight": {"parts": {"f": {"items": ["food"]}, "s": {"items": ["staff"]}}}},
    "models": {"m": {"outcome": "nps", "drivers": ["food", "staff", "clean"], "robust": True}},
    "insights": {"questions": ["nps", "food", "staff"]},
}
WEIGHT = {"weight": {"column": "w", "step": 0.25}}
CUSTOMER = {"customer": {"column": "who"}}
TIME = {"time": {"column": "at", "buckets": ["day", "month"]}}


@pytest.fixture
def client() -> Any:
    with cxstream.Engine.open() as client:
        yield client


def load(client: cx.Client, frame: Any, **more: Any) -> None:
    client.put_program({**PROGRAM, **more})
    send(client, frame)


EMPTY = {
    "nps": pa.int8(), "food": pa.int8(), "staff": pa.int8(), "clean": pa.int8(),
    "picks": pa.list_(pa.string()), "area": pa.string(), "who": pa.string(), "w": pa.float64(), "at": pa.timestamp("us"),
}  # fmt: skip


def frame_of(client: cx.Client, frame: dict[str, Any]) -> pa.Table:
    """Return columns as a table; those of the program that are left out are null throughout."""
    rows = len(next(iter(frame.values())))
    program = client.get_program("p").to_dict()
    known = [*program["questions"], *program["dimensions"], *("w" if "weight" in program else "")]
    known += ["at"] if "time" in program else []
    known += ["who"] if "customer" in program else []
    columns = {name: pa.array(frame[name]) for name in frame} | {
        name: pa.nulls(rows, EMPTY[name]) for name in known if name not in frame
    }
    return pa.table(columns)


def send(client: cx.Client, frame: dict[str, Any], producer: str = "x") -> None:
    with client.append("p", producer=producer) as stream:
        stream.send(frame_of(client, frame))


def refused(client: cx.Client, frame: Any) -> cx.InvalidInput:
    before = client.program_info("p").responses
    with pytest.raises(cx.InvalidInput) as caught:
        send(client, frame)
    assert client.program_info("p").responses == before
    return caught.value


# --- answers that are none, or not on the scale ---------------------------------------------------


def test_null_skipped_not_applicable_and_not_shown_are_four_states(client: cx.Client) -> None:
    """Null, and three declared codes: each is a reason of its own, and none is an answer."""
    load(client, {"food": [5, None, 0, 6, 4, 7, 7]})
    found = client.csat("p", "food")
    assert (found.n, found.dropped) == (
        2,
        {"null": 1, "missing:0": 1, "missing:6": 1, "missing:7": 2},
    )
    assert found.n + sum(found.dropped.values()) == found.as_of.responses == 7
    assert (found.score, found.mean) == (100.0, 87.5)


@pytest.mark.parametrize("value", [8.5, 11, -1])
def test_non_integer_and_out_of_range_answers(client: cx.Client, value: float) -> None:
    load(client, {"nps": [9]})
    error = refused(client, {"nps": [10.0, value]})
    assert "nps" in str(error) and "row 1" in str(error)


def test_off_by_one_scale(client: cx.Client) -> None:
    """A source that codes 0..10 as 1..11 is declared; read as it is, its 11 would be refused."""
    questions = {**PROGRAM["questions"], "nps": {"kind": "nps", "scale": [1, 11]}}
    load(client, {"nps": [1, 7, 8, 9, 10, 11]}, questions=questions)
    found = client.nps("p", "nps")
    assert (found.detractors, found.passives, found.promoters) == (2, 2, 2)
    assert client.distribution("p", "nps").mean == pytest.approx(np.mean([0, 6, 7, 8, 9, 10]))


def test_numbers_that_are_text(client: cx.Client) -> None:
    """Text is read by the command line, which knows its source; a stream has to say what it means."""
    load(client, {"nps": [10]})
    error = refused(client, {"nps": ["10", "0"]})
    assert "'nps' has type text" in str(error)


def test_float32_answers(client: cx.Client) -> None:
    load(client, {"nps": pa.array([9, 0, 7], pa.float32())} | {"food": pa.array([5, 1, 2])})
    assert client.nps("p", "nps").promoters == 1


def test_duplicate_submission_on_retry(client: cx.Client) -> None:
    """A batch that was acknowledged is sent again by a producer that did not hear of it."""
    load(client, {"nps": [10, 0]})
    schema, body = ipc(frame_of(client, {"nps": [7, 7]}))
    for retry in (False, True):
        (answer,) = Raw(client, "p", schema).send(request(body, 2))
        assert answer.ack.duplicate == retry
    assert client.nps("p", "nps").n == 4


def test_edited_answer(tmp_path: Path) -> None:
    """An answer that its customer changes is deleted and sent again: counted once, as it reads now."""
    keys = tmp_path / "customer.keys"
    add_key(keys)
    engine = Engine(store=DirectoryStore(tmp_path / "data"), customer_keys=CustomerKeys.load(keys))
    with open_client(engine) as client, cxstream.Engine.open() as never:
        load(client, {"nps": [10, 0, 3], "who": ["ann", "bob", "cid"]}, **CUSTOMER)
        assert client.erase("p", "bob").responses == 1
        send(client, {"nps": [9], "who": ["bob"]}, producer="edits")
        # The same numbers as if bob had thought of it at once.
        never.put_program(PROGRAM)
        send(never, {"nps": [10, 9, 3]})
        edited, once = client.nps("p", "nps")[0], never.nps("p", "nps")[0]
        assert edited == once
        assert (edited.n, edited.promoters, edited.detractors) == (3, 2, 1)
        assert client.program_info("p").responses == 3


# --- few, none, or all alike ----------------------------------------------------------------------


def test_all_nulls(client: cx.Client) -> None:
    load(client, {"nps": pa.array([None, None], pa.int8()), "food": [None, None]})
    found = client.nps("p", "nps")
    assert (found.n, found.score, found.se, found.interval) == (0, None, None, None)
    assert client.csat("p", "food").score is None
    assert client.index("p", "delight").score is None


@pytest.mark.parametrize("n", [0, 1, 2])
def test_none_one_or_two_respondents(client: cx.Client, n: int) -> None:
    client.put_program(PROGRAM)
    if n:
        send(client, dict.fromkeys(("nps", "food", "staff", "clean"), [4] * n))
    found = client.nps("p", "nps")
    assert (found.n, found.score) == (n, -100.0 if n else None)
    if n:
        assert -100.0 <= found.interval.lower < found.interval.upper <= 100.0
    fit = client.regression("p", "m")
    assert (fit.status, fit.n, fit.r2) == ("too_few_rows", n, None)
    assert client.drivers("p", "m").status == "too_few_rows"
    assert client.reliability("p", ["food", "staff"]).alpha is None
    assert all(one.slope is None for one in client.insights("p")[0].pairs)


def test_one_class_only(client: cx.Client) -> None:
    """Twenty promoters: no interval of width zero, and none beyond the scale."""
    load(client, {"nps": [10] * 20})
    for method in ("adjusted_wald", "score"):
        found = client.nps("p", "nps", interval=method)
        assert (found.score, found.se) == (100.0, 0.0)
        assert found.interval.lower < 80 and found.interval.upper == 100.0
    assert client.nps("p", "nps", interval="score").interval.lower == pytest.approx(67.8, abs=0.05)


def test_one_respondent_segment(client: cx.Client) -> None:
    load(client, {"nps": [10, 9, 0, 3], "area": ["A", "A", "A", "B"]})
    found = client.nps("p", "nps", by="area").row(area="B")
    assert (found.n, found.score, found.se) == (1, -100.0, 0.0)
    assert client.impact("p", "nps", "nps", by="area").row(area="B").n == 1
    compared = client.compare("p", "nps", "nps", by="area").row(area="B")
    assert (compared.n_a, compared.n_b) == (1, 3)
    assert -200 <= compared.interval.lower <= compared.difference <= compared.interval.upper


# --- regressions that are not ---------------------------------------------------------------------


def drivers(**columns: list[int]) -> dict[str, list[int]]:
    return {
        "nps": [10, 8, 7, 3, 0, 9, 6, 5],
        "food": [5, 4, 3, 2, 1, 4, 3, 1],
        "staff": [3, 5, 4, 2, 2, 5, 1, 3],
        "clean": [1, 2, 4, 4, 5, 2, 3, 3],
    } | columns


def test_zero_variance_predictor(client: cx.Client) -> None:
    load(client, drivers(staff=[3] * 8))
    fit = client.regression("p", "m")
    assert (fit.status, fit.n) == ("collinear", 8)
    assert "no variation in staff" in fit.message
    assert "staff" in client.drivers("p", "m").message


def test_zero_variance_outcome(client: cx.Client) -> None:
    load(client, drivers(nps=[7] * 8))
    assert client.regression("p", "m").status == "constant_outcome"
    assert client.drivers("p", "m").status == "constant_outcome"


def test_perfectly_collinear_drivers(client: cx.Client) -> None:
    food = drivers()["food"]
    load(client, drivers(staff=[6 - one for one in food]))
    fit = client.regression("p", "m")
    assert fit.status == "collinear"
    assert "food" in fit.message and "staff" in fit.message and "clean" not in fit.message


def test_duplicated_column(client: cx.Client) -> None:
    """Shapley shares what one column had between the two, evenly."""
    load(client, drivers(staff=drivers()["food"]))
    found = client.drivers("p", "m")
    assert found.status == "collinear"
    food, staff, _ = found.drivers
    assert food.lmg == pytest.approx(staff.lmg, rel=1e-12)
    assert sum(one.lmg for one in found.drivers) == pytest.approx(found.r2)


def test_no_more_rows_than_coefficients(client: cx.Client) -> None:
    """n <= p + 1: a perfect fit would say nothing."""
    load(client, {name: values[:4] for name, values in drivers().items()})
    fit = client.regression("p", "m")
    assert (fit.status, fit.n) == ("too_few_rows", 4)
    assert "4 complete rows for 4 coefficients" in fit.message


# --- weights --------------------------------------------------------------------------------------


def test_weight_zero(client: cx.Client) -> None:
    load(client, {"nps": [10, 0, 9], "w": [1.0, 0.0, 3.0]}, **WEIGHT)
    found = client.nps("p", "nps", weighting="declared")
    assert (found.n, found.score, found.weights.total) == (3, 100.0, 4.0)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_weights_that_are_none(client: cx.Client, weight: float) -> None:
    load(client, {"nps": [10], "w": [1.0]}, **WEIGHT)
    assert "w" in str(refused(client, {"nps": [10, 0], "w": [1.0, weight]}))


def test_all_weights_zero(client: cx.Client) -> None:
    load(client, {"nps": [10, 0, 9], "w": [0.0, 0.0, 0.0]}, **WEIGHT)
    found = client.nps("p", "nps", weighting="declared")
    assert (found.n, found.score, found.weights.effective_n) == (3, None, None)


def test_equal_weights_have_a_design_effect_of_one(client: cx.Client) -> None:
    load(client, {"nps": [10, 0, 9, 7], "w": [2.5] * 4}, **WEIGHT)
    found = client.nps("p", "nps", weighting="declared")
    assert (found.weights.design_effect, found.weights.effective_n) == (1.0, 4.0)
    assert found.score == client.nps("p", "nps").score


# --- counting -------------------------------------------------------------------------------------


def test_multi_select_base(client: cx.Client) -> None:
    """Shares are of those who answered, not of what they ticked: they may add up to more than 100."""
    picks = pa.array([["x", "y"], ["x", "z"], ["x"], None], pa.list_(pa.string()))
    load(client, {"picks": picks})
    found = client.scorecard("p", "picks")
    assert (found.base, found.dropped) == (3, {"null": 1})
    shares = {one.option: one.share for one in found.options}
    assert shares == pytest.approx({"x": 100.0, "y": 100 / 3, "z": 100 / 3})


def test_new_category_mid_stream(client: cx.Client) -> None:
    load(client, {"nps": [10], "area": ["A"]})
    send(client, {"nps": [0], "area": ["B"]}, producer="y")
    assert {row.group["area"]: row.score for row in client.nps("p", "nps", by="area")} == {
        "A": 100.0, "B": -100.0
    }  # fmt: skip
    picks = pa.array([["w"]], pa.list_(pa.string()))
    assert "w" in str(refused(client, {"picks": picks}))


def test_time_zone_day_edges(client: cx.Client) -> None:
    """23:30 in New York is that day there, whatever the day in Greenwich."""
    zone = {"time": {**TIME["time"], "timezone": "America/New_York"}}
    at = pa.array([dt.datetime(2024, 3, 2, 4, 30), dt.datetime(2024, 3, 2, 5, 0)])
    load(client, {"nps": [10, 0], "at": at.cast(pa.timestamp("us", "UTC"))}, **zone)
    found = client.nps("p", "nps", by="day")
    assert [row.group["day"] for row in found] == [dt.date(2024, 3, 1), dt.date(2024, 3, 2)]


def test_late_data_into_a_closed_period(client: cx.Client) -> None:
    def at(month: int) -> list[dt.datetime]:
        return [dt.datetime(2024, month, 3)]

    load(client, {"nps": [10], "at": at(1)}, **TIME)
    send(client, {"nps": [10], "at": at(2)}, producer="y")
    send(client, {"nps": [0], "at": at(1)}, producer="z")
    scores = {row.group["month"].month: row.score for row in client.nps("p", "nps", by="month")}
    assert scores == {1: 0.0, 2: 100.0}


def test_ties_in_scorecard_rank(client: cx.Client) -> None:
    picks = pa.array([["x", "y"], ["z"], ["x", "y"]], pa.list_(pa.string()))
    load(client, {"picks": picks})
    ranks = {one.option: one.rank for one in client.scorecard("p", "picks").options}
    assert ranks == {"x": 1, "y": 1, "z": 3}


def test_rounded_parts_that_do_not_add_up(client: cx.Client) -> None:
    """Shares are not rounded: three thirds are 100 to the last digits."""
    load(client, {"nps": [0, 7, 10]})
    found = client.distribution("p", "nps")
    shares = [one.share for one in found.levels]
    assert sum(shares) == pytest.approx(100, abs=1e-12)
    assert [round(one) for one in shares if one] == [33, 33, 33]


# --- groups and the whole -------------------------------------------------------------------------


def test_groups_average_to_the_total_only_when_weighted_by_n(client: cx.Client) -> None:
    load(client, {"nps": [10, 10, 10, 0], "area": ["A", "A", "A", "B"]})
    groups = client.nps("p", "nps", by="area")
    total = client.nps("p", "nps").score
    assert total == 50.0 != np.mean([row.score for row in groups])
    assert total == np.average([row.score for row in groups], weights=[row.n for row in groups])


def test_simpson_reversal_is_flagged(client: cx.Client) -> None:
    """Each area rises and the whole falls, because the better one has fewer left."""
    area, nps, at = [], [], []
    for month, place, good, bad in (
        (1, "A", 80, 20),
        (1, "B", 2, 18),
        (2, "A", 17, 3),
        (2, "B", 15, 85),
    ):
        area += [place] * (good + bad)
        nps += [10] * good + [0] * bad
        at += [dt.datetime(2024, month, 5)] * (good + bad)
    load(client, {"nps": nps, "area": area, "at": at}, **TIME, views=[{"by": ["area"]}])
    found = client.change(
        "p", "nps", "nps", by="area", before=(None, "2024-02-01"), after=("2024-02-01", None)
    )
    whole = found.whole
    assert (whole.change.value < 0, whole.reversal) == (True, "every_segment")
    assert "Simpson" in whole.warning
    assert whole.mix.value + whole.rate.value == pytest.approx(whole.change.value)
