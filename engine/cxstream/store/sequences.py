"""The rules of a producer's sequence."""

from __future__ import annotations

from collections.abc import Collection

from cxstream.errors import AlreadyExistsError, OutOfRangeError
from cxstream.store.store import Store


def is_duplicate(
    store: Store, program: str, producer: str, sequence: int, digests: Collection[bytes]
) -> bool:
    """Check a batch's sequence.

    Parameters
    ----------
    digests : collection of bytes
        Under which the batch may be stored.

    Returns
    -------
    bool
        True where the batch is stored already, False where it is the one expected.

    Raises
    ------
    OutOfRangeError
        ``SEQUENCE_GAP``: batches before it are missing.
    AlreadyExistsError
        ``SEQUENCE_REUSED``: something else is stored under this sequence.
    """
    expected = store.next_sequence(program, producer)
    if sequence == expected:
        return False
    if sequence > expected:
        raise OutOfRangeError(
            "SEQUENCE_GAP",
            f"sequence {sequence} came while {expected} is expected from producer {producer!r}",
            expected=f"sequence {expected}",
        )
    stored = store.digest(program, producer, sequence)
    if stored is not None and stored not in digests:
        raise AlreadyExistsError(
            "SEQUENCE_REUSED",
            f"sequence {sequence} of producer {producer!r} is stored with other content; "
            f"{expected} is expected next",
            expected=f"sequence {expected}",
        )
    return True
