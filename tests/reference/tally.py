"""What a tally must hold, counted one response at a time in plain Python.

A response is a dict: ``levels`` {dimension: text or None}, ``bucket`` (int or None), and
``answers`` {question: code}: a level's number, ``("missing", i)``, or None for null; for several
answers a list of these. Where there are survey weights, ``weight`` is a number of steps, or None.
Nothing here shares code with the engine.
"""

import datetime as dt
import itertools
import math
from collections import Counter, defaultdict

MISSING = "missing"


def is_answer(code):
    return isinstance(code, int)


def counts(question, responses):
    """The columns of one question: levels, (any), missing codes, null."""
    levels = 1 if question.is_number else question.levels
    width = levels + question.multiple + len(question.missing) + 1
    out = [0] * width
    for response in responses:
        code = response["answers"][question.name]
        if question.multiple:
            options = {one for one in code if is_answer(one)}
            reasons = [one[1] for one in code if isinstance(one, tuple)]
            for one in options:
                out[one] += 1
            if options:
                out[levels] += 1
            elif reasons:
                out[levels + 1 + reasons[0]] += 1
            else:
                out[-1] += 1
        elif is_answer(code):
            out[0 if question.is_number else code] += 1
        elif code is None:
            out[-1] += 1
        else:
            out[levels + code[1]] += 1
    return out


def _triangle(rows):
    """Upper triangle of sum of outer products of [1, x...], row by row."""
    width = len(rows[0])
    return [sum(row[i] * row[j] for row in rows) for i in range(width) for j in range(i, width)]


def complete(columns, responses):
    """Sums over the responses that answer every column."""
    rows = [
        [1, *(one["answers"][name] for name in columns)]
        for one in responses
        if all(is_answer(one["answers"][name]) for name in columns)
    ]
    width = (len(columns) + 1) * (len(columns) + 2) // 2
    return _triangle(rows) if rows else [0] * width


def patterns(columns, responses):
    """{pattern: sums} with 0 where a column is not answered; nobody without any answer."""
    found = defaultdict(list)
    for one in responses:
        codes = [one["answers"][name] for name in columns]
        pattern = sum(1 << place for place, code in enumerate(codes) if is_answer(code))
        if pattern:
            found[pattern].append([1, *(code if is_answer(code) else 0 for code in codes)])
    return {pattern: _triangle(rows) for pattern, rows in found.items()}


def combinations(columns, responses):
    """{answers to all columns: how many gave them}, over complete responses."""
    rows = [tuple(one["answers"][name] for name in columns) for one in responses]
    return dict(Counter(row for row in rows if all(map(is_answer, row))))


def monomials(columns, responses, order, power=0):
    """Sums of w^power times every product of `order` of [1, x...], over complete responses."""
    rows = [
        (one["weight"] ** power if power else 1, [1, *(one["answers"][name] for name in columns)])
        for one in responses
        if all(is_answer(one["answers"][name]) for name in columns)
    ]
    return [
        sum(w * math.prod(row[place] for place in places) for w, row in rows)
        for places in itertools.combinations_with_replacement(range(len(columns) + 1), order)
    ]


def weighing(responses):
    """The responses that have a weight: 0 is one."""
    return [one for one in responses if one["weight"] is not None]


def weighted_counts(question, responses, power):
    """The columns of one question, each response counting as w^power."""
    single = [(one["weight"] ** power, counts(question, [one])) for one in responses]
    width = len(counts(question, []))
    return [sum(w * row[place] for w, row in single) for place in range(width)]


def weighted_patterns(columns, responses, power):
    """{pattern: sums with w^power} with 0 where a column is not answered."""
    found = {}
    for one in responses:
        for pattern, row in patterns(columns, [one]).items():
            sums = found.setdefault(pattern, [0] * len(row))
            for place, value in enumerate(row):
                sums[place] += one["weight"] ** power * value
    return found


def pairs(columns, responses):
    """For every pair (i, j): n, sum of x_i, of x_i^2, of x_i x_j over those who answer both."""
    p = len(columns)
    n, total, squares, cross = ([[0] * p for _ in range(p)] for _ in range(4))
    for one in responses:
        codes = [one["answers"][name] for name in columns]
        for i in range(p):
            for j in range(p):
                if is_answer(codes[i]) and is_answer(codes[j]):
                    n[i][j] += 1
                    total[i][j] += codes[i]
                    squares[i][j] += codes[i] ** 2
                    cross[i][j] += codes[i] * codes[j]
    upper = [(i, j) for i in range(p) for j in range(i, p)]
    return [
        *(n[i][j] for i, j in upper),
        *(one for row in total for one in row),
        *(one for row in squares for one in row),
        *(cross[i][j] for i, j in upper),
    ]


def start_of(bucket, unit):
    """The first instant of a bucket counted since 1970."""
    if unit == "hour":
        return dt.datetime(1970, 1, 1) + dt.timedelta(hours=bucket)
    if unit == "day":
        return dt.datetime(1970, 1, 1) + dt.timedelta(days=bucket)
    if unit == "week":
        return dt.datetime(1969, 12, 29) + dt.timedelta(weeks=bucket)
    months = bucket * {"month": 1, "quarter": 3, "year": 12}[unit]
    return dt.datetime(1970 + months // 12, months % 12 + 1, 1)


def bucket_of(instant, unit):
    """The bucket since 1970 that holds a local instant, from the calendar alone."""
    if unit == "hour":
        return (instant - dt.datetime(1970, 1, 1)) // dt.timedelta(hours=1)
    if unit == "day":
        return instant.toordinal() - dt.date(1970, 1, 1).toordinal()
    if unit == "week":
        monday = instant.toordinal() - instant.weekday()
        return (monday - dt.date(1969, 12, 29).toordinal()) // 7
    if unit == "month":
        return (instant.year - 1970) * 12 + instant.month - 1
    if unit == "quarter":
        return (instant.year - 1970) * 4 + (instant.month - 1) // 3
    return instant.year - 1970


def groups(responses, by, stored_unit=None, where=None, since=None, until=None):
    """{coordinates: responses}; a `by` that names a time unit rolls the stored bucket up."""
    found = defaultdict(list)
    for one in responses:
        if any(one["levels"][name] not in wanted for name, wanted in (where or {}).items()):
            continue
        bucket = one["bucket"]
        if since is not None and (bucket is None or bucket < since):
            continue
        if until is not None and (bucket is None or bucket >= until):
            continue
        key = []
        for name in by:
            if name in one["levels"]:
                key.append(one["levels"][name])
            elif bucket is None:
                key.append(None)
            else:
                key.append(bucket_of(start_of(bucket, stored_unit), name))
        found[tuple(key)].append(one)
    return dict(found)
