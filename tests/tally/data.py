"""Random programs' responses, and the codes of a batch of them."""

import random

import numpy as np

from cxstream.columns import (
    NO_BUCKET,
    Codes,
    DimensionCodes,
    choice_codes,
    code_dtype,
    number_buckets,
)
from cxstream.program import compile_plan, program_from_dict

SLIDER = {"kind": "rating", "scale": [0, 107]}
TABLES = {
    "name": "everything",
    "questions": {
        "nps": {"kind": "nps", "missing": [99]},
        "food": {"kind": "rating", "scale": [1, 5], "missing": [0, 6]},
        "staff": {"kind": "csat", "scale": [1, 7]},
        "long": {"kind": "rating", "scale": [0, 300]},
        "fcr": {"kind": "boolean"},
        "pick": {"kind": "choice", "options": ["a", "b", "c"], "missing": ["none"]},
        "many": {"kind": "choice", "options": ["x", "y", "z"], "multiple": True, "missing": [9]},
        "spend": {"kind": "number", "range": [0, 2**45], "missing": [-1]},
        "visits": {"kind": "number", "range": [-5, 1000], "step": 0.5},
    },
    "dimensions": {"region": {"max_levels": 40}, "shop": {}, "age": {}},
    "time": {"column": "at", "buckets": ["day", "month"]},
    "indices": {"delight": {"parts": {"a": {"items": ["food", "staff"]}, "b": {"items": ["nps"]}}}},
    "models": {
        "drivers": {"outcome": "nps", "drivers": ["food", "long"], "leverage": True},
        "money": {"outcome": "spend", "drivers": ["food", "visits"]},
        "visited": {"outcome": "nps", "drivers": ["visits", "food"], "leverage": True},
    },
    "views": [{"by": ["region", "shop"]}],
}
PROGRAM = program_from_dict(TABLES)
PLAN = compile_plan(PROGRAM)

#: With a survey weight and robust models: of short scales, and of a number and a long one.
WEIGHTED = program_from_dict(
    TABLES
    | {
        "weight": {"column": "w", "step": 0.001},
        "questions": TABLES["questions"]
        | {"spend": {"kind": "number", "range": [0, 2**40]}, "slider": SLIDER},
        "models": TABLES["models"]
        | {
            "robust": {"outcome": "nps", "drivers": ["slider", "food"], "robust": True},
            "steps": {"outcome": "long", "drivers": ["visits"], "robust": True},
        },
    }
)
WEIGHTED_PLAN = compile_plan(WEIGHTED)
#: From none over the smallest to the largest: of one limb, of several.
WEIGHTS = [None, 0, 1, 2, 1000, 1234, 2**20, 2**31, 2**36, 2**41, 2**45 - 1]


def response(rng: random.Random, program=PROGRAM, levels=4, days=400, heaviest=None):
    answers = {}
    for question in program.questions.values():
        answers[question.name] = (
            [_code(rng, question) for _ in range(rng.randrange(4))]
            if question.multiple
            else _code(rng, question)
        )
    return {
        "levels": {
            name: rng.choice([None, *(f"L{place}" for place in range(levels)), "7", "-3", ""])
            for name in program.dimensions
        },
        "bucket": rng.choice([None, rng.randrange(-days, days), 17_000 + rng.randrange(days)])
        if program.time
        else None,
        "answers": answers,
    } | ({"weight": rng.choice(WEIGHTS[:heaviest])} if program.weight else {})


def _code(rng, question):
    draw = rng.random()
    if draw < 0.1:
        return None
    if draw < 0.2 and question.missing:
        return ("missing", rng.randrange(len(question.missing)))
    if draw < 0.4:
        return question.levels - 1  # the largest: 2^45 for `spend`
    return rng.randrange(question.levels)


def responses(seed, count, **more):
    rng = random.Random(seed)
    return [response(rng, **more) for _ in range(count)]


def codes(rows, program=PROGRAM, shuffle=None):
    """The codes of a batch, as `columns.encode` would make them."""
    scales, numbers, choices, dimensions = {}, {}, {}, {}
    for question in program.questions.values():
        given = [row["answers"][question.name] for row in rows]
        if question.is_number:
            numbers[question.name] = np.array(
                [
                    -1 if one is None else -2 - one[1] if isinstance(one, tuple) else one
                    for one in given
                ],
                dtype=np.int64,
            )
        elif question.multiple:
            sizes = [0, *(len(one) for one in given)]
            flat = [_scale_code(question, one) for many in given for one in many]
            choices[question.name] = choice_codes(
                question, np.cumsum(sizes).astype(np.int64), np.array(flat, dtype=np.uint16)
            )
        else:
            scales[question.name] = np.array(
                [_scale_code(question, one) for one in given], dtype=code_dtype(question)
            )
    for name in program.dimensions:
        values = [row["levels"][name] for row in rows]
        levels = list(dict.fromkeys(one for one in values if one is not None))
        if shuffle is not None:
            shuffle.shuffle(levels)
        place = {one: number for number, one in enumerate(levels, start=1)} | {None: 0}
        dimensions[name] = DimensionCodes(
            tuple(levels), np.array([place[one] for one in values], dtype=np.int32)
        )
    buckets = None
    if program.time:
        buckets = number_buckets(
            np.array(
                [NO_BUCKET if row["bucket"] is None else row["bucket"] for row in rows],
                dtype=np.int64,
            )
        )
    weights = None
    if program.weight:
        given = [row["weight"] for row in rows]
        weights = np.array([-1 if one is None else one for one in given], dtype=np.int64)
    return Codes(len(rows), scales, numbers, choices, dimensions, buckets, weights)


def _scale_code(question, code):
    if code is None:
        return question.levels + len(question.missing)
    return question.levels + code[1] if isinstance(code, tuple) else code
