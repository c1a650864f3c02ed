"""What the requests of one append stream mean, and their answers; knows no transport, no threads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from cxstream.appender import Ack, Appender, Incoming
from cxstream.engine import Engine
from cxstream.errors import CxError, InvalidArgumentError, ResourceExhaustedError
from cxstream.service.status import to_refusal
from cxstream_api.v1.append_service_pb2 import (
    AppendAck,
    AppendOpen,
    AppendOpened,
    AppendResponse,
)

_PRODUCER = re.compile(r"[A-Za-z0-9_.:/\-]{1,200}\Z")


class Appending:
    """One append stream.

    Parameters
    ----------
    engine : Engine
    arrow_bytes_max : int
        Largest Arrow body that is taken.
    """

    def __init__(self, engine: Engine, arrow_bytes_max: int) -> None:
        self._engine = engine
        self._arrow_bytes_max = arrow_bytes_max
        self._appender: Appender | None = None
        self._opened = ("", "")

    @property
    def appender(self) -> Appender:
        """Return where the batches go.

        Raises
        ------
        InvalidArgumentError
            ``NOT_OPEN``.
        """
        if self._appender is None:
            raise InvalidArgumentError("NOT_OPEN", "the first request of a stream must carry open")
        return self._appender

    def open(self, request: AppendOpen) -> AppendResponse:
        """Answer an opening.

        Raises
        ------
        CxError
            The stream cannot go on.
        """
        name = (request.program, request.producer)
        if self._appender is None:
            _check_producer(request.producer)
            self._appender = self._engine.open_append(*name)
            self._opened = name
        if name != self._opened:
            raise InvalidArgumentError(
                "INVALID_OPEN",
                f"the stream is open for program {self._opened[0]!r} and producer "
                f"{self._opened[1]!r}; open another stream for another one",
            )
        appender = self._appender
        next_sequence = appender.next_sequence
        try:
            if request.arrow_schema:
                appender.set_schema(request.arrow_schema)
        except CxError as error:
            refusal = to_refusal(error, sequence=next_sequence, next_sequence=next_sequence)
            return AppendResponse(refusal=refusal)
        return AppendResponse(
            opened=AppendOpened(
                next_sequence=next_sequence,
                arrow_bytes_max=self._arrow_bytes_max,
                program_version=appender.program_version,
            )
        )

    def run(self, requests: Iterable[object]) -> list[Incoming]:
        """Return the first requests up to one that is no batch, or too large a one.

        Raises
        ------
        InvalidArgumentError
            ``NOT_OPEN``.
        """
        _ = self.appender
        run = []
        for request in requests:
            if not isinstance(request, Incoming) or len(request.body) > self._arrow_bytes_max:
                break
            run.append(request)
        return run

    def too_large(self, batch: Incoming) -> list[CxError]:
        """Return the answer to a batch that `run` leaves out."""
        return [
            ResourceExhaustedError(
                "MESSAGE_TOO_LARGE",
                f"the Arrow body has {len(batch.body)} bytes; at most {self._arrow_bytes_max} are "
                "accepted",
                expected=f"at most {self._arrow_bytes_max} bytes",
            )
        ]

    def responses(
        self, run: Iterable[Incoming], answers: Sequence[Ack | Exception]
    ) -> Iterator[AppendResponse]:
        """Yield the responses to the first batches of a run.

        Raises
        ------
        Exception
            The first answer that is neither an Ack nor a CxError.
        """
        for batch, answer in zip(run, answers, strict=False):
            if isinstance(answer, Ack):
                yield AppendResponse(
                    ack=AppendAck(
                        next_sequence=answer.next_sequence,
                        sequence=answer.sequence,
                        rows=answer.rows,
                        duplicate=answer.duplicate,
                    )
                )
            elif isinstance(answer, CxError):
                next_sequence = self.appender.next_sequence
                refusal = to_refusal(answer, sequence=batch.sequence, next_sequence=next_sequence)
                yield AppendResponse(refusal=refusal)
            else:
                raise answer


def _check_producer(producer: str) -> None:
    if not _PRODUCER.match(producer):
        raise InvalidArgumentError(
            "INVALID_PRODUCER",
            f"{producer!r} is not a producer's name: 1 to 200 letters, digits, '-', '_', '.', ':' "
            "or '/'",
            column="producer",
        )
