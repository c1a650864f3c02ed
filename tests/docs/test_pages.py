"""The pages of the docs say what the docstrings say, and their examples run."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import cxstream_client as cx
from cxstream.analytics.formulas import FORMULAS
from cxstream_client.results import Result
from engine.docs import render
from tests.docs.loaded import DOCS, loaded

QUESTIONS = {name: method for name, (_, method) in render.questions().items()}
SHARED = {name: classes[0] for name, (_, classes) in render.SHARED.items()}


@pytest.fixture(scope="module")
def client() -> Iterator[cx.Client]:
    with loaded() as client:
        yield client


def _run(thing: Any, name: str, client: cx.Client) -> None:
    """Run the examples of a docstring, each of which is shown with what it prints."""
    text = inspect.getdoc(thing) or ""
    test = doctest.DocTestParser().get_doctest(text, {"client": client}, name, None, 0)
    said: list[str] = []
    found = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert found.attempted
    assert not found.failed, "".join(said)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_questions_example(name: str, client: cx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Result[Any]] = []
    made = Result.__init__

    def keep(self: Result[Any], *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        answers.append(self)

    monkeypatch.setattr(Result, "__init__", keep)
    _run(QUESTIONS[name], name, client)
    kind = QUESTIONS[name].__annotations__["return"].removeprefix("results.")
    used = {
        one.id
        for answer in answers
        if type(answer).__name__ == kind
        for one in answer.explanation.formulas
    }
    assert used
    assert used <= {one.id for one in render.formulas_of(render.doc_of(QUESTIONS[name]))}


@pytest.mark.parametrize("name", SHARED)
def test_an_example_of_what_questions_share(name: str, client: cx.Client) -> None:
    _run(SHARED[name], name, client)


def test_the_pages_are_up_to_date() -> None:
    assert render.differences(render.committed(), render.pages()) == []


@pytest.mark.parametrize("topic", [*render.TOPICS, "References", "Examples"])
def test_a_docstring_that_lacks_a_part_is_refused(
    topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = cx.Client.nps
    assert method.__doc__
    without = re.sub(rf"^( *){topic}\n", r"\1Else\n", method.__doc__, flags=re.MULTILINE)
    monkeypatch.setattr(method, "__doc__", without)
    with pytest.raises(SystemExit, match=f"nps lacks: {topic}"):
        render.pages()


def test_every_formula_is_on_a_page() -> None:
    things = [*QUESTIONS.values(), *SHARED.values()]
    named = {one.id for thing in things for one in render.formulas_of(render.doc_of(thing))}
    assert named == set(FORMULAS)


@pytest.mark.parametrize("name", [*QUESTIONS, *SHARED, "README"])
def test_links_lead_somewhere(name: str) -> None:
    targets = set(re.findall(r"\]\(([^):]+)\)", render.pages()[f"{name}.md"]))
    assert [one for one in targets if not (DOCS / one).exists()] == []


def test_differences_are_named() -> None:
    lines = render.differences({"a.md": "x", "b.md": "y\nz"}, {"b.md": "y\nq", "c.md": "x"})
    assert lines[0] == "a.md: no longer made"
    assert "b.md: 2 lines differ" in lines
    assert lines[-1] == "c.md: missing"
