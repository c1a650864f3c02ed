"""The order of an append stream: what to send next, and what an answer means.

:class:`Window` knows the protocol and nothing of threads, clocks or transports, so that every
kind of client can drive it: take :meth:`Window.next_request` while it gives something, feed every
response to :meth:`Window.answer`.

A batch waits, is on its way, and is then counted or refused:

- Batches go out under consecutive sequences and are answered in that order.
- A refused batch uses up no sequence. The batches already on their way behind it come back as a
  sequence gap; they are kept, given new sequences and sent again, in their order, before any
  batch not sent yet.
- Before a batch of another schema goes out, the stream is opened anew with that schema; this waits
  until nothing is on its way, so that a refusal never has to cross a change of schema.
- After a broken connection the batches on their way count as counted where the server says so in
  its answer to the new opening, and are otherwise sent again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from cxstream_api.v1.append_service_pb2 import (
    AppendAck,
    AppendOpen,
    AppendOpened,
    AppendRefusal,
    AppendRequest,
    AppendResponse,
)
from cxstream_client import errors
from cxstream_client._frames import Body

# `code` of an AppendRefusal, from google.rpc.Code.
ALREADY_EXISTS = 6
OUT_OF_RANGE = 11

#: The tag of AppendRequest.arrow, the field that comes last.
_ARROW = bytes([AppendRequest.ARROW_FIELD_NUMBER << 3 | 2])


@dataclass(slots=True, eq=False)
class Batch:
    """One body on its way to the server.

    Attributes
    ----------
    body : Body
        What is sent.
    frame : int
        Which frame it was cut from.
    sequence : int or None
        The sequence it was last sent under; None where it is not on its way, or is known to come
        back as a gap.
    """

    body: Body
    frame: int
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """An AppendRequest with a batch, as far as one is sent; its body is copied once, to the wire."""

    sequence: int
    rows: int
    crc32: int
    arrow: bytes | memoryview

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's name
        """Return whether a field is there, as the message does."""
        return name == "crc32"

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Return the bytes of the message."""
        head = AppendRequest(
            sequence=self.sequence, rows=self.rows, crc32=self.crc32
        ).SerializeToString()
        return b"".join((head, _ARROW, _varint(len(self.arrow)), self.arrow))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


@dataclass(frozen=True, slots=True)
class Counted:
    """A batch is stored and counted; `duplicate` where it had been before."""

    batch: Batch
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of a batch is stored."""

    batch: Batch
    error: errors.CxstreamError


Event = Counted | Refused
Request = AppendRequest | BatchRequest


@dataclass(slots=True)
class Window:
    """State of one producer's stream.

    Attributes
    ----------
    program, producer : str
        Who sends what.
    schema : bytes
        The schema message the stream was last opened with; empty before the first.
    next_sequence : int
        What the server expects next, as far as it has said. -1 before the first opening.
    arrow_bytes_max : int
        The largest Arrow body the server takes, in bytes. 0 before the first opening.
    """

    program: str
    producer: str
    schema: bytes = b""
    next_sequence: int = -1
    arrow_bytes_max: int = 0
    _sequence: int = 0  # of the next batch to go out
    _connected: bool = False
    _opened: bool = False
    _opening: bytes | None = None  # the schema of an opening that is not answered yet
    _going_back: bool = False  # a batch was refused, those behind it are on their way back
    _waiting: deque[Batch] = field(default_factory=deque)
    _in_flight: deque[Batch] = field(default_factory=deque)
    _returned: deque[Batch] = field(default_factory=deque)

    @property
    def unanswered(self) -> int:
        """Batches that are neither counted nor refused."""
        return len(self._waiting) + len(self._in_flight) + len(self._returned)

    @property
    def awaits_answer(self) -> bool:
        """Whether the server owes a response."""
        return self._opening is not None or bool(self._in_flight)

    @property
    def opened(self) -> bool:
        """Whether this connection's first opening is answered."""
        return self._opened

    def add(self, batch: Batch) -> None:
        """Queue a batch behind all others."""
        self._waiting.append(batch)

    def connect(self) -> None:
        """Begin on a new connection: open first, then send again what is not counted."""
        self._waiting.extendleft(reversed(self._in_flight))
        self._waiting.extendleft(reversed(self._returned))
        self._in_flight.clear()
        self._returned.clear()
        self._going_back = False
        self._opened = False
        self._opening = None
        self._connected = True

    def disconnect(self) -> None:
        """Send nothing until :meth:`connect`."""
        self._connected = False

    def next_request(self) -> Request | None:
        """Return the next request to send, or None where there is nothing to send now."""
        if not self._connected or self._opening is not None:
            return None
        if not self._opened:
            return self._open(self.schema)
        if self._going_back or not self._waiting:
            return None
        batch = self._waiting[0]
        if batch.body.schema != self.schema:
            return None if self._in_flight else self._open(batch.body.schema)
        self._waiting.popleft()
        self._in_flight.append(batch)
        batch.sequence = self._sequence
        self._sequence += 1
        return BatchRequest(batch.sequence, batch.body.rows, batch.body.crc32, batch.body.arrow)

    def answer(self, response: AppendResponse) -> list[Event]:
        """Take the server's next response.

        Parameters
        ----------
        response
            The answer to the oldest unanswered request.

        Returns
        -------
        list of Counted or Refused
            What became of which batch.

        Raises
        ------
        Conflict
            Where another sender uses this producer; the stream cannot go on.
        Internal
            Where the answer is not one to that request; the stream cannot go on.
        """
        kind = response.WhichOneof("result")
        if self._opening is not None:
            if kind == "opened":
                return self._on_opened(response.opened, self._opening)
            if kind == "refusal" and self._opened:
                return self._on_open_refused(response.refusal, self._opening)
            if kind == "refusal":
                raise errors.from_refusal(response.refusal)
        elif self._in_flight:
            if kind == "ack":
                return self._on_ack(response.ack)
            if kind == "refusal":
                return self._on_refusal(response.refusal)
        raise errors.Internal(
            f"the server answered with {kind or 'nothing'} what was not asked",
            reason="PROTOCOL",
        )

    def _open(self, schema: bytes) -> AppendRequest:
        self._opening = schema
        return AppendRequest(
            open=AppendOpen(program=self.program, producer=self.producer, arrow_schema=schema)
        )

    def _on_opened(self, opened: AppendOpened, schema: bytes) -> list[Event]:
        first = not self._opened
        events = self._counted_meanwhile(opened.next_sequence) if first else []
        if opened.next_sequence != self.next_sequence and self.next_sequence >= 0:
            raise self._conflict(opened.next_sequence)
        self.next_sequence = self._sequence = opened.next_sequence
        self.arrow_bytes_max = opened.arrow_bytes_max
        self.schema = schema
        self._opening = None
        self._opened = True
        return events

    def _counted_meanwhile(self, next_sequence: int) -> list[Event]:
        """Take out the batches that were counted although their answer was lost."""
        events: list[Event] = []
        while (
            self._waiting
            and self._waiting[0].sequence is not None
            and self._waiting[0].sequence == self.next_sequence
            and self.next_sequence < next_sequence
        ):
            events.append(Counted(self._waiting.popleft(), duplicate=False))
            self.next_sequence += 1
        return events

    def _on_open_refused(self, refusal: AppendRefusal, schema: bytes) -> list[Event]:
        """Drop the batches at the head that have the refused schema."""
        self._opening = None
        events: list[Event] = []
        while self._waiting and self._waiting[0].body.schema == schema:
            events.append(Refused(self._waiting.popleft(), errors.from_refusal(refusal)))
        return events

    def _on_ack(self, ack: AppendAck) -> list[Event]:
        batch = self._in_flight[0]
        if batch.sequence != ack.sequence:
            raise errors.Internal(
                f"the server acknowledged sequence {ack.sequence}, sent was {batch.sequence}",
                reason="PROTOCOL",
            )
        self._in_flight.popleft()
        self.next_sequence = max(self.next_sequence, ack.next_sequence)
        return [Counted(batch, ack.duplicate)]

    def _on_refusal(self, refusal: AppendRefusal) -> list[Event]:
        at_cell = bool(refusal.column) or refusal.HasField("row")
        is_gap = refusal.code == OUT_OF_RANGE and not at_cell
        if refusal.code == ALREADY_EXISTS or (is_gap and not self._going_back):
            raise errors.from_refusal(refusal)
        batch = self._in_flight.popleft()
        events: list[Event] = []
        batch.sequence = None
        if is_gap:
            self._returned.append(batch)
        else:
            events.append(Refused(batch, self._translated(refusal, batch)))
            self._going_back = True
            for behind in self._in_flight:
                behind.sequence = None
        if not self._in_flight:
            self._waiting.extendleft(reversed(self._returned))
            self._returned.clear()
            self._going_back = False
            self._sequence = self.next_sequence
        return events

    def _translated(self, refusal: AppendRefusal, batch: Batch) -> errors.CxstreamError:
        """Return the error with its row counted in the frame instead of the batch."""
        error = errors.from_refusal(refusal)
        error.details["frame"] = batch.frame
        if refusal.HasField("row"):
            error.details["row"] = refusal.row + batch.body.row_offset
            error.details["batch_row"] = refusal.row
        return error

    def _conflict(self, next_sequence: int) -> errors.Conflict:
        return errors.Conflict(
            f"producer {self.producer!r}: the server expects sequence {next_sequence}, this stream "
            f"{self.next_sequence}; is another sender using the same producer?",
            code="OUT_OF_RANGE",
            reason="SEQUENCE_MOVED",
            details={"next_sequence": next_sequence, "expected": self.next_sequence},
        )
