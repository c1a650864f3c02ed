"""One Arrow schema for batches that came under several: the widest type of each column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.types as pat

from cxstream.errors import FailedPreconditionError


def unify(schemas: Sequence[pa.Schema], order: Iterable[str]) -> pa.Schema:
    """Return the schema that holds the values of all the others.

    Parameters
    ----------
    schemas : sequence of pyarrow.Schema
    order : iterable of str
        The columns first; others follow as they come.

    Returns
    -------
    pyarrow.Schema
        Text is plain: dictionaries are gone.

    Raises
    ------
    FailedPreconditionError
        ``TYPES_DIFFER``: no type holds a column's values; names it.
    """
    types: dict[str, list[pa.DataType]] = {name: [] for name in order}
    for schema in schemas:
        for column in schema:
            types.setdefault(column.name, []).append(_plain(column.type))
    return pa.schema([(name, _widest(name, kinds)) for name, kinds in types.items() if kinds])


def cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch in a unified schema; a column it does not have is null.

    Raises
    ------
    FailedPreconditionError
        ``TYPES_DIFFER``: a value would not be the same in the wider type; names the column.
    """
    columns = []
    for column in schema:
        place = batch.schema.get_field_index(column.name)
        if place < 0:
            columns.append(pa.nulls(batch.num_rows, column.type))
            continue
        try:
            columns.append(batch.column(place).cast(column.type))
        except pa.ArrowException as error:
            raise FailedPreconditionError(
                "TYPES_DIFFER",
                f"column {column.name!r}: values of type {batch.schema.field(place).type} cannot be "
                f"written as {column.type}: {error}",
                column=column.name,
            ) from error
    return pa.record_batch(columns, schema=schema)


def _plain(kind: pa.DataType) -> pa.DataType:
    if pat.is_dictionary(kind):
        return _plain(kind.value_type)
    if pat.is_list(kind) or pat.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    return pa.string() if pat.is_large_string(kind) else kind


def _widest(name: str, kinds: Sequence[pa.DataType]) -> pa.DataType:
    distinct = list(dict.fromkeys(kinds))
    if len(distinct) == 1:
        return distinct[0]
    if all(pat.is_list(kind) for kind in distinct):
        return pa.list_(_widest(name, [kind.value_type for kind in distinct]))
    if pa.string() in distinct and not any(map(pat.is_nested, distinct)):
        return pa.string()
    zones = [kind.tz for kind in distinct if pat.is_timestamp(kind)]
    if len(zones) == len(distinct) and all(zones):
        # Instants are the same in every zone.
        distinct = [pa.timestamp(kind.unit, "UTC") for kind in distinct]
    if any(map(pat.is_timestamp, distinct)):
        # A day is its midnight, local as the program's other times.
        distinct = [pa.timestamp("s") if pat.is_date(kind) else kind for kind in distinct]
    # A boolean answer is 0 or 1 where others sent integers.
    if not all(map(pat.is_boolean, distinct)):
        distinct = [pa.int8() if pat.is_boolean(kind) else kind for kind in distinct]
    try:
        unified = pa.unify_schemas(
            [pa.schema([(name, kind)]) for kind in distinct], promote_options="permissive"
        )
    except pa.ArrowException as error:
        texts = ", ".join(sorted({str(kind) for kind in kinds}))
        raise FailedPreconditionError(
            "TYPES_DIFFER",
            f"column {name!r} was sent as {texts}, and no one type holds all of that",
            column=name,
        ) from error
    return unified.field(0).type


def rows_at_once(batch: pa.RecordBatch, bytes_max: int) -> int:
    """Return how many rows of a batch have at most so many bytes once dictionaries are gone."""
    per_row: int = 8 * batch.num_columns
    for column in batch.columns:
        if pat.is_dictionary(column.type) and len(column):
            per_row += _longest(column.dictionary)
        elif pat.is_list(column.type) and pat.is_dictionary(column.type.value_type):
            lengths = column.value_lengths().drop_null().to_numpy(zero_copy_only=False)
            items = int(lengths.max(initial=0))
            per_row += items * (8 + _longest(column.values.dictionary))
    return max(1, bytes_max // per_row)


def _longest(texts: pa.Array) -> int:
    import pyarrow.compute as pc

    lengths = pc.binary_length(texts).drop_null().to_numpy()
    return int(lengths.max(initial=0))


def columns_of(schema: pa.Schema) -> Mapping[str, str]:
    """Return each column's type, in words."""
    return {column.name: str(column.type) for column in schema}
