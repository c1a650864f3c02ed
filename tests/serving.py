"""A gRPC server in this process: the wire is real, and nothing is imported or compiled again."""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

import cxstream_client as cx
from cxstream.service.config import ServerConfig
from cxstream.service.server import Server
from tests.waiting import WAIT_S


@contextmanager
def serving(data: Path | None = None, **settings: Any) -> Iterator[str]:
    """Run a server, and yield its address once it serves; `testing.serve` gives it a process."""
    config = ServerConfig(listen="127.0.0.1:0", data=data, grace_s=1, **settings)
    server = Server(config, lambda: None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    server.start()
    try:
        with cx.connect(server.address) as client:
            client.wait_ready(WAIT_S)
        yield server.address
    finally:
        server.stop()
        structlog.reset_defaults()
        gc.unfreeze()  # what it froze when it was warm
