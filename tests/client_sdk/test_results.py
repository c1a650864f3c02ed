"""Results: rows, lookup, and tables with the columns of the contract."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import cxstream_client as cx
from cxstream_api.v1 import common_pb2, drivers_pb2, metrics_pb2, models_pb2, reliability_pb2

AS_OF = common_pb2.AsOf(program="p", program_version=3, responses=10, batches=2, view="total")
BOUNDS = common_pb2.Interval(lower=1.0, upper=3.0, method="wilson", confidence=0.95)


def key(name: str, level: str | None, label: str = "") -> common_pb2.GroupKey:
    return common_pb2.GroupKey(name=name, level=level, label=label)


def nps_row(*group: common_pb2.GroupKey, score: float | None = 50.0) -> metrics_pb2.NpsRow:
    return metrics_pb2.NpsRow(
        group=group,
        n=0 if score is None else 4,
        dropped={"null": 2, "missing:0": 1},
        promoters=3,
        passives=0,
        detractors=1,
        score=score,
        variance=None if score is None else 7500.0,
        se=None if score is None else 43.3,
        interval=None if score is None else BOUNDS,
    )


def nps(*rows: metrics_pb2.NpsRow, by: tuple[str, ...] = ()) -> cx.NpsResult:
    return cx.NpsResult.from_message(metrics_pb2.NpsResponse(as_of=AS_OF, rows=rows), by)


def test_a_single_row_is_read_from_the_result() -> None:
    result = nps(nps_row())
    assert (result.n, result.score, result.se, result.promoters) == (4, 50.0, 43.3, 3)
    assert result.interval == cx.Interval(1.0, 3.0, "wilson", 0.95)
    assert result.dropped == {"missing:0": 1, "null": 2}
    assert result.as_of == cx.AsOf("p", 3, 10, 2, "total")
    assert repr(result) == "NpsResult('p', n=4, score=50, interval=[1, 3])"
    assert len(result) == 1
    assert result[0].group == {}
    assert list(result) == [result[0]]
    assert result == nps(nps_row()) != nps()
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        _ = result.scores
    with pytest.raises(AttributeError, match=r"cannot assign"):
        result[0].n = 5  # type: ignore[misc]


def test_rows_are_made_once_and_travel_without_their_message() -> None:
    rows = [nps_row(key("region", str(at)), score=float(at)) for at in range(5)]
    result = nps(*rows, by=("region",))
    assert result[-1].score == 4.0
    assert result[-1] is result[4]
    assert [row.score for row in result[1:4:2]] == [1.0, 3.0]
    assert [row.score for row in result] == [0.0, 1.0, 2.0, 3.0, 4.0]
    for other in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert other == result
        assert other[2] == result[2]
    with pytest.raises(IndexError):
        _ = result[5]


def test_several_rows_have_no_single_score() -> None:
    result = nps(nps_row(key("region", "a")), nps_row(key("region", None)), by=("region",))
    with pytest.raises(AttributeError, match=r"has 2 rows.*result\[0\]\.score"):
        _ = result.score
    with pytest.raises(AttributeError, match="has 0 rows"):
        _ = nps().score
    assert not hasattr(result, "score")
    assert repr(result) == "NpsResult('p' by region, 2 rows)"
    assert isinstance(result[0:1], tuple)


def test_undefined_is_none_and_null() -> None:
    result = nps(nps_row(score=None))
    assert result.score is None
    assert result.se is None
    assert result.interval is None
    table = result.to_arrow()
    assert table["score"].to_pylist() == [None]
    assert table["lower"].to_pylist() == [None]
    assert result.to_polars()["score"].to_list() == [None]
    assert pd.isna(result.to_pandas()["score"][0])


def test_rows_are_found_by_group() -> None:
    result = nps(
        nps_row(key("region", "a", "Area A"), key("month", "2017-05-01")),
        nps_row(key("region", None), key("month", "2017-05-01"), score=1.0),
        nps_row(key("region", "a"), key("month", "2017-06-01"), score=2.0),
        by=("region", "month"),
    )
    assert result[0].group == {"region": "a", "month": dt.date(2017, 5, 1)}
    assert result[0].labels == {"region": "Area A"}
    assert result.row(region=None).score == 1.0
    assert result.row(region="a", month="2017-06-01").score == 2.0
    assert result.row(region="a", month="2017-06").score == 2.0
    assert result.row(region="a", month=dt.date(2017, 6, 1)).score == 2.0
    with pytest.raises(cx.NotFound, match="region='b'"):
        result.row(region="b")
    with pytest.raises(cx.InvalidInput, match="2 rows have region='a'"):
        result.row(region="a")
    with pytest.raises(cx.InvalidInput, match='did you mean "region"'):
        result.row(regio="a")


def test_groups_in_tables() -> None:
    result = nps(
        nps_row(key("region", "a"), key("hour", "2017-05-01T13:00:00")),
        nps_row(key("region", None), key("hour", None)),
        by=("region", "hour"),
    )
    table = result.to_arrow()
    assert table.schema.field("region").type == pa.string()
    assert table.schema.field("hour").type == pa.timestamp("us")
    assert table["region"].to_pylist() == ["a", None]
    assert table["hour"].to_pylist() == [dt.datetime(2017, 5, 1, 13), None]
    zoned = nps(nps_row(key("hour", "2017-05-01T13:00:00-07:00")), by=("hour",)).to_arrow()
    assert zoned.schema.field("hour").type == pa.timestamp("us", "UTC")
    assert zoned["hour"].to_pylist()[0].hour == 20
    days = nps(nps_row(key("day", "2017-05-01")), by=("day",)).to_arrow()
    assert days.schema.field("day").type == pa.date32()
    # A dimension may have the name of a time bucket, or of a statistic.
    odd = nps(nps_row(key("day", "Monday"), key("n", "7")), by=("day", "n")).to_arrow()
    assert odd.column_names[:3] == ["day", "group_n", "n"]
    assert odd["day"].to_pylist() == ["Monday"]


NPS = "n promoters passives detractors score se lower upper"
CONTRACT: list[tuple[type, Any, Any, str]] = [
    (cx.NpsResult, metrics_pb2.NpsResponse, nps_row(), NPS),
    (
        cx.CsatResult,
        metrics_pb2.CsatResponse,
        metrics_pb2.CsatRow(
            n=4, top=2, score=50.0, se=1.0, interval=BOUNDS, mean=60.0, mean_se=2.0
        ),
        "n top score se lower upper mean mean_se",
    ),
    (
        cx.CesResult,
        metrics_pb2.CesResponse,
        metrics_pb2.CesRow(n=4, variant="net", score=5.5, se=0.1, interval=BOUNDS, positive=0),
        "n score se lower upper",
    ),
    (
        cx.DistributionResult,
        metrics_pb2.DistributionResponse,
        metrics_pb2.DistributionRow(
            n=4,
            levels=[
                metrics_pb2.LevelShare(
                    level="1", label="Bad", count=4, share=100.0, interval=BOUNDS
                )
            ],
            mean=1.0,
        ),
        "level label count share lower upper se",
    ),
    (
        cx.IndexResult,
        metrics_pb2.WeightedIndexResponse,
        metrics_pb2.WeightedIndexRow(
            n=4,
            score=70.0,
            parts=[
                metrics_pb2.PartScore(name="service", score=80.0),
                metrics_pb2.PartScore(name="score", score=1.0),
            ],
        ),
        "n score se lower upper service part_score",
    ),
    (
        cx.ScorecardResult,
        metrics_pb2.ScorecardResponse,
        metrics_pb2.ScorecardRow(
            base=5,
            selections=7,
            options=[
                metrics_pb2.OptionShare(option="1", label="Food", count=3, share=60.0, rank=1)
            ],
        ),
        "option label count share lower upper base rank se",
    ),
    (
        cx.RegressionResult,
        models_pb2.RegressionResponse,
        models_pb2.RegressionRow(
            n=9,
            status=models_pb2.FIT_STATUS_OK,
            terms=[models_pb2.Term(term="const", coefficient=1.5, interval=BOUNDS)],
            r2=0.5,
            df_resid=7,
            dropped={"incomplete": 3},
        ),
        "term coefficient se t p lower upper beta vif",
    ),
    (
        cx.InsightsResult,
        models_pb2.InsightsResponse,
        models_pb2.InsightsRow(
            pairs=[models_pb2.PairInsight(x="a", y="b", n=9, dropped=1, slope=0.5, r=0.7)]
        ),
        "x y n slope se r p p_adjusted",
    ),
    (
        cx.DriversResult,
        drivers_pb2.DriversResponse,
        drivers_pb2.DriversRow(
            n=4,
            r2=0.5,
            status=models_pb2.FIT_STATUS_OK,
            drivers=[
                drivers_pb2.Driver(
                    driver="food",
                    lmg=0.5,
                    interval=BOUNDS,
                    sign=-1,
                    quadrant=drivers_pb2.QUADRANT_KEEP_UP,
                    weight=1.0,
                )
            ],
        ),
        (
            "driver lmg johnson first last pratt beta sign se lower upper johnson_se vif "
            "performance performance_se quadrant weight johnson_axes_se johnson_t johnson_p"
        ),
    ),
    (
        cx.ReliabilityResult,
        reliability_pb2.ReliabilityResponse,
        reliability_pb2.ReliabilityRow(
            n=4, k=2, alpha=0.5, interval=BOUNDS, items=[reliability_pb2.Item(item="food")]
        ),
        "n alpha alpha_standardised lower upper se omega k status normal_se",
    ),
]


@pytest.mark.parametrize("result_class, response, row, columns", CONTRACT)
def test_columns(result_class: Any, response: Any, row: Any, columns: str) -> None:
    result = result_class.from_message(response(as_of=AS_OF, rows=[row]))
    table = result.to_arrow()
    assert " ".join(table.column_names) == columns
    assert table.num_rows == 1
    assert pa.table(result).equals(table)
    assert result.to_polars().equals(pl.DataFrame(table))
    assert result.to_polars().columns == table.column_names
    assert list(result.to_pandas().columns) == table.column_names
    assert len(repr(result)) < 100
    assert "\n" not in repr(result)
    assert all(name in dir(result) for name in ("group", "to_arrow"))

    row.group.append(key("region", "a"))
    row.group.append(key("month", None))
    grouped = result_class.from_message(response(as_of=AS_OF, rows=[row, row]), ("region", "month"))
    del row.group[:]
    assert " ".join(grouped.to_arrow().column_names) == f"region month {columns}"

    empty = result_class.from_message(response(as_of=AS_OF), ("region", "month"))
    want = grouped.to_arrow().schema
    if result_class is cx.IndexResult:
        want = pa.schema(list(want)[:-2])  # The parts are not known where there are no rows.
    assert empty.to_arrow().schema == want
    assert empty.to_arrow().num_rows == 0
    assert "<table>" in empty._repr_html_()
    assert empty.to_polars().height == len(empty.to_pandas()) == 0


@pytest.mark.parametrize("result_class", [row[0] for row in CONTRACT], ids=lambda c: c.__name__)
def test_the_fields_of_a_row_are_typed_on_the_result(result_class: Any) -> None:
    row_fields = set(result_class._row_class.__dataclass_fields__) - {"group", "labels"}
    assert row_fields <= set(result_class.__annotations__) | {"outcome"}


def test_a_row_has_every_field_of_its_message() -> None:
    for result_class, response, _, _ in CONTRACT:
        rows: Any = result_class
        message = response.DESCRIPTOR.fields_by_name["rows"].message_type
        names = {field.name for field in message.fields}
        assert names | {"labels"} == set(rows._row_class.__dataclass_fields__)


def test_parts_of_an_index() -> None:
    row = CONTRACT[4][2]
    result = cx.IndexResult.from_message(metrics_pb2.WeightedIndexResponse(as_of=AS_OF, rows=[row]))
    assert result.parts[0].score == 80.0
    assert result.to_arrow()["service"].to_pylist() == [80.0]
    assert result.to_arrow()["part_score"].to_pylist() == [1.0]


def test_the_fit_of_a_regression() -> None:
    response = models_pb2.RegressionResponse(as_of=AS_OF, rows=[CONTRACT[6][2]], outcome="netpro")
    result = cx.RegressionResult.from_message(response)
    assert result.outcome == "netpro"
    assert result.status == "ok"
    assert result.terms[0].beta is None
    assert result.fit.r2 == 0.5
    assert result.fit.dropped == {"incomplete": 3}
    table = result.fit.to_arrow()
    assert " ".join(table.column_names) == (
        "n dropped r2 adj_r2 sigma f df_resid status message f_p df_model rss errors clusters"
    )
    assert table["dropped"].to_pylist() == [3]
    assert table["adj_r2"].to_pylist() == [None]


def test_the_summary_of_a_distribution() -> None:
    row = CONTRACT[3][2]
    result = cx.DistributionResult.from_message(
        metrics_pb2.DistributionResponse(as_of=AS_OF, rows=[row])
    )
    assert result.levels[0].label == "Bad"
    assert result.summary.mean == 1.0
    assert " ".join(result.summary.to_arrow().column_names) == "n mean sd se lower upper"


def test_html_is_escaped_and_small() -> None:
    rows = [nps_row(key("region", f"<b>{i}</b>")) for i in range(30)]
    page = nps(*rows, by=("region",))._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;0&lt;/b&gt;" in page
    assert page.count("<tr>") == 21
    assert "10 more rows" in page


def test_an_unknown_word_of_a_later_server_passes() -> None:
    row = models_pb2.RegressionRow(n=1, status=77)  # type: ignore[arg-type]
    result = cx.RegressionResult.from_message(
        models_pb2.RegressionResponse(as_of=AS_OF, rows=[row])
    )
    assert result.status == "77"
