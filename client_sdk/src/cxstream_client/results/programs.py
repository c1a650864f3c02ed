"""What a server says of its programs and its data directory."""

from __future__ import annotations

from dataclasses import dataclass

from cxstream_api.v1 import program_service_pb2


@dataclass(frozen=True, slots=True)
class Rebuild:
    """How far a changed program is counted.

    Attributes
    ----------
    rows_done, rows_all : int
        Stored responses counted so far, and in all (0 where that is not known yet).
    failed : str
        Why it ended; empty while it goes on.
    """

    rows_done: int
    rows_all: int
    failed: str


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """Where a program stands.

    Attributes
    ----------
    name : str
        The program.
    version : int
        Counts up from 1 with every accepted change.
    responses, batches : int
        What is counted.
    views : tuple of str
        The groupings kept up to date.
    unlocked : tuple of str
        The statistics these columns allow, in words.
    changed : bool or None
        Answers to ``put_program`` say whether it changed anything; None elsewhere.
    rebuild : Rebuild or None
        There while this version does not answer yet, and the one before does.
    """

    name: str
    version: int
    responses: int
    batches: int
    views: tuple[str, ...]
    unlocked: tuple[str, ...]
    changed: bool | None = None
    rebuild: Rebuild | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a server's data directory holds, complete by itself.

    Attributes
    ----------
    programs, responses, batches : int
        What is stored, all programs together.
    bytes : int
        Size of all its files.
    """

    programs: int
    responses: int
    batches: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What an erasure removed; it names nobody.

    Attributes
    ----------
    number : int
        Counts the erasures of the data directory.
    program : str
        The program.
    responses, batches, files : int
        Responses that are gone, batches that they came in, and files that were written anew, or
        removed, for it.
    erased_at : str
        When it was done: ISO 8601, UTC.
    """

    number: int
    program: str
    responses: int
    batches: int
    files: int
    erased_at: str


def program_info(
    message: program_service_pb2.ProgramInfo, changed: bool | None = None
) -> ProgramInfo:
    """Return where a program stands, from its message."""
    return ProgramInfo(
        message.name,
        message.version,
        message.responses,
        message.batches,
        tuple(message.views),
        tuple(message.unlocked),
        changed,
        Rebuild(message.rebuild.rows_done, message.rebuild.rows_all, message.rebuild.failed)
        if message.HasField("rebuild")
        else None,
    )
