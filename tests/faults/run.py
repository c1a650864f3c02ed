"""Run fault campaigns by hand: ``python -m tests.faults.run --seed 7 --kills 1000``.

Prints the commit and the seed; the same seed at the same commit makes the same faults (those at
random times as closely as a clock allows).
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time

from tests.faults import campaigns, power
from tests.faults.report import say
from tests.faults.worker import ROOT


def commit() -> str:
    """Return the commit that is tested."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main() -> int:
    """Run the campaigns asked for; the exit code is 1 where anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--kills", type=int, default=0, help="kill -9 at random times")
    parser.add_argument("--failpoints", type=int, default=0, help="kill -9 at every failpoint")
    parser.add_argument("--cuts", type=int, default=0, help="power cuts at random times")
    parser.add_argument(
        "--cut-failpoints", type=int, default=0, help="power cuts at each failpoint"
    )
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    say(f"commit {commit()}, seed {given.seed}")
    plans = [
        ("kill -9 at random times", "random", given.kills, False),
        ("kill -9 at failpoints", "failpoints", given.failpoints, False),
        ("power cuts at random times", "random", given.cuts, True),
        ("power cuts at failpoints", "failpoints", given.cut_failpoints, True),
    ]
    for title, campaign, count, cuts in plans:
        if not count:
            continue
        if cuts and (lacking := power.why_not()):
            say(f"{title}: skipped, {lacking}")
            continue
        started_s = time.monotonic()
        summary = campaigns.run(campaign, given.seed, count, cuts=cuts, processes=given.processes)
        say(f"{title}: {summary}; {time.monotonic() - started_s:.1f} s")
        say("    " + ", ".join(f"{name} {n}" for name, n in sorted(summary.faults.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
