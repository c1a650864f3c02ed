"""The list of all kernels and their signatures, compiled by `warm` before anything is served."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numba as nb

_F = TypeVar("_F", bound=Callable[..., Any])
_LOCK = threading.Lock()
_WARM = threading.Event()
_KERNELS: list[tuple[Any, tuple[Any, ...]]] = []


def ro(dtype: Any, ndim: int = 1) -> Any:
    """Return a C-contiguous read-only array type (Arrow's are); writable arrays fit it too."""
    return nb.types.Array(dtype, ndim, "C", readonly=True)


def rw(dtype: Any, ndim: int = 1) -> Any:
    """Return a C-contiguous writable array type."""
    return nb.types.Array(dtype, ndim, "C")


def kernel(*signatures: Any) -> Callable[[_F], _F]:
    """Register a function to be compiled for these signatures: no GIL, cached on disk.

    Inputs are read-only types, outputs writable ones, so that each signature is compiled once.
    """

    def register(function: _F) -> _F:
        dispatcher: Any = nb.njit(nogil=True, cache=True)(function)
        _KERNELS.append((dispatcher, signatures))
        return dispatcher  # type: ignore[no-any-return]

    return register


def helper(function: _F) -> _F:
    """Let kernels call a function; it is compiled as part of each."""
    compiled: Any = nb.njit(function)
    return compiled  # type: ignore[no-any-return]


def warm() -> None:
    """Compile (or load from the cache) every kernel; afterwards nothing compiles any more."""
    with _LOCK:
        if _WARM.is_set():
            return
        for dispatcher, signatures in _KERNELS:
            for signature in signatures:
                dispatcher.compile(signature)
            dispatcher.disable_compile()
        _WARM.set()


def kernel_names() -> list[str]:
    """Return the names of all kernels."""
    return [dispatcher.__name__ for dispatcher, _ in _KERNELS]
