"""The accumulator: cells of exact sums, update / merge / subtract / snapshot, and slices of it."""

from cxstream.tally.combinations import combinations
from cxstream.tally.slice import PatternSums, PowerSums, Selection, Slice, digest_of
from cxstream.tally.slicing import Found, covers, cut, find_groups, slice_of
from cxstream.tally.snapshot import copied, restore, snapshot
from cxstream.tally.tally import Tally

__all__ = [
    "Found",
    "PatternSums",
    "PowerSums",
    "Selection",
    "Slice",
    "Tally",
    "combinations",
    "copied",
    "covers",
    "cut",
    "digest_of",
    "find_groups",
    "restore",
    "slice_of",
    "snapshot",
]
