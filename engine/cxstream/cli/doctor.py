"""`cxstream doctor`: what this installation is, and whether it counts right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cxstream.cli.output import console, print_json

_PACKAGES = ("cxstream", "numpy", "numba", "llvmlite", "pyarrow", "grpcio", "protobuf", "scipy",
             "python-flint")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    ok: bool
    detail: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Show versions and processor paths, and check every kernel against its reference."""
    facts = _facts()
    checks = [*_native_checks(), *_kernel_checks()]
    failed = [one for one in checks if not one.ok]
    if as_json:
        print_json({"facts": facts, "checks": checks, "ok": not failed})
    else:
        _print(facts, checks)
    raise typer.Exit(1 if failed else 0)


def _facts() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from cxstream.columns import native

    facts = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    facts["platform"] = f"{platform.system()} {platform.machine()}"
    facts["processors"] = f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}"
    facts["compiler"] = native.compiler()
    facts["simd"] = f"{native.simd_level()} (supported: {', '.join(native.simd_levels())})"
    facts["threading"] = (
        "no Numba threading layer: kernels release the GIL and run on a bounded thread pool"
    )
    return facts


def _native_checks() -> Iterator[_Check]:
    """Encode the same arrays in every SIMD level and in NumPy, and count the same codes."""
    from cxstream.columns import native

    before = native.simd_level()
    try:
        for level in native.simd_levels():
            native.set_simd_level(level)
            for name, ok, detail in (*_encodings(), *_countings()):
                yield _Check(f"native {name} ({level})", ok, detail)
    finally:
        native.set_simd_level(before)


def _encodings() -> Iterator[tuple[str, bool, str]]:
    from fractions import Fraction

    import numpy as np
    import pyarrow as pa

    from cxstream.columns import native

    random = np.random.default_rng(20170501)
    rows = 10_007  # no multiple of any vector length
    answers = random.integers(0, 7, rows)
    is_null = random.random(rows) < 0.1
    # 1..5 are answers, 0 and 6 missing, then null.
    expected = np.where(
        is_null, 7, np.where(answers == 0, 5, np.where(answers == 6, 6, answers - 1))
    )
    for kind in (pa.uint8(), pa.int64(), pa.float64()):
        array = pa.array(answers, kind, mask=is_null)
        # A slice, so that bitmaps begin within a byte.
        (codes,) = native.encode_scales([array[3:]], [native.Scale(1, 5, [0, 6])])
        yield f"scale {kind}", *_same(codes, expected[3:])

    table = random.permutation(200).astype(np.uint16)
    places = random.integers(0, 200, rows)
    codes = native.encode_lut(
        pa.array(places, pa.int32(), mask=is_null), table, null_code=255, code_dtype=np.uint8
    )
    yield "lookup int32", *_same(codes, np.where(is_null, 255, table[places]))

    cents = random.integers(0, 10_000_000, rows)
    numbers = native.encode_number(
        pa.array(cents / 100, pa.float64(), mask=is_null),
        step=Fraction(1, 100),
        lo_steps=0,
        hi_steps=10_000_000,
    )
    yield "number float64", *_same(numbers, np.where(is_null, -1, cents))


def _countings() -> Iterator[tuple[str, bool, str]]:
    from cxstream.tally import selfcheck

    for ok, detail in selfcheck.run():
        yield "counting", ok, detail


def _same(found: Any, expected: Any) -> tuple[bool, str]:
    import numpy as np

    differing = np.flatnonzero(found != expected)
    if differing.size:
        row = int(differing[0])
        return False, f"row {row}: {found[row]}, NumPy says {expected[row]}"
    return True, f"{len(found):,} rows equal NumPy's"


def _kernel_checks() -> Iterator[_Check]:
    from cxstream.kernels import selfcheck

    for result in selfcheck.run():
        yield _Check(f"kernel {result.name}", result.ok, result.detail)


def _print(facts: dict[str, str], checks: list[_Check]) -> None:
    from cxstream.cli.tables import Grid

    grid = Grid(("what", "found"))
    for name, value in facts.items():
        grid.add(name, value)
    grid.print()
    console().print()
    results = Grid(("check", "result", "detail"))
    for one in checks:
        results.add(one.name, "ok" if one.ok else "FAILED", one.detail)
    results.print()
    failed = sum(not one.ok for one in checks)
    console().print()
    out = console()
    if failed:
        out.print(f"{failed} of {len(checks)} checks failed", style="bold red")
    else:
        out.print(f"all {len(checks)} checks passed", style="bold green")
