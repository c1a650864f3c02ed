"""What each statistic is called, how it is computed, and where that is written."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cxstream.analytics.columns import Columns
from cxstream.analytics.intervals import Interval


@dataclass(frozen=True, slots=True)
class Formula:
    """One formula.

    Attributes
    ----------
    id : str
        Its name here, such as ``nps`` or ``interval.wilson``.
    text : str
        The formula, in plain text.
    source : str
        Where it comes from: a link.
    """

    id: str
    text: str
    source: str


_ALL = (
    Formula(
        "nps",
        "N = 100 (P - D) / n; SE = 100 sqrt(V / n), V = p + d - (p - d)^2",
        "https://stats.stackexchange.com/questions/18603",
    ),
    Formula(
        "csat",
        "top-box share = 100 top / n; mean = 100 (m - low) / (high - low)",
        "https://doi.org/10.1080/01621459.1927.10502953",
    ),
    Formula(
        "ces",
        "mean of the scale; or net = 100 (positive - negative) / n; or agree = 100 positive / n",
        "https://help.delighted.com/article/249",
    ),
    Formula(
        "distribution",
        "share of a level = 100 count / n; mean = S / n; sd^2 = (n Q - S^2) / (n (n - 1))",
        "https://www.itl.nist.gov/div898/strd/univ/homepage.html",
    ),
    Formula(
        "index",
        "I = 100 sum_j w_j (x_j - min_j) / (max_j - min_j) / sum_j w_j; SE by linearisation",
        "https://doi.org/10.1080/01621459.1971.10482279",
    ),
    Formula(
        "scorecard",
        "share of an option = 100 count / respondents who chose any",
        "https://doi.org/10.1080/00401706.1965.10490252",
    ),
    Formula(
        "regression",
        "b = (X'X)^-1 X'y; SE^2 = s^2 diag (X'X)^-1, s^2 = rss / (n - p - 1)",
        "https://www.itl.nist.gov/div898/strd/lls/lls.shtml",
    ),
    Formula(
        "errors.HC0",
        "V = A^-1 (sum e^2 x x') A^-1, A = X'X",
        "https://doi.org/10.2307/1912934",
    ),
    Formula(
        "errors.HC1",
        "V = n / (n - k) A^-1 (sum e^2 x x') A^-1, A = X'X",
        "https://doi.org/10.1016/0304-4076(85)90158-7",
    ),
    Formula(
        "errors.HC2",
        "V = A^-1 (sum e^2 / (1 - h) x x') A^-1, A = X'X, h = x' A^-1 x",
        "https://doi.org/10.1016/0304-4076(85)90158-7",
    ),
    Formula(
        "errors.HC3",
        "V = A^-1 (sum e^2 / (1 - h)^2 x x') A^-1, A = X'X, h = x' A^-1 x",
        "https://doi.org/10.1016/0304-4076(85)90158-7",
    ),
    Formula(
        "errors.design",
        "V = n / (n - 1) A^-1 (sum w^2 e^2 x x') A^-1, A = X'WX",
        "https://doi.org/10.2307/1402588",
    ),
    Formula(
        "errors.cluster",
        "V = G / (G - 1) (n - 1) / (n - k) A^-1 (sum s s') A^-1, s the sum of w x e in a cluster; with "
        "survey weights G / (G - 1) alone",
        "https://doi.org/10.3368/jhr.50.2.317",
    ),
    Formula(
        "drivers",
        "lmg_j = mean increase of R2 when j enters, over all orders; johnson = L^2 (L^-1 r)^2, L^2 = R; "
        "SE by the delta method on fourth-order moments",
        "https://doi.org/10.18637/jss.v017.i01",
    ),
    Formula(
        "reliability",
        "alpha = k / (k - 1) (1 - tr C / sum C); omega = (sum l)^2 / ((sum l)^2 + sum (1 - l^2))",
        "https://doi.org/10.1007/BF02310555",
    ),
    Formula(
        "insights",
        "slope = S_xy / S_xx of each pair; p values corrected for their number",
        "https://doi.org/10.1111/j.2517-6161.1995.tb02031.x",
    ),
    Formula(
        "weighted",
        "mean = sum w y / W; SE^2 = n / (n - 1) sum w^2 (y - mean)^2 / W^2; n_eff = W^2 / sum w^2",
        "https://doi.org/10.18637/jss.v009.i08",
    ),
    Formula(
        "raking",
        "weights fitted to margins in turn; SE from residuals on the margins' indicators",
        "https://doi.org/10.1080/01621459.1992.10475217",
    ),
    Formula(
        "weighted.comparison",
        "SE^2 = SE_a^2 + SE_b^2 of domains of one sample, less twice the residuals' covariance where raked",
        "https://doi.org/10.18637/jss.v009.i08",
    ),
    Formula(
        "weighted.change",
        "s_k = W_k / W; a respondent of k adds e = A_k (1 - s_k) / W + B_k (y - N_k) / W_k + C (y - N) / W; "
        "SE^2 = n / (n - 1) sum w^2 e^2 over both periods",
        "https://doi.org/10.1080/01621459.1971.10482279",
    ),
    Formula(
        "weighted.monitor",
        "n_t = (sum w)^2 / sum w^2, V_0 = sum w^2 (y - N_0)^2 / sum w^2; chi-squared over Rao and Scott's "
        "mean design effect",
        "https://doi.org/10.1080/01621459.1981.10477633",
    ),
    Formula(
        "journey",
        "step = score - score before; SE^2 = SE_1^2 + SE_2^2 - 2 cov, p corrected for the steps",
        "https://www.jstor.org/stable/4615733",
    ),
    Formula(
        "journey.comparison",
        "differences d stage by stage; chi2 = d' V^-1 d over all of them",
        "https://doi.org/10.1093/biomet/34.1-2.28",
    ),
    Formula(
        "linkage",
        "outcome by NPS class; move = outcome of the target class less that of the origin",
        "https://doi.org/10.1002/sim.4780040211",
    ),
    Formula(
        "first_contact",
        "FCR = 100 resolved / contacts; net FCR = 100 resolved / (contacts - not resolvable)",
        "https://docs.medallia.com/agent-connect/faqs/how-is-first-contact-resolution-fcr-calculated",
    ),
    Formula(
        "lifetime_value",
        "m r / (1 + i - r) - AC, m (1 + i) / (1 + i - r) - AC, or sum m (r / (1 + i))^t - AC; SE by the delta method",
        "https://doi.org/10.1002/dir.10045",
    ),
    Formula(
        "retention",
        "retention = (end - new) / start; churn = 1 - retention, over k periods 1 - (1 - c)^k; "
        "revenue churn = lost / all revenue, SE by linearisation",
        "https://doi.org/10.1002/dir.10045",
    ),
    Formula(
        "kaplan_meier",
        "S(t) = prod (1 - d_s / n_s); Greenwood's SE^2 = S^2 sum d_s / (n_s (n_s - d_s))",
        "https://doi.org/10.1080/01621459.1958.10501452",
    ),
    Formula(
        "survival",
        "S(t) = B(alpha, beta + t) / B(alpha, beta), by maximum likelihood",
        "https://doi.org/10.1002/dir.20074",
    ),
    Formula(
        "relative",
        "mean percentile of the answers to how one compares with competitors",
        "https://businessoverbroadway.com/",
    ),
    Formula(
        "interval.bound",
        "estimate -+ z (SE_1 + SE_2): holds whatever the covariance",
        "https://arxiv.org/abs/1601.07235",
    ),
    Formula(
        "comparison",
        "a - b of independent groups; p is that at which the interval first takes in 0",
        "https://doi.org/10.1002/sim.3095",
    ),
    Formula(
        "effect_size",
        "Cohen's d = (a - b) / s, s the pooled standard deviation; Hedges' g = d (1 - 3 / (4 df - 1))",
        "https://doi.org/10.3102/10769986006002107",
    ),
    Formula(
        "sample_size",
        "n = V z^2 / e^2; two groups: n = (z + z_power)^2 (V_a + V_b / r) / d^2; of means by t",
        "https://www.itl.nist.gov/div898/handbook/prc/section2/prc222.htm",
    ),
    Formula(
        "change",
        "mix_k = (s_k1 - s_k0) (Nbar_k - Nref), rate_k = sbar_k (N_k1 - N_k0); SE by delta method",
        "https://doi.org/10.1080/01621459.1955.10501299",
    ),
    Formula(
        "impact",
        "N - N_without_t = n_t (N_t - N) / (n - n_t); SE by delta method",
        "https://community.qualtrics.com/xm-experience-17/nps-impact-score-26174",
    ),
    Formula(
        "decomposition",
        "effect of a factor = its step times the others, averaged over all orders of changing them",
        "https://www2.census.gov/library/publications/1993/demographics/p23-186.pdf",
    ),
    Formula(
        "monitor",
        "limits N_0 -+ L sqrt(V_0 / n_t); EWMA Z_t = r N_t + (1 - r) Z_{t-1}; chi-squared of classes",
        "https://www.itl.nist.gov/div898/handbook/pmc/section3/pmc324.htm",
    ),
    Formula(
        "autocorrelation",
        "r1 = sum (y_t - ybar)(y_{t+1} - ybar) / sum (y_t - ybar)^2 over buckets; SE = 1 / sqrt(T) if independent",
        "https://www.itl.nist.gov/div898/handbook/eda/section3/eda35c.htm",
    ),
    Formula(
        "change_points",
        "the split of least -sum_c n_c log(n_c / n) plus a penalty per change point",
        "https://doi.org/10.1080/01621459.2012.737745",
    ),
    Formula(
        "interval.hybrid_score",
        "d -+ the root of the sum of squares of what the score intervals of a and b reach",
        "https://doi.org/10.1002/sim.3095",
    ),
    Formula(
        "interval.miettinen_nurminen",
        "all differences of shares that a score test does not reject",
        "https://doi.org/10.1002/sim.4780040211",
    ),
    Formula(
        "interval.agresti_caffo",
        "difference of shares -+ z SE after one in and one out are added to each group",
        "https://doi.org/10.1080/00031305.2000.10474560",
    ),
    Formula(
        "interval.wald_continuity",
        "difference of shares -+ (z SE + c), c = (1/n_a + 1/n_b) / 2, at most the difference",
        "https://doi.org/10.2307/2983604",
    ),
    Formula(
        "interval.log_log",
        "exp(-exp(log(-log S) -+ z SE / (S log S)))",
        "https://doi.org/10.1002/9781118032985",
    ),
    Formula(
        "interval.log_survival",
        "S exp(-+ z SE / S), at most 1",
        "https://doi.org/10.1002/9781118032985",
    ),
    Formula(
        "interval.segment_t",
        "estimate -+ t SE', the SE with a respondent of the whole's variance added to every segment, and "
        "n - 1 for n",
        "https://doi.org/10.1080/00031305.2000.10474560",
    ),
    Formula(
        "interval.hybrid_delta",
        "value -+ the root of the sum of squares of what margin (z SE) and retention (Wilson) reach",
        "https://doi.org/10.1002/sim.3095",
    ),
    Formula(
        "interval.hybrid_quasi_binomial",
        "d -+ the root of the sum of squares of what the quasi-binomial intervals of a and b reach",
        "https://doi.org/10.1002/sim.3095",
    ),
    Formula(
        "interval.welch",
        "difference -+ t(df) SE, df by Welch and Satterthwaite",
        "https://doi.org/10.1093/biomet/34.1-2.28",
    ),
    Formula(
        "interval.pooled_t",
        "difference -+ t(n_a + n_b - 2) s sqrt(1/n_a + 1/n_b), s the pooled standard deviation",
        "https://doi.org/10.2307/2331554",
    ),
    Formula(
        "interval.adjusted_wald",
        "Wald after 3/4, 3/2, 3/4 are added to detractors, passives, promoters",
        "https://arxiv.org/abs/1601.07235",
    ),
    Formula(
        "interval.score",
        "all values that a score test does not reject",
        "https://arxiv.org/abs/1601.07235",
    ),
    Formula(
        "interval.wald",
        "estimate -+ z SE",
        "https://arxiv.org/abs/1601.07235",
    ),
    Formula(
        "interval.wilson",
        "all shares that a score test does not reject",
        "https://doi.org/10.1080/01621459.1927.10502953",
    ),
    Formula(
        "interval.quasi_binomial",
        "on 0..1, all p with (m - p)^2 <= z^2 p (1 - p) / N, where m (1 - m) / N is the variance of m",
        "https://doi.org/10.1093/jssam/smy019",
    ),
    Formula(
        "interval.goodman_contrast",
        "N -+ sqrt(chi^2(2, 1 - a)) SE: holds for all contrasts of the classes together",
        "https://doi.org/10.1214/aoms/1177703569",
    ),
    Formula(
        "interval.goodman",
        "Wilson at chi^2(1, 1 - a / k): holds for all k shares together",
        "https://doi.org/10.1080/00401706.1965.10490252",
    ),
    Formula(
        "interval.student_t",
        "estimate -+ t(df) SE",
        "https://www.itl.nist.gov/div898/handbook/eda/section3/eda352.htm",
    ),
    Formula(
        "interval.bell_mccaffrey",
        "b -+ t(df) SE sqrt(q / ((q - l) f)): df and q / (q - l) of the error itself, f its factor; by "
        "cluster the error of scores (I - G M)^(-1/2) s, G = X'X of a cluster, M = A^-1, and its df",
        "https://doi.org/10.1162/REST_a_00552",
    ),
    Formula(
        "interval.satterthwaite",
        "estimate -+ t(df) SE, df = (q - l)^2 / (f - 2 (f / q)^2 + tr (A^-1 T)^2): of the error's own "
        "variance were errors alike",
        "https://doi.org/10.1162/REST_a_00552",
    ),
    Formula(
        "interval.fisher_z",
        "tanh^2(atanh(sqrt(s)) -+ t SE* / (2 sqrt(max(s, c / 2)) (1 - s))), SE*^2 = SE^2 + 2 c^2, "
        "c = (1 - R2) / df",
        "https://doi.org/10.1093/biomet/10.4.507",
    ),
    Formula(
        "interval.feldt",
        "1 - (1 - alpha) F at both quantiles of F(n - 1, (n - 1)(k - 1))",
        "https://doi.org/10.1007/BF02289499",
    ),
    Formula(
        "interval.log_delta",
        "1 - (1 - alpha) exp(t s (1 - 0.3 f)) to 1 - (1 - alpha) exp(-t s (1 + 1.4 g f)), f = n^(-1/2), "
        "s the larger of SE / (1 - alpha) and sqrt(2k / ((k - 1)(n - 2))), g the items' mean skewness",
        "https://doi.org/10.1037/1082-989X.12.2.157",
    ),
)

#: Empty groups have no interval to tell its method from.
_VALUES_MAX = 16

#: By id.
FORMULAS = {one.id: one for one in _ALL}


def formulas_of(values: Iterable[Any]) -> tuple[Formula, ...]:
    """Return the formulas behind an answer's values: those of their classes, and of their intervals.

    The first groups are looked at: all are computed the same way.

    Parameters
    ----------
    values : iterable
        Results of `cxstream.analytics`, or tuples of them. A class names its formulas in
        ``FORMULAS``, a class variable.
    """
    names: dict[str, None] = {}
    for value in itertools.islice(values, _VALUES_MAX):
        names.update(dict.fromkeys(_names(value)))
    return tuple(FORMULAS[name] for name in names)


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Columns):
        yield from _names_of_columns(value)
    elif isinstance(value, Interval):
        yield f"interval.{value.method}"
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _names(one)
    elif dataclasses.is_dataclass(value):
        yield from getattr(type(value), "FORMULAS", ())
        errors = getattr(value, "errors", "classical")
        if errors != "classical":
            yield f"errors.{errors}"
        for field in dataclasses.fields(value):
            held = getattr(value, field.name)
            if isinstance(held, tuple | list) or dataclasses.is_dataclass(held):
                yield from _names(held)


def _names_of_columns(columns: Columns) -> Iterator[str]:
    if columns.known is not None and not columns.known.any():
        return
    if columns.kind is Interval:
        yield f"interval.{columns.fields['method']}"
        return
    yield from getattr(columns.kind, "FORMULAS", ())
    errors = columns.fields.get("errors", "classical")
    if errors != "classical":
        yield f"errors.{errors}"
    for held in columns.fields.values():
        if isinstance(held, Columns):
            yield from _names_of_columns(held)
