"""Programs: TOML, mapping and message say the same; what is wrong is named."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from cxstream_api.v1 import program_pb2
from cxstream_client import InvalidInput, Program, message_to_dict

EXAMPLE = """
name = "sfo-2017"
label = "Airport"
[questions]
netpro  = { kind = "nps", label = "Would you recommend the airport?", promoter = 9, passive = 7 }
food    = { kind = "rating", scale = [1, 5], missing = [0, 6, "X"], direction = "lower_is_better" }
clean   = { kind = "csat", scale = [1, 5], values = { "Very good" = 5, Bad = 0 }, top = 4 }
effort  = { kind = "ces", scale = [1, 7], low = 3, high = 5, agree = 5 }
improve = { kind = "choice", options = { 1 = "Food", 2 = "Wifi" }, multiple = false }
why     = { kind = "choice", options = ["Food", "Wifi", 7], multiple = true, columns = ["w"] }
solved  = { kind = "boolean" }
spend   = { kind = "number", range = [0, 100000], step = 0.01, column = "spend_usd" }
[dimensions]
terminal = { max_levels = 100, labels = { A = "Area A" }, missing = ["?"] }
"flight no." = { column = "flight" }
[time]
column = "interviewed_at"
buckets = ["day", "month"]
timezone = "America/Los_Angeles"
[customer]
column = "respondent"
[weight]
column = "weight"
step = 0.000001
[indices.delight]
missing = "renormalise"
parts = { service = { weight = 0.3, items = ["food"] }, rest = { items = ["clean"] } }
[models.drivers]
outcome = "netpro"
drivers = ["food", "clean"]
intercept = false
[[views]]
by = ["terminal"]
[[views]]
by = ["terminal", "flight no."]
[insights]
questions = ["food", "clean"]
[retention]
months = 24
"""


def test_the_message_says_what_the_file_says() -> None:
    message = Program.from_toml_text(EXAMPLE).message
    questions = {question.name: question for question in message.questions}
    assert [question.name for question in message.questions][:2] == ["netpro", "food"]
    assert questions["netpro"].kind == program_pb2.QUESTION_KIND_NPS
    assert list(questions["food"].missing) == ["0", "6", "X"]
    assert questions["food"].direction == program_pb2.DIRECTION_LOWER_IS_BETTER
    assert [(v.text, v.value) for v in questions["clean"].values] == [
        ("Very good", "5"),
        ("Bad", "0"),
    ]
    assert [(o.code, o.label) for o in questions["improve"].options] == [
        ("1", "Food"),
        ("2", "Wifi"),
    ]
    assert [(o.code, o.label) for o in questions["why"].options] == [
        ("Food", ""),
        ("Wifi", ""),
        ("7", ""),
    ]
    assert list(questions["spend"].range) == [0.0, 100000.0]
    assert questions["effort"].HasField("low")
    assert not questions["effort"].HasField("top")
    assert [(x.level, x.label) for x in message.dimensions[0].labels] == [("A", "Area A")]
    assert [(p.name, p.HasField("weight")) for p in message.indices[0].parts] == [
        ("service", True),
        ("rest", False),
    ]
    assert [list(view.by) for view in message.views] == [["terminal"], ["terminal", "flight no."]]
    assert message.models[0].HasField("intercept")


def test_nothing_is_lost_on_the_way_back() -> None:
    program = Program.from_toml_text(EXAMPLE)
    mapping = program.to_dict()
    assert Program.from_dict(mapping) == program
    assert message_to_dict(program.message) == mapping
    assert mapping["questions"]["improve"] == {
        "kind": "choice",
        "options": {"1": "Food", "2": "Wifi"},
    }
    assert mapping["questions"]["why"]["options"] == ["Food", "Wifi", "7"]
    assert mapping["questions"]["clean"]["values"] == {"Very good": "5", "Bad": "0"}
    assert mapping["indices"]["delight"]["parts"]["service"] == {"weight": 0.3, "items": ["food"]}
    assert mapping["models"]["drivers"]["intercept"] is False
    assert mapping["views"] == [{"by": ["terminal"]}, {"by": ["terminal", "flight no."]}]


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"insights": {"questions": []}},
        {"views": [{"by": []}]},
        {"time": {}},
        {"questions": {"": {}}},
        {"questions": {"q": {"options": {"1": "Food", "2": ""}}}},
        {"questions": {"q": {"values": {"never": "0"}}}},
        {"questions": {"q": {"top": 0, "step": 0.0}}},
        {"models": {"m": {"intercept": True}}},
    ],
)
def test_odd_shapes_survive(mapping: dict[str, Any]) -> None:
    assert Program.from_dict(mapping).to_dict() == mapping


def test_other_ways_to_write_it() -> None:
    program = Program.from_dict(
        {
            "name": "p",
            "questions": [{"name": "q", "kind": "choice", "options": {2: "a", True: "b"}}],
        }
    )
    assert program.to_dict()["questions"] == {
        "q": {"kind": "choice", "options": {"2": "a", "true": "b"}}
    }


@pytest.mark.parametrize(
    "mapping, where, expected",
    [
        ({"nme": 1}, "nme", 'did you mean "name"'),
        ({"questions": {"food": {"scal": [1, 5]}}}, "questions.food.scal", 'did you mean "scale"'),
        ({"questions": {"food": {"name": "x"}}}, "questions.food.name", "there is no such key"),
        ({"questions": {"food": {"kind": "rting"}}}, "questions.food.kind", 'mean "rating"'),
        (
            {"questions": {"food": {"kind": "unspecified"}}},
            "questions.food.kind",
            '"nps", "rating"',
        ),
        ({"questions": {"food": {"kind": 1}}}, "questions.food.kind", "is not a choice"),
        ({"questions": {"food": "nps"}}, "questions.food", "expected a table"),
        ({"questions": 5}, "questions", "a table of named things"),
        ({"views": {"a": {}}}, "views", "a list of tables"),
        ({"views": ["terminal"]}, "views[0]", "expected a table"),
        ({"time": "t"}, "time", "expected a table"),
        ({"questions": {"a b": {"scale": [1, 2.5]}}}, 'questions."a b".scale[1]', "a whole number"),
        ({"questions": {"q": {"scale": 5}}}, "questions.q.scale", "a list of a whole number"),
        ({"questions": {"q": {"scale": [1, 2**31]}}}, "questions.q.scale[1]", "2147483647"),
        ({"questions": {"q": {"multiple": 1}}}, "questions.q.multiple", "true or false"),
        ({"questions": {"q": {"top": True}}}, "questions.q.top", "a whole number"),
        ({"questions": {"q": {"step": True}}}, "questions.q.step", "a number"),
        ({"questions": {"q": {"step": 10**400}}}, "questions.q.step", "a number"),
        ({"questions": {"q": {"label": "\ud800"}}}, "questions.q.label", "UTF-8"),
        ({"questions": {"q": {"missing": [["x"]]}}}, "questions.q.missing[0]", "text"),
        ({"questions": {"q": {"values": {"x": ["y"]}}}}, "questions.q.values.x", "text"),
        ({"name": 5}, "name", "expected text, not 5"),
        ({"indices": {"i": {"parts": {"p": 0.5}}}}, "indices.i.parts.p", "expected a table"),
    ],
)
def test_what_is_wrong_is_named(mapping: dict[str, Any], where: str, expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Program.from_dict(mapping)
    assert str(caught.value).startswith(f"{where}: ")
    assert expected in str(caught.value)
    assert caught.value.details["field"] == where
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("nothing", [None, [], "text"])
def test_not_a_table(nothing: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^program: expected a table"):
        Program.from_dict(nothing)


def test_a_message_no_file_could_say() -> None:
    twice = program_pb2.Program(
        questions=[program_pb2.Question(name="q"), program_pb2.Question(name="q")]
    )
    with pytest.raises(InvalidInput, match=r"^questions\.q: declared twice"):
        message_to_dict(twice)
    unknown = program_pb2.Program(questions=[program_pb2.Question(name="q", kind=99)])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"^questions\.q\.kind: 99"):
        message_to_dict(unknown)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(EXAMPLE, "utf-8")
    program = Program.from_toml(path)
    assert program == Program.from_toml(str(path)) == Program.from_toml_text(EXAMPLE)
    assert repr(program) == "Program('sfo-2017', 8 questions, 2 dimensions)"
    assert program.name == "sfo-2017"
    path.write_text("name = \n", "utf-8")
    with pytest.raises(InvalidInput, match=r"p\.toml: .*line 1"):
        Program.from_toml(path)
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(InvalidInput, match="not UTF-8"):
        Program.from_toml(path)
    with pytest.raises(FileNotFoundError):
        Program.from_toml(tmp_path / "none.toml")


def test_a_program_keeps_its_own_message() -> None:
    message = program_pb2.Program(name="a")
    program = Program(message)
    message.name = "b"
    assert program.name == "a"
    assert copy.copy(program) == program != Program(message)
    assert pickle.loads(pickle.dumps(program)) == program
