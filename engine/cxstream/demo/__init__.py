"""The packaged survey of the demo: San Francisco International Airport, 2017. See PROVENANCE.md."""

from pathlib import Path

_FOLDER = Path(__file__).parent

#: 2,831 real responses, as published, without the columns the program has no use for.
SURVEY_CSV = _FOLDER / "sfo_2017.csv"
#: What was asked.
PROGRAM_TOML = _FOLDER / "sfo_2017.toml"

__all__ = ["PROGRAM_TOML", "SURVEY_CSV"]
