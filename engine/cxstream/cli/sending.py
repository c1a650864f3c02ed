"""Sending a file so that each of its batches is counted once, however often it is sent.

A file's batches go out under the sequences of one producer, from the first one on, every time: the
server recognises what it has counted, and notices where other content stands under a sequence.

A refused batch uses up no sequence, so what follows it would be counted under sequences that are
other batches' once the bad one is mended. Therefore what follows a refused batch goes out under a
producer of its own, named after the row it begins with.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from cxstream.cli.ahead import ahead
from cxstream.cli.columns import BadCell, Reader
from cxstream.cli.output import CommandError
from cxstream_api.v1.append_service_pb2 import (
    AppendAck,
    AppendOpen,
    AppendRefusal,
    AppendRequest,
    AppendResponse,
)
from cxstream_client import CxstreamError, Transport
from cxstream_client._append_window import BatchRequest, Request
from cxstream_client._frames import Body, bodies
from cxstream_client.errors import from_refusal

_ALREADY_EXISTS = 6  # google.rpc.Code


@dataclass(frozen=True, slots=True)
class Refused:
    """A batch of the file of which nothing is counted; rows are those of the file, from 0."""

    first_row: int
    rows: int
    reason: str
    message: str
    column: str
    row: int | None
    expected: str


@dataclass(slots=True)
class Sent:
    """What became of a file.

    Attributes
    ----------
    rows, batches : int
        Counted now.
    rows_before, batches_before : int
        Counted already by an earlier load.
    refused : list of Refused
        Not counted.
    """

    rows: int = 0
    batches: int = 0
    rows_before: int = 0
    batches_before: int = 0
    refused: list[Refused] = field(default_factory=list)

    @property
    def rows_read(self) -> int:
        """Return all rows read so far."""
        return self.rows + self.rows_before + sum(one.rows for one in self.refused)


def send_file(
    transport: Transport,
    program: str,
    producer: str,
    batches: Iterable[pa.RecordBatch],
    reader: Reader,
    *,
    fresh: bool,
    on_refused: Callable[[Refused], None],
    on_batch: Callable[[Sent], None],
) -> Sent:
    """Send the batches of a file, each counted once.

    Parameters
    ----------
    transport : Transport
    program, producer : str
    batches : iterable of pyarrow.RecordBatch
        The file's, always cut the same way.
    reader : Reader
        Makes them the program's.
    fresh : bool
        The program has no responses, so no earlier load has to be looked for.
    on_refused, on_batch
        Called as it goes.

    Raises
    ------
    CommandError
        Another file was loaded under this producer.
    CxstreamError
        The server cannot be reached, or broke off; send the file again to go on.
    """
    sent = Sent()
    stream = _Stream(transport, program, producer)
    first = 0
    try:
        # Reading and encoding the next batch goes on while the server counts this one.
        for number, batch in enumerate(ahead(_encoded(batches, reader))):
            row = sent.rows_read
            if not fresh and number > first and number - first >= stream.next_sequence:
                follower = _Stream(transport, program, f"{producer}:{row}")
                if follower.next_sequence:
                    stream.close()
                    stream, first = follower, number
                else:
                    follower.close()
            refused: Refused | None = None
            if isinstance(batch, _Unreadable):
                refused = _unreadable(batch, row)
            else:
                answer = stream.append(number - first, batch)
                if isinstance(answer, AppendRefusal):
                    refused = _refused(answer, row, batch.rows, stream.producer)
                elif answer.duplicate:
                    sent.rows_before += batch.rows
                    sent.batches_before += 1
                else:
                    sent.rows += batch.rows
                    sent.batches += 1
            if refused is not None:
                sent.refused.append(refused)
                on_refused(refused)
                stream.close()
                first = number + 1
                stream = _Stream(transport, program, f"{producer}:{row + refused.rows}")
            on_batch(sent)
    except BaseException:
        stream.cancel()
        raise
    stream.close()
    return sent


@dataclass(frozen=True, slots=True)
class _Unreadable:
    rows: int
    cell: BadCell


def _encoded(batches: Iterable[pa.RecordBatch], reader: Reader) -> Iterator[Body | _Unreadable]:
    for batch in batches:
        try:
            read = reader.read(batch)
        except BadCell as cell:
            yield _Unreadable(batch.num_rows, cell)
            continue
        yield from bodies(read, bytes_target=1 << 40, bytes_max=1 << 40)


def _unreadable(batch: _Unreadable, row: int) -> Refused:
    cell = batch.cell
    message = str(cell).replace(f"row {cell.row}:", f"file row {row + cell.row}:")
    return Refused(
        row, batch.rows, "WRONG_TYPE", message, cell.column, row + cell.row, cell.expected
    )


def _refused(answer: AppendRefusal, row: int, rows: int, producer: str) -> Refused:
    if answer.code == _ALREADY_EXISTS:
        raise CommandError(
            f"file rows {row}..{row + rows - 1} are not what producer {producer!r} sent before: "
            "the file was changed, or cut by another --batch-rows; give new responses another "
            "--producer"
        )
    error = from_refusal(answer)
    at = row + answer.row if answer.HasField("row") else None
    message = error.message
    if at is not None:
        message = message.replace(f"row {answer.row}", f"file row {at}", 1)
    return Refused(row, rows, error.reason, message, answer.column, at, answer.expected)


class _Stream:
    """One append stream, one request after the other."""

    def __init__(self, transport: Transport, program: str, producer: str) -> None:
        self.producer = producer
        self._program = program
        self._schema = b""
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._call = transport.append(iter(self._requests.get, None))
        opened = self._ask(AppendRequest(open=AppendOpen(program=program, producer=producer)))
        if opened.HasField("refusal"):
            raise from_refusal(opened.refusal)
        self.next_sequence = opened.opened.next_sequence
        self.bytes_max = opened.opened.arrow_bytes_max

    def append(self, sequence: int, body: Body) -> AppendAck | AppendRefusal:
        if self.bytes_max and len(body.arrow) > self.bytes_max:
            raise CommandError(
                f"a batch of {body.rows} rows has {len(body.arrow):,} bytes and the server takes "
                f"{self.bytes_max:,}; use a smaller --batch-rows"
            )
        if body.schema != self._schema:
            reopened = self._ask(
                AppendRequest(
                    open=AppendOpen(
                        program=self._program, producer=self.producer, arrow_schema=body.schema
                    )
                )
            )
            if reopened.HasField("refusal"):
                # A column of the wrong type: no batch of this file would pass.
                raise from_refusal(reopened.refusal)
            self._schema = body.schema
        answer = self._ask(BatchRequest(sequence, body.rows, body.crc32, body.arrow))
        if answer.HasField("refusal"):
            return answer.refusal
        self.next_sequence = max(self.next_sequence, answer.ack.next_sequence)
        return answer.ack

    def close(self) -> None:
        """End the stream; the server is done with it when this returns."""
        self._requests.put(None)
        try:
            for _ in self._call:
                pass
        except CxstreamError:
            # Nothing was waited for: all that was sent is answered.
            self._call.cancel()

    def cancel(self) -> None:
        """End the stream at once."""
        self._requests.put(None)
        self._call.cancel()

    def _ask(self, request: Request) -> AppendResponse:
        self._requests.put(request)
        try:
            return next(self._call)
        except StopIteration:
            raise CommandError(
                "the server ended the stream; load the file again to go on"
            ) from None
