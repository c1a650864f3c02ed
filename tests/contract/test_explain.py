"""Every answer says what it rests on and how it was computed, over both transports."""

from __future__ import annotations

from typing import Any

import cxstream_client as cx

RATING = {"kind": "rating", "scale": [1, 5]}
PROGRAM: dict[str, Any] = {
    "questions": {
        "recommend": {"kind": "nps"},
        "effort": {"kind": "ces", "scale": [1, 7]},
        "food": RATING,
        "staff": RATING,
        "why": {"kind": "choice", "options": {"1": "Food", "2": "Wifi"}},
        "spend": {"kind": "number", "range": [0, 100], "step": 0.01},
    },
    "dimensions": {"area": {"max_levels": 5}},
    "indices": {"delight": {"parts": {"all": {"items": ["food", "staff"]}}}},
    "models": {"drivers": {"outcome": "recommend", "drivers": ["food", "staff"]}},
    "insights": {"questions": ["recommend", "food", "staff"]},
}
ROWS: dict[str, list[Any]] = {
    "recommend": [10, 9, 3, None, 7, 8],
    "effort": [7, 6, 1, 4, 5, 2],
    "food": [5, 4, 1, 3, 3, 4],
    "staff": [5, 5, 2, None, 3, 3],
    "why": ["1", "2", "2", "1", None, "1"],
    "spend": [1.25, 2.5, 99.0, None, 3.0, 0.0],
    "area": ["A", "B", "A", "B", "A", None],
}


def _asked(client: cx.Client, name: str) -> dict[str, cx.results.Result[Any]]:
    return {
        "nps": client.nps(name, "recommend"),
        "csat": client.csat(name, "food"),
        "ces": client.ces(name, "effort"),
        "distribution": client.distribution(name, "spend"),
        "index": client.index(name, "delight"),
        "scorecard": client.scorecard(name, "why"),
        "regression": client.regression(name, "drivers"),
        "insights": client.insights(name),
    }


def test_every_answer_names_its_formulas(client: cx.Client, unique: str) -> None:
    client.put_program({**PROGRAM, "name": unique})
    with client.append(unique, producer="p") as stream:
        stream.send(ROWS)
    for name, result in _asked(client, unique).items():
        formulas = {one.id: one for one in result.explanation.formulas}
        assert name in formulas
        assert any(one.startswith("interval.") for one in formulas), name
        assert all(one.text and one.source.startswith("https://") for one in formulas.values())
        said = result.explain()
        assert f"{name}: " in said and result.explanation.digest in said
        assert "exact as of 6 responses" in said


def test_the_words_say_what_was_used_and_what_was_dropped(client: cx.Client, unique: str) -> None:
    client.put_program({**PROGRAM, "name": unique})
    with client.append(unique, producer="p") as stream:
        stream.send(ROWS)
    said = client.nps(unique, "recommend", by="area").explain().splitlines()
    assert "area = A: n 3; dropped: none" in said
    assert "area = B: n 1; dropped: null 1" in said
    assert "area = None: n 1; dropped: none" in said


def test_the_digest_is_that_of_the_sums(client: cx.Client, unique: str) -> None:
    """However the responses came, it is the same; one more response makes it another."""
    names = [f"{unique}-{part}" for part in ("whole", "parts")]
    for name in names:
        client.put_program({**PROGRAM, "name": name})
    with client.append(names[0], producer="p") as stream:
        stream.send(ROWS)
    with client.append(names[1], producer="p") as stream:
        for first in (4, 2, 0):
            stream.send({key: value[first : first + 2] for key, value in ROWS.items()})
    whole, parts = (_asked(client, name) for name in names)
    before = {}
    for name, result in whole.items():
        before[name] = result.explanation.digest
        assert len(before[name]) == 32
        assert parts[name].explanation.digest == before[name], name
    with client.append(names[1], producer="p") as stream:
        stream.send({key: value[:1] for key, value in ROWS.items()})
    for name, result in _asked(client, names[1]).items():
        assert result.explanation.digest != before[name], name
