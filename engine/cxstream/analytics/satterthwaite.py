"""What a sandwich variance lacks: degrees of freedom, and size, where a few rows decide a coefficient.

Of a coefficient ``c'b`` with ``a_i = c'A^-1 x_i`` the variance is estimated by ``V = sum w_i^2 a_i^2
e_i^2``. Were errors independent with variances ``s / w_i``, its mean would be ``s (q - l)`` and its
variance ``2 s^2 (f - 2 m + r)``, where

    q = sum w a^2                      l = sum w^2 a^2 h,  h_i = x_i' A^-1 x_i
    f = sum w^2 a^4                    r = trace (A^-1 T)^2,  T = sum w^2 a^2 x x'
    m = sum w^3 a^4 h

and V is like a chi-squared with ``df = (q - l)^2 / (f - 2 m + r)`` degrees of freedom (Satterthwaite;
Bell and McCaffrey). All but m are sums of fourth order. ``h >= a^2 / q`` and Cauchy's inequality make
it ``m >= (f / q)^2``, which is taken for it: degrees of freedom are never too many. As V falls short of
the ``s q`` that it estimates, ``V q / (q - l)`` does not: what Bell and McCaffrey do row by row, done once
for all rows.

References
----------
Satterthwaite, F. (1946), Biometrics Bulletin 2, 110-114, https://doi.org/10.2307/3002019; Imbens, G.
and Kolesar, M. (2016), Review of Economics and Statistics 98, 701-712,
https://doi.org/10.1162/REST_a_00552; Bell, R. and McCaffrey, D. (2002), Survey Methodology 28(2), 169-181
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from flint import fmpz_mat

from cxstream.analytics.checks import Floats
from cxstream.analytics.moments import Fours, Second
from cxstream.kernels.sandwich import degrees_of_freedom as kernel

#: Of a variance that rests on one row.
_LEAST = 1.0
#: Of s q, what is left of V at least: below it the fit goes through the rows that decide a coefficient.
_LEFT_MIN = 1e-3


def degrees_of_freedom(
    second: Second, mean: Floats, central: Floats, how: Fours
) -> tuple[Floats, Floats]:
    """Return those of every coefficient of a model with a constant, and q / (q - l), in float64.

    Parameters
    ----------
    second : Second
        Of the k - 1 drivers and, last, the outcome.
    mean : ndarray of float64, shape (g, k - 1)
        Of the drivers, where the constant is the outcome at 0.
    central : ndarray of float64, shape (b, u, LANES)
        Of the same columns, weighted by w^2; see `cxstream.analytics.moments.central_order`.
    how : Fours

    Returns
    -------
    df, shortfall : ndarray of float64, shape (g, k)
        1 or more; the constant's first.
    """
    df, lever = np.empty((2, *second.mean.shape))
    kernel(central, how.design, second.product, second.total, mean, _LEAST, df, lever)
    return df, 1.0 / np.maximum(1.0 - lever, _LEFT_MIN)


def exact_degrees_of_freedom(
    inverse: fmpz_mat, bottom: int, spread: Sequence[fmpz_mat], most: int
) -> tuple[list[float], list[float]]:
    """Return those of every coefficient, and q / (q - l), from whole numbers.

    Parameters
    ----------
    inverse : fmpz_mat
        A^-1 times `bottom`.
    bottom : int
        Their common denominator.
    spread : sequence of fmpz_mat
        T of every coefficient times bottom^2.
    most : int
        Those of the residuals: no variance has more.

    Returns
    -------
    df, shortfall : list of float
        1 to `most`; 1 or more.
    """
    table = [[int(v) for v in row] for row in inverse.tolist()]
    found: list[float] = []
    shortfall: list[float] = []
    for at, one in enumerate(spread):
        row = fmpz_mat([table[at]])
        four = Fraction(int((row * one * row.transpose())[0, 0]), bottom**4)
        moved = [[int(v) for v in line] for line in (inverse * one).tolist()]
        places = range(len(moved))
        own = Fraction(table[at][at], bottom)
        lever = Fraction(sum(moved[i][i] for i in places), bottom**3)
        round_ = Fraction(sum(moved[i][j] * moved[j][i] for i in places for j in places), bottom**6)
        rest = four - 2 * (four / own) ** 2 + round_
        df = float((own - lever) ** 2 / rest) if rest > 0 else _LEAST
        found.append(min(max(df, _LEAST), float(most)))
        shortfall.append(1.0 / max(float(1 - lever / own), _LEFT_MIN))
    return found, shortfall
