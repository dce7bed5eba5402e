"""`${…}`: references, the environment, and what goes wrong with them."""

from __future__ import annotations

import pytest

from runner.config import compose
from runner.errors import Location


def read(text, **environ):
    return compose("cfg.yaml", text=text, environ=environ)


VARS = "vars: {n: 3, x: 1e-3, root: /data, flag: true, none: null, l: [1, {a: 2}], m: {k: v}, 'a.b': 1}\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${vars.n}", 3),
        ("${ vars.n }", 3),
        ("'${vars.n}'", 3),
        ("!!str ${vars.n}", "3"),
        ("${vars.flag}", True),
        ("${vars.none}", None),
        ("${vars.l}", [1, {"a": 2}]),
        ("${vars.l.1.a}", 2),
        ("${vars.m}", {"k": "v"}),
        ('${vars."a.b"}', 1),
        ("${vars.root}/train", "/data/train"),
        ("${vars.root}/${vars.n}-${vars.x}-${vars.flag}-${vars.none}", "/data/3-0.001-true-null"),
        ("$${vars.n}", "${vars.n}"),
        ("a $${b} ${vars.n}", "a ${b} 3"),
        ("$${a}$${b}", "${a}${b}"),
        ("$5 {x} $", "$5 {x} $"),
        ("${env:TEXT}", "text"),
        ("${env:NUMBER}", 12),
        ("${env:NUMBER}px", "12px"),
        ("${env:TRUE}", True),
        ("${env:EMPTY}", ""),
        ("${env:LIST}", "[1, 2]"),
        ("!!str ${env:NUMBER}", "12"),
        ("${env:NOT_SET,4}", 4),
        ("${env:NOT_SET, a, b}", "a, b"),
        ("${env:NOT_SET,}", ""),
        ("${env:NOT_SET,{a}}", "{a}"),
        ("${env:NOT_SET,${vars.root}/x}", "/data/x"),
        ("${env:NOT_SET,${env:NUMBER}}", 12),
        ("${env:NUMBER,4}", 12),
    ],
)
def test_values(text, value):
    composition = read(VARS + f"a: {text}\n", TEXT="text", NUMBER="12", TRUE="true", EMPTY="", LIST="[1, 2]")
    assert composition.problems == []
    assert composition.data["a"] == value
    assert type(composition.data["a"]) is type(value)
    assert composition.raw["a"] == text.removeprefix("!!str ").strip("'")


def test_references_follow_references_and_lead_through_them():
    composition = read(
        "a: ${b}\nb: ${vars.c}/x\nvars: {c: '${vars.d.e}', d: '${vars.presets.one}', presets: {one: {e: 5}}}\n"
        "inner: {x: '${inner.y}', y: 1}\n"
    )
    assert composition.problems == []
    assert composition.data["a"] == "5/x"
    assert composition.data["vars"]["d"] == {"e": 5}
    assert composition.data["inner"] == {"x": 1, "y": 1}


def test_copies_share_nothing():
    data = read("a: {b: [1]}\nc: ${a}\nd: ${a}\n").data
    data["c"]["b"].append(2)
    assert data["a"] == data["d"] == {"b": [1]}


def test_a_value_stands_where_it_is_used_and_names_where_it_came_from():
    marks = read("vars:\n  opt: {lr: 0.1}\n  root: /x\na: ${vars.opt}\nb: ${vars.root}/y\n").marks
    used = marks.value_at(("a", "lr"))
    assert (used.line, used.column) == (4, 4)
    assert used.via == Location(file="cfg.yaml", line=2, column=13, width=3)
    assert marks.key_at(("a", "lr")).via == Location(file="cfg.yaml", line=2, column=9, width=2)
    assert marks.value_at(("a",)).via == Location(file="cfg.yaml", line=2, column=8)
    used = marks.value_at(("b",))
    assert (used.line, used.via.line) == (5, 3)


def test_what_the_environment_has_a_part_in_is_marked():
    composition = read(
        "a: ${env:TOKEN}\nb: ${a}\nc: x${b}\nd: [1, '${c}']\ne: ${d}\nf: ${env:NONE,1}\ng: 1\n", TOKEN="secret"
    )
    kinds = {name: composition.marks.value_at((name,)).kind for name in "abcfg"}
    assert kinds == dict.fromkeys("abcf", "environment") | {"g": "file"}
    assert composition.marks.value_at(("e", 1)).kind == "environment"
    assert composition.environment == {"TOKEN": "secret", "NONE": None}
    assert "secret" not in str(composition.raw)
    assert "secret" not in repr(composition)


@pytest.mark.parametrize(
    ("text", "code", "suggestion"),
    [
        ("${vars.roott}", "missing-variable", "root"),
        ("x${var.root}", "missing-variable", "vars"),
        ("${vars.l.5}", "missing-variable", None),
        ("${vars.n.k}", "missing-variable", None),
        ("${}", "bad-interpolation", None),
        ("${vars.root", "bad-interpolation", None),
        ("${vars..n}", "bad-interpolation", None),
        ("${ENV:HOME}", "bad-interpolation", None),
        ("${env:}", "bad-interpolation", None),
        ("${env:1A}", "bad-interpolation", None),
        ("${env:A b}", "bad-interpolation", None),
        ("x${vars.m}", "bad-interpolation", None),
        ("${env:NO,${vars.m}}", "bad-interpolation", None),
        ("${env:NO,${vars.nope}}", "missing-variable", "none"),
        ("${env:NOT_SET}", "missing-environment", None),
        ("${a}", "cyclic-interpolation", None),
        ("x/${a}", "cyclic-interpolation", None),
    ],
)
def test_mistakes(text, code, suggestion):
    composition = read(VARS + f"a: {text}\n")
    (problem,) = composition.problems
    assert (problem.code, problem.suggestion, problem.path) == (code, suggestion, "a")
    assert (problem.origin.line, problem.origin.column) == (2, 4)
    assert composition.unresolved == {("a",)}


@pytest.mark.parametrize(
    "text",
    [
        "a: ${b}\nb: ${c}\nc: x${a}\n",
        "a: {b: '${a}'}\n",
        "a: {b: '${c}'}\nc: ['${a}']\n",
        "a: ${b.c}\nb: ${a}\n",
        "a: ${env:X,${a}}\n",
    ],
)
def test_cycles(text):
    (problem,) = read(text).problems
    assert problem.code == "cyclic-interpolation"
    assert "->" in problem.message


def test_one_mistake_is_one_problem_however_often_it_is_used():
    composition = read("a: ${nope}\nb: ${a}\nc: x${b}\nd: [1, '${a}']\n")
    assert [problem.path for problem in composition.problems] == ["a"]
    assert composition.unresolved == {("a",), ("b",), ("c",), ("d", 1)}


def test_the_message_of_a_missing_variable_says_what_there_is():
    (problem,) = read("a: ${HOME}\n", HOME="/root").problems
    assert "${env:HOME}" in problem.message


def test_references_see_what_bases_and_overrides_bring(tmp_path):
    (tmp_path / "base.yaml").write_text("vars: {root: /a}\npath: ${vars.root}/x\n")
    (tmp_path / "cfg.yaml").write_text("_base_: base.yaml\nvars: {root: /b}\n")
    assert compose(tmp_path / "cfg.yaml").data["path"] == "/b/x"
    assert compose(tmp_path / "cfg.yaml", overrides=["vars.root=/c"]).data["path"] == "/c/x"
