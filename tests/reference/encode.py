"""Encoding answers one value at a time, in Python integers and fractions: slow and plainly right."""

import math
from fractions import Fraction

FORBIDDEN = 0xFFFF


def encode_scale(values, *, lo, hi, missing=()):
    """Return ``(codes, None)``, or ``(None, (row, kind))`` for the first violation."""
    answers = hi - lo + 1
    codes = []
    for row, value in enumerate(values):
        if value is None:
            codes.append(answers + len(missing))
        elif isinstance(value, float) and not math.isfinite(value):
            return None, (row, "not_finite")
        elif value != int(value):
            return None, (row, "fraction")
        elif int(value) in missing:
            codes.append(answers + missing.index(int(value)))
        elif lo <= value <= hi:
            codes.append(int(value) - lo)
        else:
            return None, (row, "out_of_scale")
    return codes, None


def encode_lut(indices, lut, *, null_code):
    """Return ``(codes, None)``, or ``(None, (row, kind))`` for the first violation."""
    codes = []
    for row, index in enumerate(indices):
        if index is None:
            codes.append(null_code)
        elif not 0 <= index < len(lut):
            return None, (row, "bad_index")
        elif lut[index] == FORBIDDEN:
            return None, (row, "out_of_scale")
        else:
            codes.append(int(lut[index]))
    return codes, None


def count_steps(value, step, *, single):
    """Return ``(steps, None)`` or ``(None, kind)``."""
    if not isinstance(value, float):
        steps = value / step
        return (int(steps), None) if steps.denominator == 1 else (None, "off_step")
    if not math.isfinite(value):
        return None, "not_finite"
    quotient = value * step.denominator / step.numerator
    if abs(quotient) >= 2.0**100:
        return None, "out_of_scale"
    steps = round(quotient)  # to even, as rint
    allowed = max(1e-9, abs(quotient) * 2.0 ** (-23 if single else -50))
    near = abs(Fraction(quotient) - steps) <= Fraction(allowed)
    return (steps, None) if near else (None, "off_step")


def encode_number(values, *, step, lo_steps, hi_steps, missing_steps=(), single=False):
    """Return ``(codes, None)``, or ``(None, (row, kind))`` for the first violation.

    `single` says that the values come from a float32 column.
    """
    codes = []
    for row, value in enumerate(values):
        if value is None:
            codes.append(-1)
            continue
        steps, kind = count_steps(value, step, single=single)
        if kind is None and steps in missing_steps:
            codes.append(-2 - missing_steps.index(steps))
        elif kind is None and lo_steps <= steps <= hi_steps:
            codes.append(steps - lo_steps)
        else:
            return None, (row, kind or "out_of_scale")
    return codes, None
