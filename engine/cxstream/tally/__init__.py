"""The accumulator: cells of exact sums, update / merge / subtract / snapshot, and slices of it."""

from cxstream.tally.slice import PatternSums, PowerSums, Selection, Slice, digest_of
from cxstream.tally.slicing import covers, cut
from cxstream.tally.snapshot import restore, snapshot
from cxstream.tally.tally import Tally

__all__ = [
    "PatternSums",
    "PowerSums",
    "Selection",
    "Slice",
    "Tally",
    "covers",
    "cut",
    "digest_of",
    "restore",
    "snapshot",
]
