"""Which programs there are."""

from __future__ import annotations

from cxstream.cli.load import DEFAULT_TARGET, AsJson, Target
from cxstream.cli.output import print_json
from cxstream.cli.queries.asking import (
    app,
    connected,
)


@app.command("programs")
def programs(target: Target = DEFAULT_TARGET, as_json: AsJson = False) -> None:
    """List the server's programs."""
    with connected(target) as client:
        infos = client.list_programs()
    if as_json:
        print_json({"programs": infos})
        return
    from cxstream.cli.tables import Grid, count

    grid = Grid(
        ("program", "version", "responses", "batches", "grouped by"), left=("program", "grouped by")
    )
    for info in infos:
        views = ", ".join(info.views)
        grid.add(info.name, count(info.version), count(info.responses), count(info.batches), views)
    grid.print()
