"""`python -m cxstream.service`: a server whose settings come from the environment alone."""

from __future__ import annotations

from cxstream.service.config import ServerConfig
from cxstream.service.server import run

raise SystemExit(run(ServerConfig.load()))
