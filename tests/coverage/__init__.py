"""Coverage of every interval by simulation: ``python -m tests.coverage --write``."""
