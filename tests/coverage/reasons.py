"""Why a default covers too rarely or too often somewhere; the page lists no failure without."""

from tests.coverage.scenario import Row

_LATTICE = (
    "Counts are whole. Where the true share lies near an end, one count more or less decides whether the "
    "interval holds it, and coverage jumps with n and with the share. At 99 % and 50 answers, for "
    "instance, it is 91.1 % if two answers outside rule the truth out, and 98.6 % if they do not; no "
    "interval of counts can lie between."
)
_ONE_END = (
    "Nearly all answers of a group of 30, or of both, lie at one end. What little such groups can differ by "
    "is less than what 30 answers can tell, so the interval is wider than need be; it does not cover too "
    "rarely. From 100 answers on it is right."
)
_WEIGHTED_PAIR = (
    "The unhappy respondents are the heavier ones. Joined intervals are too wide where nearly all of a group "
    "of 30 lie at one end, as without weights, and where a few answers carry most of the weight t has few "
    "degrees of freedom; a group of 30 that has met none of the heavy ones covers a little too rarely."
)
_HEAVY = (
    "The rare answers are the heavier ones, or a few answers carry most of the weight: the effective n "
    "is two thirds of n or less here. A sample that has met none of the rare ones does not know how heavy they are, so it covers "
    "too rarely where they are heavy, and too often where they are not; t with few degrees of freedom makes "
    "up for part of it, and is too wide where nearly all answers are alike."
)
_ONE_VARIANCE = (
    "Classical errors take one variance for all, and are exact then. Where ratings crowd at one end and errors "
    "grow with bad ratings, or the outcome is itself such a rating, they are too small at any n. Declare the "
    "model robust and ask for HC1, whose Bell and McCaffrey interval covers 92 to 98 % in all of these, or with "
    "leverage and for HC3, which covers 94 to 99 %."
)
_FEW_CLUSTERS = (
    "Clusters that hold the rare bad ratings decide the slope. Bell and McCaffrey's error is right on average "
    "were errors alike and independent, and falls short where the heaviest are also the ones that vary most."
)

#: By statistic, and where one does not do by field or variant.
REASONS: dict[str, str] = {
    "NPS": _LATTICE,
    "CES, net": _LATTICE,
    "CSAT, top box": _LATTICE,
    "Other shares": _LATTICE,
    "ScoreCard, all options at once": (
        "The interval of an option that 1 to 5 of 100 choose rests on no or one answer at this n; Wilson's "
        "lower bound at the far quantile that joint intervals take is too high when two answers have come "
        "in, so intervals lie above the truth too often. With no such options they are near 95 % or, by the "
        "Bonferroni step, a little above."
    ),
    "CSAT, mean": (
        "Answers on a scale of two levels, or nearly all at one end: the mean takes few values, and one "
        "answer decides whether the interval holds the truth. "
    )
    + _LATTICE,
    "Other means of scales": _LATTICE,
    "Mean of a number": (
        "A few large values decide the mean, and a sample without them has both a low mean and a small "
        "error: the interval lies below the truth. Sums keep first and second moments of a number only, "
        "which say nothing of skewness, and a number has no end to lean on. Read it with care below some "
        "hundred answers."
    ),
    "Index": (
        "95 of 100 tick the best level of every item: too wide, because the variance is taken with a "
        "quarter of an answer at the far end of the scale. It never covers too rarely."
    ),
    "Difference of net scores": _ONE_END,
    "Difference of shares": _ONE_END,
    "Difference of means": _ONE_END,
    "Change of NPS, mix and rate: mix": (
        "The mix is a sum of products, of a change of share and a distance of scores. Where both are small "
        "beside their errors the delta method takes each as if the other were as large as it looks by "
        "chance, and the interval is too wide, at any n if segments do not differ. It never covers too "
        "rarely."
    ),
    "Change of NPS, mix and rate: mix, last segment": (
        "As the mix of the whole. Where the segment's distance from the whole is near 0 the estimate is "
        "skewed: at 100 answers it is below the truth too often."
    ),
    "Change of NPS, mix and rate: rate, last segment": (
        "A segment of five answers a period (5 % of 100): some of its samples are all of one mind, and the "
        "respondent of the whole that joins them does not make up for all of that. With six answers a segment "
        "it is near 95 %; where its answers are nearly all alike the joined respondent makes it too wide."
    ),
    "Change of NPS, mix and rate: contribution, last segment": (
        "The segment has six answers of which nearly all are alike: the respondent of the whole's variance "
        "that joins it makes the interval too wide."
    ),
    "Change of NPS, mix and rate": "As the parts: few answers in a segment.",
    "Impact of a segment on NPS": (
        "Of a segment with one to six answers the error is that of a share of few, and the interval too "
        "wide. Where nearly all of 30 are promoters the impact turns on one or two answers, and a sample "
        "without them has too short an interval."
    ),
    "Difference of means of numbers": (
        "As the mean of a number: large values are rare, and they decide the mean of the smaller group, or "
        "of the one that varies more."
    ),
    "Churn and retention": _LATTICE,
    "Survival (Kaplan-Meier)": _LATTICE,
    "Monitored series, NPS": _LATTICE,
    "Journey, a dimension's levels": _LATTICE,
    "Journey, questions: shares, bounded": (
        "Sums of two questions of the same respondents do not say how their top boxes go together, so the "
        "error is the bound that holds whatever the covariance: far too wide where answers agree. Means "
        "have their covariance."
    ),
    "Journey, questions": _LATTICE,
    "Outcome by NPS class": _LATTICE,
    "Customer lifetime value": "Few of a class left, and the value is far from linear in their share.",
    "Regression coefficient: classical": _ONE_VARIANCE,
    "Regression coefficient": (
        "A few bad ratings far from the others decide the slope and fit their own errors, and what HC1 falls "
        "short of is made up for on average only: HC3 takes each response's own leverage, of models with "
        "leverage. At 30, where errors are alike, a degree of freedom or two is left, and the interval is "
        "wider than need be."
    ),
    "Regression coefficient: HC2, model with leverage": (
        "HC2 is right on average where errors are alike, and falls short where those few far responses that "
        "decide the slope are also the ones that vary most: HC3 does not."
    ),
    "Regression coefficient: HC3, model with leverage": (
        "HC3 is too large where errors are alike, by what it has in hand where they are not; with its own "
        "degrees of freedom it is wider than need be at 30."
    ),
    "Regression coefficient, weighted": (
        "A few answers far from the others decide the slope, the heavier ones here, and fit their own errors: "
        "the error is too small as well as uncertain. Degrees of freedom of its own make up for the "
        "uncertainty, and what it falls short of on average, were errors alike, for most of the rest; the rest "
        "would take each response's own leverage, which is no function of the sums. At 30 a degree of "
        "freedom or two is left, and where errors are alike the interval is wider than need be."
    ),
    "Difference of coefficients: model not robust": _ONE_VARIANCE,
    "Difference of coefficients": "As of one coefficient of a robust model.",
    "Regression coefficient, errors by cluster": _FEW_CLUSTERS,
    "Regression coefficient, weighted, errors by cluster": _FEW_CLUSTERS,
    "Regression coefficient, raked, errors by cluster": _FEW_CLUSTERS,
    "Regression coefficient, raked": (
        "As a weighted one, where ratings crowd at one end: a few answers decide the slope and fit their own "
        "errors. At 1,000 it is right."
    ),
    "Importance (LMG), weighted": (
        "As without weights, with ratings that crowd at one end: errors of fourth order come from few bad "
        "ratings."
    ),
    "Importance (LMG), raked": (
        "As without weights where ratings crowd at one end, and worse: the bad ratings that its errors come "
        "from are those of the young, of whom few answer and who weigh up to seven times as much as others. "
        "Read it with care below some 1,000 answers. With normal answers it is near 93 % from 30 on."
    ),
    "Cronbach's alpha, raked": (
        "The effective n is about half of n, and at 30 the least error that normal answers would have makes it "
        "wide; where ratings crowd at one end few bad ones tell what the error is."
    ),
    "Index, raked": (
        "Pseudo-answers at both ends, and half of 30 answers as the effective n: too wide. It never covers too "
        "rarely."
    ),
    "Mean of a number, raked": (
        "30 answers in six cells, of which the heaviest is one or two: how far its mean strays is not seen. "
        "From 100 on it is near 94 %."
    ),
    "Journey, a dimension's levels, weighted": (
        "A few heavy answers carry most of the weight: the effective n is two thirds of n or less, and the weights of a "
        "sample say little of how often the heavy ones come."
    ),
    "Journey of questions, raked": (
        "The mean difference of two journeys of 30, raked together: 60 answers in six cells, of which the heaviest "
        "is two to four. From 100 on it is near 94 %."
    ),
    "Outcome by NPS class, raked": (
        "30 detractors, of whom one in six leaves: an effective n of some 20, one pseudo-answer at either end, and t "
        "with few degrees of freedom make it too wide. It never covers too rarely; from 100 on it is near 95 %."
    ),
    "Churn and retention, raked": (
        "30 answers in six cells, of which the heaviest is one or two; they are the young, who leave most. From "
        "100 on it is near 94 %."
    ),
    "Change and impact of NPS, raked": (
        "30 answers in six cells, of which the heaviest is one or two. From 100 on it is right."
    ),
    "Insight, slope of a pair": (
        "Classical errors: ratings that crowd at one end have no one variance. Sums of pairs keep nothing of "
        "the fourth order, so there is no robust error; a regression of a model declared robust has HC1."
    ),
    "Importance (LMG)": (
        "Shares are never below 0: that of a driver that can hardly be told from none has an interval "
        "that starts at 0 and so cannot be too high. With answers that crowd at one end the errors of fourth "
        "order come from few bad ratings: too short at 30 and 100."
    ),
    "Cronbach's alpha: model not robust": (
        "Feldt's interval is exact for normal answers to items that differ by constants. Where answers crowd "
        "at one end, or are yes or no, alpha varies more than that, at any n, and only fourth-order "
        "moments tell how much: declare a model of the items robust, and the interval is the one for answers "
        "of any distribution."
    ),
    "NPS, weighted": _HEAVY,
    "Scales, weighted": _HEAVY,
    "Index, weighted": _HEAVY,
    "Mean of a number, weighted": "As without weights: large values are rare, and the effective n smaller.",
    "Raked to two margins": (
        "30 answers in six cells, weights up to seven times each other: the young of the south are one or "
        "two of them, and stand for 15 % of the population. Degrees of freedom for the margins make up for part "
        "of it. At 100 it is near 95 %."
    ),
    "Difference of net scores, weighted": _WEIGHTED_PAIR,
    "Difference of shares, weighted": _WEIGHTED_PAIR,
    "Difference of means, weighted": _WEIGHTED_PAIR,
    "Difference of raked net scores": _WEIGHTED_PAIR,
    "Journey of questions, weighted": _HEAVY,
    "Impact of a segment on NPS, weighted": (
        "As without weights, with the unhappy ones the heavier: of 30 answers the effective n is about 20, "
        "and a segment that has met none of the heavy ones has too small an error."
    ),
    "Outcome by NPS class, weighted": _WEIGHTED_PAIR,
    "Customer lifetime value, weighted": (
        "Those who leave are the heavier ones and few, and the value is far from linear in their share; "
        "where almost nobody leaves the interval of retention is wider than need be."
    ),
    "Churn and retention, weighted": _HEAVY,
    "Relative performance, weighted": _HEAVY,
    "Insight, slope of a pair, weighted": (
        "As a weighted regression coefficient: a few heavy answers far from the others decide the slope and "
        "fit their own errors. At 1,000 it is right."
    ),
    "Difference of coefficients, weighted": (
        "As of one weighted coefficient: a few heavy bad ratings decide a slope, and fit their own errors."
    ),
    "Change of NPS, weighted: weighted mix": (
        "As without weights: the mix is a sum of products, and where both factors are small beside their "
        "errors the delta method takes each as large as it looks by chance."
    ),
    "Change of NPS, weighted: weighted rate, last segment": (
        "As without weights, with the unhappy ones the heavier: of a segment of one to five answers the effective "
        "n is two thirds, and one that has met none of the heavy ones has too small an error. Where nearly all "
        "are promoters the respondent that joins them makes it too wide, as does one who is not there."
    ),
    "Change of NPS, weighted": (
        "Periods of 30 with the unhappy ones heavier: the effective n of a segment is about 5, and one that "
        "has met none of the heavy ones has too small an error."
    ),
    "Cronbach's alpha, weighted": (
        "As without weights: samples without the rare low answers have both a low alpha and a small error; "
        "where those are the heavier ones a little more so."
    ),
}


def reason_of(row: Row) -> str:
    """Return the reason.

    Raises
    ------
    ValueError
        None is stated.
    """
    for key in (f"{row.statistic}: {row.variant}", f"{row.statistic}: {row.field}", row.statistic):
        if key in REASONS:
            return REASONS[key]
    raise ValueError(f"no reason stated for {row}")
