"""Programs: what is read, what the defaults are, and every refusal with its key and its hint."""

import tomllib
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxstream.errors import CxError, InvalidArgumentError
from cxstream.program import (
    Kind,
    MissingPolicy,
    compile_plan,
    program_from_dict,
    read_program,
)
from cxstream.program.unlocked import unlocked

DESIGN = """
name = "sfo-2017"
[questions]
netpro  = { kind = "nps", label = "Would you recommend the airport?" }              # 0..10
food    = { kind = "rating", scale = [1, 5], missing = [0, 6] }
clean   = { kind = "rating", scale = [1, 5], missing = [0, 6] }
improve = { kind = "choice", options = { 1 = "Food", 2 = "Wifi" }, multiple = false }
spend   = { kind = "number", range = [0, 100000], step = 0.01 }
[dimensions]
terminal = { max_levels = 100 }
[time]
column = "interviewed_at"
buckets = ["day", "month"]
[customer]
column = "respondent"
[weight]
column = "weight"
step = 0.000001
[indices.delight]
missing = "renormalise"
parts = { service = { weight = 0.3, items = ["food"] } }
[models.drivers]
outcome = "netpro"
drivers = ["food", "clean"]
[[views]]
by = ["terminal"]
"""


def program(**tables):
    return program_from_dict(
        {"name": "p", "questions": {"q": {"kind": "rating", "scale": [1, 5]}}} | tables
    )


def question(**keys):
    return program(questions={"q": keys}).questions["q"]


def test_retention():
    declared = {"time": {"column": "t"}}
    assert program(**declared).retention_months is None
    for months in (1, 24, 1200):
        got = program(**declared, retention={"months": months})
        assert got.retention_months == months
        # It says what is kept, not how it is counted.
        assert compile_plan(got) == compile_plan(program(**declared))
        assert compile_plan(got).digest == compile_plan(program(**declared)).digest


def test_the_example_of_the_design(tmp_path):
    path = tmp_path / "sfo.toml"
    path.write_text(DESIGN, encoding="utf-8")
    got = read_program(path)
    assert got == program_from_dict(tomllib.loads(DESIGN))
    assert list(got.questions) == ["netpro", "food", "clean", "improve", "spend"]
    netpro, food, spend = (got.questions[name] for name in ("netpro", "food", "spend"))
    assert (netpro.kind, netpro.low, netpro.high, netpro.promoter, netpro.passive) == (
        Kind.NPS, 0, 10, 9, 7,
    )  # fmt: skip
    assert netpro.label == "Would you recommend the airport?"
    assert food.missing == ("0", "6")
    assert [(one.code, one.label) for one in got.questions["improve"].options] == [
        ("1", "Food"), ("2", "Wifi"),
    ]  # fmt: skip
    assert (spend.low, spend.high, spend.step) == (0, 10_000_000, Fraction(1, 100))
    assert got.dimensions["terminal"].max_levels == 100
    assert (got.time.column, got.time.unit, got.time.timezone) == ("interviewed_at", "day", "UTC")
    assert got.customer == "respondent"
    assert got.weight.step == Fraction(1, 1_000_000)
    assert got.indices["delight"].missing is MissingPolicy.RENORMALISE
    assert got.models["drivers"].intercept
    assert got.views == (("terminal",),)
    assert got.insights == ("netpro", "food", "clean")
    assert got.columns == {
        "netpro": "question 'netpro'",
        "food": "question 'food'",
        "clean": "question 'clean'",
        "improve": "question 'improve'",
        "spend": "question 'spend'",
        "terminal": "dimension 'terminal'",
        "interviewed_at": "time",
        "respondent": "customer",
        "weight": "weight",
    }
    assert unlocked(got)[0] == "net promoter score of netpro"
    assert "trends by day, month" in unlocked(got)


def test_a_file_that_is_not_toml(tmp_path):
    path = tmp_path / "p.toml"
    for content in (b"name = ", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(InvalidArgumentError, match=r"p\.toml: not TOML") as caught:
            read_program(path)
        assert caught.value.reason == "INVALID_PROGRAM"


# --- defaults -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys, expected",
    [
        ({}, (0, 10, 0, 9, 7)),
        ({"scale": [1, 11]}, (1, 11, 0, 10, 8)),
        ({"scale": [1, 10]}, (1, 10, 1, 9, 7)),
        ({"promoter": 8, "passive": 6}, (0, 10, 0, 8, 6)),
    ],
)
def test_nps_scales_and_cuts(keys, expected):
    got = question(kind="nps", **keys)
    assert (got.low, got.high, got.origin, got.promoter, got.passive) == expected


@pytest.mark.parametrize(
    "kind, scale, direction, top",
    [
        ("csat", [1, 5], "higher_is_better", 4),
        ("csat", [1, 7], "higher_is_better", 6),
        ("csat", [1, 3], "higher_is_better", 2),
        ("csat", [1, 2], "higher_is_better", 2),
        ("csat", [1, 10], "higher_is_better", 9),
        ("rating", [0, 100], "higher_is_better", 81),
        ("rating", [1, 5], "lower_is_better", 2),
        ("rating", [1, 10], "lower_is_better", 2),
        ("rating", [-2, 2], "higher_is_better", 1),
    ],
)
def test_the_top_box_default(kind, scale, direction, top):
    got = question(kind=kind, scale=scale, direction=direction)
    assert got.top == top
    assert got.lower_is_better == (direction == "lower_is_better")


@pytest.mark.parametrize(
    "scale, low_to, high_from, agree_from",
    [
        ([1, 7], 3, 6, 5),
        ([1, 5], 2, 4, 4),
        ([1, 10], 5, 9, 6),
        ([1, 3], 1, 3, 3),
        ([1, 2], 1, 2, 2),
    ],
)
def test_ces_cuts(scale, low_to, high_from, agree_from):
    got = question(kind="ces", scale=scale)
    assert (got.low_to, got.high_from, got.agree_from) == (low_to, high_from, agree_from)
    got = question(kind="ces", scale=[1, 7], low=2, high=5, agree=6)
    assert (got.low_to, got.high_from, got.agree_from) == (2, 5, 6)


def test_other_defaults():
    assert question(kind="boolean").top == 1
    assert question(kind="boolean", direction="lower_is_better").top == 0
    assert question(kind="number", range=[0, 5]).step == 1
    assert [one.code for one in question(kind="choice", options=["a", 2]).options] == ["a", "2"]
    got = program(dimensions={"d": {}}, time={"column": "t"}, label="A program")
    assert got.dimensions["d"].max_levels == 1000
    assert got.dimensions["d"].column == got.dimensions["d"].label == "d"
    assert got.time.buckets == ("day",)
    assert got.label == "A program"
    # Missing codes: whole numbers first.
    assert question(kind="rating", scale=[1, 5], missing=["n/a", 99, "-", 8.0]).missing == (
        "99", "8", "n/a", "-",
    )  # fmt: skip


@pytest.mark.parametrize(
    "given, kept",
    [
        (["month", "day"], ("day", "month")),
        (["week"], ("week",)),
        (["week", "month"], ("day", "week", "month")),
        (["year", "hour", "week"], ("hour", "week", "year")),
    ],
)
def test_buckets_are_ordered_and_weeks_keep_days(given, kept):
    assert program(time={"column": "t", "buckets": given}).time.buckets == kept


def test_insights_default_to_all_scales_up_to_forty():
    scales = {f"q{place}": {"kind": "rating", "scale": [1, 5]} for place in range(41)}
    assert program(questions=scales).insights == ()
    del scales["q0"]
    assert len(program(questions=scales).insights) == 40
    assert program(questions=scales, insights={"questions": ["q1"]}).insights == ("q1",)
    wide = {"a": {"kind": "rating", "scale": [0, 181]}, "b": {"kind": "rating", "scale": [0, 180]}}
    assert program(questions=wide).insights == ("b",)


# --- refusals -------------------------------------------------------------------------------------

RATING = {"kind": "rating", "scale": [1, 5]}


def q(**keys):
    return {"questions": {"q": keys}}


def index(parts, **more):
    return {"indices": {"i": {"parts": parts, **more}}}


def model(**keys):
    two = {"a": RATING, "b": RATING, "c": {"kind": "choice", "options": ["x"]}}
    return {"questions": two, "models": {"m": keys}}


def robust(levels, drivers=1):
    """A robust model of so many drivers with so many values."""
    names = [f"d{place}" for place in range(1, drivers + 1)]
    one = {"kind": "rating", "scale": [1, levels]}
    return {
        "questions": {"y": {"kind": "nps"}} | dict.fromkeys(names, one),
        "models": {"m": {"outcome": "y", "drivers": names, "robust": True}},
    }


def leverage_number(steps):
    """A model with leverage of a number with so many steps."""
    tables = robust_number(steps)
    tables["models"]["m"] = {"outcome": "y", "drivers": ["x"], "leverage": True}
    return tables


def robust_number(steps, **more):
    """A robust model of a number with so many steps."""
    questions = {"y": {"kind": "nps"}, "x": {"kind": "number", "range": [0, steps]}}
    return {
        "questions": questions,
        "models": {"m": {"outcome": "y", "drivers": ["x"], "robust": True}},
    } | more


REFUSED = [
    # tables, key path, words of the message
    ({"name": None}, "name", "missing; expected text"),
    ({"name": 5}, "name", "expected text, got 5"),
    ({"name": "a b"}, "name", "'a b' is not a name"),
    ({"name": "x" * 101}, "name", "at most 100 characters"),
    ({"questions": {}}, "questions", "at least one question"),
    ({"questions": 5}, "questions", "expected a table, got 5"),
    ({"questions": {"q": 5}}, "questions.q", "expected a table"),
    ({"questions": {"ü": RATING}}, "questions", "'ü' is not a name"),
    ({"questions": {5: RATING}}, "questions", "5 is not a name"),
    ({"quetsions": {}}, "quetsions", "unknown key; did you mean 'questions'?"),
    (q(), "questions.q.kind", "missing"),
    (q(kind="ratng"), "questions.q.kind", "no kind 'ratng'; did you mean 'rating'?"),
    (q(kind=5), "questions.q.kind", "expected text, got 5"),
    (q(**RATING, lable="x"), "questions.q.lable", "unknown key; did you mean 'label'?"),
    (q(**RATING, promoter=3), "questions.q.promoter", "unknown key"),
    (q(kind="rating"), "questions.q.scale", "missing; expected [lowest, highest]"),
    (q(kind="rating", scale=5), "questions.q.scale", "expected [lowest, highest], got 5"),
    (q(kind="rating", scale=[1]), "questions.q.scale", "expected [lowest, highest]"),
    (q(kind="rating", scale=[5, 1]), "questions.q.scale", "expected lowest < highest"),
    (q(kind="rating", scale=[3, 3]), "questions.q.scale", "expected lowest < highest"),
    (q(kind="rating", scale=["a", 1]), "questions.q.scale", "expected a number, got 'a'"),
    (q(kind="rating", scale=[True, 3]), "questions.q.scale", "expected a number"),
    (q(kind="rating", scale=[1, 4.5]), "questions.q.scale", "expected whole numbers"),
    (q(kind="rating", scale=[0, 4096]), "questions.q.scale", "more than 4096 values"),
    (q(kind="rating", scale=[0, float("inf")]), "questions.q.scale", "finite number"),
    (q(kind="rating", scale=[float("nan"), 3]), "questions.q.scale", "finite number"),
    (q(kind="rating", scale=[2**40, 2**40 + 3]), "questions.q.scale", "within 32 bits"),
    (q(kind="nps", scale=[0, 9.5]), "questions.q.scale", "whole numbers"),
    (q(kind="nps", scale=[1, 5]), "questions.q.scale", "10 or 11 values, such as [0, 10]"),
    (q(kind="nps", scale=[0, 100], promoter=80), "questions.q.scale", "names promoter and passive"),
    (q(kind="boolean", scale=[0, 1]), "questions.q.scale", "a boolean has no scale"),
    (q(kind="nps", promoter=11), "questions.q.promoter", "11 is not on the scale 0..10"),
    (q(kind="nps", passive=10), "questions.q.promoter", "passive <= promoter"),
    (q(kind="nps", promoter="9"), "questions.q.promoter", "whole number, got '9'"),
    (q(kind="nps", promoter=8.5), "questions.q.promoter", "whole number, got 8.5"),
    (q(kind="nps", promoter=float("inf")), "questions.q.promoter", "whole number"),
    (q(kind="csat", scale=[1, 5], top=6), "questions.q.top", "6 is not on the scale"),
    (q(kind="csat", scale=[1, 5], top=True), "questions.q.top", "whole number"),
    (q(kind="ces", scale=[1, 7], low=6), "questions.q.low", "expected low < high"),
    (q(kind="ces", scale=[1, 7], agree=0), "questions.q.agree", "not on the scale"),
    (q(**RATING, direction="up"), "questions.q.direction", "no direction 'up'"),
    (q(**RATING, multiple=True), "questions.q.multiple", "only a choice has many"),
    (q(**RATING, multiple=1), "questions.q.multiple", "expected true or false, got 1"),
    (q(**RATING, column="a", columns=["b"]), "questions.q.columns", "not both"),
    (q(**RATING, columns=["a", "b"]), "questions.q.columns", "multiple = true"),
    (q(**RATING, values={"good": 6}), "questions.q.values.good", "6 is not on the scale"),
    (q(**RATING, values={"good": "five"}), "questions.q.values.good", "whole number"),
    (q(**RATING, values={"good": float("nan")}), "questions.q.values.good", "whole number"),
    (q(**RATING, values=["good"]), "questions.q.values", "expected a table"),
    (q(**RATING, missing=[3]), "questions.q.missing", "3 is on the scale 1..5"),
    (q(**RATING, missing=5), "questions.q.missing", "expected a list, got 5"),
    (q(**RATING, missing=[9, 9]), "questions.q.missing", "'9' stands there more than once"),
    (q(**RATING, missing=[True]), "questions.q.missing", "expected text or numbers"),
    (
        q(**RATING, values={"bad": 1}, missing=["bad"]),
        "questions.q.missing",
        "'bad' is also declared as a value",
    ),
    (q(kind="choice"), "questions.q.options", "at least one option"),
    (q(kind="choice", options=[]), "questions.q.options", "at least one option"),
    (q(kind="choice", options="abc"), "questions.q.options", "at least one option"),
    (
        q(kind="choice", options=[str(one) for one in range(4097)]),
        "questions.q.options",
        "more than 4096 options",
    ),
    (
        q(kind="choice", options=["Food", "Wifi"], values={"x": "food"}),
        "questions.q.values.x",
        "no option 'food'; did you mean 'Food'?",
    ),
    (q(kind="choice", options=["a"], missing=["a"]), "questions.q.missing", "also an option"),
    (q(kind="choice", options=["a"], scale=[1, 2]), "questions.q.scale", "unknown key"),
    (q(kind="number"), "questions.q.range", "missing; expected [lowest, highest]"),
    (q(kind="number", range=[0, 1], step=0), "questions.q.step", "above 0"),
    (q(kind="number", range=[0, 1], step=-1), "questions.q.step", "above 0"),
    (q(kind="number", range=[0, 1], step="1"), "questions.q.step", "expected a number"),
    (q(kind="number", range=[0, 1], step=float("inf")), "questions.q.step", "finite"),
    (q(kind="number", range=[0, 1e-17], step=1e-20), "questions.q.step", "too fine"),
    (q(kind="number", range=[0, 3 * 10**17], step=10**17), "questions.q.step", "at most 2^53"),
    (q(kind="number", range=[0, 10**400], step=10**400), "questions.q.step", "too large"),
    (q(kind="choice", options={1: "a", "2": "b", "1": "c"}), "questions.q.options", "'1' stands"),
    (q(kind="number", range=[0, 0.5], step=0.2), "questions.q.range", "multiples of the step"),
    (q(kind="number", range=[0, 2**45 + 1]), "questions.q.range", "2^45 steps"),
    (q(kind="number", range=[2**62, 2**62 + 1]), "questions.q.range", "2^45 steps"),
    (q(kind="number", range=[0, 9], missing=["x"]), "questions.q.missing", "not a number"),
    (q(kind="number", range=[0, 9], missing=["1/0"]), "questions.q.missing", "not a number"),
    (q(kind="number", range=[0, 9], missing=["1e999999999"]), "questions.q.missing", "not a num"),
    (q(kind="number", range=[0, 9], missing=[10**17], step=0.001), "questions.q.missing", "2^62"),
    (q(kind="number", range=[0, 9], missing=[9.5]), "questions.q.missing", "multiple of the step"),
    (q(kind="number", range=[0, 9], missing=[5]), "questions.q.missing", "within the range"),
    (q(kind="number", range=[2**48, 2**48 + 1], step=0.5), "questions.q.range", "beyond 2^49 steps of 0.5"),
    (q(kind="number", range=[-(2**49), 1 - 2**49], step=0.5), "questions.q.range", "beyond 2^49"),
    (q(kind="number", range=[0, 1], step=0.5, missing=[2**49]), "questions.q.missing", "beyond 2^49"),
    (q(kind="number", range=[0, 9000], step=1000, missing=["1e19"]), "questions.q.missing", "beyond 2^49"),
    ({"dimensions": {"d": {"max_levels": 0}}}, "dimensions.d.max_levels", "expected 1..1000000"),
    ({"dimensions": {"d": {"max_levels": 10**7}}}, "dimensions.d.max_levels", "expected 1.."),
    ({"dimensions": {"d": {"max_levels": "9"}}}, "dimensions.d.max_levels", "whole number"),
    ({"dimensions": {"d": {"labels": {"a": 1}}}}, "dimensions.d.labels.a", "expected text"),
    ({"dimensions": {"d": {"maxlevels": 5}}}, "dimensions.d.maxlevels", "did you mean"),
    ({"dimensions": {"day": {}}}, "dimensions.day", "name of a time bucket"),
    ({"time": {}}, "time.column", "missing"),
    ({"time": 5}, "time", "expected a table"),
    ({"time": {"column": "t", "buckets": ["dya"]}}, "time.buckets", "did you mean 'day'?"),
    (
        {"time": {"column": "t", "timezone": "Europe/Berln"}},
        "time.timezone",
        "did you mean 'Europe/Berlin'?",
    ),
    ({"time": {"column": "t", "zone": "UTC"}}, "time.zone", "unknown key"),
    ({"customer": {}}, "customer.column", "missing"),
    ({"weight": {"column": "w"}}, "weight.step", "above 0, such as 0.000001"),
    ({"weight": {"column": "w", "step": 0}}, "weight.step", "above 0"),
    ({"weight": {"column": "w", "step": 1e-16}}, "weight.step", "too fine or too large"),
    (
        q(kind="number", range=[0, 2**40 + 1]) | {"weight": {"column": "w", "step": 1}},
        "questions.q.range",
        "more than 2^40 steps of 1.0 in a program with a weight",
    ),
    (index({}), "indices.i.parts", "at least one part"),
    (index({"a": {"items": []}}), "indices.i.parts.a.items", "at least one item"),
    (index({"a": {"items": ["Q"]}}), "indices.i.parts.a.items", "did you mean 'q'?"),
    (index({"a": {"items": ["q"], "weight": 0}}), "indices.i.parts.a.weight", "above 0"),
    (index({"a": {"items": ["q"], "wieght": 1}}), "indices.i.parts.a.wieght", "'weight'"),
    (
        index({"a": {"items": ["q"], "weight": 1}, "b": {"items": ["q"]}}),
        "indices.i.parts",
        "every part a weight, or none",
    ),
    (index({"a": {"items": ["q"]}, "b": {"items": ["q"]}}), "indices.i.parts", "more than one"),
    (index({"a": {"items": ["q"]}}, missing="zero"), "indices.i.missing", "no policy 'zero'"),
    (
        q(kind="number", range=[0, 5]) | index({"a": {"items": ["q"]}}),
        "indices.i.parts.a.items",
        "'q' is a number; expected a scale",
    ),
    (model(drivers=["a"]), "models.m.outcome", "missing"),
    (model(outcome="a"), "models.m.drivers", "at least one driver"),
    (model(outcome="A", drivers=["b"]), "models.m.outcome", "did you mean 'a'?"),
    (model(outcome="a", drivers=["a"]), "models.m.drivers", "'a' is the outcome"),
    (model(outcome="a", drivers=["c"]), "models.m.drivers", "'c' is a choice"),
    (model(outcome="a", drivers=["b"], intercept=0), "models.m.intercept", "true or false"),
    (model(outcome="a", drivers=["b"], robust=1), "models.m.robust", "true or false"),
    (leverage_number(2**26 + 1), "models.m.leverage", "'x' has 67,108,865 steps; combinations"),
    (robust(5, drivers=12), "models.m.robust", "13 columns; fourth-order moments are kept of at"),
    (
        {
            "questions": {"y": {"kind": "nps"}, "x": {"kind": "number", "range": [0, 2**22 + 1]}},
            "models": {"m": {"outcome": "y", "drivers": ["x"], "robust": True}},
        },
        "models.m.robust",
        "'x' has 4,194,305 steps; fourth-order moments are exact up to 4,194,304: use a larger step",
    ),
    (
        robust_number(2**16 + 1, weight={"column": "w", "step": 1}),
        "models.m.robust",
        "'x' has 65,537 steps; fourth-order moments are exact up to 65,536 with a weight",
    ),
    ({"views": [{"by": ["x"]}]}, "views[0].by", "no dimension 'x'; there are none"),
    ({"views": {"by": []}}, "views", "expected [[views]] tables"),
    ({"views": [{"by": [], "of": 1}]}, "views[0].of", "unknown key"),
    ({"insights": {"questions": ["x"]}}, "insights.questions", "no question 'x'"),
    (
        q(kind="rating", scale=[0, 181]) | {"insights": {"questions": ["q"]}},
        "insights.questions",
        "more than 181 values",
    ),
    (
        {"questions": {"a": RATING | {"column": "x"}, "b": RATING | {"column": "x"}}},
        "questions.b.column",
        "column 'x' is already question 'a'",
    ),
    (q(**RATING, column="card_number"), "questions.q", "looks like personal data"),
    ({"dimensions": {"d": {"column": "Date-of-Birth"}}}, "dimensions.d", "personal data"),
    ({"dimensions": {"d": {"column": "user.password"}}}, "dimensions.d", "personal data"),
    *(
        ({"time": {"column": "t"}, "retention": {"months": months}}, "retention.months", text)
        for months, text in [
            (0, "expected 1..1200, got 0"), (1201, "expected 1..1200"), (-1, "expected 1..1200"),
            (1.5, "whole number"), ("24", "whole number"), (True, "whole number"),
            (None, "missing; expected a whole number of months"),
        ]
    ),
    ({"time": {"column": "t"}, "retention": {}}, "retention.months", "missing"),
    ({"time": {"column": "t"}, "retention": 24}, "retention", "expected a table"),
    ({"time": {"column": "t"}, "retention": {"days": 1}}, "retention.days", "unknown key"),
    ({"retention": {"months": 24}}, "retention", "needs [time]"),
    ({"customer": {"column": "customer_ssn"}}, "customer", "personal data"),
    ({"time": {"column": "birth_date"}}, "time", "personal data"),
    *(
        (q(**RATING, column=column), "questions.q", "a name that the history uses itself")
        for column in ("_producer", "_sequence", "_row", "_point", "_month", "_customer",
                       "_customer_key", "_time", "_weight", "_level_", "_level_d")
    ),
    (q(kind="choice", options=["a"], multiple=True, columns=["a", "_row"]), "questions.q", "'_row'"),
    ({"dimensions": {"d": {"column": "_level_d"}}}, "dimensions.d", "history uses"),
    ({"time": {"column": "_time"}}, "time", "history uses"),
    ({"weight": {"column": "_weight", "step": 1}}, "weight", "history uses"),
    ({"customer": {"column": "_customer"}}, "customer", "history uses"),
    ({"customer": {"column": "q"}}, "customer", "column 'q' is also in questions.q"),
    ({"customer": {"column": "d"}, "dimensions": {"d": {}}}, "customer", "in dimensions.d"),
    ({"customer": {"column": "t"}, "time": {"column": "t"}}, "customer", "is also in time"),
    ({"customer": {"column": "w"}, "weight": {"column": "w", "step": 1}}, "customer", "in weight"),
    (
        {
            "dimensions": {"a": {"max_levels": 10**6}, "b": {"max_levels": 10**6}},
            "views": [{"by": ["a", "b"]}],
        },
        "views",
        "a x b could have 1000002000001 groups; lower max_levels",
    ),
]  # fmt: skip


@pytest.mark.parametrize("tables, path, words", REFUSED)
def test_what_is_refused(tables, path, words):
    with pytest.raises(InvalidArgumentError) as caught:
        program(**tables)
    error = caught.value
    assert error.reason == "INVALID_PROGRAM"
    assert error.column == path
    assert error.message.startswith(f"{path}: ")
    assert words in error.message


def test_many_items_and_drivers_are_refused():
    many = {f"q{place}": RATING for place in range(70)}
    with pytest.raises(InvalidArgumentError, match="more than 62 items"):
        program(questions=many, **index({"a": {"items": list(many)[:63]}}))
    program(questions=many, **index({"a": {"items": list(many)[:62]}}))
    with pytest.raises(InvalidArgumentError, match="more than 63 drivers"):
        program(questions=many, models={"m": {"outcome": "q0", "drivers": list(many)[1:65]}})
    program(questions=many, models={"m": {"outcome": "q0", "drivers": list(many)[1:64]}})


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.just(Decimal("NaN")) | st.sampled_from(["nps", "rating", "number", "choice", "q", "day"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["name", "questions", "q", "kind", "scale", "range", "step", "missing", "options", "values", "dimensions", "time", "column", "columns", "multiple", "buckets", "timezone", "weight", "indices", "parts", "items", "models", "outcome", "drivers", "views", "by", "insights", "customer", "top", "low", "max_levels", "labels", "label"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(json, st.sampled_from([(), ("questions",), ("questions", "q"), ("indices", "i"), ("time",)]))
def test_nothing_but_a_refusal_comes_of_nonsense(value, at):
    tables = {"name": "p", "questions": {"q": {"kind": "rating", "scale": [1, 5]}}}
    if at:
        place = tables
        for key in at[:-1]:
            place = place.setdefault(key, {})
        place[at[-1]] = value
    elif isinstance(value, dict):
        tables |= value
    try:
        program_from_dict(tables)
    except CxError as error:
        reason = error.reason
    else:
        reason = "INVALID_PROGRAM"
    assert reason == "INVALID_PROGRAM"


@pytest.mark.parametrize(
    "tables",
    [
        robust(108),
        robust(4096),
        robust(5, drivers=11),
        robust_number(2**22),
        leverage_number(2**26),
        robust_number(2**16, weight={"column": "w", "step": 1}),
    ],
)
def test_models_at_the_limit(tables):
    declared = program_from_dict({"name": "p", **tables}).models["m"]
    assert declared.robust != declared.leverage
    plain = program_from_dict({"name": "p", **model(outcome="a", drivers=["b"])}).models["m"]
    assert not plain.robust and not plain.leverage
