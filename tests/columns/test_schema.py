"""Schemas: every column of the program once, none besides, each of a type that makes sense."""

import pyarrow as pa
import pytest

from cxstream.columns import check_schema, takes_text
from cxstream.errors import InvalidArgumentError
from cxstream.program import program_from_dict

PROGRAM = program_from_dict(
    {
        "name": "p",
        "questions": {
            "nps": {"kind": "nps", "missing": [99]},
            "food": {"kind": "rating", "scale": [1, 5], "missing": ["n/a"]},
            "mood": {"kind": "csat", "scale": [1, 2], "values": {"bad": 1, "good": 2}},
            "fcr": {"kind": "boolean"},
            "pick": {"kind": "choice", "options": ["a", "b"]},
            "many": {"kind": "choice", "options": ["a", "b"], "multiple": True},
            "wide": {
                "kind": "choice", "options": ["a"], "multiple": True, "columns": ["w1", "w2"],
            },
            "spend": {"kind": "number", "range": [0, 10]},
        },
        "dimensions": {"region": {"column": "Region"}},
        "time": {"column": "at"},
        "customer": {"column": "who"},
        "weight": {"column": "weight", "step": 1},
    }
)  # fmt: skip
TYPES = {
    "nps": pa.int8(),
    "food": pa.string(),
    "mood": pa.string(),
    "fcr": pa.bool_(),
    "pick": pa.int32(),
    "many": pa.list_(pa.string()),
    "w1": pa.string(),
    "w2": pa.int8(),
    "spend": pa.float64(),
    "Region": pa.string(),
    "at": pa.date32(),
    "who": pa.string(),
    "weight": pa.float32(),
}
TEXTS = [
    pa.string(),
    pa.large_string(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.uint64(), pa.large_string()),
]
NUMBERS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float32(), pa.float64(), pa.decimal128(10, 2)),
]
NEVER = [
    pa.null(),
    pa.float16(),
    pa.binary(),
    pa.string_view(),
    pa.decimal256(40, 2),
    pa.time32("s"),
    pa.duration("s"),
    pa.struct([("x", pa.int8())]),
    pa.map_(pa.string(), pa.int8()),
    pa.list_view(pa.string()),
    pa.list_(pa.int8(), 2),
    pa.run_end_encoded(pa.int32(), pa.int8()),
    pa.dictionary(pa.int8(), pa.int8()),
    pa.dictionary(pa.int8(), pa.binary()),
    pa.uuid(),
]


def schema(**types):
    return pa.schema(list((TYPES | types).items()))


def refused(given, reason, column):
    with pytest.raises(InvalidArgumentError) as caught:
        check_schema(given, PROGRAM)
    assert (caught.value.reason, caught.value.column) == (reason, column)
    return caught.value


def test_any_order_is_fine():
    check_schema(schema(), PROGRAM)
    check_schema(pa.schema(list(reversed(TYPES.items()))), PROGRAM)


def test_names():
    error = refused(schema(extra=pa.int8()), "UNKNOWN_COLUMN", "extra")
    assert error.message.endswith("; leave it out")
    assert "'extra' is not in program 'p'" in error.message
    renamed = pa.schema([("foood" if name == "food" else name, t) for name, t in TYPES.items()])
    assert "did you mean 'food'?" in refused(renamed, "UNKNOWN_COLUMN", "foood").message
    twice = schema().append(pa.field("nps", pa.int8()))
    refused(twice, "DUPLICATE_COLUMN", "nps")
    for name in TYPES:
        less = pa.schema([one for one in TYPES.items() if one[0] != name])
        assert repr(name) in refused(less, "MISSING_COLUMN", name).message
    assert "(question 'wide')" in refused(
        pa.schema([one for one in TYPES.items() if one[0] != "w2"]), "MISSING_COLUMN", "w2"
    ).message  # fmt: skip
    refused(pa.schema([]), "MISSING_COLUMN", "nps")


ACCEPTED = {
    "nps": NUMBERS,
    "food": [*NUMBERS, *TEXTS],
    "mood": [*NUMBERS, *TEXTS],
    "fcr": [*NUMBERS, pa.bool_()],
    "pick": [*NUMBERS, *TEXTS],
    "w1": [*NUMBERS, *TEXTS],
    "many": [
        *(pa.list_(one) for one in [*NUMBERS, *TEXTS]),
        *(pa.large_list(one) for one in [*NUMBERS, *TEXTS]),
    ],
    "spend": NUMBERS,
    "Region": [*TEXTS, *NUMBERS[:8], pa.bool_()],
    "at": [
        *(pa.date32(), pa.date64()),
        *(pa.timestamp(unit, tz) for unit in ("s", "ms", "us", "ns") for tz in (None, "UTC")),
    ],
    "who": [*TEXTS, *NUMBERS[:8]],
    "weight": NUMBERS,
}
ALL = [
    *TEXTS, *NUMBERS, *NEVER, pa.bool_(), pa.date32(), pa.timestamp("us"), pa.list_(pa.int8()),
    pa.large_list(pa.string()), pa.list_(pa.bool_()), pa.list_(pa.list_(pa.int8())),
]  # fmt: skip


@pytest.mark.parametrize("column", ACCEPTED)
def test_types(column):
    for kind in ACCEPTED[column]:
        check_schema(schema(**{column: kind}), PROGRAM)
    for kind in ALL:
        if kind not in ACCEPTED[column]:
            error = refused(schema(**{column: kind}), "WRONG_TYPE", column)
            assert ("text" if kind in TEXTS else str(kind)) in error.message
            assert error.expected


def test_text_needs_declared_texts():
    takes = {name: takes_text(one) for name, one in PROGRAM.questions.items()}
    assert takes == {
        "nps": False, "food": True, "mood": True, "fcr": False, "pick": True, "many": True,
        "wide": True, "spend": False,
    }  # fmt: skip


def test_text_is_called_text() -> None:
    error = refused(schema(nps=pa.dictionary(pa.int32(), pa.string())), "WRONG_TYPE", "nps")
    assert "column 'nps' has type text; expected integers" in error.message
