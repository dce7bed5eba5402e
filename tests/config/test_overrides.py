"""The command line's changes: `-o a.b=1` and `--unset a.b`."""

from __future__ import annotations

import pytest

from runner.config import compose
from runner.errors import Location

TEXT = """\
optim:
  type: SGD
  lr: 0.1
hooks:
  - {type: A, interval: 1}
  - {type: B}
nothing: null
vars: {lr: 3, opt: {type: Adam}}
ref: ${vars.lr}
whole: ${vars.opt}
"""


def change(*overrides, unset=()):
    return compose("cfg.yaml", text=TEXT, overrides=overrides, unset=unset, environ={"N": "4"})


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("optim.lr=1e-2", ("optim", "lr"), 0.01),
        ("optim.lr='1'", ("optim", "lr"), "1"),
        ("optim.lr=", ("optim", "lr"), None),
        ("optim.name=a=b", ("optim", "name"), "a=b"),
        ("hooks.0.interval=5", ("hooks", 0, "interval"), 5),
        ("hooks.1=3", ("hooks", 1), 3),
        ("hooks=[1, {a: 2}]", ("hooks",), [1, {"a": 2}]),
        ("optim={lr: 2}", ("optim",), {"type": "SGD", "lr": 2}),
        ("optim={_delete_: true, lr: 2}", ("optim",), {"lr": 2}),
        ("a.b.c=1", ("a",), {"b": {"c": 1}}),
        ("nothing.x=1", ("nothing",), {"x": 1}),
        ("vars.lr=9", ("ref",), 9),
        ("vars.opt.type=SGD", ("whole", "type"), "SGD"),
        ("optim.lr=${vars.lr}", ("optim", "lr"), 3),
        ("optim.lr=${env:N}", ("optim", "lr"), 4),
        ("optim.custom_keys.'a.b'.x=1", ("optim", "custom_keys"), {"a.b": {"x": 1}}),
        ("x=  y z ", ("x",), "y z"),
    ],
)
def test_values_are_yaml(override, path, value):
    composition = change(override)
    assert composition.problems == []
    data = composition.data
    for part in path:
        data = data[part]
    assert data == value
    assert type(data) is type(value)


def test_an_override_is_a_line_of_the_command_line():
    composition = change("optim.lr=1", "optim.momentun=0.9")
    place = Location(file="<command line>", line=2, column=7, width=8, kind="override")
    assert composition.marks.key_at(("optim", "momentun")) == place
    assert composition.marks.value_at(("optim", "momentun")).column == 16
    assert composition.sources["<command line>"].split("\n") == ["optim.lr=1", "optim.momentun=0.9"]
    # A misspelt mapping on the way stands at its own word.
    composition = change("optin.lr=1")
    assert composition.marks.key_at(("optin",)) == Location(
        file="<command line>", line=1, column=1, width=5, kind="override"
    )


@pytest.mark.parametrize(
    ("override", "code", "column"),
    [
        ("optim.lr", "bad-override", 1),
        ("=1", "bad-override", 1),
        ("optim..lr=1", "bad-override", 1),
        ("hooks.7.type=A", "bad-override", 7),
        ("hooks.first=A", "bad-override", 7),
        ("optim.lr.x=1", "bad-override", 10),
        ("whole.type=1", "bad-override", 7),
        ("optim.lr=[1", "yaml-syntax", 12),
        ("optim.lr={a: 1, a: 2}", "duplicate-key", 17),
        ("optim.lr=!x 1", "unknown-tag", 10),
        ("optim.lr=${vars.lx}", "missing-variable", 10),
        ("optim.lr=1\n---\n2", "several-documents", 12),
    ],
)
def test_bad_overrides(override, code, column):
    (problem,) = change("vars.lr=1", override).problems
    assert (problem.code, problem.origin.file, problem.origin.line, problem.origin.column) == (
        code,
        "<command line>",
        2,
        column,
    )


def test_an_override_does_not_reach_what_shares_an_anchor():
    composition = compose("c.yaml", text="a: &x {k: 1}\nb: *x\n", overrides=["a.k=2"])
    assert composition.data == {"a": {"k": 2}, "b": {"k": 1}}


def test_unset_happens_before_overrides_and_counts_old_indices():
    composition = change("optim.lr=7", unset=["optim", "hooks.0", "hooks.1", "vars.lr", "ref"])
    assert composition.problems == []
    assert composition.data["optim"] == {"lr": 7}
    assert composition.data["hooks"] == []
    assert composition.data["vars"] == {"opt": {"type": "Adam"}}


def test_unset_of_what_is_not_there():
    (problem,) = change("x=1", unset=["optim.lr", "optim.tipe"]).problems
    assert (problem.code, problem.suggestion) == ("unknown-key", "type")
    assert (problem.origin.line, problem.origin.column) == (3, 7)


def test_unset_takes_no_value():
    assert [problem.code for problem in change(unset=["optim.lr=1"]).problems] == ["bad-override"]
