"""Arrow bytes from the wire: what is read, what is refused, and that nothing breaks it."""

import random
import struct
import time
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from cxstream.columns import check_schema, encode, read_batch, read_schema, read_together
from cxstream.errors import CxError, InvalidArgumentError
from cxstream.program import program_from_dict
from tests.columns.wire import encapsulated, write

PROGRAM = program_from_dict(
    {
        "name": "p",
        "questions": {
            "nps": {"kind": "nps", "missing": [99]},
            "food": {"kind": "rating", "scale": [1, 5], "missing": ["n/a"]},
            "fcr": {"kind": "boolean"},
            "pick": {"kind": "choice", "options": ["a", "b"]},
            "many": {"kind": "choice", "options": ["1", "2", "3"], "multiple": True},
            "spend": {"kind": "number", "range": [0, 1000], "step": 0.01},
        },
        "dimensions": {"region": {}, "shop": {}},
        "time": {"column": "at", "buckets": ["hour"], "timezone": "Europe/Berlin"},
        "customer": {"column": "who"},
        "weight": {"column": "weight", "step": 0.5},
    }
)


def dictionary(values, index="int8", value="string"):
    index, value = pa.type_for_alias(index), pa.type_for_alias(value)
    return pa.array(values, value).dictionary_encode().cast(pa.dictionary(index, value))


def batch(rows=5):
    rng = np.random.default_rng(rows)

    def some(values, kind):
        return pa.array([values[int(one)] for one in rng.integers(0, len(values), rows)], kind)

    return pa.record_batch(
        {
            "nps": some([0, 5, 10, 99, None], pa.int8()),
            "food": some(["1", "5", "n/a", None], pa.string()),
            "fcr": some([True, False, None], pa.bool_()),
            "pick": dictionary(some(["a", "b", None], pa.string())),
            "many": some([[1, 2], [], None, [3, None]], pa.list_(pa.int32())),
            "spend": some([0.01, 999.99, None], pa.float64()),
            "region": dictionary(some(["north", "süd", None], pa.string()), "int32"),
            "shop": some([1, 2, None], pa.int64()),
            "at": some([0, -1, 10**9, None], pa.timestamp("us", tz="UTC")),
            "who": some(["x", "y"], pa.large_string()),
            "weight": some([Decimal("0.5"), Decimal("1.0"), None], pa.decimal128(5, 1)),
        }
    )


def read(schema_bytes, body, rows):
    schema = read_schema(schema_bytes)
    check_schema(schema, PROGRAM)
    return read_batch(body, schema_bytes, rows)


def refused(reason, schema_bytes, body, rows):
    with pytest.raises(InvalidArgumentError) as caught:
        read(schema_bytes, body, rows)
    assert caught.value.reason == reason, caught.value
    return caught.value


# --- what is read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3, 64, 1000])
@pytest.mark.parametrize("eos", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"metadata_version": pa.ipc.MetadataVersion.V4},
        {"emit_dictionary_deltas": True},
        {"unify_dictionaries": True},
        {"use_threads": False},
    ],
)
def test_a_batch_comes_back_as_it_was(rows, eos, options):
    given = batch(rows)
    schema_bytes, body = write(given, eos=eos, **options)
    got = read(schema_bytes, body, rows)
    assert got.equals(given)
    encode(got, PROGRAM)


def test_a_schema_with_its_end_of_stream_marker():
    # What pa.ipc.new_stream(...) and close() leave of a stream without batches.
    given = batch()
    schema_bytes, body = write(given)
    got = read(schema_bytes + b"\xff\xff\xff\xff\0\0\0\0", body, 5)
    assert got.equals(given)
    assert read_schema(schema_bytes) == given.schema
    assert read_schema(given.schema.serialize().to_pybytes()) == given.schema


@pytest.mark.parametrize("shift", range(9))
def test_bytes_at_any_address(shift):
    given = batch(100)
    schema_bytes, body = write(given)
    moved = memoryview(b"\0" * shift + body)[shift:]
    assert read(schema_bytes, moved, 100).equals(given)


def test_nested_and_several_dictionaries():
    program = program_from_dict(
        {
            "name": "p",
            "questions": {
                "many": {"kind": "choice", "options": ["a", "b"], "multiple": True},
                "pick": {"kind": "choice", "options": ["a", "b"]},
            },
            "dimensions": {"d": {}},
        }
    )
    values = dictionary(["a", "b", None, "a"])
    given = pa.record_batch(
        {
            "many": pa.ListArray.from_arrays(pa.array([0, 2, 2, 4], pa.int32()), values),
            "pick": dictionary(["b", "a", None]),
            "d": dictionary(["x", "y", "x"], "uint16", "large_string"),
        }
    )
    schema_bytes, body = write(given)
    assert len(encapsulated(body)) == 4
    got = read_batch(body, schema_bytes, 3)
    assert got.equals(given)
    codes = encode(got, program)
    assert codes.choices["many"].offsets.tolist() == [0, 2, 2, 4]
    assert codes.choices["many"].codes.tolist() == [0, 1, 2, 0]
    assert codes.scales["pick"].tolist() == [1, 0, 2]


def test_slices_are_read_as_what_they_show():
    given = batch(50).slice(13, 20)
    schema_bytes, body = write(given)
    assert read(schema_bytes, body, 20).equals(given)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_compressed_bodies(codec):
    # Also where only a dictionary is.
    schema_bytes, body = write(batch(500), compression=codec)
    refused("COMPRESSED_BODY", schema_bytes, body, 500)
    plain = encapsulated(write(batch(500))[1])
    compressed = encapsulated(body)
    refused("COMPRESSED_BODY", schema_bytes, compressed[0] + plain[1] + plain[2], 500)


def test_other_messages():
    schema_bytes, body = write(batch())
    parts = encapsulated(body)
    eos = b"\xff\xff\xff\xff\0\0\0\0"
    for wrong in (
        b"",
        eos,
        schema_bytes,
        schema_bytes + body,
        body + schema_bytes,
        body + body,
        body + parts[-1],
        b"".join(parts[:-1]),
        parts[-1] + parts[0],
        body + eos + eos,
        body + eos + body,
        body + b"\0",
        b"\0" * 64,
        b"ARROW1\0\0" + body,
        body[4:],
    ):
        refused("MALFORMED_ARROW", schema_bytes, wrong, 5)
    # Without one of its dictionaries.
    refused("MALFORMED_ARROW", schema_bytes, parts[1] + parts[2], 5)


def test_rows():
    schema_bytes, body = write(batch(5))
    for rows in (4, 6, 2**40):
        assert "5" in refused("ROWS_DIFFER", schema_bytes, body, rows).message
    for rows in (0, -5):
        refused("EMPTY_BATCH", schema_bytes, body, rows)
    empty = batch(5).slice(0, 0)
    schema_bytes, body = write(empty)
    refused("EMPTY_BATCH", schema_bytes, body, 0)


def test_declared_rows_beyond_the_limit():
    schema_bytes, body = write(batch(5))
    for rows in (2**22 + 1, 2**40, 2**63 - 1):
        # The only 5s of 8 bytes in the last message's metadata are lengths.
        parts = encapsulated(body)
        wrong = parts[-1].replace(struct.pack("<q", 5), struct.pack("<q", rows))
        refused("TOO_MANY_ROWS", schema_bytes, b"".join([*parts[:-1], wrong]), rows)
    wrong = parts[-1].replace(struct.pack("<q", 5), struct.pack("<q", 4_000_000))
    refused("MALFORMED_ARROW", schema_bytes, b"".join([*parts[:-1], wrong]), 4_000_000)


def test_truncated_at_every_byte():
    given = pa.record_batch({"d": dictionary(["a", None, "b"]), "n": pa.array([1, 2, None])})
    schema_bytes, body = write(given)
    for size in range(len(body)):
        with pytest.raises(InvalidArgumentError) as caught:
            read_batch(body[:size], schema_bytes, 3)
        assert caught.value.reason == "MALFORMED_ARROW"
    for size in range(len(schema_bytes)):
        with pytest.raises(InvalidArgumentError) as caught:
            read_schema(schema_bytes[:size])
        assert caught.value.reason == "MALFORMED_SCHEMA"


@pytest.mark.parametrize("size", [-1, -(2**31), 0, 1, 7, 8, 100_000, 2**31 - 1])
def test_a_metadata_size_that_lies(size):
    schema_bytes, body = write(batch())
    wrong = body[:4] + struct.pack("<i", size) + body[8:]
    refused("MALFORMED_ARROW", schema_bytes, wrong, 5)
    with pytest.raises(InvalidArgumentError):
        read_schema(schema_bytes[:4] + struct.pack("<i", size) + schema_bytes[8:])


@pytest.mark.parametrize("at", ["schema", "body"])
def test_what_is_no_schema(at):
    schema_bytes, body = write(batch())
    for wrong in (b"", b"x", body, schema_bytes + schema_bytes, schema_bytes + body):
        with pytest.raises(InvalidArgumentError) as caught:
            read_schema(wrong)
        assert caught.value.reason == "MALFORMED_SCHEMA"


def test_values_that_arrow_calls_invalid():
    for index in (2, 127, -1):
        indices = pa.array([0, index], pa.int8())
        column = pa.DictionaryArray.from_arrays(indices, ["a", "b"], safe=False)
        given = batch(2).set_column(3, "pick", column)
        refused("MALFORMED_ARROW", *write(given), 2)
    text = pa.StringArray.from_buffers(
        2, pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"1\xff")
    )
    refused("MALFORMED_ARROW", *write(batch(2).set_column(1, "food", text)), 2)
    for offsets in ([0, 5, 2], [0, 1, 9_000], [-1, 0, 0], [2, 1, 0]):
        good = struct.pack("<iii", 0, 1, 2)
        lists = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array([1, 2]))
        given = batch(2).set_column(4, "many", lists)
        given = given.select(["many"])
        schema_bytes, body = write(given)
        assert body.count(good) == 1
        wrong = body.replace(good, struct.pack("<iii", *offsets))
        with pytest.raises(InvalidArgumentError) as caught:
            read_batch(wrong, schema_bytes, 2)
        assert caught.value.reason == "MALFORMED_ARROW"


# --- several at once ------------------------------------------------------------------------------


def one_by_one(bodies, schema_bytes, rows):
    try:
        return [
            read_batch(body, schema_bytes, count) for body, count in zip(bodies, rows, strict=True)
        ]
    except InvalidArgumentError as error:
        return error


def together(bodies, schema_bytes, rows):
    try:
        return read_together(bodies, schema_bytes, rows)
    except InvalidArgumentError as error:
        return error


def same(got, expected):
    if isinstance(expected, InvalidArgumentError):
        return isinstance(got, InvalidArgumentError) and str(got) == str(expected)
    return (
        isinstance(got, list)
        and len(got) == len(expected)
        and all(one.equals(other) for one, other in zip(got, expected, strict=True))
    )


@pytest.mark.parametrize("options", [{}, {"metadata_version": pa.ipc.MetadataVersion.V4}])
@pytest.mark.parametrize("eos", [False, True])
def test_batches_read_together_are_as_each_by_itself(eos, options):
    rows = [1, 3, 1, 64, 1000, 2]
    given = [batch(count) for count in rows]
    bodies = [write(one, eos=eos, **options)[1] for one in given]
    schema_bytes, _ = write(given[0], **options)
    got = read_together(bodies, schema_bytes, rows)
    assert all(one.equals(other) for one, other in zip(got, given, strict=True))
    assert read_together([], schema_bytes, []) == []


def test_no_batch_is_read_with_what_another_one_brought():
    first, second = (
        pa.record_batch({"region": dictionary(values), "shop": dictionary(values)})
        for values in (["north", "south"], ["north", "south", "west"])
    )
    schema_bytes, whole = write(first)
    region, shop, rows = encapsulated(whole)
    _, both = write(first, second, emit_dictionary_deltas=True)
    delta = both[len(whole) :]
    assert len(encapsulated(delta)) == 3, "what is new of each dictionary, and the rows"
    for lacking, count in (
        (rows, 2),
        (region + rows, 2),
        (region + region + rows, 2),
        (delta, 3),
    ):
        expected = one_by_one([whole, lacking], schema_bytes, [2, count])
        assert isinstance(expected, InvalidArgumentError)
        assert same(together([whole, lacking], schema_bytes, [2, count]), expected)
    # Their order is the client's.
    assert read_together([whole, shop + region + rows], schema_bytes, [2, 2]) == [first, first]


@pytest.mark.parametrize("seed", range(4))
def test_of_mutated_batches_each_is_read_as_by_itself(seed):
    rng = random.Random(seed)
    rows = [1, 3, 1, 2]
    schema_bytes, _ = write(batch())
    bodies = [write(batch(count))[1] for count in rows]
    read = 0
    for _ in range(500):
        place = rng.randrange(len(bodies))
        some = [*bodies[:place], mutate(rng, bodies[place], bodies), *bodies[place + 1 :]]
        expected = one_by_one(some, schema_bytes, rows)
        read += isinstance(expected, list)
        assert same(together(some, schema_bytes, rows), expected)
    assert 0 < read < 500


# --- mutations ------------------------------------------------------------------------------------


def mutate(rng, data, others):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        if not data:
            break
        at = rng.randrange(len(data))
        match rng.randrange(8):
            case 0 | 1:
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
            case 3:
                form, size = rng.choice([("<i", 4), ("<q", 8), ("<h", 2)])
                at -= at % size
                value = rng.choice([0, -1, 1, 2 ** (8 * size - 1) - 1, -(2 ** (8 * size - 1)), 64])
                data[at : at + size] = struct.pack(form, value)[: len(data) - at]
            case 4:
                del data[at : at + rng.choice([1, 4, 8, 64])]
            case 5:
                data[at:at] = rng.randbytes(rng.choice([1, 4, 8, 64]))
            case 6:
                other = rng.choice(others)
                begin = rng.randrange(len(other))
                piece = other[begin : begin + rng.choice([4, 8, 64, 256])]
                data[at : at + len(piece)] = piece
            case 7:
                # The metadata, where it hurts most.
                data[at % min(len(data), 400)] = rng.randrange(256)
    return bytes(data)


def consume(schema_bytes, body, rows, program=PROGRAM):
    """Do what an append does. Return whether it was accepted."""
    try:
        schema = read_schema(schema_bytes)
        check_schema(schema, program)
        encode(read_batch(body, schema_bytes, rows), program)
    except CxError as error:
        return not error.reason
    return True


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages_are_refused_or_read_and_nothing_else(seed):
    rng = random.Random(seed)
    given = [batch(rows) for rows in (1, 7, 40)]
    written = [(*write(one), one.num_rows) for one in given]
    assert all(consume(*one) for one in written)
    others = [body for _, body, _ in written] + [schema for schema, _, _ in written]
    accepted = 0
    begin = time.perf_counter()
    for _ in range(6_000):
        schema_bytes, body, rows = rng.choice(written)
        if rng.random() < 0.2:
            schema_bytes = mutate(rng, schema_bytes, others)
        else:
            body = mutate(rng, body, others)
        accepted += consume(schema_bytes, body, rows)
    assert time.perf_counter() - begin < 60
    # Some mutations leave a batch that is valid, else nothing but the walk was tried.
    assert 100 < accepted < 5_900
