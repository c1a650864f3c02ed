"""`cxstream load`: formats, mapping, refused batches, and that nothing is counted twice."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import cxstream_client as cx
from cxstream.demo import SURVEY_CSV

ROWS = 2831
Run = Callable[..., Any]


@pytest.fixture
def load(run: Run, address: str, program_file: Path) -> Run:
    def load(file: Path, *more: object) -> Any:
        return run("load", file, "--program", program_file, "--target", address, *more)

    return load


@pytest.fixture
def counted(address: str, unique: str) -> Callable[[], tuple[int, int]]:
    """How many responses and batches the program holds."""

    def counted() -> tuple[int, int]:
        with cx.connect(address) as client:
            info = client.program_info(unique)
        return info.responses, info.batches

    return counted


def check_survey(address: str, program: str) -> None:
    with cx.connect(address) as client:
        row = client.nps(program, "netpro")[0]
        assert (row.n, row.promoters, row.detractors) == (2746, 1436, 342)
        assert client.csat(program, "overall")[0].n == 2688
        assert client.scorecard(program, "improve")[0].base == 1423
        assert client.nps(program, "netpro", by="saq").row(saq="2").n == 2182


def as_gzip(lines: Sequence[str], path: Path) -> Path:
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def as_untidy(lines: Sequence[str], path: Path) -> Path:
    """A byte order mark, spaces in the heading, other columns, other words for nothing."""
    heading = ",".join(f" {name} " for name in lines[0].split(","))
    rows = [line.replace(",,", ",NA,") + ",x" for line in lines[1:]]
    text = "\n".join(["\ufeff" + heading + ",Q17CITY", *rows])
    path.write_text(text, encoding="utf-8")
    return path


def table() -> pa.Table:
    return pa.csv.read_csv(SURVEY_CSV)


def as_parquet(lines: Sequence[str], path: Path) -> Path:
    pa.parquet.write_table(table(), path, row_group_size=1000)
    return path


def as_pandas_parquet(lines: Sequence[str], path: Path) -> Path:
    """Whole numbers with blanks among them are floats in pandas."""
    table().to_pandas().to_parquet(path)
    return path


def as_arrow_file(lines: Sequence[str], path: Path) -> Path:
    with pa.ipc.new_file(path, table().schema) as writer:
        writer.write_table(table(), max_chunksize=900)
    return path


def as_arrow_stream(lines: Sequence[str], path: Path) -> Path:
    with pa.ipc.new_stream(path, table().schema) as writer:
        writer.write_table(table(), max_chunksize=900)
    return path


FORMATS = {
    "a.csv.gz": as_gzip,
    "untidy.csv": as_untidy,
    "a.parquet": as_parquet,
    "pandas.parquet": as_pandas_parquet,
    "a.arrow": as_arrow_file,
    "a.arrows": as_arrow_stream,
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(
    load: Run, tmp_path: Path, survey_lines: list[str], address: str, unique: str, name: str
) -> None:
    file = FORMATS[name](survey_lines, tmp_path / name)
    ran = load(file)
    assert ran.code == 0, ran.err
    assert f"loaded {ROWS:,} rows in 1 batch into {unique}" in ran.out
    if name == "untidy.csv":
        assert "1 column is not in the program and is ignored: Q17CITY" in ran.err
    check_survey(address, unique)


def test_again_is_no_op(load: Run, counted: Callable[[], tuple[int, int]]) -> None:
    first = load(SURVEY_CSV, "--batch-rows", 500, "--json")
    assert (first.code, first.json["rows_loaded"], first.json["batches_loaded"]) == (0, ROWS, 6)
    again = load(SURVEY_CSV, "--batch-rows", 500)
    assert again.code == 0
    assert again.out.strip() == f"already loaded: {ROWS:,} rows in 6 batches"
    assert counted() == (ROWS, 6)


def test_interrupted_load_goes_on(
    load: Run,
    tmp_path: Path,
    survey_lines: list[str],
    counted: Callable[[], tuple[int, int]],
    address: str,
    unique: str,
) -> None:
    file = tmp_path / "grows.csv"
    file.write_text("\n".join(survey_lines[:1001]), encoding="utf-8")
    assert load(file, "--batch-rows", 500).code == 0
    file.write_text("\n".join(survey_lines), encoding="utf-8")
    rest = load(file, "--batch-rows", 500, "--json").json
    assert (rest["rows_already_loaded"], rest["rows_loaded"]) == (1000, ROWS - 1000)
    assert counted() == (ROWS, 6)
    check_survey(address, unique)


def test_refused_batch_and_its_repair(
    load: Run,
    tmp_path: Path,
    survey_lines: list[str],
    counted: Callable[[], tuple[int, int]],
    address: str,
    unique: str,
) -> None:
    """What was loaded around a bad batch stays; mended, the file adds what was missing."""
    at = survey_lines[0].split(",").index("Q7FOOD")

    def with_food(row: int, value: str) -> str:
        cells = survey_lines[row + 1].split(",")
        cells[at] = value
        return ",".join(cells)

    file = tmp_path / "bad.csv"
    lines = list(survey_lines)
    lines[1 + 1234] = with_food(1234, "9")
    lines[1 + 2100] = with_food(2100, "good")
    file.write_text("\n".join(lines), encoding="utf-8")
    ran = load(file, "--batch-rows", 500, "--json")
    assert ran.code == 1
    assert "file rows 1000..1499: OUT_OF_SCALE: column 'Q7FOOD', file row 1234" in ran.err
    assert "file rows 2000..2499: WRONG_TYPE: column 'Q7FOOD', file row 2100: 'good'" in ran.err
    assert [one["row"] for one in ran.json["refused"]] == [1234, 2100]
    assert ran.json["rows_refused"] == 1000
    assert counted() == (ROWS - 1000, 4)

    again = load(file, "--batch-rows", 500)
    assert again.code == 1
    assert "already loaded: 1,831 rows in 4 batches" in again.out
    assert counted() == (ROWS - 1000, 4)

    lines[1 + 1234] = survey_lines[1 + 1234]
    file.write_text("\n".join(lines), encoding="utf-8")
    half = load(file, "--batch-rows", 500, "--json")
    assert (half.code, half.json["rows_loaded"]) == (1, 500)

    file.write_text("\n".join(survey_lines), encoding="utf-8")
    mended = load(file, "--batch-rows", 500, "--json")
    assert (mended.code, mended.json["rows_loaded"]) == (0, 500)
    assert counted() == (ROWS, 6)
    check_survey(address, unique)
    assert load(file, "--batch-rows", 500).out.startswith("already loaded: 2,831 rows")


def test_other_content_under_one_name(
    load: Run, tmp_path: Path, survey_lines: list[str], counted: Callable[[], tuple[int, int]]
) -> None:
    """A file that was changed, or is cut otherwise, is neither lost nor counted twice."""
    file = tmp_path / "daily.csv"
    file.write_text("\n".join(survey_lines[:1001]), encoding="utf-8")
    assert load(file).code == 0
    file.write_text("\n".join([survey_lines[0], *survey_lines[1001:2001]]), encoding="utf-8")
    ran = load(file)
    assert ran.code == 1
    assert "file rows 0..999 are not what producer 'daily.csv' sent before" in ran.err
    assert load(file, "--producer", "tuesday").code == 0
    assert counted() == (2000, 2)
    assert load(file, "--producer", "tuesday", "--batch-rows", 100).code == 1
    assert counted() == (2000, 2)


def test_mapping_and_absent(
    load: Run, tmp_path: Path, survey_lines: list[str], address: str, unique: str
) -> None:
    """Another year of the survey: a column renamed, a question not asked."""
    heading = survey_lines[0].replace("Q8COM1", "Q8COM").replace("NETPRO", "OTHER")
    file = tmp_path / "other.csv"
    file.write_text("\n".join([heading, *survey_lines[1:]]), encoding="utf-8")
    ran = load(file)
    assert ran.code == 1
    assert "'Q8COM1' (question 'improve'); did you mean 'Q8COM'?" in ran.err
    assert "'NETPRO' (question 'netpro')" in ran.err
    assert load(file, "--map", "Q8COM1=Q8COM", "--absent", "NETPRO").code == 0
    with cx.connect(address) as client:
        assert client.scorecard(unique, "improve")[0].base == 1423
        row = client.nps(unique, "netpro")[0]
        assert (row.n, row.score, row.dropped["null"]) == (0, None, ROWS)


def test_every_kind_of_column(run: Run, tmp_path: Path, address: str, unique: str) -> None:
    program = tmp_path / "kinds.toml"
    program.write_text(
        f"""
        name = "{unique}"
        [questions]
        nps = {{ kind = "nps" }}
        solved = {{ kind = "boolean" }}
        agreed = {{ kind = "boolean", values = {{ yes = 1, no = 0 }} }}
        spend = {{ kind = "number", range = [0, 1000], step = 0.01 }}
        why = {{ kind = "choice", options = {{ 1 = "Food", 2 = "Wifi" }}, multiple = true }}
        [dimensions]
        country = {{ max_levels = 10 }}
        level = {{ column = "nps" }}
        [time]
        column = "at"
        [customer]
        column = "key"
        """,
        encoding="utf-8",
    )
    file = tmp_path / "kinds.tsv"
    file.write_text(
        "nps\tsolved\tagreed\tspend\twhy\tcountry\tat\tkey\n"
        "10\ttrue\tyes\t1.25\t1; 2\tNA\t2024-03-01\tk1\n"
        " 9 \tFalse\t\t\t2\t\t2024-03-01T12:00:00\tk2\n"
        "null\t1\tno\t1e2\t\tDE\t2024-03-02 08:30:00.5\t\n",
        encoding="utf-8",
    )
    ran = run("load", file, "--program", program, "--target", address)
    assert ran.code == 0, ran.err
    with cx.connect(address) as client:
        assert client.nps(unique, "nps")[0].n == 2
        assert client.csat(unique, "solved")[0].top == 2
        assert client.csat(unique, "agreed")[0].n == 2
        assert client.distribution(unique, "spend")[0].mean == pytest.approx(50.625)
        assert [one.count for one in client.scorecard(unique, "why")[0].options] == [1, 2]
        # "NA" is Namibia; only the empty cell is nobody's country.
        levels = {row.group["country"] for row in client.nps(unique, "nps", by="country")}
        assert levels == {"NA", "DE", None}
        assert client.nps(unique, "nps", by="level").row(level="10").n == 1
        assert len(client.nps(unique, "nps", by="day")) == 2

    bad = tmp_path / "bad.tsv"
    text = file.read_text(encoding="utf-8").replace("2024-03-01\t", "March\t")
    bad.write_text(text, encoding="utf-8")
    ran = run("load", bad, "--program", program, "--target", address)
    assert ran.code == 1
    assert "column 'at', file row 0: 'March' is not an ISO 8601 date or time" in ran.err


USAGE = {
    "no such file": (["load", "no.csv", "--program", "p.toml"], 1, "no.csv"),
    "bad mapping": (["load", SURVEY_CSV, "--program", "PROGRAM", "--map", "x"], 2, "expected"),
    "unknown mapped": (
        ["load", SURVEY_CSV, "--program", "PROGRAM", "--map", "Q7FOD=x"], 2, "did you mean",
    ),
    "unknown program": (["load", SURVEY_CSV, "--program", "nobody"], 1, "nobody"),
    "no file given": (["load"], 2, "Missing argument"),
    "no such command": (["laod"], 2, "No such command"),
}  # fmt: skip


@pytest.mark.parametrize("case", USAGE)
def test_users_errors_are_one_line(run: Run, address: str, program_file: Path, case: str) -> None:
    arguments, code, text = USAGE[case]
    given = [program_file if one == "PROGRAM" else one for one in arguments]
    if len(given) > 1:
        given += ["--target", address]
    ran = run(*given)
    assert ran.code == code
    assert text in ran.err
    assert "Traceback" not in ran.err
    if code == 1:
        assert ran.err.startswith("error: ")
        assert ran.err.count("\n") == 1


def test_empty_files(load: Run, tmp_path: Path, survey_lines: list[str]) -> None:
    file = tmp_path / "empty.csv"
    file.write_text("", encoding="utf-8")
    assert "the file is empty" in load(file).err
    file.write_text(survey_lines[0] + "\n", encoding="utf-8")
    ran = load(file)
    assert (ran.code, "there are no rows" in ran.err) == (1, True)
    file.write_bytes(b"PAR1 and no more")
    assert load(file).code == 1


def test_no_server(run: Run, program_file: Path) -> None:
    ran = run("load", SURVEY_CSV, "--program", program_file, "--target", "127.0.0.1:1")
    assert ran.code == 1
    assert ran.err.startswith("error: ")


LOCAL = """
    [questions]
    nps = { kind = "nps" }
    solved = { kind = "boolean" }
    spend = { kind = "number", range = [0, 10000], step = 0.01 }
    why = { kind = "choice", options = { 1 = "Food", 2 = "Wifi" }, multiple = true }
    [dimensions.city]
    [time]
    column = "at"
    timezone = "Europe/Berlin"
    """


@pytest.fixture
def load_local(run: Run, tmp_path: Path, address: str, unique: str) -> Run:
    """Load a file as people's tools write it."""
    program = tmp_path / "local.toml"
    program.write_text(f'name = "{unique}"' + LOCAL, encoding="utf-8")

    def load_local(content: str | bytes, *more: object) -> Any:
        file = tmp_path / "local.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return run("load", file, "--program", program, "--target", address, *more)

    return load_local


def test_what_a_spreadsheet_writes(load_local: Run, address: str, unique: str) -> None:
    """Semicolons, decimal commas, American times, spaces around levels, Excel's #N/A."""
    ran = load_local(
        "\ufeffnps;solved;spend;why;city;at\r\n"
        '9;1;1,25;"1;";Köln;05/11/2016 11:30:00 PM\r\n'
        "#N/A;0;1000,5;2; Köln ;05/12/2016 12:10:00 AM\r\n"
        "8;;;;  ;\r\n",
        "--decimal", ",", "--time-format", "%m/%d/%Y %I:%M:%S %p",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    with cx.connect(address) as client:
        assert client.distribution(unique, "spend")[0].mean == pytest.approx(500.875)
        assert [one.count for one in client.scorecard(unique, "why")[0].options] == [1, 1]
        levels = {row.group["city"]: row.n for row in client.nps(unique, "nps", by="city")}
        assert levels == {"Köln": 1, None: 1}
        days = [str(row.group["day"]) for row in client.nps(unique, "nps", by="day")]
        assert [day[:10] for day in days] == ["2016-05-11", "2016-05-12", "None"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(
    load_local: Run, address: str, unique: str, delimiter: str, encoding: str
) -> None:
    lines = ["nps x solved x spend x why x city x at", "9 x 1 x 2 x 1 x a x 2024-03-01"]
    text = "\n".join(line.replace(" x ", delimiter) for line in lines)
    ran = load_local(text.encode(encoding))
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("time", "form", "day"),
    [
        ("2024-03-01 23:30 +0000", "%Y-%m-%d %H:%M %z", "2024-03-02"),
        ("01.03.2024", "%d.%m.%Y", "2024-03-01"),
        ("2024-03-01T23:30:00Z", None, "2024-03-02"),
        ("2024-03-01 10:11:12.123456789", None, "2024-03-01"),
    ],
)
def test_forms_of_time(
    load_local: Run, address: str, unique: str, time: str, form: str | None, day: str
) -> None:
    more = ["--time-format", form] if form else []
    ran = load_local(f"nps,solved,spend,why,city,at\n9,1,2,1,a,{time}\n", *more)
    assert ran.code == 0, ran.err
    with cx.connect(address) as client:
        assert str(client.nps(unique, "nps", by="day")[0].group["day"])[:10] == day


HEADING = "nps,solved,spend,why,city,at\n"
UNREADABLE = {
    "words": (HEADING + "9,yes,1,1,a,\n", [], 'values = { "yes" = ... } or missing = ["yes"]'),
    "decimal comma": (HEADING + '9,1,"1,25",1,a,\n', [], "'1,25' is not a number; for another dec"),
    "thousands": (HEADING + '9,1,"1.250,00",1,a,\n', ["--decimal", ","], "'1.250,00' is not a num"),
    "time": (HEADING + "9,1,1,1,a,03/01/2024\n", [], "for another form, --time-format"),
    "other form": (
        HEADING + "9,1,1,1,a,13/01/2024\n", ["--time-format", "%m/%d/%Y"],
        "'13/01/2024' is not a time of the form '%m/%d/%Y'",
    ),
    "zones": (
        HEADING + "9,1,1,1,a,2024-03-01\n9,1,1,1,a,2024-03-01T10:00:00Z\n", [],
        "file row 1: '2024-03-01T10:00:00Z' is not a time without a zone, as the rows before",
    ),
    "latin1": ((HEADING + "9,1,1,1,Köln,\n").encode("latin1"), [], "not utf8; name its encoding"),
    "late latin1": (
        (HEADING + "9,1,1,1,a,\n" * 110_000 + "9,1,1,1,Köln,\n").encode("latin1"), [],
        "invalid UTF8 data; for another encoding, --encoding",
    ),
    "no encoding": (HEADING, ["--encoding", "utf99"], "there is none of that name"),
    "workbook": (b"PK\x03\x04and more", [], "an Excel workbook; save it as CSV or Parquet"),
    "delimiter": (HEADING, ["--delimiter", ";;"], "expected one character"),
    "decimal": (HEADING, ["--decimal", "x"], "expected . or ,"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_to_do_is_said(load_local: Run, case: str) -> None:
    content, more, text = UNREADABLE[case]
    ran = load_local(content, *more)
    assert ran.code in (1, 2)
    assert text in ran.err
    assert "Traceback" not in ran.err


def test_a_column_without_a_name(load_local: Run) -> None:
    """What R writes its row names under."""
    ran = load_local('"",' + HEADING + '"1",9,1,1,1,a,\n')
    assert ran.code == 0, ran.err
    assert "ignored: (one without a name)" in ran.err


@pytest.mark.parametrize("target", ["127.0.0.1", "localhost:", "127.0.0.1:99999"])
def test_a_target_has_a_port(run: Run, target: str) -> None:
    ran = run("query", "programs", "--target", target)
    assert ran.code == 2
    assert "expected HOST:PORT" in ran.err
