"""What an engine remembers: programs, batches and the sequences of producers."""

from cxstream.store.directory import DirectoryStore
from cxstream.store.failpoints import failpoint
from cxstream.store.memory import MemoryStore
from cxstream.store.sequences import is_duplicate
from cxstream.store.store import Batch, Snapshot, Store, StoredProgram

__all__ = [
    "Batch",
    "DirectoryStore",
    "MemoryStore",
    "Snapshot",
    "Store",
    "StoredProgram",
    "failpoint",
    "is_duplicate",
]
