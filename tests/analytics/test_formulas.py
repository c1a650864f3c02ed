"""Every statistic names formulas that exist, and every formula says where it comes from."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from typing import Any

import pytest

from cxstream import analytics
from cxstream.analytics.formulas import FORMULAS, formulas_of
from cxstream.analytics.intervals import Interval
from cxstream.analytics.nps import nps


def _named() -> dict[str, tuple[str, ...]]:
    """Return the formulas that classes of `cxstream.analytics` name, by class."""
    found: dict[str, tuple[str, ...]] = {}
    for module in pkgutil.iter_modules(analytics.__path__):
        for value in vars(importlib.import_module(f"cxstream.analytics.{module.name}")).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value):
                found[value.__qualname__] = getattr(value, "FORMULAS", ())
    return found


def test_named_formulas_exist() -> None:
    named = {name for names in _named().values() for name in names}
    assert named <= set(FORMULAS)
    assert {name for name in FORMULAS if "." not in name} <= named


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_has_a_text_and_a_source(name: str) -> None:
    formula = FORMULAS[name]
    assert formula.id == name
    assert formula.text
    assert formula.source.startswith("https://")


def test_formulas_of_values_with_intervals() -> None:
    values: list[Any] = [*nps([[0, 0, 0]]), *nps([[1, 2, 3]], method="score")]
    assert [one.id for one in formulas_of(values)] == ["nps", "interval.score"]
    assert [one.id for one in formulas_of([Interval(0.0, 1.0, "wald", 0.95)])] == ["interval.wald"]
    assert formulas_of([]) == ()
