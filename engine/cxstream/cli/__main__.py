"""`python -m cxstream.cli`: the console script by another name."""

from cxstream.cli.app import main

main()
