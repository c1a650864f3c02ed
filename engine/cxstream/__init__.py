"""cxstream: exact customer-experience statistics, up to date with every acknowledged batch."""

from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxstream.engine import Engine as Engine

__all__ = ["Engine", "__version__"]

try:
    __version__ = metadata.version("cxstream")
except metadata.PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> Any:
    # The engine loads Numba; `import cxstream` alone stays quick.
    if name == "Engine":
        from cxstream.engine import Engine

        return Engine
    raise AttributeError(f"module 'cxstream' has no attribute {name!r}")
