"""How far a result may be from its oracle, and why."""

# Both sides are float64 formulas of a few operations: some roundings of 2^-53 each.
ROUNDING = 1e-12
# The oracle itself is a float64 algorithm (QR, pinv, two-pass sums) on well-conditioned data.
FLOAT_ORACLE = 1e-9
# The oracle maximises a likelihood numerically, good to about the root of its own tolerance.
NUMERICAL_ORACLE = 1e-5
# The source prints this many decimals.
PRINTED_1 = 0.051
PRINTED_3 = 0.00051
PRINTED_6 = 0.00000051
# Certified values carry 15 digits, so at best about 14.3 can agree.
CERTIFIED_DIGITS = 14.0
# The source prints 12 digits or more, from float64 algorithms of its own.
PRINTED_12 = 1e-12
