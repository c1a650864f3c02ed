"""Published and hand-computed net promoter scores, through the SDK over both transports."""

from __future__ import annotations

import pytest

import cxstream_client as cx

#: Printed with seven digits after the point at most.
PRINTED_7 = 6e-8
PRINTED_6 = 6e-7
PRINTED_3 = 0.00051

# By promoters, passives, detractors: score, SE, Wald, adjusted Wald (Rocks 2016: 3/4, 3/2, 3/4 more).
TABLE = {
    (500, 300, 200): (30, 2.4698178, (25.159246, 34.840754), (25.077000, 34.743538)),
    (60, 25, 15): (45, 7.3993243, (30.497591, 59.502409), (29.343111, 58.035530)),
    (70, 20, 10): (60, 6.6332496, (46.999070, 73.000930), (45.269760, 71.235094)),
    (55, 25, 20): (35, 7.9214898, (19.474165, 50.525835), (18.685565, 49.275600)),
    (5, 5, 5): (0, 21.0818511, (-41.319669, 41.319669), (-36.925340, 36.925340)),
    (10, 0, 0): (100, 0, (100, 100), (47.503551, 100)),
    # Real ones, of San Francisco's airport in 2017.
    (1436, 968, 342): (39.839767, 1.334137, None, None),
}
# R package NPS, tests/testthat/test_01_basics.R: scores, score and variance on -1..1, SE.
PACKAGE = {
    (0, 7, 7, 9, 9, 9): (1 / 3, 5 / 9, 0.304),
    (0,): (-1, 0, 0),
    (7,): (0, 0, 0),
    (9,): (1, 0, 0),
    (1, 9): (0, 1, 0.707),
    (7, 9): (0.5, 0.25, 0.354),
    (0, 7, 9): (0, 2 / 3, 0.471),
}


@pytest.fixture
def loaded(client: cx.Client, unique: str) -> str:
    questions = {"score": {"kind": "nps"}}
    client.put_program({"name": unique, "questions": questions, "dimensions": {"case": {}}})
    rows: list[tuple[int, str]] = []
    for counts in TABLE:
        for score, count in zip((10, 8, 3), counts, strict=True):
            rows += [(score, str(counts))] * count
    for scores in PACKAGE:
        rows += [(score, str(scores)) for score in scores]
    with client.append(unique, producer="p") as stream:
        stream.send({"score": [one for one, _ in rows], "case": [one for _, one in rows]})
    return unique


def test_score_error_and_intervals(client: cx.Client, loaded: str) -> None:
    answers = {
        method: client.nps(loaded, "score", by="case", interval=method)
        for method in ("wald", "adjusted_wald", "score")
    }
    for counts, (score, se, wald, adjusted) in TABLE.items():
        rows = {method: answer.row(case=str(counts)) for method, answer in answers.items()}
        row = rows["wald"]
        assert (row.promoters, row.passives, row.detractors) == counts
        assert row.score == pytest.approx(score, abs=PRINTED_6)
        assert row.se == pytest.approx(se, abs=PRINTED_7 if wald else PRINTED_6)
        for method, bounds in (("wald", wald), ("adjusted_wald", adjusted)):
            if bounds is not None:
                found = rows[method].interval
                assert (found.lower, found.upper) == pytest.approx(bounds, abs=PRINTED_6)
        # Of one class only, the score interval says what the Wald one does not.
        found = rows["score"].interval
        assert -100 <= found.lower < found.upper <= 100
    # The default is the score interval.
    for row in client.nps(loaded, "score", by="case"):
        assert row.interval == answers["score"].row(**row.group).interval


def test_other_breaks(client: cx.Client, unique: str) -> None:
    """The R package's scores of 1 to 15 with breaks 0-6, 7-8 and 9-15."""
    question = {"kind": "nps", "scale": [0, 15], "passive": 7, "promoter": 9}
    client.put_program({"name": unique, "questions": {"score": question}})
    with client.append(unique, producer="p") as stream:
        stream.send({"score": list(range(1, 16))})
    row = client.nps(unique, "score")[0]
    assert (row.promoters, row.passives, row.detractors) == (7, 2, 6)
    assert row.score == pytest.approx(100 / 15)
    assert row.variance == pytest.approx(100**2 * 0.8622, abs=100**2 * 0.0005)


def test_scores_of_the_r_package(client: cx.Client, loaded: str) -> None:
    answer = client.nps(loaded, "score", by="case", interval="wald")
    for scores, (score, variance, se) in PACKAGE.items():
        row = answer.row(case=str(scores))
        assert row.score == pytest.approx(100 * score)
        assert row.variance == pytest.approx(100**2 * variance)
        assert row.se == pytest.approx(100 * se, abs=100 * PRINTED_3)


@pytest.mark.parametrize(
    ("method", "difference", "se", "z", "p"),
    [
        ("wald", 25, 10.3319892, 2.4196696, 0.0155346),
        ("adjusted_wald", 24.2718447, 10.2359449, 2.3712363, 0.0177287),
    ],
)
def test_two_samples(
    client: cx.Client,
    loaded: str,
    method: str,
    difference: float,
    se: float,
    z: float,
    p: float,
) -> None:
    first, second = ({"case": str(counts)} for counts in ((70, 20, 10), (55, 25, 20)))
    found = client.compare(loaded, "nps", "score", a=first, b=second, method=method)
    assert found.difference == pytest.approx(25)
    centre = found.difference if method == "wald" else found.centre
    assert (centre, found.se) == pytest.approx((difference, se), abs=PRINTED_7)
    assert (found.statistic, found.p) == pytest.approx((z, p), abs=PRINTED_7)
