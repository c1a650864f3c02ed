"""The shape of a record batch's metadata: which of its bytes are numbers that differ from batch to batch."""

from __future__ import annotations

from typing import Any

from cxstream._native import ffi
from cxstream.columns.ipc import INT32, UINT16, UINT32, Flat

#: Bytes of a node and of a buffer in the metadata: two numbers of 64 bits.
_PAIR_BYTES = 16
#: The fields of Arrow's Message.fbs that writers set: version, type, header and length of body; length, nodes and buffers.
_MESSAGE_BYTES, _BATCH_BYTES = (2, 1, 4, 8), (8, 4, 4)


class Frame:
    """The metadata of a record batch that is known to be well formed, for ``cx_encode_batch``.

    Attributes
    ----------
    native : cdata
        A ``struct cx_frame *``.
    """

    def __init__(self, metadata: bytes, same: list[int], places: tuple[int, int, int, int]) -> None:
        self._metadata = ffi.from_buffer("uint8_t[]", metadata)  # kept: what follows points at them
        self._same = ffi.new("int64_t[]", same)
        self.native: Any = ffi.new("struct cx_frame *")
        self.native.metadata, self.native.size = self._metadata, len(metadata)
        self.native.same, self.native.n_same = self._same, len(same) // 2
        (
            self.native.body_length_at,
            self.native.rows_at,
            self.native.nodes_at,
            self.native.buffers_at,
        ) = places


def frame_of(metadata: bytes, nodes: int, buffers: int) -> Frame | None:
    """Describe the metadata of a record batch that Arrow took.

    A flatbuffer says where its parts are. Metadata of which only numbers differ, and nothing that
    says where something is, has the same shape: Arrow takes that, too. So no part may overlap another,
    and there must be none besides those known here.

    Parameters
    ----------
    metadata : bytes
    nodes, buffers : int
        How many there are by the schema.

    Returns
    -------
    Frame or None
        None where the metadata has another form than writers give it.
    """
    flat = Flat(metadata)
    root = flat.table(0)
    message = _Table(flat, root, _MESSAGE_BYTES)
    if not message.is_plain:
        return None
    _, _, header_at, body_length_at = message.fields
    batch = _Table(flat, flat.table(header_at), _BATCH_BYTES)
    if not batch.is_plain:
        return None
    rows_at, nodes_at, buffers_at = batch.fields
    first_node, first_buffer = (flat.table(at) for at in (nodes_at, buffers_at))
    if flat.read(UINT32, first_node) != nodes or flat.read(UINT32, first_buffer) != buffers:
        return None
    numbers = [
        (body_length_at, 8),
        (rows_at, 8),
        (first_node + 4, nodes * _PAIR_BYTES),
        (first_buffer + 4, buffers * _PAIR_BYTES),
    ]
    fixed = {(0, 4), (first_node, 4), (first_buffer, 4), *message.parts, *batch.parts}
    parts = sorted({*fixed, *numbers})
    ends = [at + size for at, size in parts]
    if ends[-1] > len(metadata) or any(
        end > after for end, (after, _) in zip(ends, parts[1:], strict=False)
    ):
        return None
    edges = [0, *(edge for at, size in sorted(numbers) for edge in (at, at + size)), len(metadata)]
    frame = Frame(metadata, edges, (body_length_at, rows_at, first_node + 4, first_buffer + 4))
    frame.native.n_nodes, frame.native.n_buffers = nodes, buffers
    return frame


class _Table:
    """A table whose fields are all there and no others.

    Attributes
    ----------
    is_plain : bool
        Whether that is so.
    fields : list of int
        Where they stand.
    parts : set of (int, int)
        Begin and size of what it is made of.
    """

    def __init__(self, flat: Flat, at: int, sizes: tuple[int, ...]) -> None:
        vtable = at - flat.read(INT32, at)
        size = flat.read(UINT16, vtable)
        known = 4 + 2 * len(sizes)
        self.fields = flat.fields(at, *range(len(sizes)))
        beyond = [flat.read(UINT16, vtable + place) for place in range(known, size, 2)]
        self.is_plain = all(self.fields) and not any(beyond)
        self.parts = {(at, 4), (vtable, size), *zip(self.fields, sizes, strict=True)}
