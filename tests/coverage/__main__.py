"""Simulate all intervals: ``python -m tests.coverage [--replications N] [--write] [--only WORD]``.

It takes some fifteen minutes. In parts, or by several processes: ``--keep FOLDER --only WORD`` keeps
what was found, and ``--keep FOLDER --write`` simulates what is not there yet. What is kept is of the
statistics as they were: start with an empty folder.
"""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.coverage.families import scenarios
from tests.coverage.page import PAGE, failures, page
from tests.coverage.scenario import Row, Scenario, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what every interval covers, and write the page where asked to."""
    parser = argparse.ArgumentParser(description="Coverage of every interval, by simulation.")
    parser.add_argument("--replications", type=int, help="of every scenario, instead of its own")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--only", default="", help="statistics whose name has this in it")
    parser.add_argument("--keep", type=Path, help="a folder: what is there is not simulated again")
    options = parser.parse_args(arguments)
    if options.write and (options.only or options.replications):
        parser.error("the page is of all scenarios with their own number of replications")
    if options.keep and options.replications:
        parser.error("what is kept has the scenarios' own number of replications")
    rows = []
    start = time.monotonic()
    for scenario in scenarios():
        if options.only.lower() not in scenario.statistic.lower():
            continue
        found = (
            kept(scenario, options.keep) if options.keep else run(scenario, options.replications)
        )
        rows += found
        for row in found:
            _say(f"{_of(row)}, width {row.width:.3g}{' (default)' if row.default else ''}")
    _say(f"{len(rows)} intervals in {time.monotonic() - start:.0f} s")
    for row in failures(rows):
        _say(f"fails: {_of(row)}")
    if options.write:
        PAGE.write_text(page(rows), "utf-8")
    return 0


def kept(scenario: Scenario, folder: Path) -> list[Row]:
    """Return what was found before, or simulate and keep it."""
    file = folder / f"{scenario.seed}.json"
    if file.exists():
        return [Row(**one) for one in json.loads(file.read_text("utf-8"))]
    rows = run(scenario)
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([dataclasses.asdict(one) for one in rows]), "utf-8")
    return rows


def _of(row: Row) -> str:
    where = f"{row.statistic}; {row.truth}; n {row.size}; {row.field} {row.method} {row.variant}"
    return f"{where.rstrip()}: {row.coverage:.1f} %"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
