"""What an engine remembers: programs and the sequences of producers."""

from cxstream.store.memory import MemoryStore

__all__ = ["MemoryStore"]
