"""The application: its commands, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from cxstream.cli import (
    checkpoint,
    customers,
    demo,
    doctor,
    export,
    load,
    queries,
    serve,
    verify,
)
from cxstream.cli.output import CommandError, error

app = typer.Typer(
    name="cxstream",
    help="Customer experience metrics from streams of survey answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("load")(load.load)
app.add_typer(queries.app, name="query")
app.command("verify")(verify.verify)
app.command("export")(export.export)
app.command("checkpoint")(checkpoint.checkpoint)
app.command("customer-key")(customers.customer_key)
app.command("erase")(customers.erase)
app.command("drop")(customers.drop)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(serve.config_app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"cxstream {version('cxstream')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Customer experience metrics from streams of survey answers."""
    del version


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process when absent.

    Raises
    ------
    SystemExit
        Always: 0, 1 where the command failed, 2 where the command line is wrong, 130 where it was
        interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(given, prog_name="cxstream")
    except CommandError as failed:
        error(str(failed))
        raise SystemExit(failed.code) from None
    except KeyboardInterrupt:
        error("interrupted")
        raise SystemExit(130) from None
    except Exception as failed:
        if not _is_users(failed):
            raise
        error(str(failed) or type(failed).__name__)
        raise SystemExit(1) from None
    raise SystemExit(0)


def _is_users(failed: Exception) -> bool:
    """Whether an error says all there is to say; others are faults and keep their traceback."""
    if isinstance(failed, OSError):
        return True
    # Neither module is imported for a command that does not need it.
    names = (("cxstream.errors", "CxError"), ("cxstream_client.errors", "CxstreamError"),
             ("cxstream.testing", "ServerFailedError"))  # fmt: skip
    loaded = ((sys.modules.get(module), name) for module, name in names)
    return any(module and isinstance(failed, getattr(module, name)) for module, name in loaded)
