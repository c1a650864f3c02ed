"""Which statistics a program's columns allow, in words."""

from __future__ import annotations

from cxstream.program.program import Kind, Program

_STATISTICS = {
    Kind.NPS: "net promoter score of",
    Kind.RATING: "satisfaction (top box, mean) of",
    Kind.CSAT: "satisfaction (top box, mean) of",
    Kind.CES: "customer effort score of",
    Kind.CHOICE: "scorecard of",
    Kind.BOOLEAN: "share of",
    Kind.NUMBER: "mean of",
}


def unlocked(program: Program) -> tuple[str, ...]:
    """Say what can be asked of a program.

    Examples
    --------
    >>> from cxstream.program import program_from_dict
    >>> unlocked(program_from_dict({"name": "p", "questions": {"q": {"kind": "nps"}}}))
    ('net promoter score of q',)
    """
    out: list[str] = []
    for kind, words in _STATISTICS.items():
        names = [name for name, one in program.questions.items() if one.kind is kind]
        if names:
            out.append(f"{words} {', '.join(names)}")
    out += [f"index {name}" for name in program.indices]
    out += [f"regression {name}" for name in program.models]
    if len(program.insights) > 1:
        out.append(f"insights over {len(program.insights)} questions")
    if program.dimensions:
        out.append(f"groups by {', '.join(program.dimensions)}")
    if program.time:
        out.append(f"trends by {', '.join(program.time.buckets)}")
    return tuple(out)
