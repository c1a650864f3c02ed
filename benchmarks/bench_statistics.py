"""All statistics of one model of ten drivers for many groups, beside statsmodels for the same groups.

`cxstream` answers from sums: coefficients with HC1 errors, t, p, intervals, F, R2, betas, VIF, LMG and
Johnson's weights with standard errors and intervals, first, last, Pratt, and a regression with classical
errors. `in process` asks the client of an engine that has counted the rows: importance in one call, HC1
in another, classical errors in a third, cells summed for each. `statsmodels` fits every group's rows, with
both kinds of errors, and nothing about importance. `pingouin` fits them with classical errors and finds
LMG, without errors; it is asked about some of the groups, and its time is theirs times how many there are
for each. Coefficients, errors and importance of all must agree before a time counts; `pytest -s` prints a
checksum of them, and by how much each is faster than statsmodels.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from cxstream import Engine, analytics
from cxstream.analytics.moments import second_of_fourth
from cxstream.pool import Pool
from cxstream.threads import processors
from cxstream_client import Client

DRIVERS, ROWS = 10, 200
#: Groups that pingouin is asked about: it takes about half a second for each.
PINGOUIN_GROUPS = 5
#: QR of float64 rows, of well-conditioned ratings.
SAME = 1e-8


def _data(groups: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ratings 0..4, the outcome last, (groups, rows, columns), and their fourth-order sums."""
    rng = np.random.default_rng(10)
    shape = groups, ROWS, DRIVERS + 1
    mood = rng.normal(size=(groups, ROWS, 1))
    codes = np.clip(np.rint(2 + 0.8 * mood + 0.8 * rng.normal(size=shape)), 0, 4).astype(np.int64)
    width = DRIVERS + 2
    left, right = np.triu_indices(width)
    place = np.zeros((width, width), dtype=np.int64)
    place[left, right] = np.arange(len(left))
    fours = np.array(list(combinations_with_replacement(range(width), 4)))
    a, b = place[fours[:, 0], fours[:, 1]], place[fours[:, 2], fours[:, 3]]
    sums = []
    for group in codes:
        wide = np.concatenate([np.ones((ROWS, 1), dtype=np.int64), group], axis=1)
        pairs = wide[:, left] * wide[:, right]
        sums.append((pairs.T @ pairs)[a, b])
    return codes, np.array(sums)


def _cxstream(
    fourth: NDArray[np.int64], pool: Pool | None
) -> tuple[list[Any], list[Any], list[Any]]:
    columns = DRIVERS + 1
    second = second_of_fourth(fourth, columns)
    model: dict[str, Any] = {
        "names": [f"x{j}" for j in range(DRIVERS)] + ["y"],
        "outcome": DRIVERS,
        "drivers": range(DRIVERS),
    }
    scales: dict[str, Any] = {"origins": [0] * columns, "steps": [Fraction(1)] * columns}
    robust = analytics.robust.heteroscedastic(
        second, fourth, kind="HC1", pool=pool, **scales, **model
    )
    classical = analytics.regression.fit(second, **scales, **model)
    importance = analytics.drivers.drivers(
        second, fourth=fourth, ranges=[4] * columns, reverse=[False] * columns, pool=pool, **model
    )
    return robust, classical, importance


def _client(codes: NDArray[np.int64]) -> Client:
    """Return a client of an engine in this process that has counted the rows."""
    groups, names = len(codes), [*(f"x{j}" for j in range(DRIVERS)), "y"]
    client = Engine.open()
    client.put_program(
        {
            "name": "bench",
            "questions": {name: {"kind": "rating", "scale": [0, 4]} for name in names},
            "dimensions": {"group": {"max_levels": groups}},
            "models": {"all": {"outcome": "y", "drivers": names[:-1], "robust": True}},
            "insights": {"questions": []},
        }
    )
    rows = codes.reshape(-1, DRIVERS + 1)
    group = pa.array([f"{g:04d}" for g in range(groups)]).take(np.arange(len(rows)) // ROWS)
    columns = {name: rows[:, at] for at, name in enumerate(names)}
    with client.append("bench", producer="bench") as stream:
        stream.send(pa.table({**columns, "group": group.dictionary_encode()}))
    return client


def _asked(client: Client) -> tuple[Any, Any, Any]:
    importance = client.drivers("bench", "all", by="group")
    robust = client.regression("bench", "all", by="group", errors="HC1")
    return robust, client.regression("bench", "all", by="group", errors="classical"), importance


def _figures(robust: Any, classical: Any, importance: Any) -> NDArray[np.float64]:
    """Return coefficients, HC1 and classical errors, LMG and its errors: (groups, figures)."""
    return np.array(
        [
            [term.coefficient for term in fit.terms] + [term.se for term in fit.terms]
            + [term.se for term in plain.terms]
            + [driver.lmg for driver in one.drivers] + [driver.se for driver in one.drivers]
            for fit, plain, one in zip(robust, classical, importance, strict=True)
        ]
    )  # fmt: skip


def _statsmodels(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return coefficients, HC1 and classical errors."""
    import statsmodels.api as sm

    found = []
    for group in codes:
        model = sm.OLS(group[:, -1], sm.add_constant(group[:, :-1]))
        plain = model.fit()
        found.append([plain.params, model.fit(cov_type="HC1", use_t=True).bse, plain.bse])
    return np.array(found).reshape(len(codes), -1)


def _pingouin(codes: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients with classical errors, and LMG."""
    import pingouin

    tables = [
        pingouin.linear_regression(group[:, :-1], group[:, -1], relimp=True) for group in codes
    ]
    fits = np.array([[table["coef"], table["se"]] for table in tables])
    return fits.reshape(len(codes), -1), np.array([table["relimp"][1:] for table in tables])


#: Of this run, by way.
_SECONDS: dict[str, float] = {}


@pytest.mark.parametrize("value", ["statsmodels", "pingouin", "cxstream", "in process"])
def bench_statistics(benchmark, pytestconfig, peer, value) -> None:  # type: ignore[no-untyped-def]
    full = bool(pytestconfig.getoption("--bench-rows"))
    groups = 1_000 if full else 5
    if value == "statsmodels":
        peer(value)
    elif value == "pingouin":
        pytest.importorskip(value, reason="not installed: pip install 'cxstream[bench]'")
    codes, fourth = _data(groups)
    benchmark.group = f"all statistics of ten drivers, {groups:,} groups"
    k = DRIVERS + 1
    times = 1.0
    with Pool(processors()) as pool:
        figures = _figures(*_cxstream(fourth, pool))
        lmg = figures[:, 3 * k :][:, :DRIVERS]
        if value == "statsmodels":
            found = benchmark.pedantic(lambda: _statsmodels(codes), rounds=1)
            np.testing.assert_allclose(figures[:, : 3 * k], found, rtol=SAME, atol=SAME)
        elif value == "pingouin":
            some = codes[:PINGOUIN_GROUPS]
            times = groups / len(some)
            fits, shares = benchmark.pedantic(lambda: _pingouin(some), rounds=1)
            plain = np.concatenate([figures[:, :k], figures[:, 2 * k : 3 * k]], axis=1)
            np.testing.assert_allclose(plain[: len(some)], fits, rtol=SAME, atol=SAME)
            np.testing.assert_allclose(lmg[: len(some)], shares, rtol=SAME)
        elif value == "cxstream":
            benchmark.pedantic(lambda: _cxstream(fourth, pool), rounds=3, warmup_rounds=1)
        else:
            with _client(codes) as client:
                found = benchmark.pedantic(lambda: _asked(client), rounds=5, warmup_rounds=1)
                assert np.array_equal(_figures(*found), figures)
    checksum = hashlib.blake2b(figures.tobytes(), digest_size=8).hexdigest()
    benchmark.extra_info |= {
        "rows": int(groups / times) * ROWS,
        "value": value,
        "checksum": checksum,
    }
    if benchmark.stats is not None:
        _SECONDS[value] = times * benchmark.stats.stats.min
        ratios = ", ".join(
            f"{seconds / _SECONDS[value]:,.1f}x as fast as {peer}"
            for peer, seconds in _SECONDS.items()
            if peer in ("statsmodels", "pingouin") and peer != value
        )
        print(f"\n{value}: {1e3 * _SECONDS[value]:,.0f} ms, {ratios or 'first'}, {checksum}")
    robust, classical, importance = _cxstream(fourth, None)
    np.testing.assert_allclose(lmg.sum(axis=1), [fit.r2 for fit in robust])
    for fit, one in zip(robust, importance, strict=True):
        assert sum(driver.johnson for driver in one.drivers) == pytest.approx(fit.r2)
        assert all(driver.se > 0 for driver in one.drivers)
    assert np.array_equal(_figures(robust, classical, importance), figures)
