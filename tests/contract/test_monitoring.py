"""A metric over time, over both transports, against the metrics of the same buckets."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

import cxstream_client as cx

START = dt.date(2026, 1, 5)  # a Monday
WEEKS = 30
SHIFT = 18  # the week in which area B turns sour
GAP = (9, 10)
PER_WEEK = 160


@pytest.fixture
def name(client: cx.Client, unique: str) -> str:
    client.put_program(
        {
            "name": unique,
            "questions": {
                "recommend": {"kind": "nps"},
                "food": {"kind": "rating", "scale": [1, 5]},
                "staff": {"kind": "rating", "scale": [1, 5]},
                "spend": {"kind": "number", "range": [0, 500], "step": 0.01},
            },
            "dimensions": {"area": {"max_levels": 5}},
            "indices": {"delight": {"parts": {"all": {"items": ["food", "staff"]}}}},
            "models": {"drivers": {"outcome": "recommend", "drivers": ["food"]}},
            "time": {"column": "at", "buckets": ["day", "month", "week"]},
        }
    )
    random = np.random.default_rng(30)
    names = ("recommend", "food", "staff", "spend", "area", "at")
    rows: dict[str, list[Any]] = {key: [] for key in names}
    for week in range(WEEKS):
        if week in GAP:
            continue
        for _ in range(PER_WEEK):
            area = "A" if random.random() < 0.5 else "B"
            sour = week >= SHIFT and area == "B"
            rows["recommend"].append(
                int(random.choice([3, 7, 10], p=[0.6, 0.2, 0.2] if sour else [0.2, 0.3, 0.5]))
            )
            rows["food"].append(int(random.integers(1, 4 if sour else 6)))
            rows["staff"].append(None if random.random() < 0.1 else int(random.integers(1, 6)))
            rows["spend"].append(round(random.gamma(4.0, 10.0) * (0.5 if sour else 1.0), 2))
            rows["area"].append(area)
            rows["at"].append(START + dt.timedelta(days=7 * week + int(random.integers(0, 7))))
    for key, value in zip(names, (9, 3, 3, 20.0, "A", None), strict=True):
        rows[key].append(value)
    with client.append(unique, producer="p") as stream:
        stream.send(rows)
    return unique


def test_buckets_are_those_of_the_metric(client: cx.Client, name: str) -> None:
    found = client.monitor(name, "nps", "recommend")
    assert len(found) == WEEKS
    weekly = {row.group["week"]: row for row in client.nps(name, "recommend", by="week")}
    for k, row in enumerate(found):
        monday = START + dt.timedelta(weeks=k)
        assert row.group == {"week": monday}
        if k in GAP:
            assert row.n == 0 and row.outside == ()
            assert row.score is row.ewma is row.lower_limit is row.chi2 is row.interval is None
        else:
            same = weekly[monday]
            assert (row.n, row.score, row.se, row.interval) == (
                same.n, same.score, same.se, same.interval
            )  # fmt: skip
            assert row.lower_limit < found.centre < row.upper_limit
    assert found.whole.dropped == {"no_time": 1}
    assert found.whole.n == (WEEKS - len(GAP)) * PER_WEEK
    table = found.to_arrow()
    assert table.column_names == [
        *("week", "n", "score", "se", "lower", "upper", "lower_limit", "upper_limit"),
        *("ewma", "ewma_lower", "ewma_upper", "chi2", "chi2_p", "outside"),
    ]
    assert table["score"].null_count == len(GAP)
    assert {one.id for one in found.explanation.formulas} >= {"monitor", "change_points"}


def test_the_change_point_and_who_moved_it(client: cx.Client, name: str) -> None:
    since = (START + dt.timedelta(weeks=SHIFT)).isoformat()
    found = client.monitor(name, "nps", "recommend", by="area", baseline=(None, since))
    assert found.change_points == (since,)
    first, second = found.regimes
    assert (first.since, first.until, first.change) == (START.isoformat(), since, None)
    assert first.score == pytest.approx(
        client.nps(name, "recommend", since=START, until=since).score
    )
    assert second.change is not None and second.change.change is not None
    assert second.change.change.value == pytest.approx(second.score - first.score)
    assert [one.group["area"] for one in second.movers] == ["B", "A"]
    assert second.movers[0].rate.value < -15 < second.movers[1].rate.value
    assert second.movers[0].rate.interval.upper < 0
    # The same split, asked for by itself
    change = client.change(
        name, "nps", "recommend", by="area", before=(START, since), after=(since, "2027-01-01")
    )
    assert change.whole == second.change
    assert change.row(area="B").mix == second.movers[0].mix
    sour = [row for row in found if row.group["week"] >= dt.date.fromisoformat(since)]
    assert sum("ewma" in row.outside for row in sour) > len(sour) / 2
    assert not any("ewma" in row.outside for row in found[:SHIFT])


def test_indices_and_shares(client: cx.Client, name: str) -> None:
    shares = client.monitor(name, "csat", "food", top=4, bucket="month")
    monthly = {row.group["month"]: row for row in client.csat(name, "food", top=4, by="month")}
    assert all(row.score == monthly[row.group["month"]].score for row in shares)
    assert all(0.0 <= row.lower_limit <= row.upper_limit <= 100.0 for row in shares)
    index = client.monitor(name, "index", "delight", by="area")
    assert len(index.change_points) == 1
    assert index[0].chi2 is None and index[0].ewma is not None
    other = client.monitor(name, "index", "delight", missing="item_means", by="area")
    assert all(regime.change is None for regime in other.regimes)


@pytest.mark.parametrize("question, ends", [("spend", (0.0, 500.0)), ("food", (1.0, 5.0))])
def test_means(client: cx.Client, name: str, question: str, ends: tuple[float, float]) -> None:
    """On their own scale, and each bucket's as `distribution` says it."""
    since = (START + dt.timedelta(weeks=SHIFT)).isoformat()
    found = client.monitor(name, "mean", question, by="area", baseline=(None, since), sigmas=2.0)
    weekly = client.distribution(name, question, by="week").summary
    shown = {row.group["week"]: row for row in weekly}
    for k, row in enumerate(found):
        if k in GAP:
            assert row.score is row.interval is row.ewma is None
            continue
        same = shown[row.group["week"]]
        assert (row.n, row.score, row.se) == (same.n, same.mean, same.se)
        assert row.interval == same.interval
        assert row.chi2 is None
        half = 2.0 * found.sd / row.n**0.5
        limits = max(found.centre - half, ends[0]), min(found.centre + half, ends[1])
        assert (row.lower_limit, row.upper_limit) == pytest.approx(limits)
    assert found.change_points == (since,)
    moved = found.regimes[1]
    assert moved.movers[0].group == {"area": "B"}
    assert moved.change.change.value == pytest.approx(moved.score - found.regimes[0].score)


def test_neighbouring_buckets(client: cx.Client, name: str) -> None:
    """A shift makes neighbours alike; the baseline before it has none. Gaps have no neighbours."""
    since = (START + dt.timedelta(weeks=SHIFT)).isoformat()
    for edges, many in (((None, None), WEEKS), ((None, since), SHIFT)):
        found = client.monitor(name, "nps", "recommend", baseline=edges)
        y = np.array([row.score if row.n else np.nan for row in found[:many]])
        apart = y - np.nanmean(y)
        # Both gaps in one place: all but three of the neighbours are pairs.
        pairs = many - 1 - (len(GAP) + 1)
        r1 = np.nansum(apart[1:] * apart[:-1]) / (pairs + 1) / np.nanmean(apart**2)
        assert found.whole.autocorrelation == pytest.approx(r1)
        assert found.whole.autocorrelation_se == pytest.approx((pairs + 1) ** -0.5)
        assert (found.whole.autocorrelation_p < 0.01) == (many == WEEKS)
    short = client.monitor(name, "nps", "recommend", until=START + dt.timedelta(weeks=2))
    assert short.whole.autocorrelation is short.whole.autocorrelation_p is None


def test_a_program_without_answers_has_an_empty_series(client: cx.Client, unique: str) -> None:
    client.put_program(
        {
            "name": unique,
            "questions": {"recommend": {"kind": "nps"}},
            "time": {"column": "at", "buckets": ["week"]},
        }
    )
    found = client.monitor(unique, "nps", "recommend")
    assert len(found) == 0 and found.regimes == () and found.centre is None
    assert found.to_arrow().num_rows == 0


def test_what_cannot_be_charted_is_refused(client: cx.Client, name: str) -> None:
    def refused(reason: str, metric: str = "nps", name_: str = "recommend", **options: Any) -> str:
        with pytest.raises(cx.CxstreamError) as caught:
            client.monitor(name, metric, name_, **options)
        assert caught.value.reason == reason
        return str(caught.value)

    assert "did you mean" in refused("UNKNOWN_BUCKET", bucket="weak")
    refused("UNKNOWN_BUCKET", bucket="hour")
    refused("INVALID_GROUPING", by="month")
    refused("INVALID_CHART", smoothing=0.0)
    refused("INVALID_CHART", sigmas=-1.0)
    refused("INVALID_CHART", false_alarm=1.0)
    refused("INVALID_TIME", baseline=("2026-01-06", None))
    refused("UNKNOWN_DRIVER", metric="regression", name_="drivers")
