"""`cxstream verify`: what is stored against what was acknowledged, and the sums against their rows."""

from cxstream.verification.check import Check, Problem
from cxstream.verification.verify import verify

__all__ = ["Check", "Problem", "verify"]
