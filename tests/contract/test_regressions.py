"""One test per bug that was once there, over both transports."""

from __future__ import annotations

import pyarrow as pa
import pytest

import cxstream_client as cx
from tests.contract.test_bad_input import Raw, ipc, request


def test_same_body_under_another_schema_is_other_content(client: cx.Client, unique: str) -> None:
    """Two columns of one type swapped: the bytes of the body are equal, the answers are not."""
    rating = {"kind": "rating", "scale": [1, 5]}
    client.put_program({"name": unique, "questions": {"a": rating, "b": rating}})
    values = {"a": pa.array([1, 1], pa.int8()), "b": pa.array([5, 5], pa.int8())}
    schema, body = ipc(pa.table(values))
    swapped_schema, swapped = ipc(pa.table({"b": values["a"], "a": values["b"]}))
    assert body == swapped
    (ack,) = Raw(client, unique, schema).send(request(body, rows=2))
    assert ack.HasField("ack")
    (refused,) = Raw(client, unique, swapped_schema).send(request(swapped, rows=2))
    assert refused.refusal.reason == "SEQUENCE_REUSED"


def test_a_label_that_two_options_share_matches_neither(client: cx.Client, unique: str) -> None:
    options = {"1": "Other", "2": "Other", "3": "Food"}
    client.put_program({"name": unique, "questions": {"q": {"kind": "choice", "options": options}}})
    with client.append(unique, producer="p") as stream:
        stream.send({"q": ["1", "2", "Food", None]}, wait=True)
        with pytest.raises(cx.InvalidInput, match="'Other' is not allowed"):
            stream.send({"q": ["Other"]}, wait=True)
    card = client.scorecard(unique, "q")[0]
    assert [one.count for one in card.options] == [1, 1, 1]
    assert card.dropped == {"null": 1}


def test_numbers_match_codes_not_labels(client: cx.Client, unique: str) -> None:
    options = {"1": "2", "3": "three"}
    client.put_program({"name": unique, "questions": {"q": {"kind": "choice", "options": options}}})
    with client.append(unique, producer="p") as stream:
        with pytest.raises(cx.InvalidInput, match="row 1: 2 is not allowed"):
            stream.send({"q": [1, 2]}, wait=True)
        stream.send({"q": [1, 3]}, wait=True)
    assert client.program_info(unique).responses == 2


def test_the_time_column_stays_while_responses_are_held(client: cx.Client, unique: str) -> None:
    tables = {"name": unique, "questions": {"q": {"kind": "nps"}}, "time": {"column": "at"}}
    client.put_program(tables)
    with client.append(unique, producer="p") as stream:
        stream.send({"q": [9], "at": pa.array([0], pa.date32())})
    with pytest.raises(cx.PreconditionFailed, match="time differs"):
        client.put_program({**tables, "time": {"column": "when"}})


def test_an_unknown_missing_policy_is_the_callers_error(client: cx.Client, unique: str) -> None:
    client.put_program(
        {
            "name": unique,
            "questions": {"q": {"kind": "rating", "scale": [1, 5]}},
            "indices": {"x": {"parts": {"p": {"items": ["q"]}}}},
        }
    )
    with pytest.raises(cx.InvalidInput, match='did you mean "complete"'):
        client.index(unique, "x", missing="completed")


def test_insights_count_what_they_leave_out(client: cx.Client, unique: str) -> None:
    rating = {"kind": "rating", "scale": [1, 5]}
    client.put_program({"name": unique, "questions": {"a": rating, "b": rating}})
    with client.append(unique, producer="p") as stream:
        stream.send({"a": [1, 2, 4, None], "b": [2, 2, 5, 5]})
    pair = client.insights(unique)[0].pairs[0]
    assert (pair.n, pair.dropped) == (3, 1)
    assert pair.interval is not None and pair.interval.lower < pair.slope < pair.interval.upper


def test_levels_of_an_eleven_point_nps_question_average_to_its_mean(
    client: cx.Client, unique: str
) -> None:
    client.put_program({"name": unique, "questions": {"q": {"kind": "nps", "scale": [1, 11]}}})
    with client.append(unique, producer="p") as stream:
        stream.send({"q": [1, 11, 11, 8]})
    row = client.distribution(unique, "q")[0]
    assert [one.level for one in row.levels] == [str(value) for value in range(11)]
    total = sum(int(one.level) * one.count for one in row.levels)
    assert row.mean == total / row.n == 6.75
    score = client.nps(unique, "q")[0]
    assert (score.promoters, score.passives, score.detractors) == (2, 1, 1)
