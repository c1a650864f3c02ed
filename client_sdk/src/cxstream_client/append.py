"""Streaming responses in, with acknowledgements, refusals and resumption."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from cxstream_client import errors
from cxstream_client._append_window import Batch, Counted, Event, Request, Window
from cxstream_client._frames import bodies, schema_message
from cxstream_client._transport import AppendCall, Transport

logger = logging.getLogger("cxstream_client")

BATCH_BYTES = 1 << 20
WINDOW = 8
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 2.0
JOIN_S = 5.0
STABLE_S = 10.0
ARROW_BYTES_MAX = 16 << 20  # where the server names no limit

OnRefused = Callable[[errors.CxstreamError], None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A batch of which nothing is stored.

    Attributes
    ----------
    frame : int
        The frame it was cut from: 0 for the first one sent on this stream.
    row_offset : int
        The row of that frame it began with.
    rows : int
        Responses in it.
    error : CxstreamError
        Why. ``details`` has ``column``, ``row`` (counted in the frame) and ``expected`` where the
        server named them.
    """

    frame: int
    row_offset: int
    rows: int
    error: errors.CxstreamError


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the batches sent so far.

    Attributes
    ----------
    rows : int
        Responses counted.
    batches : int
        Batches counted.
    next_sequence : int
        What the server expects next from this producer.
    duplicates : int
        Batches the server had counted before; not in `rows` and `batches`.
    refused : tuple of Refusal
        Batches of which nothing is stored, in the order of the answers.
    """

    rows: int
    batches: int
    next_sequence: int
    duplicates: int
    refused: tuple[Refusal, ...]


class AppendStream:
    """One producer's stream into one program. Made by :meth:`Client.append`.

    Use it as a context manager: leaving waits until everything sent is answered. One thread sends;
    ``receipt`` and ``next_sequence`` may be read from any.

    A refused batch does not end the stream. Unless `on_refused` is given, its error is raised by
    ``send(wait=True)`` of that very frame, otherwise by the next ``send``, ``flush`` or ``close``;
    a ``send`` that raises for an earlier frame has sent nothing of its own.

    Parameters
    ----------
    transport
        Carries the messages.
    program
        The program.
    producer
        Names the sender for ever; sequences are counted by it.
    schema
        Schema of the frames, checked by the server on opening. That of the first frame when absent.
    batch_bytes
        Arrow bytes a message should have.
    window
        Most messages without an answer, at least 1; they are held in memory.
    on_refused
        Called with the error of every refused batch, by another thread; it must not call the
        stream. What it raises is raised again by the next call.
    reconnect_s
        Seconds to go on trying to connect again while the server is unavailable; 0 gives up at
        once. What is not counted yet is then sent again.
    timeout_s
        Longest wait for one answer, in seconds.

    Raises
    ------
    CxstreamError
        Where the stream cannot be opened.
    """

    def __init__(
        self,
        transport: Transport,
        program: str,
        producer: str,
        *,
        schema: object | None = None,
        batch_bytes: int = BATCH_BYTES,
        window: int = WINDOW,
        on_refused: OnRefused | None = None,
        reconnect_s: float = 0.0,
        timeout_s: float = 30.0,
    ) -> None:
        if batch_bytes < 1 or window < 1:
            raise errors.InvalidInput(
                f"batch_bytes is {batch_bytes} and window {window}; expected at least 1 each",
                reason="BAD_OPTION",
            )
        self._transport = transport
        self._batch_bytes = batch_bytes
        self._window_max = window
        self._on_refused = on_refused
        self._reconnect_s = reconnect_s
        self._timeout_s = timeout_s

        # Everything below is read and written under the lock of this condition.
        self._changed = threading.Condition()
        self._window = Window(program, producer, schema_message(schema) if schema else b"")
        self._rows = 0
        self._batches = 0
        self._duplicates = 0
        self._refused: list[Refusal] = []
        self._unraised: list[Exception] = []
        self._awaited_frame = -1  # the frame whose refusals its own send(wait=True) raises
        self._frame_errors: list[errors.CxstreamError] = []
        self._frames = 0
        self._frame_unanswered: dict[int, int] = {}
        self._answers = 0
        self._connection: _Connection | None = None
        self._fatal: errors.CxstreamError | None = None
        self._fatal_raised = False
        self._finishing = False
        self._closed = False
        self._reader_done = False
        # Used by the reading thread only: since when there is no server, and tries since then.
        self._lost_s: float | None = None
        self._attempts = 0

        self._reader = threading.Thread(
            target=self._read, name=f"cxstream-append-{producer}", daemon=True
        )
        self._reader.start()
        try:
            with self._changed:
                self._wait(lambda: self._window.next_sequence >= 0)
        except BaseException:
            self._abort()
            raise

    @property
    def next_sequence(self) -> int:
        """The sequence the server expects next from this producer: batches counted so far."""
        with self._changed:
            return self._window.next_sequence

    @property
    def receipt(self) -> Receipt:
        """What became of the batches sent so far."""
        with self._changed:
            return Receipt(
                self._rows,
                self._batches,
                self._window.next_sequence,
                self._duplicates,
                tuple(self._refused),
            )

    def send(self, frame: object, *, wait: bool = False) -> None:
        """Send the rows of a frame.

        Parameters
        ----------
        frame
            Anything with ``__arrow_c_stream__`` or ``__arrow_c_array__``, or a mapping of columns.
            It is read as a stream and cut into batches of about `batch_bytes`; each is counted
            whole or not at all. Nulls are missing answers.
        wait
            True returns only once all of it is counted.

        Raises
        ------
        InvalidInput
            Where the frame is no frame or has no rows, or the server refused a batch.
        CxstreamError
            Where the stream is closed or broken, or a batch was refused for another reason.
        """
        with self._changed:
            self._check_usable()
            self._raise_unraised()
            bytes_max = self._window.arrow_bytes_max or ARROW_BYTES_MAX
            number = self._frames
            self._frames += 1
            if wait:
                self._awaited_frame = number
                self._frame_errors = []
        try:
            sent = 0
            for body in bodies(frame, bytes_target=self._batch_bytes, bytes_max=bytes_max):
                sent += 1
                self._enqueue(Batch(body, number))
            if not sent:
                raise errors.InvalidInput(
                    "frame: there are no rows; a batch has at least 1", reason="EMPTY_BATCH"
                )
            if wait:
                with self._changed:
                    self._wait(lambda: number not in self._frame_unanswered)
                    failed, self._frame_errors = self._frame_errors, []
                    if failed:
                        raise _combined(failed)
        finally:
            if wait:
                with self._changed:
                    self._awaited_frame = -1
                    # An exception from elsewhere leaves the frame's own to the next call.
                    self._unraised += self._frame_errors
                    self._frame_errors = []

    def flush(self) -> None:
        """Wait until everything sent is answered.

        Raises
        ------
        CxstreamError
            Where a batch was refused (and not reported yet), or the stream is broken.
        """
        with self._changed:
            self._check_usable()
            self._wait(lambda: not self._frame_unanswered)
            self._raise_unraised()

    def close(self) -> None:
        """Wait until everything sent is answered, and end the stream. Closing twice does no harm.

        Raises
        ------
        CxstreamError
            As :meth:`flush`; the stream is closed all the same.
        """
        if self._closed:
            return
        try:
            with self._changed:
                if self._fatal is None:
                    self._wait(lambda: not self._frame_unanswered)
                    self._finishing = True
                    self._changed.notify_all()
                    self._wait(lambda: self._reader_done)
                elif not self._fatal_raised or self._frame_unanswered:
                    self._raise_fatal()
                self._raise_unraised()
        finally:
            self._abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        elif isinstance(error, Exception):
            # What was sent before the error is still delivered, but nothing may hide the error.
            try:
                self.close()
            except Exception as closing_error:  # noqa: BLE001 - the first error goes on
                logger.warning("append stream did not end well: %s", closing_error)
        else:
            self._abort()

    def __repr__(self) -> str:
        with self._changed:
            state = "closed" if self._closed else "broken" if self._fatal else "open"
            return (
                f"AppendStream({self._window.program!r}, producer={self._window.producer!r}, "
                f"{state}, rows={self._rows}, next_sequence={self._window.next_sequence})"
            )

    # --- the sending thread ------------------------------------------------------------------

    def _enqueue(self, batch: Batch) -> None:
        with self._changed:
            self._wait(lambda: self._window.unanswered < self._window_max)
            self._window.add(batch)
            count = self._frame_unanswered.get(batch.frame, 0)
            self._frame_unanswered[batch.frame] = count + 1
            self._changed.notify_all()

    def _wait(self, reached: Callable[[], bool]) -> None:
        """Wait, under the lock, until something holds; raise where the stream breaks before."""
        answers = self._answers
        since_s = time.monotonic()
        while not reached():
            self._check_usable()
            limit_s = self._timeout_s + self._reconnect_s
            left_s = since_s + limit_s - time.monotonic()
            if left_s <= 0:
                self._break(
                    errors.DeadlineExceeded(
                        f"{self._transport.target}: no answer within {limit_s:g} s",
                        reason="NO_ANSWER",
                    )
                )
                self._cancel_unlocked()
                continue
            self._changed.wait(left_s)
            if self._answers != answers:
                answers = self._answers
                since_s = time.monotonic()

    def _cancel_unlocked(self) -> None:
        """Cancel the call with the lock given up: a transport may wait for its threads in it."""
        connection = self._connection
        if connection is not None:
            self._changed.release()
            try:
                connection.end()
            finally:
                self._changed.acquire()

    def _check_usable(self) -> None:
        if self._closed:
            raise errors.PreconditionFailed("the append stream is closed", reason="STREAM_CLOSED")
        self._raise_fatal()

    def _raise_fatal(self) -> None:
        if self._fatal is not None:
            self._fatal_raised = True
            raise self._fatal.copy() from self._fatal

    def _raise_unraised(self) -> None:
        if self._unraised:
            failed, self._unraised = self._unraised, []
            raise _combined(failed)

    def _abort(self) -> None:
        """End the stream at once, whatever is on its way."""
        with self._changed:
            self._closed = True
            connection = self._connection
            self._changed.notify_all()
        if connection is not None:
            connection.end()
        if threading.current_thread() is not self._reader:
            self._reader.join(JOIN_S)

    # --- the reading thread ------------------------------------------------------------------

    def _read(self) -> None:
        """Run connections one after the other until the stream ends."""
        try:
            while self._run_connection():
                pass
        except BaseException as error:  # noqa: BLE001 - raised again by the sending thread
            fault = errors.Internal(f"the append stream's reader failed: {error!r}")
            fault.__cause__ = error
            with self._changed:
                self._break(fault)
        finally:
            with self._changed:
                self._reader_done = True
                self._changed.notify_all()

    def _run_connection(self) -> bool:
        """Run one connection to its end; return whether another one should follow."""
        connection = _Connection(self._window, self._changed, lambda: self._finishing)
        with self._changed:
            if self._closed:
                return False
            self._window.connect()
            self._connection = connection
        try:
            self._exchange(connection)
        except errors.CxstreamError as error:
            return self._after_failure(error, time.monotonic() - connection.since_s)
        else:
            return False
        finally:
            connection.end()

    def _exchange(self, connection: _Connection) -> None:
        """Take all answers of a connection; return where it ended well."""
        connection.call = self._transport.append(connection)
        with self._changed:
            closed = self._closed
        if closed:
            connection.end()
        for response in connection.call:
            with self._changed:
                events = self._window.answer(response)
            # Before anybody who waits goes on.
            self._report(events)
            with self._changed:
                self._settle(events)
            if events:
                self._lost_s = None
        with self._changed:
            ended_well = self._finishing or self._closed
        if not ended_well:
            raise errors.Unavailable(
                f"{self._transport.target} ended the stream", reason="STREAM_ENDED"
            )

    def _after_failure(self, error: errors.CxstreamError, lasted_s: float) -> bool:
        """Decide what a broken connection means; wait before the next one."""
        now_s = time.monotonic()
        if lasted_s > STABLE_S:
            self._lost_s = None  # This one worked; an idle stream makes no other progress.
        with self._changed:
            self._window.disconnect()
            self._connection = None
            if self._closed or (self._finishing and not self._window.unanswered):
                return False
            if self._lost_s is None:
                self._lost_s, self._attempts = now_s, 0
            left_s = self._lost_s + self._reconnect_s - now_s
            if not isinstance(error, errors.Unavailable) or left_s <= 0:
                self._break(error)
                return False
            pause_s = min(BACKOFF_FIRST_S * 2**self._attempts, BACKOFF_MAX_S, left_s)
            self._attempts += 1
            logger.info("append stream lost (%s), connecting again", error)
            # Jitter keeps many producers from coming back at the same moment.
            self._changed.wait_for(lambda: self._closed, pause_s * random.uniform(0.5, 1.0))  # noqa: S311
            return not self._closed

    def _settle(self, events: list[Event]) -> None:
        """Write down what the answers say, under the lock."""
        self._answers += 1
        for event in events:
            batch = event.batch
            if isinstance(event, Counted):
                self._duplicates += event.duplicate
                if not event.duplicate:
                    self._rows += batch.body.rows
                    self._batches += 1
            else:
                self._refused.append(
                    Refusal(batch.frame, batch.body.row_offset, batch.body.rows, event.error)
                )
                if self._on_refused is None:
                    awaited = batch.frame == self._awaited_frame
                    (self._frame_errors if awaited else self._unraised).append(event.error)
            left = self._frame_unanswered[batch.frame] - 1
            self._frame_unanswered[batch.frame] = left
            if not left:
                del self._frame_unanswered[batch.frame]
        self._changed.notify_all()

    def _report(self, events: list[Event]) -> None:
        """Call the caller's function for refused batches, outside the lock."""
        if self._on_refused is None:
            return
        for event in events:
            if not isinstance(event, Counted):
                try:
                    self._on_refused(event.error)
                except Exception as error:  # noqa: BLE001 - raised again by the sending thread
                    with self._changed:
                        self._unraised.append(error)

    def _break(self, error: errors.CxstreamError) -> None:
        """End the stream for good with an error, under the lock."""
        if self._fatal is None:
            self._fatal = error
        self._window.disconnect()
        self._changed.notify_all()


class _Connection:
    """The requests of one connection, as the transport takes them."""

    def __init__(
        self, window: Window, changed: threading.Condition, finishing: Callable[[], bool]
    ) -> None:
        self.call: AppendCall | None = None
        self._window = window
        self._changed = changed
        self._finishing = finishing
        self._ended = False
        self.since_s = time.monotonic()

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        with self._changed:
            while not self._ended:
                request = self._window.next_request()
                if request is not None:
                    return request
                if self._finishing():
                    break
                self._changed.wait()
        raise StopIteration

    def end(self) -> None:
        """Let the requests end and cancel the call. Not to be called under the lock."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self.call is not None:
            self.call.cancel()


def _combined(failed: Sequence[Exception]) -> Exception:
    """Return the first of several errors, with a note on the others."""
    first = failed[0]
    error = first.copy() if isinstance(first, errors.CxstreamError) else first
    if len(failed) > 1:
        error.add_note(f"{len(failed) - 1} more batches were refused; see `receipt.refused`")
    return error
