"""From nothing to an answer: importing the client, and a server from exec to SERVING."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_IMPORT = "import sys, cxstream_client; assert 'numba' not in sys.modules"


def bench_import_client(benchmark, turn) -> None:  # type: ignore[no-untyped-def]
    """In a Python of its own, without what starting Python takes; Numba is not imported."""
    code = f"import time; t = time.perf_counter(); {_IMPORT}; print(time.perf_counter() - t)"
    ran: list[float] = []

    def run() -> None:
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        ran.append(float(done.stdout))

    benchmark.group = "cold start"
    benchmark.pedantic(run, rounds=1, warmup_rounds=int(turn == 0))
    benchmark.extra_info |= {"import_s": ran[-1]}


@pytest.mark.parametrize("way", ["warm kernel cache", "no kernel cache"])
def bench_server(benchmark, pytestconfig, tmp_path, way, turn) -> None:  # type: ignore[no-untyped-def]
    cold = way == "no kernel cache"
    full = bool(pytestconfig.getoption("--bench-rows"))
    if not full:
        pytest.skip("other tests start servers: this one adds seconds; `make bench` does")
    if cold and turn:
        pytest.skip("compiling every kernel takes seconds: once is enough")
    from cxstream.testing import serve

    cache = os.environ.get("NUMBA_CACHE_DIR")
    with pytest.MonkeyPatch.context() as patched:
        if cold:
            patched.setenv("NUMBA_CACHE_DIR", str(tmp_path))
        elif cache:
            patched.setenv("NUMBA_CACHE_DIR", cache)
        started = serve(log_level="error")
        benchmark.group = "cold start"
        address = benchmark.pedantic(started.__enter__, rounds=1)
        started.__exit__(None, None, None)
    assert address
    assert not cold or any(Path(tmp_path).rglob("*.nbc"))
