"""What a store needs besides appends: history, compaction, erasure, retention, in the background."""

from cxstream.upkeep.keeper import HOLD_S, Keeper, KeeperSettings

__all__ = ["HOLD_S", "Keeper", "KeeperSettings"]
