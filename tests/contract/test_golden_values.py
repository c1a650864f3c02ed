"""Published and hand-computed values of many statistics, through the SDK over both transports."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

import cxstream_client as cx

#: Float64 on both sides.
FLOAT = 1e-12
#: Printed with so many digits after the point.
PRINTED_1, PRINTED_2, PRINTED_4 = 0.0501, 0.00501, 0.0000501


def load(client: cx.Client, name: str, tables: dict[str, Any], rows: dict[str, list[Any]]) -> None:
    client.put_program({"name": name, **tables})
    with client.append(name, producer="p") as stream:
        stream.send(rows)


# By promoters, passives, detractors and method: bounds. Rocks (2016) and MeasuringU's methods.
NETS = {
    (80, 5, 15): {
        "wald": (50.8, 79.2), "adjusted_wald": (48.9, 77.3), "score": (48.5, 76.9),
        "student_t": (50.5, 79.5), "goodman": (47.2, 82.8),
    },
    (1, 0, 0): {"wald": (100, 100), "adjusted_wald": (-48.5, 98.5), "score": (-58.7, 100)},
    (20, 0, 0): {"wald": (100, 100), "adjusted_wald": (69.7, 100), "score": (67.8, 100)},
}  # fmt: skip


def test_intervals_of_net_scores(client: cx.Client, unique: str) -> None:
    rows: dict[str, list[Any]] = {"score": [], "case": []}
    for counts in NETS:
        rows["score"] += [9] * counts[0] + [8] * counts[1] + [0] * counts[2]
        rows["case"] += [str(counts)] * sum(counts)
    load(
        client, unique, {"questions": {"score": {"kind": "nps"}}, "dimensions": {"case": {}}}, rows
    )
    for counts, methods in NETS.items():
        for method, bounds in methods.items():
            row = client.nps(unique, "score", where={"case": str(counts)}, interval=method)[0]
            assert row.interval is not None
            assert (row.interval.lower, row.interval.upper) == pytest.approx(bounds, abs=PRINTED_1)
    one = client.nps(unique, "score", where={"case": str((1, 0, 0))}, interval="student_t")
    assert one.interval is None


@pytest.mark.parametrize(
    ("weights", "effect"), [((0, 1, 2, 3), 1.5555556), ((1, 1, 1000), 2.9880418), ((2, 2, 2), 1.0)]
)
def test_kish(client: cx.Client, unique: str, weights: tuple[int, ...], effect: float) -> None:
    """Of balance's documentation; equal weights have none."""
    tables = {
        "questions": {"x": {"kind": "rating", "scale": [1, 5]}},
        "weight": {"column": "w", "step": 1},
    }
    load(
        client, unique, tables, {"x": [1 + k % 5 for k in range(len(weights))], "w": list(weights)}
    )
    found = client.csat(unique, "x", weighting="declared").weights
    assert found.design_effect == pytest.approx(effect, abs=1e-7)
    assert found.effective_n == pytest.approx(len(weights) / effect, rel=1e-7)


def test_weighted_mean(client: cx.Client, unique: str) -> None:
    """balance's example, 1 to 4 weighted by themselves: .24, and .32 with n / (n - 1)."""
    tables = {
        "questions": {"x": {"kind": "number", "range": [0, 9], "step": 1}},
        "weight": {"column": "w", "step": 1},
    }
    load(client, unique, tables, {"x": [1, 2, 3, 4], "w": [1, 2, 3, 4]})
    found = client.distribution(unique, "x", weighting="declared").summary
    assert (found.mean, found.se) == pytest.approx((3.0, 0.32**0.5), rel=FLOAT)


def test_acsi(client: cx.Client, unique: str) -> None:
    """Verint's weights: all tens are 100, all ones 0; equal ones are (sum - 3) / 27."""
    weights = {"overall": 0.3885, "expected": 0.3190, "ideal": 0.2925}
    item = {"kind": "rating", "scale": [1, 10]}
    tables = {
        "questions": dict.fromkeys(weights, item),
        "dimensions": {"who": {}},
        "indices": {
            "acsi": {"parts": {k: {"items": [k], "weight": w} for k, w in weights.items()}},
            "equal": {"parts": {k: {"items": [k]} for k in weights}},
        },
    }
    given = {"all": (10, 10, 10), "none": (1, 1, 1), "some": (9, 7, 6)}
    rows: dict[str, list[Any]] = {
        key: [one[at] for one in given.values()] for at, key in enumerate(weights)
    }
    load(client, unique, tables, {**rows, "who": list(given)})
    scores = {row.group["who"]: row.score for row in client.index(unique, "acsi", by="who")}
    expected = (8 * 0.3885 + 6 * 0.3190 + 5 * 0.2925) / 9 * 100
    assert scores == pytest.approx({"all": 100, "none": 0, "some": expected}, rel=FLOAT)
    equal = client.index(unique, "equal", where={"who": "some"})
    assert equal.score == pytest.approx((9 + 7 + 6 - 3) / 27 * 100, rel=FLOAT)


# Gupta and Lehmann (2003), Journal of Interactive Marketing 17(1), table 1: lifetime value over margin.
MULTIPLES = {
    (60, 10): 1.20, (70, 10): 1.75, (80, 10): 2.67, (90, 10): 4.50,
    (60, 12): 1.15, (70, 12): 1.67, (80, 12): 2.50, (90, 12): 4.09,
    (60, 14): 1.11, (70, 14): 1.59, (80, 14): 2.35, (90, 14): 3.75,
    (60, 16): 1.07, (70, 16): 1.52, (80, 16): 2.22, (90, 16): 3.46,
}  # fmt: skip


def test_margin_multiples(client: cx.Client, unique: str) -> None:
    tables = {
        "questions": {
            "recommend": {"kind": "nps"},
            "margin": {"kind": "number", "range": [0, 10]},
            "left": {"kind": "boolean"},
        },
        "dimensions": {"kept": {}, "score": {"column": "recommend", "max_levels": 12}},
        "views": [{"by": ["kept", "score"]}],
    }
    rows: dict[str, list[Any]] = {"recommend": [], "margin": [], "left": [], "kept": []}
    for kept in (60, 70, 80, 90):
        rows["recommend"] += [10] * 10
        rows["margin"] += [1] * 10
        rows["left"] += [k >= kept // 10 for k in range(10)]
        rows["kept"] += [str(kept)] * 10
    load(client, unique, tables, rows)
    for (kept, discount), multiple in MULTIPLES.items():
        found = client.customer_value(
            unique, "recommend", margin="margin", churn="left", discount=discount / 100,
            where={"kept": str(kept)},
        )[0]  # fmt: skip
        assert found.classes[2].value == pytest.approx(multiple, abs=PRINTED_2)


# Nonconforming cans of frozen orange juice, of 50 each: Montgomery, Introduction to Statistical Quality
# Control; qcc's data set orangejuice, trial samples.
CANS = [12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9,
        12, 7, 13, 9, 6]  # fmt: skip


def test_a_p_chart(client: cx.Client, unique: str) -> None:
    tables = {
        "questions": {"bad": {"kind": "boolean"}},
        "time": {"column": "at", "buckets": ["day"]},
    }
    rows: dict[str, list[Any]] = {"bad": [], "at": []}
    for day, bad in enumerate(CANS):
        rows["bad"] += [True] * bad + [False] * (50 - bad)
        rows["at"] += [dt.date(2026, 1, 1 + day)] * 50
    load(client, unique, tables, rows)
    found = client.monitor(unique, "csat", "bad", bucket="day")
    assert found.centre == pytest.approx(100 * 0.2313, abs=100 * PRINTED_4)
    for row in found:
        limits = (row.lower_limit, row.upper_limit)
        assert limits == pytest.approx((100 * 0.0524, 100 * 0.4102), abs=100 * PRINTED_4)
    # Samples 15 and 23 are beyond the upper limit.
    assert [k for k, row in enumerate(found, 1) if "limits" in " ".join(row.outside)] == [15, 23]


def test_wilson(client: cx.Client, unique: str) -> None:
    """Newcombe (1998), Statistics in Medicine 17, 857-872: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    cases = {
        (81, 263): (25.53, 36.62),
        (15, 148): (6.24, 16.05),
        (0, 20): (0.0, 16.11),
        (1, 29): (0.61, 17.18),
    }
    rows: dict[str, list[Any]] = {"in": [], "case": []}
    for count, n in cases:
        rows["in"] += [True] * count + [False] * (n - count)
        rows["case"] += [f"{count} of {n}"] * n
    load(
        client, unique, {"questions": {"in": {"kind": "boolean"}}, "dimensions": {"case": {}}}, rows
    )
    for (count, n), bounds in cases.items():
        row = client.csat(unique, "in", where={"case": f"{count} of {n}"})[0]
        assert row.interval is not None
        assert (row.interval.lower, row.interval.upper) == pytest.approx(bounds, abs=PRINTED_2)


def test_differences_of_shares(client: cx.Client, unique: str) -> None:
    """Newcombe (1998), Statistics in Medicine 17, 873-890, table II: 56 of 70 less 48 of 80."""
    said = [True] * 56 + [False] * 14 + [True] * 48 + [False] * 32
    tables = {"questions": {"in": {"kind": "boolean"}}, "dimensions": {"side": {}}}
    load(client, unique, tables, {"in": said, "side": ["a"] * 70 + ["b"] * 80})
    for method, bounds in (("wald", (5.75, 34.25)), ("score", (5.28, 33.82))):
        found = client.compare(
            unique, "csat", "in", a={"side": "a"}, b={"side": "b"}, method=method
        ).interval
        assert (found.lower, found.upper) == pytest.approx(bounds, abs=PRINTED_2)
