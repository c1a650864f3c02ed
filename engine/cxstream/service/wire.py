"""The requests of an append stream, from the bytes on the wire.

A large batch whose fields are in order, as protobuf writes them, is read by hand, so that its Arrow
body stays where it is. Anything else goes through protobuf.
"""

from __future__ import annotations

import struct

from google.protobuf.message import DecodeError

from cxstream.appender import Incoming
from cxstream.errors import InvalidArgumentError
from cxstream_api.v1.append_service_pb2 import AppendOpen, AppendRequest
from cxstream_client._append_window import BatchRequest

#: Field number and wire type of sequence, rows, crc32 and arrow.
_SEQUENCE, _ROWS, _CRC32, _ARROW = 0x10, 0x18, 0x25, 0x7A
#: Below that, copying a body takes less time than reading by hand.
_LARGE_BYTES = 2**14
_FIXED32 = struct.Struct("<I")
#: More bytes than a varint of a number below 2^63 has.
_VARINT_BYTES = 10


def read_request(data: bytes) -> AppendOpen | Incoming:
    """Read a request.

    Returns
    -------
    AppendOpen or Incoming
        The body of an Incoming is part of `data`, without a copy.

    Raises
    ------
    InvalidArgumentError
        ``MALFORMED_REQUEST``: the bytes are no AppendRequest.
    """
    found = _batch(data) if len(data) >= _LARGE_BYTES else None
    if found is not None:
        return found
    try:
        return of_message(AppendRequest.FromString(data))
    except DecodeError as error:
        raise InvalidArgumentError(
            "MALFORMED_REQUEST", "the request is no AppendRequest message"
        ) from error


def of_message(request: AppendRequest | BatchRequest) -> AppendOpen | Incoming:
    """Return what a request carries."""
    if isinstance(request, AppendRequest) and request.HasField("open"):
        return request.open
    crc32 = request.crc32 if request.HasField("crc32") else None
    return Incoming(request.sequence, request.rows, request.arrow, crc32)


def _batch(data: bytes) -> Incoming | None:
    """Read a batch whose fields are in order, each at most once; None for anything else."""
    at = sequence = rows = 0
    crc32 = None
    try:
        if data[at] == _SEQUENCE:
            sequence, at = _varint(data, at + 1)
        if data[at] == _ROWS:
            rows, at = _varint(data, at + 1)
        if data[at] == _CRC32:
            (crc32,) = _FIXED32.unpack_from(data, at + 1)
            at += 5
        if data[at] != _ARROW:
            return None
        size, at = _varint(data, at + 1)
    except (IndexError, struct.error):
        return None
    return (
        Incoming(sequence, rows, memoryview(data)[at:], crc32) if at + size == len(data) else None
    )


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number below 2^63 and where it ends; IndexError where there is none."""
    number = shift = 0
    while (byte := data[at]) & 0x80:
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if shift == 7 * (_VARINT_BYTES - 1):
            raise IndexError
    return number | byte << shift, at + 1
