"""`cxstream demo`: a real survey, then millions of generated responses, through a real server."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxstream.cli.output import CommandError, console, print_json

if TYPE_CHECKING:
    import pyarrow as pa

    from cxstream_client import Client
    from cxstream_client.results import Result

_NAME = "sfo-2017"
_GENERATED = "sfo-2017-generated"
_ASKED = "NETPRO"
_LINE_EVERY_S = 4.0
#: Frames of 64 Ki rows go out whole, so that an acknowledgement is one batch.
_BATCH_BYTES = 16 << 20


@dataclass(slots=True)
class _Stream:
    """What happened while responses streamed in."""

    rows: int = 0
    batches: int = 0
    moved: int = 0
    first_score: float | None = None
    score: float | None = None
    seconds: float = 0.0
    checked_counts: int = 0
    query_ms: list[float] = field(default_factory=list)

    @property
    def rows_per_s(self) -> float:
        return self.rows / max(self.seconds, 1e-9)


def demo(
    rows: Annotated[int, typer.Option(min=1, help="Generated responses.")] = 5_000_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """Load the real SFO 2017 survey into a server, ask, then stream generated responses in."""
    import cxstream_client as cx
    from cxstream.testing import serve

    say = _silent if as_json else _say
    started_s = time.monotonic()
    say("Starting a server (the very first start compiles every kernel) ...")
    # A server that does not end with 0 is an error of serve().
    with serve() as address, cx.connect(address) as client:
        say(f"Serving on {address} after {time.monotonic() - started_s:.1f} s.")
        survey = _survey()
        _load(client, survey, say)
        answers = _answers(client, as_json)
        streamed = _stream(client, survey, rows, say, quiet=as_json)
    say("")
    say(f"The server ended with code 0. All of it took {time.monotonic() - started_s:.0f} s.")
    if as_json:
        print_json(
            {
                "survey": answers,
                "stream": {
                    "rows": streamed.rows,
                    "seconds": round(streamed.seconds, 3),
                    "rows_per_s": round(streamed.rows_per_s),
                    "batches": streamed.batches,
                    "batches_that_moved_nps": streamed.moved,
                    "first_nps": streamed.first_score,
                    "last_nps": streamed.score,
                    "counts_checked": streamed.checked_counts,
                    "query_ms_median": _median(streamed.query_ms),
                },
                "server_exit_code": 0,
                "seconds": round(time.monotonic() - started_s, 3),
            }
        )


def _say(line: str) -> None:
    print(line, flush=True)


def _silent(line: str) -> None:
    del line


def _survey() -> pa.RecordBatch:
    """Return the packaged responses as the program's columns."""
    from cxstream.cli import columns, files
    from cxstream.demo import PROGRAM_TOML, SURVEY_CSV
    from cxstream.program import read_program

    program = read_program(PROGRAM_TOML)
    source = files.open_source(SURVEY_CSV)
    match = columns.match(program, source.names, {})
    batches = files.rebatch(source.batches(source.names), 1 << 20)
    return columns.Reader(program, match).read(next(batches))


def _load(client: Client, survey: pa.RecordBatch, say: Callable[[str], None]) -> None:
    from cxstream.demo import PROGRAM_TOML

    client.put_program(PROGRAM_TOML)
    started_s = time.monotonic()
    with client.append(_NAME, producer="survey") as stream:
        stream.send(survey, wait=True)
    milliseconds = 1000 * (time.monotonic() - started_s)
    say(
        f"Loaded the SFO guest survey 2017: {stream.receipt.rows:,} real responses in "
        f"{milliseconds:.0f} ms."
    )


def _answers(client: Client, as_json: bool) -> dict[str, Any]:
    """Ask what people ask first; print it, or return it."""
    asked: dict[str, tuple[str, Result[Any]]] = {
        "nps": ("Net promoter score", client.nps(_NAME, "netpro")),
        "nps_by_boarding_area": (
            "Net promoter score by boarding area",
            client.nps(_NAME, "netpro", by="boarding_area"),
        ),
        "delight_by_boarding_area": (
            "Delight index by boarding area, with its parts",
            client.index(_NAME, "delight", by="boarding_area"),
        ),
        "improve": (
            "What should SFO improve? The ten most frequent answers, in % of those who gave any",
            client.scorecard(_NAME, "improve"),
        ),
        "drivers_of_nps": (
            "What moves the recommendation (0-10), per point of each rating (1-5)",
            client.regression(_NAME, "recommend"),
        ),
    }
    if as_json:
        found: dict[str, list[Any]] = {name: list(one) for name, (_, one) in asked.items()}
        found["improve"] = sorted(found["improve"][0].options, key=lambda one: one.rank)[:10]
        return found
    from cxstream.cli.layouts import print_answer

    for name, (title, result) in asked.items():
        print()
        print_answer(title, result, 10 if name == "improve" else None)
    return {}


def _stream(
    client: Client, survey: pa.RecordBatch, rows: int, say: Callable[[str], None], *, quiet: bool
) -> _Stream:
    """Stream generated responses in; after every acknowledgement the answer must include it."""
    import numpy as np

    import cxstream_client as cx
    from cxstream.cli.ahead import ahead
    from cxstream.demo import PROGRAM_TOML
    from cxstream.demo.generator import generate

    client.put_program({**cx.Program.from_toml(PROGRAM_TOML).to_dict(), "name": _GENERATED})
    say("")
    say(f"Streaming {rows:,} generated responses of the same shape; NPS is asked after every ack.")
    given = survey[_ASKED].to_numpy(zero_copy_only=False)
    answered = given <= 10  # 11 is a blank, NaN none at all
    times = np.zeros(survey.num_rows, np.int64)
    done = _Stream()
    started_s = time.monotonic()
    with (
        client.append(_GENERATED, producer="generator", batch_bytes=_BATCH_BYTES) as stream,
        _progress(rows, quiet) as show,
    ):
        for drawn in ahead(generate(survey, np.where(answered, given, np.nan), rows)):
            stream.send(drawn.batch, wait=True)
            asked_s = time.monotonic()
            row = client.nps(_GENERATED, "netpro")[0]
            done.query_ms.append(1000 * (time.monotonic() - asked_s))
            times += drawn.times
            expected = int(times[answered].sum())
            if row.n != expected:
                raise CommandError(f"NPS has n {row.n:,}; {expected:,} answers were acknowledged")
            if done.batches == 0:
                done.first_score = row.score
            done.moved += row.score != done.score
            done.score = row.score
            done.batches += 1
            done.rows += drawn.batch.num_rows
            done.seconds = time.monotonic() - started_s
            show(done)
    if stream.receipt.rows != rows:
        raise CommandError(f"{stream.receipt.rows:,} of {rows:,} responses were counted")
    say(
        f"{done.rows:,} responses in {done.seconds:.1f} s: {done.rows_per_s:,.0f} rows/s, with a "
        f"question after each of {done.batches} acknowledged batches (median "
        f"{_median(done.query_ms):.1f} ms)."
    )
    say(
        f"{done.moved} of {done.batches} batches moved the NPS; it went from "
        f"{done.first_score:.4f} to {done.score:.4f}."
    )
    done.checked_counts = _check(client, survey, times)
    say(
        f"The counts of every level of every question equal the generator's own tally: "
        f"{done.checked_counts:,} answers."
    )
    return done


def _check(client: Client, survey: pa.RecordBatch, times: Any) -> int:
    """Compare every count with how often each real row was drawn; return the answers compared."""
    import numpy as np

    from cxstream.demo import PROGRAM_TOML
    from cxstream.program import read_program

    compared = 0
    for question in read_program(PROGRAM_TOML).questions.values():
        cells = [survey[column].to_pylist() for column in question.columns]
        # Rows by the level they answer with; a set, for the same answer twice counts once.
        given = [{_text(value) for value in row} for row in zip(*cells, strict=True)]
        if question.multiple:
            options = client.scorecard(_GENERATED, question.name)[0].options
            found = {one.option: one.count for one in options}
        else:
            levels = client.distribution(_GENERATED, question.name)[0].levels
            found = {one.level: one.count for one in levels}
        for level, n in found.items():
            expected = int(times[np.array([level in row for row in given])].sum())
            if n != expected:
                raise CommandError(
                    f"{question.name} = {level}: {n:,} are counted, {expected:,} were generated"
                )
            compared += n
    return compared


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


@contextmanager
def _progress(rows: int, quiet: bool) -> Iterator[Callable[[_Stream], None]]:
    """Show how it goes: a bar on a terminal, else a line every few seconds."""
    if quiet:
        yield _show_nothing
    elif sys.stdout.isatty():
        from rich.progress import BarColumn, Progress, TextColumn

        with Progress(
            TextColumn("{task.completed:>12,.0f} rows"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            console=console(),
            transient=True,
        ) as bar:
            task = bar.add_task("", total=rows, text="")
            yield lambda done: bar.update(task, completed=done.rows, text=_state(done))
    else:
        said_s = time.monotonic()

        def show(done: _Stream) -> None:
            nonlocal said_s
            if time.monotonic() - said_s >= _LINE_EVERY_S:
                said_s = time.monotonic()
                _say(f"  {done.rows:>12,} rows  {_state(done)}")

        yield show


def _show_nothing(done: _Stream) -> None:
    del done


def _state(done: _Stream) -> str:
    return f"{done.rows_per_s:>9,.0f} rows/s  NPS {done.score:.4f}  {done.moved} moves"
