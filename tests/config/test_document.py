"""What a text says: scalars, keys, anchors, and each mistake at its place."""

from __future__ import annotations

import math

import pytest

from runner.config import compose
from runner.errors import Location


def read(text, file_format=".yaml"):
    return compose("cfg.yaml", text=text, file_format=file_format, environ={})


def found(composition):
    return [(problem.code, problem.origin.line, problem.origin.column) for problem in composition.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-12", -12),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-3", 0.001),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("2024-05-01", "2024-05-01"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("=", "="),
        ("-_", "-_"),
        ("'1'", "1"),
        ('"\\u00e9\\ud83d\\ude00"', "é😀"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("! 1", "1"),
        ("[1, [2]]", [1, [2]]),
        ("{}", {}),
        ("|-\n  x\n  y", "x\ny"),
        (">-\n  x\n  y", "x y"),
    ],
)
def test_yaml_1_2_values(text, value):
    composition = read(f"a: {text}\n")
    assert composition.problems == []
    assert composition.data == {"a": value}
    assert type(composition.data["a"]) is type(value)


def test_nan():
    assert math.isnan(read("a: .nan\n").data["a"])


def test_keys_and_values_know_their_place():
    composition = read("train:\n  lr: 0.1\n  betas: [0.9,   0.99]\nname: 'a b'\n")
    marks = composition.marks
    assert marks.key_at(("train", "lr")) == Location(file="cfg.yaml", line=2, column=3, width=2)
    assert marks.value_at(("train", "lr")) == Location(file="cfg.yaml", line=2, column=7, width=3)
    assert marks.value_at(("train", "betas", 1)) == Location(file="cfg.yaml", line=3, column=18, width=4)
    assert marks.value_at(("name",)).width == 5
    assert marks.value_at(()) == Location(file="cfg.yaml", line=1, column=1)
    # What is missing stands at the key of the nearest mapping that is there.
    assert marks.value_at(("train", "momentum")) == marks.key_at(("train",))
    assert marks.key_at(("train", "betas", 7, "x")) == marks.key_at(("train", "betas"))
    assert marks.key_at(("nothing",)) == marks.value_at(())


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a: 1\nb: 2\na: 3\n", [("duplicate-key", 3, 1)]),
        ("a: {b: 1, c: 2, b: 3}\n", [("duplicate-key", 1, 17)]),
        ("1: x\n", [("non-string-key", 1, 1)]),
        ("a:\n  true: x\n  ~: y\n", [("non-string-key", 2, 3), ("non-string-key", 3, 3)]),
        ("? [a]\n: x\n? {b: c}\n: y\n", [("non-string-key", 1, 3), ("non-string-key", 3, 3)]),
        ("a: !x 1\nb: !!set {c}\n", [("unknown-tag", 1, 4), ("unknown-tag", 2, 4)]),
        ("a: !!int x\n", [("bad-tag", 1, 4)]),
        ("a: 1\n---\nb: 2\n", [("several-documents", 2, 1)]),
        ("a: *b\n", [("undefined-alias", 1, 4)]),
        ("a: b: c\n", [("yaml-syntax", 1, 5)]),
        ("a: [1, 2\nb: 3\n", [("yaml-syntax", 2, 2)]),
        ("a:\n\t- b\n", [("yaml-syntax", 2, 1)]),
        ("a: @x\n", [("yaml-syntax", 1, 4)]),
        ("%YAML 1.1\n---\na: no\n", [("yaml-syntax", 2, 1)]),
        ("<<: 1\na: 2\n", [("bad-merge", 1, 1)]),
        ("a:\n  <<: [{b: 1}, c]\n", [("bad-merge", 2, 3)]),
        ("a: {_delete_: 1}\n", [("bad-delete", 1, 5)]),
        ("a: [{_delete_: true}]\n", [("bad-delete", 1, 6)]),
        ("_delete_: true\n", [("bad-delete", 1, 1)]),
    ],
)
def test_mistakes_stand_at_their_place(text, problems):
    assert found(read(text)) == problems


def test_all_mistakes_of_a_text_are_found_at_once():
    composition = read("a: 1\na: 2\n3: x\nb: !t y\nc: ${d}\n")
    assert [code for code, *_ in found(composition)] == [
        "duplicate-key",
        "non-string-key",
        "unknown-tag",
        "missing-variable",
    ]
    assert composition.data == {"a": 1, "3": "x", "b": "y", "c": None}
    assert composition.unresolved == {("b",), ("c",)}
    assert composition.whole


def test_a_reference_between_brackets_says_what_to_do():
    (problem,) = read("a: [${vars.x}]\n").problems
    assert problem.code == "yaml-syntax"
    assert '["${vars.name}"]' in problem.message


def test_a_python_tag_is_said_to_be_no_data():
    (problem,) = read("a: !!python/object:os.system x\n").problems
    assert "!!python/object:os.system" in problem.message


def test_anchors_aliases_and_merge_keys():
    composition = read(
        "base: &base {lr: 0.1, nested: {x: 1}}\n"
        "other: &other\n  lr: 1\n  wd: 2\n"
        "a: *base\n"
        "b:\n  <<: [*base, *other]\n  lr: 5\n"
        "c:\n  lr: 6\n  <<: *other\n"
    )
    assert composition.problems == []
    assert composition.data["a"] == {"lr": 0.1, "nested": {"x": 1}}
    assert composition.data["b"] == {"lr": 5, "nested": {"x": 1}, "wd": 2}
    assert composition.data["c"] == {"lr": 6, "wd": 2}
    # A merged value stands where it was written, and two uses of an alias share nothing.
    assert composition.marks.value_at(("b", "wd")).line == 4
    composition.data["a"]["nested"]["x"] = 2
    assert composition.data["b"]["nested"]["x"] == 1


def test_an_anchor_may_be_used_again():
    assert read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n").data == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_quoted_merge_signs_are_a_key():
    assert read('"<<": 1\n').data == {"<<": 1}


def test_byte_order_mark_and_carriage_returns(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffa: 1\r\nb: é\r\nb: 2\r\n".encode())
    composition = compose(path)
    assert composition.data == {"a": 1, "b": "é"}
    assert found(composition) == [("duplicate-key", 3, 1)]


@pytest.mark.parametrize(
    "text", ['{"a": 1, "b": [true, null, -1.5e2, "\\ud83d\\ude00"], "c": {}, "d": []}', ' {"a":1}\n']
)
def test_json(text):
    import json

    composition = read(text, ".json")
    assert composition.problems == []
    assert composition.data == json.loads(text)


def test_json_knows_places():
    composition = read('{\n\t"a": {"b": 12}\n}', ".json")
    assert composition.marks.key_at(("a", "b")) == Location(file="cfg.yaml", line=2, column=8, width=3)
    assert composition.marks.value_at(("a", "b")) == Location(file="cfg.yaml", line=2, column=13, width=2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1,}', ("json-syntax", 1, 9)),
        ('{"a": 1 // no\n}', ("json-syntax", 1, 9)),
        ('{"a": NaN}', ("json-syntax", 1, 7)),
        ("{a: 1}", ("json-syntax", 1, 2)),
        ('{"a" 1}', ("json-syntax", 1, 6)),
        ('{"a": 1\n"b": 2}', ("json-syntax", 2, 1)),
        ('{"a": 1} x', ("json-syntax", 1, 10)),
        ('{"a": 1}{}', ("json-syntax", 1, 9)),
        ('{"a": [1}', ("json-syntax", 1, 9)),
        ('{"a":', ("json-syntax", 1, 6)),
        ('{"a": 1, "a": 2}', ("duplicate-key", 1, 10)),
        ('{"a": "\\u0000"}', ("bad-character", 1, 7)),
        ("[1]", ("not-a-mapping", 1, 1)),
        (" \n", ("empty-config", 1, 1)),
    ],
)
def test_json_forgives_nothing(text, problem):
    assert found(read(text, ".json")) == [problem]


def test_a_missing_file_is_a_problem_with_the_name_meant(tmp_path):
    (tmp_path / "digits.yaml").write_text("a: 1\n")
    (problem,) = compose(tmp_path / "digit.yaml").problems
    assert (problem.code, problem.suggestion) == ("missing-file", str(tmp_path / "digits.yaml"))
    (problem,) = compose(tmp_path).problems
    assert problem.code == "unreadable-file"


def test_a_python_config_is_not_run(tmp_path):
    path = tmp_path / "cfg.py"
    path.write_text("raise SystemExit('this ran')\n")
    (problem,) = compose(path).problems
    assert problem.code == "python-config"
    assert "write the same as YAML" in problem.message
