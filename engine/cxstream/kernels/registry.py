"""The list of all kernels and their signatures, compiled by `warm` before anything is served."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba as nb

import cxstream.kernels
from cxstream.kernels.beside import Beside, end_with_parent, takes
from cxstream.kernels.operators import ask_first
from cxstream.loading import without_collector
from cxstream.threads import processors

_F = TypeVar("_F", bound=Callable[..., Any])
_LOCK = threading.Lock()
_WARM = threading.Event()
_BESIDE: Beside | None = None
#: Modules beside the kernels that only a check needs.
_WITHOUT = frozenset({"reference", "selfcheck"})
_KERNELS: list[tuple[Any, tuple[Any, ...]]] = []
_njit: Any = nb.njit  # its types leave out these options
ask_first()
#: No entry from C, which nobody uses: a tenth of what a small kernel takes to compile. No search for expressions
#: of whole arrays, of which there are none: a twentieth of any.
_LEAN: dict[str, Any] = {"no_cfunc_wrapper": True, "no_rewrites": True, "error_model": "numpy"}


def ro(dtype: Any, ndim: int = 1) -> Any:
    """Return a C-contiguous read-only array type (Arrow's are); writable arrays fit it too."""
    return nb.types.Array(dtype, ndim, "C", readonly=True)


def rw(dtype: Any, ndim: int = 1) -> Any:
    """Return a C-contiguous writable array type."""
    return nb.types.Array(dtype, ndim, "C")


def kernel(*signatures: Any) -> Callable[[_F], _F]:
    """Register a function to be compiled for these signatures: no GIL, cached on disk.

    Inputs are read-only types, outputs writable ones, so that each signature is compiled once. What
    is divided by 0 is infinite or NaN, as in NumPy: a check of each division stops vectors.
    """

    def register(function: _F) -> _F:
        dispatcher: Any = _njit(nogil=True, cache=True, **_LEAN)(function)
        _KERNELS.append((dispatcher, signatures))
        return dispatcher  # type: ignore[no-any-return]

    return register


def helper(function: _F) -> _F:
    """Let kernels call a function; it is compiled once a process, and becomes part of each."""
    compiled: Any = _njit(no_cpython_wrapper=True, **_LEAN)(function)
    return compiled  # type: ignore[no-any-return]


def begin() -> None:
    """Have other processes begin with what the cache lacks, while this one loads what else it needs."""
    global _BESIDE  # noqa: PLW0603 - the processes belong to this process
    with _LOCK:
        if _BESIDE is not None or _WARM.is_set():
            return
        _load()
        lacking = sum(not _is_cached(dispatcher) for dispatcher, _ in _KERNELS)
        others = min(lacking, processors()) - 1
        if others > 0:
            with contextlib.suppress(OSError):
                _BESIDE = Beside(others)


def warm() -> None:
    """Compile (or load from the cache) every kernel; afterwards nothing compiles any more."""
    global _BESIDE  # noqa: PLW0603 - the processes belong to this process
    if _WARM.is_set():  # every tally asks
        return
    begin()
    with _LOCK, without_collector():
        if _WARM.is_set():
            return
        if _BESIDE is not None:
            try:
                _compile_share(_BESIDE.folder)
                _BESIDE.wait()
            finally:
                _BESIDE.end()
                _BESIDE = None
        for dispatcher, signatures in _KERNELS:
            _compile(dispatcher, signatures)
            dispatcher.disable_compile()
        _WARM.set()


def compile_beside(folder: str) -> None:
    """Compile, in a process of its own, what no other has taken."""
    end_with_parent(Path(folder))
    _load()
    with without_collector():
        _compile_share(Path(folder))


def _load() -> None:
    """Import every module with kernels."""
    for module in pkgutil.iter_modules(cxstream.kernels.__path__, "cxstream.kernels."):
        if module.name.rpartition(".")[2] not in _WITHOUT:
            importlib.import_module(module.name)


def _compile_share(folder: Path) -> None:
    # The longest first, so that none is left to wait for at the end.
    for dispatcher, signatures in sorted(_KERNELS, key=_size, reverse=True):
        if takes(folder, dispatcher.__name__):
            _compile(dispatcher, signatures)


def _compile(dispatcher: Any, signatures: tuple[Any, ...]) -> None:
    for signature in signatures:
        dispatcher.compile(signature)


def _size(kernel: tuple[Any, tuple[Any, ...]]) -> int:
    return len(kernel[1]) * len(kernel[0].py_func.__code__.co_code)


def _is_cached(dispatcher: Any) -> bool:
    """Whether the cache has a kernel of this very source, as far as the files' times tell."""
    code = dispatcher.py_func.__code__
    made = Path(dispatcher.stats.cache_path).glob(f"*.{code.co_name}-{code.co_firstlineno}.*.nbi")
    source_s = Path(code.co_filename).stat().st_mtime
    return any(one.stat().st_mtime >= source_s for one in made)


def kernel_names() -> list[str]:
    """Return the names of all kernels."""
    return [dispatcher.__name__ for dispatcher, _ in _KERNELS]
