"""Write the pages of this folder from docstrings.

``python engine/docs/render.py`` writes a page per question that a client can ask, those of what
questions share, and their index; ``--check`` writes nothing and fails where a page differs from
what the docstrings say. ``coverage.md`` is written by the simulation that it tells of.

Needs ``griffelib`` in the environment that runs it.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import inspect
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_type_hints

import griffe

from cxstream.analytics.formulas import FORMULAS, Formula
from cxstream_client import Client, _asking, results
from cxstream_client.results import result as shared

DOCS = Path(__file__).resolve().parent
#: Written by the simulation that it tells of; linked to where it is.
COVERAGE = DOCS / "coverage.md"
#: What every question says of itself, in the Notes of its docstring.
TOPICS = ("What it says", "Missing answers", "Weights", "Interval")
DIFF_LINES_MAX = 40

MADE = "<!-- Made from docstrings by engine/docs/render.py. -->\n"
LOADED = (
    "> The example runs in CI as it stands. `client` is a client of an engine with two programs: "
    "`sfo-2017`, the [airport survey](../cxstream/demo/PROVENANCE.md) that comes with the package "
    "([declaration](../cxstream/demo/sfo_2017.toml)), and `shop`, [made-up responses](shop.csv) "
    "([declaration](shop.toml))."
)
_PREFACE = (
    "A page per statistic: what it says, its formula and where that comes from, what missing "
    "answers and weights do, how its interval behaves, an example that runs in CI. Every answer is a "
    "pure function of exact sums: it does not depend on the order, the batches or the machine, and "
    "says what it rests on by `explain()`."
)
#: Pages of what questions share: title, and the classes whose docstrings they show.
SHARED: dict[str, tuple[str, tuple[type, ...]]] = {
    "selection": ("Which responses, how grouped", (Client,)),
    "weights": ("Weights and raking", (shared.Weights, shared.Raking, shared.MarginError)),
    "explain": (
        "What an answer rests on",
        (shared.Explanation, shared.AsOf, shared.Formula, shared.Interval),
    ),
}
#: Where what is described once stands.
_PLACES = {one.__name__: page for page, (_, classes) in SHARED.items() for one in classes}
_ASIDE = (shared.GroupRow, object)


@dataclass(slots=True)
class Doc:
    """A docstring: its text, and what its sections say."""

    text: str = ""
    #: Names and description of parameters or attributes, in order.
    named: list[tuple[str, str, str]] = field(default_factory=list)
    notes: str = ""
    #: By term, where the Notes are a list of definitions.
    topics: dict[str, str] = field(default_factory=dict)
    references: str = ""
    examples: str = ""


def doc_of(thing: object) -> Doc:
    """Read a numpydoc docstring."""
    doc = Doc()
    for section in griffe.Docstring(inspect.getdoc(thing) or "").parse("numpy", warnings=False):
        kind = section.kind.value
        if kind == "text":
            doc.text = section.value
        elif kind in ("parameters", "attributes"):
            doc.named = [
                (one.name, str(one.annotation or ""), one.description) for one in section.value
            ]
        elif kind == "examples":
            doc.examples = "\n\n".join(text for _, text in section.value)
        elif section.title == "Notes":
            doc.notes, doc.topics = _definitions(section.value.description)
        elif section.title == "References":
            doc.references = section.value.description
    return doc


def _definitions(text: str) -> tuple[str, dict[str, str]]:
    """Split text from a list of definitions that follows: a term, its definition indented."""
    lead: list[str] = []
    found: dict[str, list[str]] = {}
    lines = text.splitlines()
    for line, following in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        if line and not line[0].isspace() and following.startswith(" "):
            found[line] = []
        elif found:
            next(reversed(found.values())).append(line)
        else:
            lead.append(line)
    return "\n".join(lead).strip(), {
        term: inspect.cleandoc("\n".join(body)) for term, body in found.items()
    }


def questions() -> dict[str, tuple[type, Callable[..., Any]]]:
    """Return every question a client can ask, with its topic, in the order of the topics."""
    topics = [
        one for one in _asking.Questions.__mro__ if one.__module__.startswith(_asking.__name__)
    ]
    return {
        name: (topic, method)
        for topic in topics[1:]
        for name, method in vars(topic).items()
        if inspect.isfunction(method) and not name.startswith("_")
    }


def formulas_of(doc: Doc) -> list[Formula]:
    """Return the formulas that a docstring's References name."""
    return [FORMULAS[name] for name in re.findall(r"``([\w.]+)``", doc.references)]


def pages() -> dict[str, str]:
    """Return the text of every page by its name.

    Raises
    ------
    SystemExit
        Where the docstring of a question lacks a part; says which.
    """
    asked = questions()
    made = {name: _statistic(name, method) for name, (_, method) in asked.items()}
    made |= {name: _common(title, classes) for name, (title, classes) in SHARED.items()}
    made["README"] = _index(asked)
    return {f"{name}.md": MADE + text for name, text in made.items()}


def _statistic(name: str, method: Callable[..., Any]) -> str:
    doc = doc_of(method)
    lacks = [topic for topic in TOPICS if not doc.topics.get(topic)]
    lacks += [one for one in ("References", "Examples") if not getattr(doc, one.lower())]
    if lacks:
        raise SystemExit(f"the docstring of {method.__qualname__} lacks: {', '.join(lacks)}")
    kind = getattr(results, method.__annotations__["return"].removeprefix("results."))
    signature = inspect.signature(method)
    bare = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in list(signature.parameters.values())[1:]
    ]
    call = signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)
    notes = {topic: _text(text) for topic, text in doc.topics.items()}
    if COVERAGE.exists():
        notes["Interval"] += "\n\nHow often it covers, by simulation: [coverage](coverage.md)."
    if FORMULAS["weighted"] in formulas_of(doc):
        notes["Weights"] += "\n\nMore: [weights and raking](weights.md)."
    parts = [
        f"# {name}",
        LOADED,
        _text(doc.text),
        f"```python\nclient.{name}{call} -> {kind.__name__}\n```",
        notes.pop("What it says"),
        f"## Arguments\n\n{_listed(doc.named)}",
        _formulas(doc),
        *(f"## {topic}\n\n{text}" for topic, text in notes.items()),
        _example(doc),
        *_answer(kind),
    ]
    return "\n\n".join(parts) + "\n"


def _formulas(doc: Doc) -> str:
    rows = [f"| `{one.id}` | `{one.text}` | <{one.source}> |" for one in formulas_of(doc)]
    return "\n".join(["## Formula", "", "| id | formula | source |", "|---|---|---|", *rows])


def _answer(kind: Any) -> Iterator[str]:
    """Describe the rows of a result, what it has itself, and what stands in both."""
    row = kind._row_class  # noqa: SLF001
    own = doc_of(kind)
    yield "## Answer\n\nA row per group, with `group`, `labels` and:"
    yield "\n".join([_fields(row), *_more(row)])
    if more := [line for line in (_listed(own.named), *_more(kind)) if line]:
        yield "The result itself has, besides the fields of its row where there is only one:"
        yield "\n".join(more)
    columns = ", ".join(f"`{column.name}`" for column in kind._fields)
    yield f"{_text(own.text)} Columns of the table: {columns}."
    hints = get_type_hints(kind)
    pending = _records(hints[name] for name, _, _ in own.named)
    pending = [*_records(get_type_hints(row).values()), *pending]
    seen = {row}
    while pending:
        one = pending.pop(0)
        if one not in seen and one.__name__ not in _PLACES:
            seen.add(one)
            yield f"### {one.__name__}\n\n{_text(doc_of(one).text)}"
            yield "\n".join([_fields(one), *_more(one)])
            pending += _records(get_type_hints(one).values())


def _records(hints: Iterable[Any]) -> list[type]:
    """Return the dataclasses that stand in type hints."""
    within = [one for hint in hints for one in (hint, *get_args(hint))]
    return [one for one in within if isinstance(one, type) and dataclasses.is_dataclass(one)]


def _fields(row: type) -> str:
    """List the fields of a row, those of its bases first."""
    bases = [base for base in reversed(row.__mro__) if base not in _ASIDE]
    return _listed([entry for base in bases for entry in doc_of(base).named])


def _more(one: type) -> Iterator[str]:
    """List what a class computes from its fields."""
    for name, value in vars(one).items():
        if not name.startswith("_") and (isinstance(value, property) or inspect.isfunction(value)):
            yield f"- `{name}`: {_summary(value)}"


def _common(title: str, classes: Sequence[type]) -> str:
    doc = doc_of(classes[0])
    parts = [f"# {title}", LOADED]
    if classes[0] is not Client:
        parts.append(_text(doc.text))
    parts += [_text(doc.notes)] if doc.notes else []
    parts += [f"## {_text(term)}\n\n{_text(text)}" for term, text in doc.topics.items()]
    parts += [_formulas(doc)] if doc.references else []
    parts.append(_example(doc))
    for one in classes:
        if one is not Client:
            mine = doc_of(one)
            parts.append(f"## {one.__name__}\n\n{_text(mine.text)}\n\n{_listed(mine.named)}")
    return "\n\n".join(parts) + "\n"


def _index(asked: dict[str, tuple[type, Callable[..., Any]]]) -> str:
    parts = [
        "# Statistics",
        _PREFACE,
    ]
    for topic, group in itertools.groupby(asked.items(), key=lambda item: item[1][0]):
        parts.append(f"## {_text(doc_of(topic).text).removesuffix('.')}")
        parts.append(
            "\n".join(f"- [{name}]({name}.md): {_summary(method)}" for name, (_, method) in group)
        )
    parts.append("## What they share")
    lines = [f"- [{title}]({name}.md)" for name, (title, _) in SHARED.items()]
    if COVERAGE.exists():
        lines.append("- [How often intervals cover](coverage.md), by simulation")
    lines.append(
        "- [The same numbers elsewhere](elsewhere.md): what R and Python call it, and what is absent"
    )
    parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _summary(method: object) -> str:
    first = _text(doc_of(method).text).split("\n\n")[0].removeprefix("Return ")
    return " ".join(first.split())


def _example(doc: Doc) -> str:
    return f"## Example\n\n```pycon\n{doc.examples}\n```"


def _listed(named: Sequence[tuple[str, str, str]]) -> str:
    """List names with their descriptions; those described together stand together."""
    lines = []
    for (hint, description), group in itertools.groupby(named, key=lambda one: one[1:]):
        names = ", ".join(f"`{name}`" for name, _, _ in group)
        said = " ".join(_text(description).split())
        if names == "`**asked`":
            names, said = (
                "`by`, `where`, `since` ...",
                "[Which responses, how grouped](selection.md).",
            )
        linked = re.sub(r"[A-Z]\w+", _linked, hint)
        typed = f" ({linked})" if hint else ""
        lines.append(f"- {names}{typed}: {said}")
    return "\n".join(lines)


def _linked(word: re.Match[str]) -> str:
    page = _PLACES.get(word[0])
    return f"[{word[0]}]({page}.md)" if page else word[0]


def _text(text: str) -> str:
    """Turn reStructuredText as our docstrings use it into Markdown."""
    text = re.sub(r":meth:`~?\.?(\w+)`", r"[\1](\1.md)", text)
    text = re.sub(r":(?:class|meth|func|attr):`~?(?:[\w]+\.)*(\w+)`", r"`\1`", text)
    text = text.replace("``", "`")
    return re.sub(r"^( *)\* ", r"\1- ", text, flags=re.MULTILINE)


def differences(committed: dict[str, str], fresh: dict[str, str]) -> list[str]:
    """Return what differs between two sets of pages, in lines to print."""
    lines = []
    for name in sorted(committed.keys() | fresh.keys()):
        if name not in fresh:
            lines.append(f"{name}: no longer made")
        elif name not in committed:
            lines.append(f"{name}: missing")
        elif committed[name] != fresh[name]:
            old, new = committed[name].splitlines(), fresh[name].splitlines()
            diff = list(difflib.unified_diff(old, new, "committed", "made", "", "", 1, ""))
            lines.append(f"{name}: {sum(line[0] in '+-' for line in diff[2:])} lines differ")
            lines += [f"    {line[:120]}" for line in diff[2:DIFF_LINES_MAX]]
    return lines


def committed() -> dict[str, str]:
    """Return the pages in this folder that this script made."""
    texts = {path.name: path.read_text("utf-8") for path in sorted(DOCS.glob("*.md"))}
    return {name: text for name, text in texts.items() if text.startswith(MADE)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or check them.

    Parameters
    ----------
    arguments
        The command line without the program's name; that of the process when absent.

    Returns
    -------
    int
        The exit status: 0, or 1 where ``--check`` found a difference.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare only; write nothing")
    options = parser.parse_args(arguments)

    old, fresh = committed(), pages()
    if options.check:
        lines = differences(old, fresh)
        for line in lines:
            print(line)
        if lines:
            print("The pages are out of date: run `python engine/docs/render.py`.")
        return 1 if lines else 0
    for name in old.keys() - fresh.keys():
        (DOCS / name).unlink()
    for name, text in fresh.items():
        (DOCS / name).write_text(text, "utf-8")
    print(f"{len(fresh)} pages in {DOCS.relative_to(DOCS.parents[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
