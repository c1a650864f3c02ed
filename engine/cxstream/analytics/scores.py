"""Scores of many groups that make up a whole, kept as fractions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from cxstream.analytics.checks import Floats, as_counts, divide
from cxstream.analytics.intervals import net_variance

# Respondents of the whole that join every group's variance.
_JOINING: Final = 1.0


@dataclass(frozen=True, slots=True)
class Scores:
    """The mean of respondents' points in every group: a net score, a share, an index.

    Attributes
    ----------
    n : tuple of int, length k
        Respondents of each group.
    score : tuple of Fraction, length k
        Mean points, exactly; 0 where n is 0.
    variance : ndarray of float64, shape (k,)
        Variance of one respondent's points within the group (divisor n); 0 where n is 0.
    """

    n: tuple[int, ...]
    score: tuple[Fraction, ...]
    variance: Floats

    @classmethod
    def of_nets(cls, classes: npt.ArrayLike) -> Self:
        """Take detractors, passives, promoters: array_like of int, shape (k, 3)."""
        counts = as_counts(classes, "classes", 2, 3)
        low, middle, high = (counts[:, j].astype(np.float64) for j in range(3))
        return cls._of(
            counts.sum(axis=1).tolist(),
            (counts[:, 2] - counts[:, 0]).tolist(),
            1e4 * net_variance(low, middle, high),
        )

    @classmethod
    def of_shares(cls, count: npt.ArrayLike, n: npt.ArrayLike) -> Self:
        """Take respondents counted and all who answered: array_like of int, shape (k,)."""
        inside = as_counts(count, "count", 1)
        size = as_counts(n, "n", 1, len(inside))
        share = divide(inside, size)
        return cls._of(size.tolist(), inside.tolist(), 1e4 * share * (1.0 - share))

    @classmethod
    def of_means(
        cls, n: Sequence[int], mean: Sequence[float | None], se: Sequence[float | None]
    ) -> Self:
        """Take means with standard errors from the sample variance (divisor n - 1).

        The means count at their exact binary values. One respondent alone has no standard error,
        and no variance about itself.
        """
        variance = [
            0.0 if error is None else error * error * (count - 1)
            for count, error in zip(n, se, strict=True)
        ]
        return cls(
            tuple(int(count) for count in n),
            tuple(Fraction(0 if one is None else one) for one in mean),
            np.array(variance, dtype=np.float64),
        )

    @classmethod
    def of_sums(
        cls,
        n: Sequence[int],
        total: Sequence[int],
        squares: Sequence[int],
        *,
        origin: Fraction,
        step: Fraction,
    ) -> Self:
        """Take how many answers, the sum of their codes and of the squares, as Python integers."""
        variance = [
            float(step * step * Fraction(count * q - s * s, count * count)) if count else 0.0
            for count, s, q in zip(n, total, squares, strict=True)
        ]
        return cls(
            tuple(n),
            tuple(
                origin + step * Fraction(s, count) if count else Fraction(0)
                for count, s in zip(n, total, strict=True)
            ),
            np.array(variance, dtype=np.float64),
        )

    @classmethod
    def _of(cls, n: list[int], total: list[int], variance: Floats) -> Self:
        score = (
            Fraction(100 * points, count) if count else Fraction(0)
            for count, points in zip(n, total, strict=True)
        )
        return cls(tuple(n), tuple(score), variance)

    def for_intervals(self) -> Self:
        """Take variances that few respondents cannot make too small.

        A respondent of the whole's variance joins every group, and n - 1 takes the place of n: a
        group of one respondent, or of some who agree, is not known to have no variance.
        """
        n, _, variance = self.whole
        size = np.array(self.n, dtype=np.float64)
        joined = divide(size * self.variance + _JOINING * variance, size + _JOINING)
        return replace(self, variance=np.where(size > 0, joined, 0.0) * (n / max(n - 1, 1)))

    @property
    def whole(self) -> tuple[int, Fraction, float]:
        """All groups together: n, score, variance. Every respondent is in one group."""
        n = sum(self.n)
        if not n:
            return 0, Fraction(0), 0.0
        score = Fraction(sum(count * one for count, one in zip(self.n, self.score, strict=True)), n)
        apart = np.array([float(one - score) for one in self.score])
        variance = float(np.dot(self.n, self.variance + apart * apart)) / n
        return n, score, variance

    def __len__(self) -> int:
        return len(self.n)
