"""The command line: `cxstream serve | load | query | demo | doctor | config`."""

from cxstream.cli.app import main

__all__ = ["main"]
