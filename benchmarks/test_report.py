"""The tables and the chart, made of figures that were never measured."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET

import pytest

from benchmarks import report
from benchmarks.bench_growth import LINES
from benchmarks.bench_tasks import AGAIN, WAYS
from benchmarks.peers import NAMES
from benchmarks.tasks import TASKS


def entry(group, name, seconds, turn=None, **info):  # type: ignore[no-untyped-def]
    return {
        "group": group,
        "name": f"{name}[turn{turn}]",
        "fullname": f"benchmarks/x.py::{name}",
        "params": {"way": name} if turn is not None else None,
        "extra_info": info,
        "stats": {"median": seconds},
    }


@pytest.fixture
def measured() -> report.Measured:
    took = {"cxstream": 0.004, "numpy": 0.02, "duckdb": 0.08, "polars": 0.05}
    entries = [
        entry(
            f"{task}: {TASKS[task]}",
            way,
            took.get(way, 0.5) + turn,
            turn,
            rows=131_072,
            version="1",
        )
        for task, ways in WAYS.items()
        for way in ways
        if way != "chdb"  # not installed
        for turn in (-0.001, 0.0, 100.0)
    ]
    entries += [
        entry("scan T1: x", way, 0.1 * place, 0, rows=1)
        for place, way in enumerate(("cxstream", "polars", "duckdb"), start=1)
    ]
    entries += [
        entry(
            f"T6: {TASKS['T6']}",
            "polars asks again",
            9.0,
            0,
            rows=131_072,
            version="1",
            s_a_batch=0.3,
            batches_asked=1,
        ),
        entry("kernels", "reading memory", 0.5, 0, bytes=1e10),
        entry("kernels", "one rating", 0.5, 0, bytes=1e9, rows=1e9),
        entry("kernels", "a number", 1.5, 0, bytes=8e9, rows=1e9),
        entry("kernels", "whole plan", 1.0, 0, bytes=2e9, rows=1e9),
        entry("growth with rows", "bench_growth", 2.0, rows=1e9, value=1e9),
        entry("regressions of ten drivers", "bench_regressions", 0.5, rows=10, value=10),
        entry("wire, 1,024 rows a message", "Flight", 2.0, 0, rows=4e6),
        entry("wire, 1,024 rows a message", "sums, prepared", 1.0, 0, rows=4e6),
        entry("errors of importance", "3 drivers", 0.001, times_a_bootstrap=50.0),
        entry("queries over gRPC", "one NPS", 0.001, p50_ms=1.0, p99_ms=2.0),
    ]
    return report.Measured({"benchmarks": entries, "machine_info": {}, "load": [0.1, 0.2]})


def test_tasks(measured: report.Measured) -> None:
    lines = report.tasks_table(measured).splitlines()
    first = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    assert first[:2] == ["T1 NPS by region x age group", "4.0"]
    assert first[2:7] == ["80.0", "50.0", "", "500", "20.0"]
    assert first[-2:] == ["12.5 (8)", "5.0 (2)"]
    assert len(lines) == 7


def test_streaming(measured: report.Measured) -> None:
    lines = report.streaming_table(measured).splitlines()
    assert lines[2].startswith("| cxstream | 2.00 |")
    assert any("| 10.00 | 5.0 (2) |" in line for line in lines)  # NumPy
    assert any(line.startswith("| Polars asks again | 300.00 | 150 (100) |") for line in lines)
    assert lines[-1] == "Asking again: the mean after 1 of 2 batches, evenly spread."


def test_scans_kernels_growth_and_the_rest(measured: report.Measured) -> None:
    text = report.everything(measured)
    assert "| T1 NPS by region x age group | 100 | 300 | 200 | 2.0 (1) |" in text
    assert "| whole plan | 1.00 | 2.00 | 10 % |" in text
    assert "| counting the whole plan, of the read bandwidth | 10.0 % | at least 20 % |" in text
    assert "3 drivers: a bootstrap's time, times ours | 50.0× | at least 25× |" in text
    assert "| a number's column, times a rating's | 3.0× | at most 4× |" in text
    assert "| 1,000,000,000 | 2,000 | 2.0 |" in text
    assert report.REASONS["rows"] in text and report.REASONS["regressions"] in text
    assert "| 1,024 rows a message | 2.0 |  | 4.0 |  |  |  | 2.0 (1) |" in text
    assert "p50_ms 1.0, p99_ms 2.0" in text
    assert "131,072 responses, medians of 3 turns" in text
    assert "load 0.1 before, 0.2 after" in text


def test_chart(measured: report.Measured) -> None:
    drawn = ET.fromstring(report.chart(measured))
    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 1 + 5 * 6  # the ground; without chDB


def test_readme_keeps_what_stands_around(measured, tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "README.md").write_text(f"before\n{report.BEGIN}of yesterday\n{report.END}after\n")
    (tmp_path / "measured.json").write_text(json.dumps(measured.data))
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(sys, "argv", ["report", str(tmp_path / "measured.json"), "--write"])
    report.main()
    text = (tmp_path / "README.md").read_text()
    assert text.startswith(f"before\n{report.BEGIN}| ms |") and text.endswith(
        f"{report.END}after\n"
    )
    assert "yesterday" not in text
    assert (
        capsys.readouterr().out.strip() == (tmp_path / "results" / "latest.md").read_text().strip()
    )
    assert (tmp_path / "results" / "tasks.svg").exists()


def test_every_line_of_growth_has_its_reason() -> None:
    assert {*LINES, "regressions"} == set(report.REASONS)


def test_every_way_has_a_label() -> None:
    ways = {*(way for some in WAYS.values() for way in some), *AGAIN}
    assert ways <= set(report.LABELS)
    assert set(NAMES) == {*report.ENGINES, *report.OTHERS}


def test_the_readme_has_the_markers() -> None:
    readme = (report.ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.count(report.BEGIN) == readme.count(report.END) == 1
