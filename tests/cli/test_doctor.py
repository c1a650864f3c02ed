"""`cxstream doctor`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cxstream.columns import native
from cxstream.kernels import selfcheck


def test_all_is_well(run: Callable[..., Any]) -> None:
    level = native.simd_level()
    ran = run("doctor", "--json")
    assert ran.code == 0
    assert ran.json["ok"]
    facts = ran.json["facts"]
    assert facts["simd"].startswith(level)
    assert facts["compiler"] == native.compiler()
    assert "bounded thread pool" in facts["threading"]
    names = [one["name"] for one in ran.json["checks"]]
    assert any(name.startswith("kernel ") for name in names)
    for supported in native.simd_levels():
        assert f"native lookup int32 ({supported})" in names
    assert native.simd_level() == level


def test_failure_is_told(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    encode_lut = native.encode_lut

    def wrong(*arguments: Any, **options: Any) -> Any:
        codes = encode_lut(*arguments, **options)
        codes[17] += 1
        return codes

    monkeypatch.setattr(native, "encode_lut", wrong)
    monkeypatch.setattr(selfcheck, "run", list)  # the kernels' checks are not what fails
    ran = run("doctor")
    assert ran.code == 1
    assert "FAILED" in ran.out
    assert "row 17" in ran.out
    assert "checks failed" in ran.out
