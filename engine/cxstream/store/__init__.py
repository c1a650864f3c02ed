"""What an engine remembers: programs, batches and the sequences of producers."""

from cxstream.store.catalogue import StoreDamagedError
from cxstream.store.customers import CustomerKeys
from cxstream.store.directory import DirectoryStore
from cxstream.store.failpoints import failpoint
from cxstream.store.history import FileDamagedError, HistoryFile, HistoryFolder
from cxstream.store.memory import MemoryStore
from cxstream.store.records import Erasure, Receipt
from cxstream.store.sequences import is_duplicate
from cxstream.store.store import (
    Batch,
    Contents,
    Snapshot,
    Store,
    Stored,
    StoredProgram,
    checksum_and_digest,
    content_digest,
)

__all__ = [
    "Batch",
    "Contents",
    "CustomerKeys",
    "DirectoryStore",
    "Erasure",
    "FileDamagedError",
    "HistoryFile",
    "HistoryFolder",
    "MemoryStore",
    "Receipt",
    "Snapshot",
    "Store",
    "StoreDamagedError",
    "Stored",
    "StoredProgram",
    "checksum_and_digest",
    "content_digest",
    "failpoint",
    "is_duplicate",
]
