"""What a store needs besides appends: history, compaction, erasure, retention, in the background."""

from cxstream.upkeep.keeper import Keeper, KeeperSettings

__all__ = ["Keeper", "KeeperSettings"]
