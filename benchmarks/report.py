"""From pytest-benchmark's JSON to the tables and the chart.

``python -m benchmarks.report FILE.json`` prints what was measured; with ``--write`` it goes to
``benchmarks/results`` and between the markers of the README.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterable, Mapping
from html import escape
from math import log10
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.tasks import BATCH_ROWS, TASKS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- benchmarks -->\n", "<!-- /benchmarks -->\n"

ENGINES = ("duckdb", "polars", "chdb", "datafusion")
OTHERS = ("numpy", "pandas", "statsmodels", "sklearn")
LABELS = {
    "cxstream": "cxstream",
    "duckdb": "DuckDB",
    "polars": "Polars",
    "chdb": "chDB",
    "datafusion": "DataFusion",
    "numpy": "NumPy by hand",
    "pandas": "pandas",
    "statsmodels": "statsmodels",
    "sklearn": "scikit-learn",
    "cxstream client": "cxstream, client in process",
    "cxstream over gRPC": "cxstream, client over gRPC",
    "polars asks again": "Polars asks again",
    "duckdb asks again": "DuckDB asks again",
}
#: How many times the best database engine, and the best NumPy, cxstream is meant to be.
BARS_ENGINE = {"T1": 8.0, "T2": 5.0, "T3": 4.0, "T4": 6.0, "T5": 6.0}
BAR_NUMPY = 2.0
BARS_SCAN = {"T1": 1.0, "T2": 1.0, "T3": 1.0, "T4": 1.0, "T5": 2.0}
BAR_ASKS_AGAIN = 100.0
BAR_FLIGHT = 1.0
#: The way of the kernels that counts nothing.
READING = "reading memory"
COUNTED = ("T1", "T2", "T3", "T4", "T5")


class Measured:
    """Everything in one file of pytest-benchmark, turns taken together."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.entries: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
        for one in data["benchmarks"]:
            group = one["group"] or one["fullname"].split("::")[0]
            params = one.get("params") or {}
            name = params.get("way") or str(params.get("value") or one["name"].split("[turn")[0])
            self.entries.setdefault(group, {}).setdefault(name, []).append(one)

    def group(self, start: str) -> dict[str, list[Mapping[str, Any]]]:
        """Return the ways of the group whose name begins so."""
        for name, ways in self.entries.items():
            if name.startswith(start):
                return ways
        return {}

    def ms(self, group: str) -> dict[str, float]:
        """Return the median of every way of a group, in milliseconds."""
        return {way: 1e3 * _median(runs) for way, runs in self.group(group).items()}

    @property
    def rows(self) -> int:
        (first, *_) = [
            one for start in TASKS for some in self.group(f"{start}:").values() for one in some
        ]
        return int(first["extra_info"]["rows"])

    @property
    def turns(self) -> int:
        return min(len(runs) for start in COUNTED for runs in self.group(f"{start}:").values())

    def versions(self) -> dict[str, str]:
        found = {}
        for start in TASKS:
            for way, runs in self.group(f"{start}:").items():
                found[way.split()[0]] = str(runs[0]["extra_info"]["version"])
        return found


def _median(runs: Iterable[Mapping[str, Any]]) -> float:
    return median(float(one["stats"]["median"]) for one in runs)


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table in Markdown, "" without rows; the first column is text, the others are figures."""
    body = list(rows)
    if not body:
        return ""
    lines = [head, ["---", *("---:" for _ in head[1:])], *body]
    return "".join(f"| {' | '.join(one)} |\n" for one in lines)


def _ratio(ours: float | None, theirs: float | None, bar: float | None) -> str:
    if ours is None or theirs is None:
        return ""
    return f"{_figure(theirs / ours)}" + (f" ({bar:g})" if bar else "")


def _best(found: Mapping[str, float], names: Iterable[str]) -> float | None:
    return min((found[name] for name in names if name in found), default=None)


def tasks_table(measured: Measured) -> str:
    """T1 to T5, milliseconds."""
    ways = ("cxstream", *ENGINES, *OTHERS)
    head = ["ms", *(LABELS[way] for way in ways), "× best engine (bar)", "× NumPy (bar)"]
    rows = []
    for task in COUNTED:
        found = measured.ms(f"{task}:")
        ours = found.get("cxstream")
        rows.append(
            [
                f"{task} {TASKS[task]}",
                *(_figure(found.get(way)) for way in ways),
                _ratio(ours, _best(found, ENGINES), BARS_ENGINE[task]),
                _ratio(ours, found.get("numpy"), BAR_NUMPY),
            ]
        )
    return _table(head, rows)


def streaming_table(measured: Measured) -> str:
    """T6, milliseconds per batch."""
    batches = -(-measured.rows // BATCH_ROWS)
    found, asked = {}, 0
    for way, runs in measured.group("T6:").items():
        infos = [one["extra_info"] for one in runs]
        asked = max(asked, infos[0].get("batches_asked", 0))
        noted = [float(one["s_a_batch"]) for one in infos if "s_a_batch" in one]
        found[way] = 1e3 * (median(noted) if noted else _median(runs) / batches)
    ours, client = found.get("cxstream"), found.get("cxstream client")
    rows = []
    for way, took in sorted(found.items(), key=lambda item: item[1]):
        bar = BAR_ASKS_AGAIN if "again" in way else BAR_NUMPY if way == "numpy" else None
        named = LABELS[way] + (", approximate, no standard errors" if way == "sklearn" else "")
        rows.append(
            [
                named,
                f"{took:.2f}",
                "" if way.startswith("cxstream") else _ratio(ours, took, bar),
                "" if way.startswith("cxstream") else _ratio(client, took, None),
            ]
        )
    head = [
        "T6: NPS, index, coefficients and errors",
        "ms a batch",
        "× cxstream (bar)",
        "× its client",
    ]
    said = f"Asking again: the mean after {asked} of {batches} batches, evenly spread.\n"
    return _table(head, rows) + (f"\n{said}" if asked else "")


def scans_table(measured: Measured) -> str:
    """One-off questions over Parquet, milliseconds."""
    rows = []
    for task in COUNTED:
        found = measured.ms(f"scan {task}:")
        if found:
            best = _best(found, ("duckdb", "polars"))
            rows.append(
                [
                    f"{task} {TASKS[task]}",
                    *(_figure(found.get(way)) for way in ("cxstream", "duckdb", "polars")),
                    _ratio(found.get("cxstream"), best, BARS_SCAN[task]),
                ]
            )
    return _table(["ms", "cxstream", "DuckDB", "Polars", "× the better (bar)"], rows)


def _speeds(measured: Measured) -> dict[str, tuple[float, float]]:
    """Return seconds and bytes a second of every piece of counting."""
    return {
        way: (_median(runs), runs[0]["extra_info"]["bytes"] / _median(runs))
        for way, runs in measured.group("kernels").items()
    }


def kernels_table(measured: Measured) -> str:
    """Pieces of counting, ns a row and share of the bandwidth."""
    found, speeds = measured.group("kernels"), _speeds(measured)
    _, bandwidth = speeds.get(READING, (0.0, 0.0))
    rows = []
    for way, (took, speed) in speeds.items():
        counted = found[way][0]["extra_info"].get("rows")
        rows.append(
            [
                way,
                f"{1e9 * took / counted:.2f}" if counted else "",
                f"{speed / 1e9:.2f}",
                f"{100 * speed / bandwidth:.0f} %" if bandwidth else "",
            ]
        )
    return _table(["ungrouped", "ns a row", "GB/s", "of the bandwidth"], rows)


def wire_table(measured: Measured) -> str:
    """Messages of several sizes over gRPC, millions of responses a second."""
    rows = []
    ways = (
        "Flight",
        "gRPC alone",
        "sums, prepared",
        "sums, SDK",
        "counts, prepared",
        "counts, SDK",
    )
    for group, found in measured.entries.items():
        if group.startswith("wire, "):
            rate = {
                way: runs[0]["extra_info"]["rows"] / _median(runs) / 1e6
                for way, runs in found.items()
            }
            ours, theirs = rate.get("sums, prepared"), rate.get("Flight")
            rows.append(
                [
                    group.removeprefix("wire, "),
                    *(_figure(rate.get(way)) for way in ways),
                    _ratio(theirs, ours, BAR_FLIGHT),
                ]
            )
    head = ["M responses a second", "Flight DoPut, rows counted", *ways[1:], "× Flight (bar)"]
    return _table(head, rows)


#: Why cost is not proportional to what grows, by line.
REASONS = {
    "rows": (
        "A tally, its scratch and its cells take a fixed half millisecond, and small batches are "
        "not worth the vectors' set-up or a second thread. From a million rows on the cost is "
        "proportional."
    ),
    "groups": (
        "One group goes column by column. From two on a row adds to its group's vectors, two of "
        "64 bytes here, at one cost while these lie in the first- and second-level cache: up to "
        "some thousand groups. Beyond, each row waits for memory. And every group is turned into "
        "a cell once, for half a microsecond to one: with 100,000 groups ten rows share that, and "
        "as so large a scratch is not kept, it is done after every batch."
    ),
    "questions": (
        "Two questions are one increment a row each. Three or more share vectors of 64 counters, "
        "as many as their levels fit in (ten of five levels take two, forty take five), and what "
        "a row costs goes with the number of its vectors. A single vector has a loop of its own, "
        "which keeps nothing else in mind."
    ),
    "drivers": (
        "k drivers and an outcome are multiplied in pairs: k (k + 1) / 2 products, two lanes "
        "each, so that the cost goes with k squared. It goes up in steps: a vector holds products "
        "of two eights of questions, so that up to seven drivers take one or two vectors, ten "
        "five, fifteen six, twenty twelve, twenty-five seventeen."
    ),
    "levels": (
        "Seven questions of five levels share one vector of 64 counters, of eleven two. Of more "
        "than 63 levels a question has none: it is one increment a row in a table of its group's "
        "counts, which takes less, until the tables of all groups outgrow the caches (100 groups "
        "of seven questions of 1,001 levels: 2.8 MB) and, at 4,096 levels, the scratch that is "
        "kept."
    ),
    "regressions": (
        "One call decides the rank and fits the models of all groups at once. Its fixed cost is "
        "shared from ten groups on; then it is proportional."
    ),
}


def growth_tables(measured: Measured) -> str:
    """Cost along each line, and why it is not proportional."""
    out = []
    for group, found in measured.entries.items():
        if group.startswith(("growth", "regressions")):
            unit = "a group" if group.startswith("regressions") else "a row"
            rows = [
                [
                    f"{int(runs[0]['extra_info']['value']):,}",
                    _figure(1e3 * _median(runs)),
                    _figure(1e9 * _median(runs) / runs[0]["extra_info"]["rows"]),
                ]
                for runs in found.values()
            ]
            reason = REASONS[group.removeprefix("growth with ").split()[0]]
            out.append(f"{_table([group, 'ms', f'ns {unit}'], rows)}\n{reason}\n")
    return "\n".join(out)


def bars_table(measured: Measured) -> str:
    """Bandwidth, latencies, growth of memory and start-up, beside what they are meant to be."""
    rows = []

    def noted(group: str, way: str, key: str) -> float | None:
        found = [
            float(run["extra_info"][key])
            for name, runs in measured.group(group).items()
            for run in runs
            if way in name and key in run["extra_info"]
        ]
        return median(found) if found else None

    def add(what: str, value: float | None, unit: str, bar: str) -> None:
        if value is not None:
            rows.append([what, f"{_figure(value)}{unit}", bar])

    speeds = _speeds(measured)
    whole, number, rating = (
        speeds.get(way, (None, None)) for way in ("whole plan", "a number", "one rating")
    )
    if whole[1] and READING in speeds:
        share = 100 * whole[1] / speeds[READING][1]
        add("counting the whole plan, of the read bandwidth", share, " %", "at least 20 %")
    if number[0] and rating[0]:
        add("a number's column, times a rating's", number[0] / rating[0], "×", "at most 4×")
    for what, said in (
        ("one NPS,", ""),
        ("one NPS asked for the first time,", ", not asked before"),
    ):
        idle = noted("queries", f"{what} few responses", "p50_ms")
        add(f"one NPS over gRPC{said}, idle, p50", idle, " ms", "below 1 ms")
        loaded = noted("queries", f"{what} while a client streams", "p99_ms")
        add(f"one NPS{said} while a client streams, p99", loaded, " ms", "below 10 ms")
    for what in ("NPS of 1,728 groups", "1,728 regressions"):
        for key in ("p50_ms", "p99_ms"):
            few = noted("queries", f"{what}, few", key)
            many = noted("queries", f"{what}, a hundred", key)
            if few and many:
                said = f"{what}, {key[:3]} at a hundred times the responses"
                add(said, many / few, "×", "1× within noise")
    lmg = measured.ms("single analyses").get("LMG of 20 drivers")
    add("LMG of 20 drivers", lmg, " ms", "below 1,000 ms")
    for case in measured.group("errors of importance"):
        times = noted("errors of importance", case, "times_a_bootstrap")
        add(
            f"errors of importance, {case}: a bootstrap's time, times ours",
            times,
            "×",
            "at least 25×",
        )
    grown = noted("memory", "", "growth_mb")
    add("server's memory while responses stream in, growth", grown, " MB", "below 100 MB")
    add("import of the client", noted("cold start", "import", "import_s"), " s", "below 0.3 s")
    for way, bar in (("warm kernel cache", "below 3 s"), ("no kernel cache", "below 20 s")):
        took = measured.ms("cold start").get(way)
        add(f"server from exec to SERVING, {way}", took and took / 1e3, " s", bar)
    return _table(["", "measured", "bar"], rows) if rows else ""


def other_tables(measured: Measured) -> str:
    """Whatever else was measured: its time and what it noted."""
    done = ("T1", "T2", "T3", "T4", "T5", "T6", "scan", "kernels", "growth", "regressions")
    out = []
    for group, found in measured.entries.items():
        if group.startswith(done):
            continue
        rows = []
        for name, runs in found.items():
            notes = {}
            for key, value in runs[0]["extra_info"].items():
                if isinstance(value, int | float):
                    notes[key] = median(float(one["extra_info"].get(key, value)) for one in runs)
            said = ", ".join(f"{key} {_figure(value)}" for key, value in notes.items())
            rows.append([name, _figure(1e3 * _median(runs)), said])
        out.append(f"**{group}**\n\n" + _table(["", "ms", "noted"], rows))
    return "\n".join(out)


def conditions(measured: Measured) -> str:
    """Where and of what these are the figures."""
    data = measured.data
    info = data.get("commit_info") or {}
    commit = str(info.get("id", ""))[:9] + ("+changes" if info.get("dirty") else "")
    cpu = data.get("machine_info", {}).get("cpu", {})
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = {**LABELS, "numpy": "NumPy"}
    versions = ", ".join(
        f"{names[way]} {version}"
        for way, version in measured.versions().items()
        if way != "cxstream"
    )
    load = data.get("load")
    return (
        f"{measured.rows:,} responses, medians of {measured.turns} turns. "
        f"{cpu.get('brand_raw', platform.processor())}, {cpu.get('count', os.cpu_count())} threads, "
        f"{memory:.0f} GB; {platform.system()}, Python {platform.python_version()}; commit {commit}"
        + (f"; load {load[0]:.1f} before, {load[1]:.1f} after" if load else "")
        + f". {versions}."
    )


def chart(measured: Measured) -> str:
    """Return T1 to T5 as bars on a logarithmic scale, in SVG."""
    ways = ("cxstream", *ENGINES, "numpy", "pandas")
    colours = ("#d1495b", "#30638e", "#5b8fb9", "#8db4d0", "#b8d0e0", "#666666", "#aaaaaa")
    found = {task: measured.ms(f"{task}:") for task in COUNTED}
    values = [value for one in found.values() for value in one.values()]
    low, high = 10 ** int(log10(min(values)) // 1), max(values)
    left, width, bar, gap = 190, 520, 13, 14
    scale = width / (log10(high) - log10(low))

    def x(value: float) -> float:
        return left + (log10(value) - log10(low)) * scale

    parts: list[str] = []
    y = 44
    for task in COUNTED:
        parts.append(f'<text x="8" y="{y + 11}" font-weight="bold">{escape(task)}</text>')
        parts.append(f'<text x="8" y="{y + 26}" fill="#555">{escape(TASKS[task])}</text>')
        for way, colour in zip(ways, colours, strict=True):
            value = found[task].get(way)
            if value is None:
                continue
            parts.append(
                f'<rect x="{left}" y="{y}" width="{max(x(value) - left, 1):.1f}" height="{bar - 2}" '
                f'fill="{colour}"/><text x="{x(value) + 4:.1f}" y="{y + 10}">{_figure(value)} ms '
                f"{escape(LABELS[way])}</text>"
            )
            y += bar
        y += gap
    ticks = []
    tick = low
    while tick <= high:
        ticks.append(
            f'<line x1="{x(tick):.1f}" y1="36" x2="{x(tick):.1f}" y2="{y}" stroke="#ddd"/>'
            f'<text x="{x(tick):.1f}" y="32" text-anchor="middle" fill="#555">{tick:g} ms</text>'
        )
        tick *= 10
    title = f"{measured.rows:,} responses in memory; less is better, logarithmic scale"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 170} {y}" '
        'font-family="sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n<text x="8" y="16" font-size="13">{title}'
        "</text>\n" + "\n".join([*ticks, *parts]) + "\n</svg>\n"
    )


def summary(measured: Measured) -> str:
    """Return what stands in the README."""
    tables = (tasks_table, streaming_table, scans_table, wire_table, bars_table)
    found = "".join(f"{text}\n" for text in (one(measured) for one in tables) if text)
    return (
        f"{found}{conditions(measured)} Every answer was checked against NumPy's first. "
        "[All that was measured](benchmarks/results/latest.md).\n\n"
        "![T1 to T5 as bars](benchmarks/results/tasks.svg)\n"
    )


def everything(measured: Measured) -> str:
    """Return all tables."""
    sections = {
        "In memory": tasks_table(measured),
        "After every batch": streaming_table(measured),
        "One-off questions over the same Parquet files": scans_table(measured),
        "Over gRPC": wire_table(measured),
        "Pieces of counting": kernels_table(measured),
        "Latency, memory, start": bars_table(measured),
        "Growth": growth_tables(measured),
        "Everything else": other_tables(measured),
    }
    text = "".join(f"\n## {title}\n\n{table}" for title, table in sections.items() if table)
    return f"# Benchmarks\n\nWritten by `make bench`. {conditions(measured)}\n{text}"


def between_markers(readme: str, text: str) -> str:
    """Return a README with another text between the markers."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{text}{END}{after}"


def main() -> None:
    """Print, and with --write keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report")
    parser.add_argument("file", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    measured = Measured(json.loads(given.file.read_text(encoding="utf-8")))
    print(everything(measured))
    if given.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "latest.md").write_text(everything(measured), encoding="utf-8")
        (RESULTS / "tasks.svg").write_text(chart(measured), encoding="utf-8")
        readme = ROOT / "README.md"
        readme.write_text(
            between_markers(readme.read_text(encoding="utf-8"), summary(measured)), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
