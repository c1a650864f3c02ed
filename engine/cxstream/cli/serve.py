"""`cxstream serve` and `cxstream config show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxstream.cli.output import CommandError, print_json

if TYPE_CHECKING:
    from cxstream.service.config import ServerConfig

config_app = typer.Typer(help="The server's settings.", no_args_is_help=True)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="TOML file with settings.", dir_okay=False)
]
Listen = Annotated[str | None, typer.Option("--listen", help="HOST:PORT; port 0 takes a free one.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Data directory; without one, in memory.", file_okay=False),
]
CustomerKeysFile = Annotated[
    Path | None,
    typer.Option("--customer-keys", help="File of `cxstream customer-key`.", dir_okay=False),
]
Threads = Annotated[
    int | None, typer.Option("--threads", help="Threads that count; 0 for all processors.")
]
Workers = Annotated[int | None, typer.Option("--workers", help="Rpcs handled at a time.")]
StreamsMax = Annotated[int | None, typer.Option("--streams-max", help="Append streams at a time.")]
ArrowBytesMax = Annotated[
    int | None, typer.Option("--arrow-bytes-max", help="Largest Arrow body of a batch, bytes.")
]
GraceS = Annotated[
    float | None, typer.Option("--grace", help="Seconds that rpcs have to end at shutdown.")
]
Reflection = Annotated[
    bool | None, typer.Option("--reflection/--no-reflection", help="gRPC server reflection.")
]
LogFormat = Annotated[str | None, typer.Option("--log-format", help="console or json.")]
LogLevel = Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error.")]
PortFile = Annotated[
    Path | None, typer.Option("--port-file", help="Where the bound address is written.")
]


def serve(
    data: Data = None,
    listen: Listen = None,
    config: ConfigFile = None,
    customer_keys: CustomerKeysFile = None,
    threads: Threads = None,
    workers: Workers = None,
    streams_max: StreamsMax = None,
    arrow_bytes_max: ArrowBytesMax = None,
    grace: GraceS = None,
    reflection: Reflection = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
    port_file: PortFile = None,
) -> None:
    """Serve until SIGTERM. Settings: flags, then CXSTREAM_<NAME>, then --config, then defaults."""
    settings = _load(
        config,
        data=data,
        listen=listen,
        customer_keys=customer_keys,
        threads=threads,
        workers=workers,
        streams_max=streams_max,
        arrow_bytes_max=arrow_bytes_max,
        grace_s=grace,
        reflection=reflection,
        log_format=log_format,
        log_level=log_level,
        port_file=port_file,
    )
    from cxstream.service.server import run

    raise typer.Exit(run(settings))


@config_app.command("show")
def show(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every setting in effect, and where it comes from."""
    import os
    import tomllib

    settings = _load(config)
    in_file = tomllib.loads(config.read_text(encoding="utf-8")) if config else {}
    environment = {name.upper() for name in os.environ}
    rows: list[tuple[str, Any, str]] = []
    for name, value in settings.model_dump(mode="json").items():
        variable = f"CXSTREAM_{name.upper()}"
        if variable in environment:
            origin = variable
        else:
            origin = str(config) if name in in_file else "default"
        rows.append((name, value, origin))
    if as_json:
        print_json({name: {"value": value, "from": origin} for name, value, origin in rows})
        return
    from cxstream.cli.tables import Grid

    grid = Grid(("setting", "value", "from"))
    for name, value, origin in rows:
        grid.add(name, "" if value is None else str(value), origin)
    grid.print()


def _load(file: Path | None, **flags: Any) -> ServerConfig:
    import tomllib

    from pydantic import ValidationError

    from cxstream.service.config import ServerConfig

    try:
        return ServerConfig.load(file, **flags)
    except ValidationError as failed:
        faults = (
            f"{'.'.join(str(part) for part in one['loc']) or 'settings'}: {one['msg']}, "
            f"got {one.get('input')!r}"
            for one in failed.errors()
        )
        raise CommandError("; ".join(faults), code=2) from None
    except tomllib.TOMLDecodeError as failed:
        raise CommandError(f"{file}: not TOML: {failed}", code=2) from None
