"""`cxstream customer-key`, `cxstream erase` and `cxstream drop`: what may be stored, and what goes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from cxstream.cli.load import DEFAULT_TARGET, AsJson, Target
from cxstream.cli.output import CommandError, note, print_json

ProgramName = Annotated[str, typer.Argument(metavar="PROGRAM", help="Its name on the server.")]

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])\Z")


def customer_key(
    file: Annotated[Path, typer.Argument(help="Made where there is none.", dir_okay=False)],
    as_json: AsJson = False,
) -> None:
    """Make the file of secret keys that customers are stored under, or add a key to it.

    The newest key is used once the server starts again; the others still find who was stored
    under them.
    """
    from cxstream.store.customers import add_key

    version = add_key(file)
    if as_json:
        print_json({"file": str(file), "version": version})
        return
    done = f"Made {file}" if version == 1 else f"Added version {version} to {file}"
    print(
        f"{done}; only its owner may read it. Start the server with --customer-keys {file}.\n"
        "Keep a copy elsewhere, and neither in the data directory nor in its backups: whoever has "
        "both can tell which responses are a known customer's, and without it nobody can be erased."
    )


def erase(
    program: ProgramName,
    customer: Annotated[
        str,
        typer.Argument(
            metavar="CUSTOMER",
            help="The customer's key; - reads it from stdin, so that no list of processes shows it.",
        ),
    ],
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Remove all responses of a customer, from every answer and every file."""
    from cxstream_client import connect

    key = _from_stdin() if customer == "-" else customer
    if not key:
        raise CommandError("there is no customer's key", code=2)
    with connect(target) as client:
        done = client.erase(program, key)
    if as_json:
        print_json(done)
        return
    print(
        f"Erasure {done.number}: responses {done.responses:,}, batches {done.batches:,}, "
        f"files {done.files:,}, {done.erased_at}"
    )
    if not done.responses:
        note(f"Program {done.program!r} has no responses of that customer.")


def _from_stdin() -> str:
    """Return the first line; typed on a terminal, it is not shown."""
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass("The customer's key: ")
    # As bytes: what the locale makes of a key is not the key.
    line = sys.stdin.buffer.readline()
    try:
        return line.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError:
        raise CommandError("the customer's key is not UTF-8", code=2) from None


def drop(
    program: ProgramName,
    before: Annotated[
        str, typer.Option("--before", metavar="MONTH", help="First month to stay, as 2017-05.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    target: Target = DEFAULT_TARGET,
    as_json: AsJson = False,
) -> None:
    """Remove all responses of the months before one; those without a time stay."""
    from cxstream_client import connect

    if not _MONTH.match(before):
        raise CommandError(f"--before {before}: expected a month, such as 2017-05", code=2)
    if not yes:
        if not sys.stdin.isatty():
            raise CommandError("nobody is there to be asked; say --yes to drop", code=2)
        note(f"Remove all responses of program {program!r} before {before}, for good? [y/N]")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was dropped")
    with connect(target) as client:
        responses = client.drop_before(program, before)
    if as_json:
        print_json({"program": program, "before": before, "responses": responses})
        return
    print(f"Dropped responses {responses:,} of program {program!r} before {before}.")
